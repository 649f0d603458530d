//! What a step does, in words: as a specification gives it.

use super::super::geometry::{ConvGeometry, Map};
use crate::ir::{Activation, Conv, Padding};

/// `conv 3x3 stride 2 padding 1, 64x56x56 -> 128x28x28, shortcut, relu`
pub(super) fn conv_summary(conv: &Conv, input: Map, geometry: &ConvGeometry) -> String {
    let mut text = format!("conv {} stride {}", pair(conv.kernel), step(conv.stride));
    let Padding { top, left, bottom, right } = conv.padding;
    if conv.padding == Padding::same(top) {
        if top > 0 {
            text += &format!(" padding {top}");
        }
    } else {
        text += &format!(" padding [{top}, {left}, {bottom}, {right}]");
    }
    if conv.dilation != [1, 1] {
        text += &format!(" dilation {}", step(conv.dilation));
    }
    if conv.groups != 1 {
        text += &format!(" groups {}", conv.groups);
    }
    let second = match &conv.second {
        None => String::new(),
        Some(second) => format!(", and normalised{}", epilogue(false, second.activation)),
    };
    let epilogue = epilogue(conv.shortcut, conv.activation);
    text + &format!(", {} -> {}{epilogue}{second}", size(input), size(geometry.output))
}

pub(super) fn epilogue(shortcut: bool, kind: Option<Activation>) -> String {
    let shortcut = if shortcut { ", shortcut" } else { "" };
    let kind = match kind {
        None => "",
        Some(kind) => &format!(", {}", kind.name()),
    };
    format!("{shortcut}{kind}")
}

pub(super) fn size(map: Map) -> String {
    format!("{}x{}x{}", map.channels, map.height, map.width)
}

pub(super) fn pair([a, b]: [usize; 2]) -> String {
    format!("{a}x{b}")
}

pub(super) fn step([a, b]: [usize; 2]) -> String {
    if a == b { a.to_string() } else { format!("{a}x{b}") }
}
