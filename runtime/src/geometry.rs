//! Shapes and layouts of a compiled network, as constants of its program.
//!
//! **Maps.** Inside a network a map lies in the arena as `[batch][blocks][frame + height + frame][frame + width + frame][block]`
//! f32 values: channels in blocks of 16 (`NCHW16c`), so that one pixel of a block is one 64-byte line. The network's own input, when it
//! has fewer than 16 channels, is one block of just as many. The frame is a border of zeros as wide as the widest padding of
//! any layer that reads the map; the step that writes a map writes its frame too. Lanes past the last channel are zero, always.
//!
//! **Vectors.** `[batch][features rounded up to 16]`, zeros behind the last feature; the same bytes as a map of 1 x 1 pixels without frame.
//!
//! **Arrays.** What a loop nest reads and writes: any axes in row-major order without gaps. It is described as a map of one channel, one row
//! and a block of one, as wide as the array is long.
//!
//! **Panels.** The weights of a convolution are panels of 16 output channels, one after the other. A panel is its bias, `[16]`, then
//! its weights, `[K][16]`, where K walks the input in the order (block of the panel's window, kernel row, kernel column, lane). For a
//! convolution by [`Winograd`] the weights are, for each factor of the transformed kernel, row by row, `[K][16]` with K in the order (block of the
//! panel's window, lane), or (row of a pair, column of a pair, lane) where pixels are taken in pairs. By [`Strassen`] a panel is a pair: one of the first half of the output channels and the corresponding one of the
//! second half. It is their two biases, then, for each pass, for each product in the order P1, P2, P6, P5, P3, P7, P4, the weights that the
//! product takes, with P4's negated, `[K][16]` with K over the channels of half a pass. For a [`Grouped`] convolution they are
//! `[K][16]` with K in the order (kernel row, channel of the group, kernel column), of the output channel's own group. Channels that do not exist, and pairs of channels of
//! different groups, have zero weights; the bias of output
//! channels that do not exist is what the activation takes to zero ([`Activation::idle`]). The window of a panel is the run of input
//! blocks that its output channels read: all blocks without groups. Behind the panels of a convolution of two results are a scale and a
//! shift for each output channel, `[channels]` each. A dense layer's panels are of `panel` (16 or 32) units, `[K][panel]`
//! with K over the features. Each layer's panels start on a 64-byte line.
//!
//! All offsets and lengths count f32 values.

use super::scalar::{Combine, Fold, Function};

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// Channels per block inside a network.
pub const BLOCK: usize = 16;

/// Widths of the border of zeros around a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Frame {
    /// No border.
    pub const NONE: Self = Self { top: 0, left: 0, bottom: 0, right: 0 };

    /// Whether there is no border.
    pub const fn is_none(self) -> bool {
        self.top == 0 && self.left == 0 && self.bottom == 0 && self.right == 0
    }
}

/// How often a step runs, and where it finds each image.
///
/// Steps with a count above 1 that follow each other run image by image: all of them for the first image, then all for the second. Their
/// geometries are those of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Images {
    /// How often the step runs.
    pub count: usize,
    /// Whether there is an input for each time, one after another, or one place for all.
    pub input: bool,
    /// The same for the second input.
    pub other: bool,
    /// The same for the output.
    pub output: bool,
}

impl Images {
    /// All images at once.
    pub const TOGETHER: Self = Self { count: 1, input: false, other: false, output: false };
}

/// What else lies in the planes and images of a map that is a part of a larger one: some rows of it, or some blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// Rows of each plane, above and below the part.
    pub rows: usize,
    /// Blocks of each image, before and behind the part.
    pub blocks: usize,
}

impl Rest {
    /// Nothing: the map is whole.
    pub const NONE: Self = Self { rows: 0, blocks: 0 };

    /// Whether the map is whole.
    pub const fn is_none(self) -> bool {
        self.rows == 0 && self.blocks == 0
    }
}

/// A map of one image, as it lies in the arena; whole, or a part of a larger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Map {
    /// Channels that exist.
    pub channels: usize,
    /// Rows, without the frame.
    pub height: usize,
    /// Columns, without the frame.
    pub width: usize,
    /// Channels per block: [`BLOCK`], or fewer for the network's input.
    pub block: usize,
    /// The border of zeros. Above and below a part of a map there may be rows of the map instead.
    pub frame: Frame,
    /// What else lies in the same planes and images.
    pub rest: Rest,
}

