resnet::resnet! {
    pub struct Network {
        model: "models/backbone.onnx",
    }
}

fn main() {
    let mut network = Network::new().unwrap();
    let outputs = network.infer(&[[[[0.0; 32]; 32]; 3]; 1]);
    let _: &[[f32; 16]; 1] = outputs.embedding;
    let _: &[[f32; 10]; 1] = outputs.embedding;
    let _ = outputs.c4;
}
