resnet::resnet! {
    pub struct Network {
        model: "cifar-resnet20",
        batch: 1,
        batch: 2,
    }
}

fn main() {}