impl Map {
    /// Number of blocks.
    pub const fn blocks(self) -> usize {
        self.channels.div_ceil(self.block)
    }

    /// Distance of two rows of a block.
    pub const fn row(self) -> usize {
        (self.frame.left + self.width + self.frame.right) * self.block
    }

    /// Rows of a block, with those of the frame.
    pub const fn rows(self) -> usize {
        self.frame.top + self.height + self.frame.bottom
    }

    /// Distance of two blocks.
    pub const fn plane(self) -> usize {
        (self.rows() + self.rest.rows) * self.row()
    }

    /// Distance of two images.
    pub const fn len(self) -> usize {
        (self.blocks() + self.rest.blocks) * self.plane()
    }

    /// Values from the first to the last of so many images, of which there is at least one.
    pub const fn span(self, images: usize) -> usize {
        (images - 1) * self.len() + (self.blocks() - 1) * self.plane() + self.rows() * self.row()
    }

    /// Offset of a block, counted over all images.
    pub const fn block_at(self, block: usize) -> usize {
        if self.rest.blocks == 0 {
            block * self.plane()
        } else {
            block / self.blocks() * self.len() + block % self.blocks() * self.plane()
        }
    }

    /// Values of an image that belong to the map, with its frame.
    pub const fn values(self) -> usize {
        self.blocks() * self.rows() * self.row()
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Offset of the first pixel inside the frame.
    pub const fn interior(self) -> usize {
        self.frame.top * self.row() + self.frame.left * self.block
    }
}

/// What a step applies to its result last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `min(max(x + 3, 0), 6) / 6`
    HardSigmoid,
    /// `x * min(max(x + 3, 0), 6) / 6`
    HardSwish,
    /// `x / (1 + exp(-x))`
    Silu,
    /// `tanh(x)`
    Tanh,
}

impl Activation {
    /// A sum that the activation takes to zero: the bias of output channels that do not exist.
    pub const fn idle(self) -> f32 {
        match self {
            Self::None | Self::Relu | Self::Relu6 | Self::HardSwish | Self::Silu | Self::Tanh => 0.0,
            Self::Sigmoid | Self::HardSigmoid => -1e30,
        }
    }
}

/// How a convolution is computed, and so the way its work is split among threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Sums of products.
    Direct(Direct),
    /// Winograd's minimal filtering, for 3 x 3 kernels of stride 1 or 2 and 7 x 7 kernels of stride 2 over the network's input.
    Winograd(Winograd),
    /// Strassen's multiplication, for 1 x 1 kernels.
    Strassen(Strassen),
    /// Sums of products within groups of few channels.
    Grouped(Grouped),
}

/// Sums of products, in the order: for each band of output pixels, for each run of sums, for each pass over some of the input
/// channels, for each panel, for each register tile of the band.
///
/// A band's inputs of one pass stay in a second-level cache while all panels read them; a panel's weights of one pass stay in the
/// first-level cache while all tiles of the band read them. Between passes the sums lie in scratch memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Direct {
    /// Output pixels per band, at least; whole register tiles.
    pub band: usize,
    /// Input blocks per pass.
    pub depth: usize,
    /// Sums per run, at least; whole register tiles. Of no matter when one pass does it all.
    pub sums: usize,
}

/// Winograd's minimal filtering F(m x m, r x r): a tile of m x m outputs from fewer products per pair of channels than the
/// r x r x m x m of their sums (Lavin and Gray, arXiv 1509.09308). The kernel's side r is 3, but for the last kind below.
///
/// `Y = A^T [U * V] A` with `V = B^T d B` of the input, `U = G g G^T` of the kernel, which the compiler computes and packs, and
/// the product `*` element by element, summed over the input channels.
///
/// At stride 1, there are m + 2 inputs and products along each side of a tile. The points are 0, 1, -1 and infinity for m = 2, and
/// 0, p, -p, q, -q and infinity with p = sqrt(1/2), q = sqrt(2) for m = 4, which keep rounding errors small
/// (Barabasz et al., arXiv 1803.10986). A last tile with n outputs along a side, fewer than m, has n + r - 1 products there: at the first
/// n + r - 2 points and infinity, with the factors of the others.
///
/// At stride 2, there are 2 m + 1. The first m + 1 products along a side are F(m, 2) of the even inputs with the kernel's first and last
/// tap, at the points 0, 1 and infinity for m = 2, and 0, 1, -1, 1/2 and infinity for m = 4; the other m are the odd inputs with the
/// middle tap, which is one factor for all of them.
///
/// A 7 x 7 kernel of stride 2 over few channels is, over pixels taken two by two, a 4 x 4 kernel of stride 1 over four times as many
/// channels, whose eighth row and column of taps are zero: F(3 x 3, 4 x 4), at the same points as F(4 x 4, 3 x 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Winograd {
    /// Outputs along each side of a tile, m: 2 or 4 for 3 x 3 kernels, 3 for 7 x 7 kernels of stride 2.
    pub outputs: usize,
    /// Tiles that are transformed and multiplied together.
    pub group: usize,
}

