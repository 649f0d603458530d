//! What a compiled program knows about its network besides how to run it.

/// The description of a compiled network, a constant of its program.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Network {
    /// The network's name.
    pub name: &'static str,
    /// One sentence about it, or empty.
    pub description: &'static str,
    /// The input's name.
    pub input: &'static str,
    /// The shape of the caller's input buffer: `[N, C, H, W]`, or `[N, H, W, C]` when `channels_last`.
    pub input_shape: [usize; 4],
    /// Whether the caller's input buffer has its channels last.
    pub channels_last: bool,
    /// The output's name.
    pub output: &'static str,
    /// The shape of the output: `[N, classes]` or `[N, C, H, W]`.
    pub output_shape: &'static [usize],
    /// Whether the output went through softmax already.
    pub softmax: bool,
    /// Trainable parameters, before any pass.
    pub parameters: u64,
    /// Multiply-accumulates of convolutions and dense layers for one image.
    pub macs: u64,
    /// Names of the passes that ran, in order.
    pub passes: &'static [&'static str],
    /// Layers after the passes: steps of the program.
    pub steps: usize,
    /// Bytes of activations held at a time.
    pub arena_bytes: u64,
    /// Bytes of packed weights.
    pub weight_bytes: u64,
    /// Where the weights came from.
    pub weights: &'static str,
    /// SHA-256 of the model, the packed weights and the generated code's plan, in hexadecimal, each with its name.
    pub checksums: &'static [(&'static str, &'static str)],
    /// Version of the compiler.
    pub compiler: &'static str,
    /// How a picture becomes the input.
    pub preprocess: Option<Preprocess>,
    /// A label per class, or empty.
    pub labels: &'static [&'static str],
}

/// How a picture becomes the network's input, in this order: resize, crop, channel order, `(x * scale - mean) / std`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preprocess {
    /// What the picture is resized to.
    pub resize: Resize,
    /// How it is resampled.
    pub interpolation: Interpolation,
    /// Whether the filter widens when a picture shrinks, as Pillow's does.
    pub antialias: bool,
    /// Height and width of the part cut from the middle, after resizing.
    pub crop: Option<[usize; 2]>,
    /// The order of the channels.
    pub color: Color,
    /// What an 8-bit value is multiplied with first: 1/255 for a range of 0 to 1, 1 for 0 to 255.
    pub scale: f64,
    /// Subtracted per channel, after scaling, in the order of `color`.
    pub mean: [f64; 3],
    /// Divided by per channel, in the order of `color`.
    pub std: [f64; 3],
}

/// What a picture is resized to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// The shorter side to this length, the other in proportion, rounded down as torchvision does.
    ShorterSide(usize),
    /// To this height and width, whatever the proportion.
    Exact([usize; 2]),
}

/// How a picture is resampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// The nearest pixel.
    Nearest,
    /// A triangle filter.
    Bilinear,
    /// Keys' cubic filter with a = -0.5, Pillow's.
    Bicubic,
}

/// The order of a picture's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}
