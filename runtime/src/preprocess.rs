//! How a picture becomes a network's input. The compiler includes this very file.

use std::fmt;

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
    /// Where the part lies when its middle falls between two pixels.
    pub rounding: Rounding,
    /// The order of the channels.
    pub color: Color,
    /// What an 8-bit value is multiplied with first: 1/255 for a range of 0 to 1, 1 for 0 to 255.
    pub scale: f64,
    /// Subtracted per channel, after scaling, in the order of `color`.
    pub mean: [f64; 3],
    /// Divided by per channel, in the order of `color`.
    pub std: [f64; 3],
}

/// `shorter side 256, bilinear; crop 224x224; rgb; (x / 255 - [0.5, 0.5, 0.5]) / [0.5, 0.5, 0.5]`: sizes are height by width.
impl fmt::Display for Preprocess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.resize {
            Resize::ShorterSide(side) => write!(f, "shorter side {side}")?,
            Resize::Cover([height, width]) => write!(f, "cover {height}x{width}")?,
            Resize::Exact([height, width]) => write!(f, "squash to {height}x{width}")?,
        }
        f.write_str(match (self.interpolation, self.antialias) {
            (Interpolation::Nearest, _) => ", nearest",
            (Interpolation::Bilinear, true) => ", bilinear",
            (Interpolation::Bilinear, false) => ", bilinear without antialias",
            (Interpolation::Bicubic, true) => ", bicubic",
            (Interpolation::Bicubic, false) => ", bicubic without antialias",
        })?;
        if let Some([height, width]) = self.crop {
            write!(f, "; crop {height}x{width}")?;
        }
        f.write_str(match self.color {
            Color::Rgb => "; rgb; ",
            Color::Bgr => "; bgr; ",
        })?;
        if self.scale == 1.0 {
            write!(f, "(x - {:?}) / {:?}", self.mean, self.std)
        } else {
            write!(f, "(x / {} - {:?}) / {:?}", (1e6 / self.scale).round() / 1e6, self.mean, self.std)
        }
    }
}

/// What a picture is resized to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// The shorter side to this length, the other in proportion, rounded down as torchvision does.
    ShorterSide(usize),
    /// In proportion, as small as covers this height and width, rounded as timm's `ResizeKeepRatio` does.
    Cover([usize; 2]),
    /// To this height and width, whatever the proportion.
    Exact([usize; 2]),
}

/// How half a pixel at the upper left corner of a crop is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// To the even neighbour, as torchvision and timm do.
    HalfToEven,
    /// Down, towards the upper left, as Hugging Face's processors do.
    Down,
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