/// One level of Strassen's multiplication (Strassen 1969), in Winograd's form with 15 additions, for 1 x 1 kernels that read every pixel.
///
/// Pixels, input channels and output channels are halved each: with A the inputs and B the weights, as matrices of 2 x 2 quarters,
/// seven products of quarters take the place of eight:
///
/// ```text
/// S1 = A21 + A22   T1 = B12 - B11   P1 = A11 B11   P5 = S1 T1   C11 = P1 + P2
/// S2 = S1 - A11    T2 = B22 - T1    P2 = A12 B21   P6 = S2 T2   C12 = P1 + P6 + P5 + P3
/// S3 = A11 - A21   T3 = B22 - B12   P3 = S4 B22    P7 = S3 T3   C21 = P1 + P6 + P7 - P4
/// S4 = A12 - S2    T4 = T2 - B21    P4 = A22 T4                 C22 = P1 + P6 + P7 + P5
/// ```
///
/// The halves of the pixels are those of an image, row by row: when their number is odd, both have the middle one, which is written
/// once. The halves of the input channels are halves of each pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strassen {
    /// Pairs of pixels per band, at least; whole register tiles. Their sums S stay in a second-level cache while all panels read them.
    pub band: usize,
    /// Input blocks of each half of a pass; the panel's window is a whole number of passes.
    pub depth: usize,
}

impl Strassen {
    /// Products of quarters.
    pub const PRODUCTS: usize = 7;

    /// Passes over the input blocks of a window.
    pub const fn passes(self, window: usize) -> usize {
        window / (2 * self.depth)
    }

    /// Length of a pair of panels for such a window, biases included.
    pub const fn panel(self, window: usize) -> usize {
        (2 + Self::PRODUCTS * (window / 2) * BLOCK) * BLOCK
    }
}

impl Winograd {
    /// Most channels of a map whose pixels are taken in pairs.
    pub const MOST_IN_PAIRS: usize = BLOCK / 4;

    /// Whether pixels are taken two by two, so that a kernel of stride 2 is one of stride 1 over four times as many channels.
    pub const fn in_pairs(self) -> bool {
        self.outputs == 3
    }

    /// Height and width of the kernels.
    pub const fn kernel(self) -> usize {
        if self.in_pairs() { 7 } else { 3 }
    }

    /// Taps along each side of a kernel.
    pub const fn taps(self) -> usize {
        if self.in_pairs() { 4 } else { 3 }
    }

    /// Channels of a block of input, as the products see it.
    pub const fn channels(self, block: usize) -> usize {
        if self.in_pairs() { 4 * block } else { block }
    }

