resnet::resnet! {
    pub struct Network {
        model: "models/bad.yaml",
        weights: "seed:1",
    }
}

fn main() {}
