//! Networks inside a program: one that ships with the compiler, trained, as a classifier and as a backbone, and two of our own.

use std::error::Error;

resnet::resnet! {
    /// Tells what a picture of 32x32 pixels shows.
    pub struct Cifar {
        model: "cifar-resnet20",
    }
}

resnet::resnet! {
    /// Our own design, two pictures per call.
    pub struct Small {
        model: "models/small.yaml",
        weights: "seed:1",
        batch: 2,
    }
}

resnet::resnet! {
    /// Maps of two sizes, what they come down to, and the logits.
    pub struct Backbone {
        model: "models/backbone.onnx",
    }
}

/// How strong each channel of the smaller maps is, relative to all.
fn profile(network: &mut Backbone, picture: &[[[[f32; 32]; 32]; 3]; 1]) -> [f32; 16] {
    let outputs = network.infer(picture);
    let maps: &[[[[f32; 8]; 8]; 16]; 1] = outputs.c3;
    let [means]: &[[f32; 16]; 1] = outputs.embedding;
    assert_eq!(maps[0].len(), means.len());
    let all: f32 = means.iter().sum();
    means.map(|mean| mean / all)
}

resnet::resnet! {
    /// The maps of two stages, and what they come down to.
    pub struct Features {
        model: "cifar-resnet20",
        outputs: ["stage2", "stage3", "embedding"],
    }
}

/// The 64 numbers that describe a picture, and the first of the maps that they are the means of.
fn describe<'a>(network: &'a mut Features, picture: &[[[[f32; 32]; 32]; 3]; 1]) -> (&'a [f32; 64], &'a [[f32; 8]; 8]) {
    let outputs = network.infer(picture);
    (&outputs.embedding[0], &outputs.stage3[0][0])
}

/// 32 rows of 32 pixels, red, green and blue.
static PICTURE: &[u8; 32 * 32 * 3] = include_bytes!("cat.rgb");

fn main() -> Result<(), Box<dyn Error>> {
    let mut cifar = Cifar::new()?;
    let logits = cifar.infer(&normalised(PICTURE))[0];
    let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap_or(0);
    println!("{}: {}", Cifar::NAME, Cifar::LABELS[best]);

    let mut small = Small::new()?;
    let picture = normalised(PICTURE)[0];
    let logits = small.infer(&[picture, picture]);
    assert_eq!(logits[0], logits[1]);
    println!("{}: {} parameters, {:?}", Small::NAME, Small::PARAMETERS, Small::OUTPUT_SHAPE);

    let profile = profile(&mut Backbone::new()?, &normalised(PICTURE));
    assert!((profile.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    let names: Vec<&str> = Backbone::OUTPUTS.iter().map(|output| output.name).collect();
    println!("{}: {}", Backbone::NAME, names.join(", "));

    let mut features = Features::new()?;
    let (embedding, map) = describe(&mut features, &normalised(PICTURE));
    let mean = map.iter().flatten().sum::<f32>() / 64.0;
    assert!((mean - embedding[0]).abs() < 1e-5);
    let names: Vec<&str> = Features::OUTPUTS.iter().map(|output| output.name).collect();
    println!("features: {}", names.join(", "));
    Ok(())
}

/// The input of the networks: planes of colour, with the mean and the standard deviation of the training pictures removed.
fn normalised(picture: &[u8; 32 * 32 * 3]) -> [[[[f32; 32]; 32]; 3]; 1] {
    const MEAN: [f32; 3] = [0.4914, 0.4822, 0.4465];
    const STD: [f32; 3] = [0.2470, 0.2435, 0.2616];
    let mut input = [[[[0.0; 32]; 32]; 3]; 1];
    for (index, value) in picture.iter().enumerate() {
        let (channel, column, row) = (index % 3, index / 3 % 32, index / 96);
        input[0][channel][row][column] = (f32::from(*value) / 255.0 - MEAN[channel]) / STD[channel];
    }
    input
}
