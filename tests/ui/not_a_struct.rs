resnet::resnet! {
    pub enum Network {
        model: "cifar-resnet20",
    }
}

fn main() {}
