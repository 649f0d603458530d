use std::ops::Range;

use proptest::prelude::*;

use super::support::{
    Guarded, Memory, activated, assert_close, cases, frame, from_map, map, part, random, raw, run_everywhere, to_map,
};
use crate::geometry::{Activation, Algorithm, BLOCK, ConvGeometry, Direct, Frame, Grouped, Map, Strassen, Winograd};
use crate::isa::{Isa, Kind, Portable};
use crate::kernel::check::{check_conv, conv_scratch};
use crate::kernel::{Arguments, Conv, Tile, winograd as winograd_body};
use crate::program::{Layer, Tiles};

/// A sum's rounding errors relative to the size of its terms.
const TOLERANCE: f64 = 1e-6;

/// A layer to test: its geometry, and its groups, which the geometry only shows through windows.
trait Case: Layer<ConvGeometry> + Tiles {
    const GROUPS: usize;
    const IN_PLACE: bool;
}

/// The vectors of a register tile: as many as usual, but one in groups of few channels.
const fn vectors(geometry: &ConvGeometry, usual: usize) -> usize {
    if matches!(geometry.algorithm, Algorithm::Grouped(_)) { 1 } else { usual }
}

/// Vectors of 16 channels in a register tile.
const fn wide_vectors(geometry: &ConvGeometry) -> usize {
    let usual = match geometry.algorithm {
        Algorithm::Strassen(_) if geometry.output.blocks().is_multiple_of(4) => 2,
        Algorithm::Strassen(_) => 1,
        _ => winograd_body::width(geometry) / 16,
    };
    vectors(geometry, usual)
}

/// Of some narrow maps, tiles do not divide the rows.
const fn divided(geometry: &ConvGeometry) -> usize {
    match geometry.algorithm {
        Algorithm::Direct(_) if matches!(geometry.output.width, 3 | 7) => {
            geometry.output.height * geometry.output.width
        }
        _ => geometry.extent(),
    }
}

const fn pixels(geometry: &ConvGeometry, most: usize) -> usize {
    let extent = divided(geometry);
    extent.div_ceil(extent.div_ceil(most))
}

const fn fewer(geometry: &ConvGeometry, most: usize) -> usize {
    if divided(geometry).is_multiple_of(pixels(geometry, most)) { 0 } else { pixels(geometry, most) - 1 }
}

const fn direct(band: usize, depth: usize, sums: usize) -> Algorithm {
    Algorithm::Direct(Direct { band, depth, sums })
}

const fn winograd(outputs: usize, group: usize) -> Algorithm {
    Algorithm::Winograd(Winograd { outputs, group })
}

const fn strassen(band: usize, depth: usize) -> Algorithm {
    Algorithm::Strassen(Strassen { band, depth })
}

const fn grouped(channels: usize) -> Algorithm {
    Algorithm::Grouped(Grouped { channels })
}

const PLAIN: ConvGeometry = ConvGeometry {
    batch: 1,
    input: map(32, 5, 6, Frame::NONE),
    output: map(32, 5, 6, Frame::NONE),
    shortcut: None,
    kernel: [1, 1],
    stride: [1, 1],
    dilation: [1, 1],
    padding: [0, 0],
    window: 2,
    first_block: &[],
    activation: Activation::None,
    second: None,
    algorithm: direct(1000, 3, 200),
};

