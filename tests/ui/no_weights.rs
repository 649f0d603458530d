resnet::resnet! {
    pub struct Network {
        model: "caffe-resnet50",
    }
}

fn main() {}