    /// The points but infinity, of the even inputs where there is a stride.
    pub const fn points(self, stride: usize) -> &'static [f64] {
        match (self.step(stride), self.outputs) {
            (1, 2) => &[0.0, 1.0, -1.0],
            (1, _) => &[0.0, FRAC_1_SQRT_2, -FRAC_1_SQRT_2, SQRT_2, -SQRT_2],
            (_, 2) => &[0.0, 1.0],
            (..) => &[0.0, 1.0, -1.0, 0.5],
        }
    }

    /// Inputs between neighbouring outputs, of a convolution of such a stride.
    const fn step(self, stride: usize) -> usize {
        if self.in_pairs() { 1 } else { stride }
    }

    /// Products, and inputs, along each side of a tile.
    pub const fn side(self, stride: usize) -> usize {
        self.step(stride) * (self.outputs - 1) + self.taps()
    }

    /// Products per tile and pair of channels.
    pub const fn products(self, stride: usize) -> usize {
        self.side(stride) * self.side(stride)
    }

    /// Distinct factors along each side of a transformed kernel; the last stands for all products from there on.
    pub const fn factors(self) -> usize {
        self.outputs + self.taps() - 1
    }

    /// Tiles along a side of so many outputs.
    pub const fn tiles(self, outputs: usize) -> usize {
        outputs.div_ceil(self.outputs)
    }

    /// Outputs of a last tile along a side that has fewer products than the others; 0 where none has.
    pub const fn last(self, outputs: usize, stride: usize) -> usize {
        if self.step(stride) == 1 { outputs % self.outputs } else { 0 }
    }

    /// Tiles along a side that have all products.
    pub const fn whole(self, outputs: usize, stride: usize) -> usize {
        if self.last(outputs, stride) == 0 { self.tiles(outputs) } else { outputs / self.outputs }
    }

    /// Outputs along a side that the tiles cover, those that do not exist among them: at stride 2 the last tile has all products.
    pub const fn covered(self, outputs: usize, stride: usize) -> usize {
        if self.last(outputs, stride) == 0 { self.tiles(outputs) * self.outputs } else { outputs }
    }

    /// Rows and columns that are read beyond the windows: of pairs their second pixel, and a row more, since vectors read on over its end.
    pub const fn beyond(self) -> [usize; 2] {
        if self.in_pairs() { [2, 1] } else { [0, 0] }
    }

    /// Products of all tiles along a side.
    pub const fn along(self, outputs: usize, stride: usize) -> usize {
        let last = self.last(outputs, stride);
        self.whole(outputs, stride) * self.side(stride) + if last == 0 { 0 } else { last + self.taps() - 1 }
    }
}

/// Sums of products within groups of so few channels that a block holds whole ones, in the order: for each block of channels, for each
/// register tile of all rows.
///
/// Each lane of a vector is an output channel and multiplies inputs of its own group only: a vector of one pixel's inputs holds the same
/// channel of each group, in all lanes of the group, and serves every kernel column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grouped {
    /// Input channels, and output channels, of a group: 1, 2, 4, 8 or 16.
    pub channels: usize,
}

impl Grouped {
    /// Most input columns that a kernel spans, dilation included. As many vectors of weights may be held in registers.
    pub const WIDEST: usize = 8;
    /// The largest horizontal step.
    pub const LARGEST_STRIDE: usize = 3;
    /// Most pixels of a register tile.
    pub const MOST_PIXELS: usize = 28;

    /// Whether it computes kernels of such a width, step and dilation.
    pub const fn spans(columns: usize, stride: usize, dilation: usize) -> bool {
        (columns - 1) * dilation < Self::WIDEST && stride <= Self::LARGEST_STRIDE
    }
}

/// A convolution, with bias; `output = activation(conv(input) + bias + shortcut)`. It may write a second result into as many blocks
/// behind the output's, which are whole then: `second = activation(scale * output + shift)`.
#[derive(Debug, Clone, Copy)]
pub struct ConvGeometry {
    /// Images.
    pub batch: usize,
    /// The map read. Its frame covers the padding.
    pub input: Map,
    /// The map written.
    pub output: Map,
    /// The map added before the activation, of the output's size. May be the output's own buffer, if their layouts agree.
    pub shortcut: Option<Map>,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Vertical and horizontal step.
    pub stride: [usize; 2],
    /// Vertical and horizontal distance of neighbouring kernel elements.
    pub dilation: [usize; 2],
    /// Rows above and columns left of the input that the first window covers.
    pub padding: [usize; 2],
    /// Input blocks that a panel reads.
    pub window: usize,
    /// The first input block of each panel's window; empty when each begins at block 0.
    pub first_block: &'static [usize],
    /// What is applied last.
    pub activation: Activation,
    /// What is applied last to the second result, if there is one. A scale and a shift per channel, scale first, lie behind the panels.
    pub second: Option<Activation>,
    /// How it is computed.
    pub algorithm: Algorithm,
}

/// Whether a convolution's panels come in pairs that read the same input, so that a register tile may span two: for so many output
/// blocks, and the first input block of each panel, none when all are block 0.
pub const fn in_pairs(blocks: usize, first_block: &[usize]) -> bool {
    if !blocks.is_multiple_of(2) {
        return false;
    }
    let mut rest = first_block;
    while let [first, second, others @ ..] = rest {
        if *first != *second {
            return false;
        }
        rest = others;
    }
    rest.is_empty()
}