macro_rules! cases {
    ($(#[groups = $groups:expr] #[in_place = $in_place:expr] $name:ident: $geometry:expr;)*) => {
        $(
            enum $name {}
            impl Layer<ConvGeometry> for $name {
                const GEOMETRY: ConvGeometry = $geometry;
            }
            impl Tiles for $name {
                type Avx512 = Tile<
                    { pixels(&$name::GEOMETRY, 28 / wide_vectors(&$name::GEOMETRY)) },
                    { fewer(&$name::GEOMETRY, 28 / wide_vectors(&$name::GEOMETRY)) },
                    { wide_vectors(&$name::GEOMETRY) },
                >;
                type Avx2 = Tile<{ pixels(&$name::GEOMETRY, 6) }, { fewer(&$name::GEOMETRY, 6) }, { vectors(&$name::GEOMETRY, 2) }>;
                type Neon = Tile<{ pixels(&$name::GEOMETRY, 6) }, { fewer(&$name::GEOMETRY, 6) }, { vectors(&$name::GEOMETRY, 4) }>;
                type Portable = Tile<{ pixels(&$name::GEOMETRY, 4) }, { fewer(&$name::GEOMETRY, 4) }, { vectors(&$name::GEOMETRY, 2) }>;
            }
            impl Case for $name {
                const GROUPS: usize = $groups;
                const IN_PLACE: bool = $in_place;
            }
        )*

        fn test_all(seed: u64) {
            $(test::<$name>(stringify!($name), seed);)*
        }
    };
}

cases! {
    #[groups = 1] #[in_place = false] OneByOne: PLAIN;
    #[groups = 1] #[in_place = false] OneByOneOfParts: ConvGeometry {
        input: part(map(32, 5, 6, Frame::NONE)), output: part(map(48, 5, 6, frame(1))), batch: 3, algorithm: direct(10, 1, 40), ..PLAIN
    };
    #[groups = 1] #[in_place = false] DirectOfParts: ConvGeometry {
        input: part(map(32, 7, 9, frame(1))), output: part(map(32, 7, 9, frame(2))), kernel: [3, 3], padding: [1, 1], batch: 2,
        shortcut: Some(part(map(32, 7, 9, Frame::NONE))), ..PLAIN
    };
    #[groups = 1] #[in_place = false] WinogradOfParts: ConvGeometry {
        input: part(map(32, 6, 9, frame(1))), output: part(map(32, 6, 9, frame(1))), kernel: [3, 3], padding: [1, 1], batch: 2,
        algorithm: winograd(4, 5), ..PLAIN
    };
    #[groups = 1] #[in_place = false] StrassenOfParts: ConvGeometry {
        input: part(map(64, 7, 5, Frame::NONE)), output: part(map(32, 7, 5, frame(1))), window: 4, batch: 2,
        shortcut: Some(part(map(32, 7, 5, Frame::NONE))), algorithm: strassen(13, 1), ..PLAIN
    };
    #[groups = 8] #[in_place = false] GroupedOfParts: ConvGeometry {
        input: part(map(32, 5, 9, frame(1))), output: part(map(32, 5, 9, frame(1))), kernel: [3, 3], padding: [1, 1], window: 1,
        first_block: &[0, 1], algorithm: grouped(4), batch: 2, ..PLAIN
    };
    #[groups = 1] #[in_place = false] OneByOneBatch: ConvGeometry { batch: 3, activation: Activation::Relu, algorithm: direct(10, 2, 40), ..PLAIN };
    #[groups = 1] #[in_place = false] OneByOneIntoFrame: ConvGeometry {
        output: map(32, 5, 6, Frame { top: 1, left: 2, bottom: 3, right: 1 }), batch: 2, ..PLAIN
    };
    #[groups = 1] #[in_place = true] OneByOneInPlace: ConvGeometry {
        shortcut: Some(map(32, 5, 6, Frame::NONE)), activation: Activation::Relu, ..PLAIN
    };
    #[groups = 1] #[in_place = true] InPlaceInFrame: ConvGeometry {
        shortcut: Some(map(32, 5, 6, frame(1))), output: map(32, 5, 6, frame(1)), activation: Activation::Relu, ..PLAIN
    };
    #[groups = 1] #[in_place = false] ShortcutOfOtherFrame: ConvGeometry {
        shortcut: Some(map(32, 5, 6, frame(2))), output: map(32, 5, 6, frame(1)), batch: 2, ..PLAIN
    };
    #[groups = 1] #[in_place = false] Strided: ConvGeometry {
        stride: [2, 2], output: map(64, 3, 3, Frame::NONE), algorithm: direct(15, 2, 40), ..PLAIN
    };
    #[groups = 1] #[in_place = false] ThreeByThree: ConvGeometry {
        input: map(48, 7, 20, frame(1)), output: map(64, 7, 20, frame(1)), kernel: [3, 3], padding: [1, 1], window: 3,
        activation: Activation::Relu, ..PLAIN
    };
    #[groups = 1] #[in_place = false] NarrowThreeByThree: ConvGeometry {
        input: map(16, 6, 32, frame(1)), output: map(16, 6, 32, frame(1)), kernel: [3, 3], padding: [1, 1], window: 1,
        shortcut: Some(map(16, 6, 32, Frame::NONE)), algorithm: direct(25, 2, 40), activation: Activation::Relu, ..PLAIN
    };
    #[groups = 1] #[in_place = false] WideNarrow: ConvGeometry {
        input: map(20, 4, 33, Frame { top: 1, left: 1, bottom: 1, right: 3 }), output: map(41, 4, 33, Frame::NONE), kernel: [3, 3],
        padding: [1, 1], window: 2, ..PLAIN
    };
    #[groups = 1] #[in_place = false] StridedThreeByThree: ConvGeometry {
        input: map(32, 9, 11, frame(1)), output: map(24, 5, 6, frame(1)), kernel: [3, 3], stride: [2, 2], padding: [1, 1],
        algorithm: direct(20, 2, 40), ..PLAIN
    };
    #[groups = 1] #[in_place = false] WrappedRows: ConvGeometry {
        input: map(48, 10, 14, frame(1)), output: map(32, 5, 7, frame(1)), kernel: [3, 3], stride: [2, 2], padding: [1, 1], window: 3,
        shortcut: Some(map(32, 5, 7, frame(2))), activation: Activation::Relu, batch: 2, algorithm: direct(20, 1, 400), ..PLAIN
    };
    #[groups = 4] #[in_place = true] WrappedRowsInPlace: ConvGeometry {
        input: map(64, 7, 9, Frame { top: 1, left: 2, bottom: 3, right: 2 }), output: map(64, 7, 7, frame(1)), kernel: [3, 2],
        dilation: [2, 5], padding: [1, 1], window: 1, first_block: &[0, 1, 2, 3], shortcut: Some(map(64, 7, 7, frame(1))),
        algorithm: direct(1000, 1, 40), ..PLAIN
    };
    #[groups = 1] #[in_place = false] Dilated: ConvGeometry {
        input: map(32, 9, 8, frame(3)), output: map(32, 9, 8, Frame::NONE), kernel: [3, 3], dilation: [2, 3], padding: [2, 3], ..PLAIN
    };
    #[groups = 1] #[in_place = false] OneSided: ConvGeometry {
        input: map(32, 6, 7, Frame { top: 0, left: 2, bottom: 3, right: 1 }), output: map(32, 5, 5, frame(1)), kernel: [4, 5],
        padding: [0, 1], stride: [1, 1], ..PLAIN
    };
    #[groups = 1] #[in_place = false] Stem: ConvGeometry {
        input: raw(3, 16, 30, frame(3)), output: map(64, 8, 15, Frame::NONE), kernel: [7, 7], stride: [2, 2], padding: [3, 3], window: 1,
        batch: 2, activation: Activation::Relu, algorithm: direct(10, 2, 40), ..PLAIN
    };
    #[groups = 1] #[in_place = false] OneChannel: ConvGeometry {
        input: raw(1, 5, 9, frame(1)), output: map(5, 5, 9, frame(1)), kernel: [3, 3], padding: [1, 1], window: 1, ..PLAIN
    };
    #[groups = 8] #[in_place = false] GroupsOfFour: ConvGeometry {
        input: map(32, 5, 6, frame(1)), output: map(32, 5, 6, frame(1)), kernel: [3, 3], padding: [1, 1], window: 1,
        first_block: &[0, 1], activation: Activation::Relu, ..PLAIN
    };
    #[groups = 2] #[in_place = false] GroupsAcrossBlocks: ConvGeometry {
        input: map(48, 5, 6, frame(1)), output: map(64, 5, 6, frame(1)), kernel: [3, 3], padding: [1, 1], window: 2,
        first_block: &[0, 0, 1, 1], algorithm: direct(5, 2, 40), batch: 2, ..PLAIN
    };
    #[groups = 24] #[in_place = false] Depthwise: ConvGeometry {
        input: map(24, 6, 6, frame(1)), output: map(24, 3, 3, frame(1)), kernel: [3, 3], padding: [1, 1], stride: [2, 2], window: 1,
        first_block: &[0, 1], ..PLAIN
    };
    #[groups = 1] #[in_place = false] IdleLanes: ConvGeometry {
        output: map(41, 5, 6, frame(1)), shortcut: Some(map(41, 5, 6, Frame::NONE)), activation: Activation::Sigmoid, ..PLAIN
    };
    #[groups = 3] #[in_place = false] IdleLanesOfGroups: ConvGeometry {
        input: map(24, 5, 6, Frame::NONE), output: map(9, 5, 6, Frame::NONE), first_block: &[0],
        activation: Activation::HardSigmoid, ..PLAIN
    };
    #[groups = 1] #[in_place = false] HardSwish: ConvGeometry { activation: Activation::HardSwish, batch: 2, ..PLAIN };
    #[groups = 1] #[in_place = false] OnePixel: ConvGeometry {
        input: map(70, 1, 1, Frame::NONE), output: map(90, 1, 1, Frame::NONE), window: 5, batch: 3, ..PLAIN
    };
    #[groups = 1] #[in_place = true] PassesInPlace: ConvGeometry {
        input: map(80, 5, 6, frame(1)), output: map(64, 5, 6, frame(1)), shortcut: Some(map(64, 5, 6, frame(1))), kernel: [3, 3],
        padding: [1, 1], window: 5, activation: Activation::Relu, algorithm: direct(13, 2, 500), batch: 2, ..PLAIN
    };
    #[groups = 1] #[in_place = false] PassesOfPixels: ConvGeometry {
        input: map(112, 7, 7, Frame::NONE), output: map(96, 7, 7, Frame::NONE), window: 7, algorithm: direct(20, 3, 1000), batch: 2, ..PLAIN
    };
    #[groups = 1] #[in_place = false] WinogradTwo: ConvGeometry {
        input: map(32, 6, 8, frame(1)), output: map(32, 6, 8, frame(1)), kernel: [3, 3], padding: [1, 1], algorithm: winograd(2, 12),
        activation: Activation::Relu, ..PLAIN
    };
    #[groups = 1] #[in_place = true] WinogradTwoInPlace: ConvGeometry {
        input: map(32, 7, 7, Frame { top: 1, left: 1, bottom: 2, right: 2 }), output: map(32, 7, 7, frame(1)), kernel: [3, 3],
        padding: [1, 1], shortcut: Some(map(32, 7, 7, frame(1))), algorithm: winograd(2, 7), batch: 2, ..PLAIN
    };
    #[groups = 1] #[in_place = false] WinogradFour: ConvGeometry {
        input: map(48, 8, 12, frame(1)), output: map(64, 8, 12, Frame::NONE), kernel: [3, 3], padding: [1, 1], window: 3,
        algorithm: winograd(4, 6), batch: 3, ..PLAIN
    };
    #[groups = 1] #[in_place = false] WinogradFourRagged: ConvGeometry {
        input: map(20, 7, 14, Frame { top: 2, left: 3, bottom: 5, right: 4 }), output: map(41, 9, 13, frame(2)), kernel: [3, 3],
        padding: [2, 0], shortcut: Some(map(41, 9, 13, Frame::NONE)), algorithm: winograd(4, 5), activation: Activation::Sigmoid,
        batch: 2, ..PLAIN
    };
    #[groups = 1] #[in_place = true] WinogradFourByTwo: ConvGeometry {
        input: map(64, 14, 14, frame(1)), output: map(64, 14, 14, frame(1)), kernel: [3, 3], padding: [1, 1], window: 4,
        shortcut: Some(map(64, 14, 14, frame(1))), algorithm: winograd(4, 16), activation: Activation::Relu, ..PLAIN
    };
    #[groups = 1] #[in_place = false] WinogradFourByThree: ConvGeometry {
        input: map(32, 7, 11, frame(1)), output: map(48, 7, 11, frame(2)), kernel: [3, 3], padding: [1, 1], algorithm: winograd(4, 5),
        batch: 3, ..PLAIN
    };
    #[groups = 1] #[in_place = false] WinogradFourThinner: ConvGeometry {
        input: map(32, 2, 13, frame(1)), output: map(32, 2, 13, frame(1)), kernel: [3, 3], padding: [1, 1], algorithm: winograd(4, 3),
        activation: Activation::Relu, ..PLAIN
    };
    #[groups = 1] #[in_place = false] WinogradFourLowByWide: ConvGeometry {
        input: map(32, 7, 8, frame(1)), output: map(32, 7, 8, frame(1)), kernel: [3, 3], padding: [1, 1], algorithm: winograd(4, 4),
        batch: 2, ..PLAIN
    };
    #[groups = 8] #[in_place = false] WinogradOfGroups: ConvGeometry {
        input: map(64, 8, 8, frame(1)), output: map(64, 8, 8, frame(1)), kernel: [3, 3], padding: [1, 1], window: 1,
        first_block: &[0, 1, 2, 3], algorithm: winograd(4, 4), ..PLAIN
    };
    #[groups = 2] #[in_place = false] WinogradAcrossBlocks: ConvGeometry {
        input: map(48, 5, 6, Frame { top: 1, left: 1, bottom: 2, right: 1 }), output: map(64, 5, 6, frame(1)), kernel: [3, 3],
        padding: [1, 1], window: 2, first_block: &[0, 0, 1, 1], algorithm: winograd(2, 25), batch: 2, ..PLAIN
    };
    #[groups = 1] #[in_place = false] WinogradTwoStrided: ConvGeometry {
        input: map(32, 9, 11, Frame { top: 1, left: 1, bottom: 3, right: 1 }), output: map(48, 5, 6, frame(1)), kernel: [3, 3], stride: [2, 2],
        padding: [1, 1], shortcut: Some(map(48, 5, 6, Frame::NONE)), algorithm: winograd(2, 7), activation: Activation::Relu, batch: 2, ..PLAIN
    };
    #[groups = 1] #[in_place = false] WinogradFourStrided: ConvGeometry {
        input: map(80, 16, 14, Frame { top: 1, left: 1, bottom: 1, right: 3 }), output: map(64, 8, 7, Frame::NONE), kernel: [3, 3],
        stride: [2, 2], padding: [1, 1], window: 5, algorithm: winograd(4, 3), activation: Activation::Relu, batch: 3, ..PLAIN
    };
    #[groups = 1] #[in_place = false] WinogradOnePixel: ConvGeometry {
        input: map(16, 1, 1, Frame { top: 1, left: 1, bottom: 4, right: 4 }), output: map(16, 1, 1, frame(1)), kernel: [3, 3],
        padding: [1, 1], window: 1, algorithm: winograd(4, 1), ..PLAIN
    };
    #[groups = 1] #[in_place = false] WinogradInPairs: ConvGeometry {
        input: raw(3, 25, 27, Frame { top: 3, left: 3, bottom: 5, right: 4 }), output: map(64, 13, 14, frame(1)), kernel: [7, 7],
        stride: [2, 2], padding: [3, 3], window: 1, batch: 2, activation: Activation::Relu, algorithm: winograd(3, 9), ..PLAIN
    };
    #[groups = 1] #[in_place = false] WinogradInPairsWhole: ConvGeometry {
        input: raw(3, 18, 24, Frame { top: 2, left: 2, bottom: 5, right: 4 }), output: map(32, 9, 12, Frame::NONE), kernel: [7, 7],
        stride: [2, 2], padding: [2, 2], window: 1, batch: 3, shortcut: Some(map(32, 9, 12, frame(1))), algorithm: winograd(3, 6), ..PLAIN
    };
    #[groups = 1] #[in_place = false] WinogradInPairsOfFour: ConvGeometry {
        input: raw(4, 7, 22, Frame { top: 0, left: 4, bottom: 2, right: 1 }), output: map(16, 1, 10, frame(1)), kernel: [7, 7],
        stride: [2, 2], padding: [0, 3], window: 1, algorithm: winograd(3, 4), ..PLAIN
    };
    #[groups = 1] #[in_place = false] WinogradInPairsOfOne: ConvGeometry {
        input: raw(1, 16, 16, Frame { top: 3, left: 3, bottom: 4, right: 3 }), output: map(20, 8, 8, Frame::NONE), kernel: [7, 7],
        stride: [2, 2], padding: [3, 3], window: 1, algorithm: winograd(3, 5), activation: Activation::Relu, ..PLAIN
    };
    #[groups = 1] #[in_place = false] StrassenInPasses: ConvGeometry {
        input: map(96, 6, 7, Frame::NONE), output: map(64, 6, 7, frame(1)), window: 6, activation: Activation::Relu, batch: 3,
        algorithm: strassen(7, 1), ..PLAIN
    };
    #[groups = 1] #[in_place = true] StrassenInPlace: ConvGeometry {
        input: map(32, 4, 9, Frame::NONE), output: map(96, 4, 9, frame(1)), shortcut: Some(map(96, 4, 9, frame(1))),
        algorithm: strassen(100, 1), activation: Activation::Sigmoid, ..PLAIN
    };
    #[groups = 1] #[in_place = false] StrassenDeep: ConvGeometry {
        input: map(128, 7, 5, Frame::NONE), output: map(32, 7, 5, Frame { top: 1, left: 2, bottom: 3, right: 1 }), window: 8,
        shortcut: Some(map(32, 7, 5, Frame::NONE)), algorithm: strassen(13, 2), batch: 2, ..PLAIN
    };
    #[groups = 1] #[in_place = true] StrassenOddInPlace: ConvGeometry {
        input: map(64, 7, 7, Frame::NONE), output: map(64, 7, 7, Frame::NONE), shortcut: Some(map(64, 7, 7, Frame::NONE)), window: 4,
        algorithm: strassen(9, 2), activation: Activation::Relu, ..PLAIN
    };
    #[groups = 1] #[in_place = false] StrassenOnePair: ConvGeometry {
        input: map(64, 2, 1, Frame::NONE), output: map(128, 2, 1, Frame::NONE), window: 4, algorithm: strassen(1, 2), ..PLAIN
    };
    #[groups = 24] #[in_place = false] GroupedByOne: ConvGeometry {
        input: map(24, 7, 13, frame(1)), output: map(24, 7, 13, frame(2)), kernel: [3, 3], padding: [1, 1], window: 1,
        first_block: &[0, 1], activation: Activation::Relu6, algorithm: grouped(1), batch: 2, ..PLAIN
    };
    #[groups = 20] #[in_place = false] GroupedByTwo: ConvGeometry {
        input: map(40, 9, 33, frame(2)), output: map(40, 9, 33, Frame::NONE), kernel: [5, 5], padding: [2, 2], window: 1,
        first_block: &[0, 1, 2], shortcut: Some(map(40, 9, 33, frame(1))), activation: Activation::Relu, algorithm: grouped(2), ..PLAIN
    };
    #[groups = 6] #[in_place = true] GroupedByFour: ConvGeometry {
        input: map(24, 5, 29, frame(1)), output: map(24, 5, 29, frame(1)), kernel: [3, 3], padding: [1, 1], window: 1,
        first_block: &[0, 1], shortcut: Some(map(24, 5, 29, frame(1))), activation: Activation::Relu, algorithm: grouped(4), batch: 2, ..PLAIN
    };
    #[groups = 8] #[in_place = false] GroupedByFourStrided: ConvGeometry {
        input: map(32, 9, 27, frame(1)), output: map(32, 5, 14, Frame::NONE), kernel: [3, 3], stride: [2, 2], padding: [1, 1], window: 1,
        first_block: &[0, 1], activation: Activation::Sigmoid, algorithm: grouped(4), ..PLAIN
    };
    #[groups = 3] #[in_place = false] GroupedByEight: ConvGeometry {
        input: map(24, 8, 17, frame(3)), output: map(24, 8, 17, Frame::NONE), kernel: [7, 7], padding: [3, 3], window: 1,
        first_block: &[0, 1], activation: Activation::HardSigmoid, algorithm: grouped(8), ..PLAIN
    };
    #[groups = 5] #[in_place = false] GroupedByEightStrided: ConvGeometry {
        input: map(40, 7, 23, Frame { top: 4, left: 3, bottom: 3, right: 5 }), output: map(40, 4, 12, frame(1)), kernel: [7, 7],
        stride: [2, 2], padding: [3, 3], window: 1, first_block: &[0, 1, 2], shortcut: Some(map(40, 4, 12, Frame::NONE)),
        algorithm: grouped(8), batch: 2, ..PLAIN
    };
    #[groups = 3] #[in_place = false] GroupedBySixteen: ConvGeometry {
        input: map(48, 5, 15, frame(1)), output: map(48, 5, 15, frame(1)), kernel: [3, 3], padding: [1, 1], window: 1,
        first_block: &[0, 1, 2], shortcut: Some(map(48, 5, 15, Frame::NONE)), activation: Activation::Relu, algorithm: grouped(16), ..PLAIN
    };
    #[groups = 2] #[in_place = false] GroupedBySixteenStrided: ConvGeometry {
        input: map(32, 11, 21, frame(2)), output: map(32, 6, 11, Frame::NONE), kernel: [5, 5], stride: [2, 2], padding: [2, 2], window: 1,
        first_block: &[0, 1], algorithm: grouped(16), ..PLAIN
    };
    #[groups = 8] #[in_place = false] GroupedOneByOne: ConvGeometry {
        window: 1, first_block: &[0, 1], activation: Activation::Tanh, algorithm: grouped(4), batch: 2, ..PLAIN
    };
    #[groups = 16] #[in_place = false] GroupedWideStride: ConvGeometry {
        input: map(32, 8, 19, frame(1)), output: map(32, 3, 7, Frame::NONE), kernel: [2, 2], stride: [3, 3], padding: [0, 1], window: 1,
        first_block: &[0, 1], algorithm: grouped(2), ..PLAIN
    };
    #[groups = 8] #[in_place = false] GroupedDilated: ConvGeometry {
        input: map(32, 9, 14, frame(3)), output: map(32, 9, 7, Frame::NONE), kernel: [3, 3], stride: [1, 2], dilation: [2, 3],
        padding: [2, 3], window: 1, first_block: &[0, 1], algorithm: grouped(4), ..PLAIN
    };
    #[groups = 1] #[in_place = false] TwoResults: ConvGeometry {
        output: part(map(32, 5, 6, frame(1))), shortcut: Some(map(32, 5, 6, Frame::NONE)), second: Some(Activation::Relu), batch: 2,
        algorithm: direct(10, 1, 40), ..PLAIN
    };
    #[groups = 1] #[in_place = true] TwoResultsInPlace: ConvGeometry {
        input: map(32, 5, 6, frame(1)), output: part(map(32, 5, 6, Frame::NONE)), shortcut: Some(part(map(32, 5, 6, Frame::NONE))),
        kernel: [3, 3], padding: [1, 1], second: Some(Activation::None), batch: 2, ..PLAIN
    };
    #[groups = 1] #[in_place = false] TwoResultsByWinograd: ConvGeometry {
        input: map(32, 6, 9, frame(1)), output: part(map(32, 6, 9, frame(1))), kernel: [3, 3], padding: [1, 1], batch: 2,
        activation: Activation::Relu6, second: Some(Activation::Tanh), algorithm: winograd(4, 5), ..PLAIN
    };
    #[groups = 1] #[in_place = false] TwoResultsByStrassen: ConvGeometry {
        input: map(64, 7, 5, Frame::NONE), output: part(map(32, 7, 5, frame(1))), window: 4, batch: 2, second: Some(Activation::Relu),
        algorithm: strassen(13, 1), ..PLAIN
    };
    #[groups = 8] #[in_place = false] TwoResultsInGroups: ConvGeometry {
        output: part(map(32, 5, 6, frame(1))), window: 1, first_block: &[0, 1], shortcut: Some(map(32, 5, 6, Frame::NONE)),
        second: Some(Activation::Sigmoid), algorithm: grouped(4), batch: 2, ..PLAIN
    };
}

