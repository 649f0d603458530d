resnet::resnet! {
    pub struct Network {
        model: "cifar-resnet20",
        wieghts: "seed:1",
    }
}

fn main() {}
