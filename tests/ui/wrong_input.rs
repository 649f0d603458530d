resnet::resnet! {
    pub struct Network {
        model: "cifar-resnet20",
    }
}

fn main() {
    let mut network = Network::new().unwrap();
    let _ = network.infer(&[[[[0.0; 32]; 32]; 1]; 1]);
}
