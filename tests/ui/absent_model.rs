resnet::resnet! {
    pub struct Network {
        model: "models/nothing.yaml",
    }
}

fn main() {}
