resnet::resnet! {
    pub struct Network {
        model: "mlperf-tiny-resnet8",
        weights: "models/empty.safetensors",
    }
}

fn main() {}