impl ConvGeometry {
    /// What is written: the output, with the second result if there is one.
    pub const fn results(&self) -> Map {
        let blocks = self.output.blocks();
        match self.second {
            Some(_) if self.output.rest.blocks >= blocks => Map {
                channels: 2 * self.output.channels,
                rest: Rest { blocks: self.output.rest.blocks - blocks, ..self.output.rest },
                ..self.output
            },
            _ => self.output,
        }
    }

    /// The pixels that register tiles divide. All of an image when each output depends on the one input pixel of its place and those lie
    /// without gaps, else a row of the output; by [`Winograd`] a pixel is a tile of outputs, and a row a group of them. [`Grouped`] ones
    /// always divide a row.
    pub const fn extent(&self) -> usize {
        match self.algorithm {
            Algorithm::Direct(_) if self.flat() => self.output.height * self.output.width,
            Algorithm::Direct(_) => self.output.width,
            Algorithm::Winograd(winograd) => winograd.group,
            Algorithm::Strassen(_) => (self.output.height * self.output.width).div_ceil(2),
            Algorithm::Grouped(_) => self.output.width,
        }
    }

    /// Whether each output pixel depends on just the input pixel of the same place, and the input's pixels are one run.
    pub const fn flat(&self) -> bool {
        self.kernel[0] == 1
            && self.kernel[1] == 1
            && self.stride[0] == 1
            && self.stride[1] == 1
            && self.padding[0] == 0
            && self.padding[1] == 0
            && self.input.frame.is_none()
    }
}

/// How a window is reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// The largest element that exists: padding never wins.
    Max,
    /// The mean of the elements that exist.
    Mean,
    /// The mean over the window's part inside the padded map, zeros of the padding included.
    MeanWithPadding,
}

/// A pooling layer.
#[derive(Debug, Clone, Copy)]
pub struct PoolGeometry {
    /// Images.
    pub batch: usize,
    /// The map read.
    pub input: Map,
    /// The map written.
    pub output: Map,
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Vertical and horizontal step.
    pub stride: [usize; 2],
    /// Padding above, left, below, right.
    pub padding: [usize; 4],
    /// How a window is reduced.
    pub reduction: Reduction,
}

/// How an element-wise step joins its two maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// Their sum.
    Sum,
    /// Their product.
    Product,
}

/// An element-wise step over one or two maps of one size: `output = activation(...)`.
#[derive(Debug, Clone, Copy)]
pub struct ElementwiseGeometry {
    /// Images.
    pub batch: usize,
    /// The map read.
    pub input: Map,
    /// The second map read, if any. Where it has one pixel and the output more, that pixel stands for all.
    pub other: Option<Map>,
    /// How the two are joined.
    pub join: Join,
    /// The map written. May be the buffer of one that is read, if their layouts agree.
    pub output: Map,
    /// Whether a scale and a shift per channel, `[channels rounded up to 16]` each, scale first, are applied before the activation.
    pub affine: bool,
    /// What is applied last.
    pub activation: Activation,
}

/// A group normalisation: `output = activation(scale * (input - mean) / sqrt(variance + epsilon) + shift)`, with the mean and the
/// biased variance of each image over a group of neighbouring channels and all pixels.
///
/// Its weights are a scale and a shift per channel, `[channels rounded up to 16]` each, scale first.
#[derive(Debug, Clone, Copy)]
pub struct GroupNormGeometry {
    /// Images.
    pub batch: usize,
    /// The map read.
    pub input: Map,
    /// The map written. May be the buffer of the one that is read, if their layouts agree.
    pub output: Map,
    /// Groups of channels; divides the channels.
    pub groups: usize,
    /// Added to the variance, positive.
    pub epsilon: f32,
    /// What is applied last.
    pub activation: Activation,
}

/// A map taken from another at a stride, shifted, with zeros where nothing is:
/// `output[c][y][x] = input[c - channels_before][y * stride - top][x * stride - left]`.
#[derive(Debug, Clone, Copy)]
pub struct RemapGeometry {
    /// Images.
    pub batch: usize,
    /// The map read.
    pub input: Map,
    /// The map written.
    pub output: Map,
    /// Vertical and horizontal step.
    pub stride: [usize; 2],
    /// Zero channels before the first.
    pub channels_before: usize,
    /// Zero rows above.
    pub top: usize,
    /// Zero columns to the left.
    pub left: usize,
}

