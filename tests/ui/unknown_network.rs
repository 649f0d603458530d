resnet::resnet! {
    pub struct Network {
        model: "cifar-resnet21",
    }
}

fn main() {}
