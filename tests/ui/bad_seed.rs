resnet::resnet! {
    pub struct Network {
        model: "cifar-resnet20",
        weights: "seed:many",
    }
}

fn main() {}
