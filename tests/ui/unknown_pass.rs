resnet::resnet! {
    pub struct Network {
        model: "cifar-resnet20",
        without: ["fold_batch_nrom"],
    }
}

fn main() {}
