resnet::resnet! {
    pub struct Network {
        model: cifar,
        weights: 7,
        batch: "two",
        without: "fold_batch_norm",
    }
}

fn main() {}
