//! Families of operations, and their colours.

use std::fmt::Write;

/// What kind of operation something is: one colour for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Inputs, constants that are data, results.
    Interface,
    /// Convolutions.
    Conv,
    /// Normalisations.
    Norm,
    /// Activations, softmax included.
    Activation,
    /// Sums, products and scales.
    Arithmetic,
    /// Poolings.
    Pool,
    /// Dense layers.
    Dense,
    /// What moves values without computing any.
    Shape,
}

impl Family {
    /// All of them, in the order of the legend.
    pub const ALL: [Self; 8] = [
        Self::Interface,
        Self::Conv,
        Self::Norm,
        Self::Activation,
        Self::Arithmetic,
        Self::Pool,
        Self::Dense,
        Self::Shape,
    ];

    /// Its name in the legend.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interface => "input, result",
            Self::Conv => "convolution",
            Self::Norm => "normalisation",
            Self::Activation => "activation",
            Self::Arithmetic => "sum, product",
            Self::Pool => "pooling",
            Self::Dense => "dense",
            Self::Shape => "rearrangement",
        }
    }

    /// Its class in style sheets.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Interface => "f-interface",
            Self::Conv => "f-conv",
            Self::Norm => "f-norm",
            Self::Activation => "f-activation",
            Self::Arithmetic => "f-arithmetic",
            Self::Pool => "f-pool",
            Self::Dense => "f-dense",
            Self::Shape => "f-shape",
        }
    }

    /// Its colour behind dark text, and behind light text.
    pub(super) const fn colours(self) -> [&'static str; 2] {
        match self {
            Self::Interface => ["#e2e5ea", "#3d4450"],
            Self::Conv => ["#bcd7fb", "#1f4788"],
            Self::Norm => ["#bdebca", "#1c5a35"],
            Self::Activation => ["#fbe08c", "#6b4e0d"],
            Self::Arithmetic => ["#fbc2bd", "#87302b"],
            Self::Pool => ["#dacbf8", "#51378c"],
            Self::Dense => ["#a3e6e4", "#145a5c"],
            Self::Shape => ["#f5c9e3", "#76305a"],
        }
    }

    /// Its colour without text on it, such as that of a bar, on a light page and on a dark one: with a contrast of 3 to the page, and
    /// told apart by the colour-blind.
    pub(crate) const fn mark(self) -> [&'static str; 2] {
        match self {
            Self::Interface => ["#77808d", "#98a2b0"],
            Self::Conv => ["#0072b2", "#4aa3e0"],
            Self::Norm => ["#009e73", "#2cc79b"],
            Self::Activation => ["#c08a00", "#f0c54a"],
            Self::Arithmetic => ["#d55e00", "#f58a42"],
            Self::Pool => ["#7b5ea7", "#b79df0"],
            Self::Dense => ["#0b7f8c", "#45d0d8"],
            Self::Shape => ["#c0569a", "#ee9bd0"],
        }
    }
}

/// What pages of HTML begin with: their colours, letters and headings.
pub(crate) const PAGE: &str = "\
:root{color-scheme:light dark;--page:#ffffff;--card:#f5f6f8;--line:#c6ccd5;--ink:#1a1d21;--faint:#56606d}
@media screen and (prefers-color-scheme:dark){:root{--page:#15181d;--card:#1b1f26;--line:#3b434f;--ink:#eceff3;--faint:#a7b0bd}}
body{margin:0 auto;padding:1rem;max-width:62rem;background:var(--page);color:var(--ink);
 font:15px/1.45 system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif}
h1{font-size:1.5rem;margin:.4rem 0;overflow-wrap:anywhere}
p{margin:.4rem 0;color:var(--faint)}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:.88em;overflow-wrap:anywhere}
";

/// The style of drawings: explicit colours, for viewers that know no variables, and dark ones for dark screens.
pub(crate) fn sheet() -> String {
    let mut sheet = format!("{STRUCTURE}{}", theme(0));
    let _ = write!(sheet, "@media screen and (prefers-color-scheme:dark){{\n{}}}\n", theme(1));
    sheet
}

const STRUCTURE: &str = "\
.drawing text{font:11px system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif}
.drawing .name{font:10.5px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}
.drawing .title{font-size:20px;font-weight:600}
.drawing .block,.drawing .times{font-weight:600;font-size:12px}
.drawing .wire{fill:none;stroke-width:1.4}
.drawing .edge{font-size:10px}
";

fn theme(index: usize) -> String {
    let pick = |colours: [&'static str; 2]| if index == 0 { colours[0] } else { colours[1] };
    let [page, card, frame, line, wire, ink, faint] = [
        ["#ffffff", "#15181d"],
        ["#ffffff", "#1d2128"],
        ["#f5f6f8", "#1b1f26"],
        ["#8a93a1", "#6f7988"],
        ["#5b6472", "#9aa4b2"],
        ["#1a1d21", "#eceff3"],
        ["#56606d", "#a7b0bd"],
    ]
    .map(pick);
    let mut text = format!(
        ".drawing .page{{fill:{page}}}\n.drawing .card{{fill:{card}}}\n.drawing .outline{{fill:none;stroke:{line}}}\n\
         .drawing .frame{{fill:{frame};stroke:{line}}}\n.drawing .wire{{stroke:{wire}}}\n.drawing .head{{fill:{wire}}}\n\
         .drawing text{{fill:{ink}}}\n.drawing .edge,.drawing .quiet{{fill:{faint}}}\n\
         .drawing .halo{{stroke:{page};stroke-width:3;paint-order:stroke}}\n",
    );
    for family in Family::ALL {
        let _ = writeln!(text, ".{0}{{fill:{1};background:{1}}}", family.class(), pick(family.colours()));
    }
    text
}