/// The factors of a pair of channels: its taps, or what Winograd's matrix G makes of them, written out.
fn factors(geometry: &ConvGeometry, taps: &[f32]) -> Vec<f32> {
    let Algorithm::Winograd(winograd) = geometry.algorithm else { return taps.to_vec() };
    let root = 2.0_f64.sqrt();
    if winograd.outputs == 3 {
        return factors_in_pairs(taps);
    }
    let matrix = if geometry.stride == [2, 2] && winograd.outputs == 2 {
        vec![[-1.0, 0.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    } else if geometry.stride == [2, 2] {
        vec![
            [2.0, 0.0, 0.0],
            [1.0, 0.0, 1.0],
            [-1.0 / 3.0, 0.0, 1.0 / 3.0],
            [-8.0 / 3.0, 0.0, -4.0 / 3.0],
            [0.0, 0.0, 1.0],
            [0.0, 1.0, 0.0],
        ]
    } else if winograd.outputs == 2 {
        vec![[-1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]]
    } else {
        vec![
            [1.0, 0.0, 0.0],
            [-2.0 / 3.0, -root / 3.0, -1.0 / 3.0],
            [-2.0 / 3.0, root / 3.0, -1.0 / 3.0],
            [1.0 / 6.0, root / 6.0, 1.0 / 3.0],
            [1.0 / 6.0, -root / 6.0, 1.0 / 3.0],
            [0.0, 0.0, 1.0],
        ]
    };
    let mut factors = Vec::new();
    for down in &matrix {
        for across in &matrix {
            let product = |tap: usize| down[tap / 3] * across[tap % 3] * f64::from(taps[tap]);
            factors.push((0..9).map(product).sum::<f64>() as f32);
        }
    }
    factors
}

/// The same of a 7 x 7 kernel, for each pixel of a pair of rows and columns.
fn factors_in_pairs(taps: &[f32]) -> Vec<f32> {
    let root = 2.0_f64.sqrt();
    let matrix = [
        [1.0, 0.0, 0.0, 0.0],
        [-2.0 / 3.0, -root / 3.0, -1.0 / 3.0, -root / 6.0],
        [-2.0 / 3.0, root / 3.0, -1.0 / 3.0, root / 6.0],
        [1.0 / 6.0, root / 6.0, 1.0 / 3.0, root / 3.0],
        [1.0 / 6.0, -root / 6.0, 1.0 / 3.0, -root / 3.0],
        [0.0, 0.0, 0.0, 1.0],
    ];
    let tap = |row: usize, column: usize| if row < 7 && column < 7 { f64::from(taps[row * 7 + column]) } else { 0.0 };
    let mut factors = Vec::new();
    for pixel in 0..4 {
        for (down, across) in matrix.iter().flat_map(|down| matrix.iter().map(move |across| (down, across))) {
            let products = (0..16).map(|index| {
                let (row, column) = (index / 4, index % 4);
                down[row] * across[column] * tap(2 * row + pixel / 2, 2 * column + pixel % 2)
            });
            factors.push(products.sum::<f64>() as f32);
        }
    }
    factors
}

/// Pairs of panels for Strassen's multiplication, from `[outputs, inputs]`.
fn pack_pairs(geometry: &ConvGeometry, strassen: Strassen, kernel: &[f32], bias: &[f32]) -> Vec<f32> {
    let (inputs, half, quarter) = (geometry.input.channels, geometry.output.channels / 2, strassen.depth * BLOCK);
    // P1, P2, P6, P5, P3, P7 and the opposite of P4 in B11, B12, B21 and B22.
    let products = [
        [1.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0],
        [1.0, -1.0, 0.0, 1.0],
        [-1.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 1.0],
        [0.0, -1.0, 0.0, 1.0],
        [-1.0, 1.0, 1.0, -1.0],
    ];
    let mut packed = Vec::new();
    for panel in (0..half).step_by(BLOCK) {
        packed.extend([0, half].iter().flat_map(|later| &bias[later + panel..][..BLOCK]));
        for pass in (0..inputs).step_by(2 * quarter) {
            for product in products {
                for input in pass..pass + quarter {
                    for output in panel..panel + BLOCK {
                        let quarters = [(0, 0), (0, half), (quarter, 0), (quarter, half)]
                            .map(|(later, lower)| f64::from(kernel[(output + lower) * inputs + input + later]));
                        packed.push(product.iter().zip(quarters).map(|(a, b)| a * b).sum::<f64>() as f32);
                    }
                }
            }
        }
    }
    packed
}

/// Panels, as `geometry.rs` defines them, from `[outputs, inputs / groups, height, width]`.
fn pack(geometry: &ConvGeometry, groups: usize, kernel: &[f32], bias: &[f32]) -> Vec<f32> {
    if let Algorithm::Strassen(strassen) = geometry.algorithm {
        return pack_pairs(geometry, strassen, kernel, bias);
    }
    let (inputs, outputs) = (geometry.input.channels / groups, geometry.output.channels / groups);
    let taps = geometry.kernel[0] * geometry.kernel[1];
    let pairs: Vec<Vec<f32>> = kernel.chunks(taps).map(|taps| factors(geometry, taps)).collect();
    let (count, lanes) = (pairs[0].len(), geometry.input.block);
    let mut packed = Vec::new();
    for panel in 0..geometry.output.blocks() {
        let channels = panel * BLOCK..(panel + 1) * BLOCK;
        packed.extend(channels.clone().map(|channel| bias.get(channel).copied().unwrap_or(geometry.activation.idle())));
        let first = geometry.first_block.get(panel).copied().unwrap_or(0);
        let mut order: Vec<(usize, usize)> = Vec::new();
        let blocks = first..first + geometry.window;
        if let Algorithm::Grouped(_) = geometry.algorithm {
            packed.extend(pack_groups(geometry, inputs, channels, &pairs));
            continue;
        }
        if let Algorithm::Winograd(winograd) = geometry.algorithm {
            let factors = winograd.factors() * winograd.factors();
            for factor in 0..factors {
                for pixel in 0..count / factors {
                    order.extend(blocks.clone().flat_map(|block| {
                        (0..lanes).map(move |lane| (pixel * factors + factor, block * lanes + lane))
                    }));
                }
            }
        } else {
            for block in blocks {
                order.extend((0..count).flat_map(|factor| (0..lanes).map(move |lane| (factor, block * lanes + lane))));
            }
        }
        for (factor, input) in order {
            packed.extend(channels.clone().map(|output| {
                let exists = input < geometry.input.channels && output < geometry.output.channels;
                if !exists || input / inputs != output / outputs {
                    return 0.0;
                }
                pairs[output * inputs + input % inputs][factor]
            }));
        }
    }
    packed
}

/// The weights of a panel's channels within their groups of so many inputs.
fn pack_groups(geometry: &ConvGeometry, inputs: usize, channels: Range<usize>, pairs: &[Vec<f32>]) -> Vec<f32> {
    let [rows, columns] = geometry.kernel;
    let mut packed = Vec::new();
    for row in 0..rows {
        for input in 0..inputs {
            for column in 0..columns {
                let weight =
                    |output: usize| pairs.get(output * inputs + input).map_or(0.0, |taps| taps[row * columns + column]);
                packed.extend(channels.clone().map(weight));
            }
        }
    }
    packed
}

/// Each output and the size of its terms, with the second result behind the first in each image.
fn with_second(geometry: &ConvGeometry, first: &[(f64, f64)], scale: &[f32], shift: &[f32]) -> Vec<(f64, f64)> {
    let Some(activation) = geometry.second else { return first.to_vec() };
    let Map { channels, height, width, .. } = geometry.output;
    let mut both = Vec::new();
    for image in first.chunks(channels * height * width) {
        both.extend(image);
        for (index, (value, size)) in image.iter().enumerate() {
            let [scale, shift] = [scale, shift].map(|vector| f64::from(vector[index / (height * width)]));
            both.push((activated(activation, scale * value + shift), scale.abs() * size + shift.abs()));
        }
    }
    both
}

/// Each output and the size of its terms.
fn reference(
    geometry: &ConvGeometry,
    groups: usize,
    input: &[f32],
    kernel: &[f32],
    bias: &[f32],
    shortcut: Option<&[f32]>,
) -> Vec<(f64, f64)> {
    let ConvGeometry { input: from, output: to, .. } = *geometry;
    let (inputs, outputs) = (from.channels / groups, to.channels / groups);
    let mut expected = Vec::new();
    for index in 0..geometry.batch * to.channels * to.height * to.width {
        let (x, y) = (index % to.width, index / to.width % to.height);
        let (channel, image) =
            (index / (to.width * to.height) % to.channels, index / (to.width * to.height * to.channels));
        let mut terms = vec![f64::from(bias[channel])];
        terms.extend(shortcut.map(|shortcut| f64::from(shortcut[index])));
        for inner in 0..inputs {
            for ky in 0..geometry.kernel[0] {
                for kx in 0..geometry.kernel[1] {
                    let Some(y) = inside(y, ky, geometry, 0, from.height) else { continue };
                    let Some(x) = inside(x, kx, geometry, 1, from.width) else { continue };
                    let plane = image * from.channels + channel / outputs * inputs + inner;
                    let value = input[(plane * from.height + y) * from.width + x];
                    let weight =
                        kernel[((channel * inputs + inner) * geometry.kernel[0] + ky) * geometry.kernel[1] + kx];
                    terms.push(f64::from(value) * f64::from(weight));
                }
            }
        }
        let sum: f64 = terms.iter().sum();
        expected.push((activated(geometry.activation, sum), terms.iter().map(|term| term.abs()).sum()));
    }
    expected
}

fn inside(output: usize, tap: usize, geometry: &ConvGeometry, axis: usize, size: usize) -> Option<usize> {
    (output * geometry.stride[axis] + tap * geometry.dilation[axis])
        .checked_sub(geometry.padding[axis])
        .filter(|at| *at < size)
}

fn test<C: Case>(name: &str, seed: u64) {
    let geometry = C::GEOMETRY;
    check_conv::<C::Portable>(&geometry, 4);
    let ConvGeometry { batch, input: from, output: to, .. } = geometry;
    let count = |map: Map| batch * map.channels * map.height * map.width;
    let input = random(seed, count(from));
    let kernel = random(seed + 1, to.channels * (from.channels / C::GROUPS) * geometry.kernel[0] * geometry.kernel[1]);
    let bias = random(seed + 2, to.channels);
    let shortcut = geometry.shortcut.map(|_| random(seed + 3, count(to)));
    let expected = reference(&geometry, C::GROUPS, &input, &kernel, &bias, shortcut.as_deref());
    let [scale, shift] = [4, 5].map(|more| random(seed + more, to.channels));
    let expected = with_second(&geometry, &expected, &scale, &shift);
    let mut weights = pack(&geometry, C::GROUPS, &kernel, &bias);
    if geometry.second.is_some() {
        weights.extend(scale.iter().chain(&shift));
    }

    let laid_shortcut = shortcut.zip(geometry.shortcut).map(|(values, map)| to_map(&values, map, batch));
    let before = match &laid_shortcut {
        Some(shortcut) if C::IN_PLACE => Guarded::new(shortcut),
        _ => Guarded::unwritten(batch * to.len()),
    };
    let laid_input = to_map(&input, from, batch);
    let memory = Memory {
        input: &laid_input,
        other: laid_shortcut.as_deref(),
        weights: &weights,
        scratch: |kind| match kind {
            Kind::Avx512 => conv_scratch::<C::Avx512>(&C::GEOMETRY, 16),
            Kind::Avx2 => conv_scratch::<C::Avx2>(&C::GEOMETRY, 8),
            Kind::Neon => conv_scratch::<C::Neon>(&C::GEOMETRY, 4),
            Kind::Portable => conv_scratch::<C::Portable>(&C::GEOMETRY, Portable::LANES),
        },
    };
    run_everywhere::<Conv<C>>(&memory, &before, C::IN_PLACE.then_some(true), |kind, output| {
        println!("{name} on {kind}");
        let tolerance = match geometry.algorithm {
            Algorithm::Winograd(_) | Algorithm::Strassen(_) => 4.0 * TOLERANCE,
            Algorithm::Direct(_) | Algorithm::Grouped(_) => TOLERANCE,
        };
        assert_close(kind, &from_map(output, geometry.results(), batch), &expected, tolerance);
    });
}

proptest! {
    #![proptest_config(cases(8))]

    #[test]
    fn is_right_on_every_instruction_set(seed in 0..1_u64 << 48) {
        test_all(seed);
    }
}

/// As large as a layer gets, of pictures of 30 megapixels.
enum Vast {}

impl Layer<ConvGeometry> for Vast {
    const GEOMETRY: ConvGeometry = ConvGeometry {
        input: map(32, 5000, 6000, frame(1)),
        output: map(32, 5000, 6000, Frame::NONE),
        kernel: [3, 3],
        padding: [1, 1],
        algorithm: winograd(4, 49),
        ..PLAIN
    };
}

impl Tiles for Vast {
    type Avx512 = Tile<14, 13, 2>;
    type Avx2 = Tile<6, 5, 2>;
    type Neon = Tile<6, 5, 4>;
    type Portable = Tile<4, 3, 2>;
}

#[test]
fn the_constants_of_a_vast_layer_are_few() {
    // Compiled, which fails where they take too long, and not run.
    let run: unsafe fn(&Arguments) = Portable::enter::<Conv<Vast>>;
    std::hint::black_box(run);
}
