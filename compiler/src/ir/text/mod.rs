//! Graphs as text: one line per node, in topological order, and back.
//!
//! ```text
//! # A comment.
//! %0 = input "image" layout=nhwc : [1, 3, 32, 32]
//! %1 = constant "conv1.weight" sha256="0f3c..." : [16, 3, 3, 3]
//! %2 = constant "conv1.bias" : [2] = [0.5, -1.25]
//! %3 = conv(%0, %1, bias: %2) "conv1" kernel=[3, 3] padding=[1, 1, 1, 1] activation=relu : [1, 16, 32, 32]
//! output "logits" = %3
//! chain bottleneck(%7, %9, %11)
//! ```
//!
//! A node is `%NUMBER = OPERATION(OPERANDS) "NAME" ATTRIBUTES : SHAPE`; it reads only nodes above it. Operands that may be
//! absent carry a label. Attributes at their defaults are left out: `layout=nchw`, `stride=[1, 1]`,
//! `padding=[0, 0, 0, 0]` (top, left, bottom, right), `dilation=[1, 1]`, `groups=1`, `ceil_mode=false`, `channels=[0, 0]`,
//! `spatial=[0, 0, 0, 0]`; no `activation` is none. An activation on its own is an operation of its name, `relu(%3)`. The shape is checked against the operands.
//!
//! Behind an operation's own attributes stand those of its numbers: `element=int8` if they are not `float32`, and
//! `quantisation="int8 axis 0 scale 0.5 0.25 zero 1 2"`, what elements of a type stand for.
//!
//! A chain names what its nodes are, and may end with `forced`.
//!
//! Constants of at most [`INLINE`] elements carry their values, each so that it reads back to the same bits; a value that is
//! not finite is written as its bits, `0x7fc00000`. Greater ones carry a [`fingerprint`] by which [`parse`] knows the values
//! it is handed. Names may hold any characters: control characters, `"` and `\` are escaped (`\n`, `\u{7f}`).

mod attributes;
mod lexer;
mod parser;
mod printer;

use std::fmt::Write;

use sha2::{Digest, Sha256};

pub use parser::parse;
pub use printer::print;

/// The greatest number of elements whose values are printed.
pub const INLINE: usize = 16;

/// What tells the values of a constant from others: the first 128 bits of the SHA-256 of the values as little-endian f32, in
/// hexadecimal.
pub fn fingerprint(values: &[f32]) -> String {
    let mut hasher = Sha256::new();
    let mut bytes = Vec::new();
    for chunk in values.chunks(1 << 14) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
        hasher.update(&bytes);
    }
    hasher.finalize().iter().take(16).fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