/// Channels copied as they are: `output[to + c] = input[from + c]` for each `c` below `count`.
///
/// A concatenation is a row of these into one map, each from the channel where the one before ended. The one that writes channel 0
/// writes the frame; each writes zeros behind its last channel, up to the end of the block.
#[derive(Debug, Clone, Copy)]
pub struct ChannelsGeometry {
    /// Images.
    pub batch: usize,
    /// The map read.
    pub input: Map,
    /// The map written, in part or whole.
    pub output: Map,
    /// The first channel read.
    pub from: usize,
    /// The first channel written.
    pub to: usize,
    /// Channels copied.
    pub count: usize,
}

/// Maximum or mean over the pixels of each channel.
#[derive(Debug, Clone, Copy)]
pub struct GlobalPoolGeometry {
    /// Images.
    pub batch: usize,
    /// The map read.
    pub input: Map,
    /// The map of one pixel that is written.
    pub output: Map,
    /// How the pixels are reduced. There is no padding.
    pub reduction: Reduction,
}

/// A dense layer from vector to vector, with bias.
#[derive(Debug, Clone, Copy)]
pub struct DenseGeometry {
    /// Images.
    pub batch: usize,
    /// Features read.
    pub features: usize,
    /// Units written.
    pub units: usize,
    /// Units per panel of weights: 16 or 32. The units rounded up to 16 fill whole panels.
    pub panel: usize,
    /// What is applied last.
    pub activation: Activation,
}

/// Softmax over the features of a vector.
#[derive(Debug, Clone, Copy)]
pub struct SoftmaxGeometry {
    /// Images.
    pub batch: usize,
    /// Features read and written; in place or not.
    pub features: usize,
}

/// A map written out as a vector of `channels * height * width` features in `[C, H, W]` order.
#[derive(Debug, Clone, Copy)]
pub struct FlattenGeometry {
    /// Images.
    pub batch: usize,
    /// The map read.
    pub input: Map,
}

/// The caller's dense buffer read into a map.
#[derive(Debug, Clone, Copy)]
pub struct InputGeometry {
    /// Images.
    pub batch: usize,
    /// The map written.
    pub output: Map,
    /// Whether the caller's buffer is `[N, H, W, C]` instead of `[N, C, H, W]`.
    pub channels_last: bool,
}

/// A map written to the caller's dense buffer, `[N, C, H, W]`; a vector is a map of 1 x 1 pixels.
#[derive(Debug, Clone, Copy)]
pub struct OutputGeometry {
    /// Images.
    pub batch: usize,
    /// The map read.
    pub input: Map,
}

/// A loop nest over arrays, which lie in memory in row-major order without gaps:
/// `output[i] = finish(fold over r of combine(a[i, r], b[i, r]))`, with `i` through the axes of the output and `r` through those that are
/// reduced.
#[derive(Debug, Clone, Copy)]
pub struct NestGeometry {
    /// Extents of the output, the slowest first.
    pub output: &'static [usize],
    /// Extents of the axes that are reduced, the slowest first; none where there is nothing to fold.
    pub reduced: &'static [usize],
    /// What is read.
    pub a: Access,
    /// What else is read.
    pub b: Option<Access>,
    /// Which of the two is a constant, and lies among the weights, if one is.
    pub constant: Option<Operand>,
    /// What is made of both, if there are two.
    pub combine: Combine,
    /// What is made of all that is reduced.
    pub fold: Fold,
    /// What is applied last.
    pub finish: Function,
}

/// One of the two operands of a loop nest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// The first.
    A,
    /// The second.
    B,
}

/// How a loop nest reads an array: each axis, of the output and then of the reduced ones, moves the place by itself.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    /// Elements of the array.
    pub length: usize,
    /// Where the place is at position 0 of all axes that move it evenly.
    pub start: usize,
    /// How each axis moves the place.
    pub axes: &'static [Move],
    /// What is read where a position has no place.
    pub fill: f32,
}

/// How an axis of a loop nest moves a place in an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// By as much from each position to the next.
    Even(isize),
    /// For each position, by how much; below 0 it has no place, and the fill is read.
    Listed(&'static [i32]),
}
