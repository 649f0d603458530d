resnet::resnet! {
    pub struct Network<T> {
        model: "cifar-resnet20",
    }
}

fn main() {}
