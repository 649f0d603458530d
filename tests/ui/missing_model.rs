resnet::resnet! {
    pub struct Network {
        batch: 2,
    }
}

fn main() {}
