//! How a picture becomes a network's input. The compiler includes this very file.

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
