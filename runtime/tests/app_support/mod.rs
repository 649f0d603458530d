//! A network that says which colour a picture is, and the standalone program around it.

#![allow(dead_code, reason = "each test needs a part")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use resnet::app;
use resnet::error::Error;
use resnet::network::{Color, Input, Interpolation, Network, Output, Preprocess, Resize, Rounding};
use resnet::program::{Model, Options};
use resnet::{Outputs, Step, Timing, Traced};

/// Four by four pixels.
pub const RULES: Preprocess = Preprocess {
    resize: Resize::ShorterSide(4),
    interpolation: Interpolation::Bilinear,
    antialias: true,
    crop: Some([4, 4]),
    rounding: Rounding::HalfToEven,
    color: Color::Rgb,
    scale: 1.0 / 255.0,
    mean: [0.0; 3],
    std: [1.0; 3],
};

/// The network with one output.
pub const COLORS: Network = Network {
    name: "colors",
    description: "Says which colour a picture is.",
    inputs: &[Input { name: "image", shape: &[2, 3, 4, 4], channels_last: false }],
    outputs: &[LOGITS],
    parameters: 1,
    macs: 2,
    passes: &["fold"],
    steps: 3,
    arena_bytes: 4,
    weight_bytes: 5,
    weights: "none",
    checksums: &[("model", "abc")],
    compiler: "0.1.0",
    preprocess: Some(RULES),
    labels: &["red", "green", "blue"],
};

pub const LOGITS: Output = Output { name: "logits", shape: &[2, 3], softmax: false };

/// The picture itself, what is in it twice as much, and the logits: the second vector.
pub const SEVERAL: Network = Network {
    outputs: &[
        Output { name: "maps/0", shape: &[2, 3, 4, 4], softmax: false },
        Output { name: "aux", shape: &[2, 6], softmax: false },
        LOGITS,
    ],
    ..COLORS
};

/// What [`Colors`] may describe itself as.
pub trait Described: Send + 'static {
    const NETWORK: Network;
}

macro_rules! described {
    ($($name:ident: $network:expr;)*) => {
        $(
            pub struct $name;

            impl Described for $name {
                const NETWORK: Network = $network;
            }
        )*
    };
}

described! {
    One: COLORS;
    NoPictures: Network { preprocess: None, ..COLORS };
    NoLabels: Network { labels: &[], ..COLORS };
    OtherLabels: Network { labels: &["red", "green"], ..COLORS };
    Several: SEVERAL;
    SeveralNoLabels: Network { labels: &[], ..SEVERAL };
    Maps: Network { outputs: &[Output { name: "maps/0", shape: &[2, 3, 4, 4], softmax: false }], ..COLORS };
}

/// Gives the mean of each channel, ten times; before it, of several outputs, the picture and the picture's first six values.
pub struct Colors<D>(Vec<f32>, usize, std::marker::PhantomData<D>);

impl<D: Described> Model for Colors<D> {
    const NETWORK: &'static Network = &D::NETWORK;

    fn open(options: Options) -> Result<Self, Error> {
        // Stands for every error that a real network has.
        match options.threads {
            Some(1001) => return Err(Error::WeightsChecksum { found: 1, expected: 2 }),
            Some(1002) => return Err(Error::Threads { found: 1002 }),
            Some(1003) => return Err(Error::UnsupportedIsa { found: resnet::Kind::Neon }),
            Some(1004) => return Err(Error::WeightsUnreadable { path: "w.bin".into(), reason: "gone".into() }),
            _ => {}
        }
        Ok(Self(Vec::new(), options.threads.unwrap_or(7), std::marker::PhantomData))
    }

    fn run(&mut self, input: &[f32]) -> Result<Outputs<'_>, Error> {
        assert_eq!(input.len(), 96);
        self.0.clear();
        for output in Self::NETWORK.outputs {
            match output.name {
                "maps/0" => self.0.extend(input),
                "aux" => self.0.extend(input.chunks(48).flat_map(|image| &image[..6])),
                _ => self.0.extend(input.chunks(16).map(|plane| plane.iter().sum::<f32>() / 1.6)),
            }
        }
        Ok(Outputs::new(Self::NETWORK.outputs, &self.0).unwrap())
    }

    fn isa(&self) -> &'static str {
        "portable"
    }

    fn threads(&self) -> usize {
        self.1
    }

    fn steps(&self) -> &'static [Step] {
        &[]
    }

    fn timings(&mut self, input: &[f32]) -> Result<Vec<Timing>, Error> {
        self.run(input).map(|_| Vec::new())
    }

    fn trace(&mut self, input: &[f32], visit: &mut dyn FnMut(Traced<'_>)) -> Result<(), Error> {
        let values = self.run(input)?.values();
        // The first step runs image by image.
        for (image, values) in values.chunks(3).enumerate() {
            visit(Traced { step: 0, name: "mean", image, shape: [1, 3, 1, 1], values });
        }
        visit(Traced { step: 2, name: "logits", image: 0, shape: [2, 3, 1, 1], values });
        Ok(())
    }
}

pub fn call<M: Model>(arguments: &[&str]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let all = std::iter::once("colors").chain(arguments.iter().copied()).map(OsString::from);
    let code = app::run::<M>(all, &mut out, &mut err, false);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

pub fn colors(arguments: &[&str]) -> (u8, String, String) {
    call::<Colors<One>>(arguments)
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/pictures").join(name)
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A `.npy` file.
pub fn npy(header: &str, values: &[f32]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}
