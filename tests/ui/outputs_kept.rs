resnet::resnet! {
    pub struct Network {
        model: "models/backbone.onnx",
    }
}

fn main() {
    let mut network = Network::new().unwrap();
    let image = [[[[0.0; 32]; 32]; 3]; 1];
    let first = network.infer(&image);
    let second = network.infer(&image);
    assert_eq!(first.logits, second.logits);
}
