resnet::resnet! {
    pub struct Network {
        model: "cifar-resnet20",
        preprocess: "torchvision",
        resize: 28,
        std: [0.2, 0, 0.2],
        labels: ["cat", "dog"],
    }
}

resnet::resnet! {
    pub struct Small {
        model: "cifar-resnet20",
        resize: [28, 28],
        labels: "cifar100",
    }
}

resnet::resnet! {
    pub struct Unread {
        model: "cifar-resnet20",
        preprocess: "keras",
        crop_fraction: "0.9",
        interpolation: bicubic,
        mean: 0.5,
        labels: "models/none.txt",
    }
}

resnet::resnet! {
    pub struct NoLabels {
        model: "cifar-resnet20",
        labels: "models/none.txt",
    }
}

fn main() {}
