resnet::resnet! {
    pub struct Network {
        model: "resnet50",
    }
}

fn main() {}
