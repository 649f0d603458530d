//! The page's style: light and dark, on a wide screen, a phone and paper.

use std::fmt::Write;

use crate::drawing::{Family, style};

/// The class of marks of a kind of operation.
pub(super) const fn class(family: Option<Family>) -> &'static str {
    match family {
        Some(Family::Interface) => "m-interface",
        Some(Family::Conv) => "m-conv",
        Some(Family::Norm) => "m-norm",
        Some(Family::Activation) => "m-activation",
        Some(Family::Arithmetic) => "m-arithmetic",
        Some(Family::Pool) => "m-pool",
        Some(Family::Dense) => "m-dense",
        Some(Family::Shape) => "m-shape",
        None => "m-other",
    }
}

/// The style sheet, that of drawings included.
pub(super) fn sheet() -> String {
    let mut sheet = format!("{}{}{PAGE}{}", style::sheet(), style::PAGE, marks(|[light, _]| light));
    let _ = write!(sheet, "@media screen and (prefers-color-scheme:dark){{\n{DARK}{}}}\n", marks(|[_, dark]| dark));
    sheet.push_str(NARROW);
    sheet.push_str(PRINT);
    sheet
}

fn marks(pick: fn([&'static str; 2]) -> &'static str) -> String {
    let mut text = String::new();
    for family in Family::ALL {
        let _ = writeln!(text, ".{0}{{fill:{1};background:{1}}}", class(Some(family)), pick(family.mark()));
    }
    text
}

const PAGE: &str = "\
:root{--faster:#0072b2;--slower:#d55e00;--level:#858f9c;--total:#454d59;--grid:#e3e6eb}
body{max-width:73rem;padding:1.5rem 1rem 4rem}
header{margin-bottom:2.5rem}
h1{font-size:2rem;line-height:1.2;margin:0 0 1.2rem;letter-spacing:-.01em}
h2{font-size:1.35rem;margin:0 0 .4rem;letter-spacing:-.005em}
h3{font-size:1.02rem;margin:1.6rem 0 .4rem}
p,dd{max-width:46rem}
a{color:inherit;text-decoration-color:var(--line);text-underline-offset:.2em}
a:hover{text-decoration-color:currentcolor}
main>section{margin-top:3rem;padding-top:1.4rem;border-top:1px solid var(--line)}
.over{text-transform:uppercase;letter-spacing:.08em;font-size:.78rem;margin:0}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(14.5rem,1fr));gap:.8rem;margin:0 0 1.5rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.8rem 1rem}
.card h2{font-size:.85rem;font-weight:600;color:var(--faint);margin:0;letter-spacing:0}
.card p{font-size:.9rem;margin:0}
.card .big{font-size:2rem;font-weight:600;line-height:1.3;color:var(--ink);font-variant-numeric:tabular-nums;letter-spacing:-.02em}
.unit{display:none}
.big .of{white-space:nowrap;font-size:1rem;font-weight:400;letter-spacing:0;color:var(--faint)}
.together{white-space:nowrap}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:.7rem 1.5rem;margin:0}
.facts .wide{grid-column:1/-1}
dt{font-size:.8rem;color:var(--faint)}
dd{margin:0;overflow-wrap:anywhere}
.sum{display:block;color:var(--faint);font-size:.85rem}
nav{display:flex;flex-wrap:wrap;gap:.3rem 1.4rem;margin-top:1.5rem}
.legend{display:flex;flex-wrap:wrap;align-items:center;gap:.2rem 1rem;font-size:.85rem;margin:.8rem 0;max-width:none}
.item{display:inline-flex;align-items:center;gap:.4rem}
.key{display:inline-block;width:.85rem;height:.85rem;border-radius:3px}
.key.round{border-radius:50%}
.note,.quiet,.names,.of,.ends{color:var(--faint)}
.note{font-size:.85rem}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
table{border-collapse:collapse;width:100%;font-size:.875rem;font-variant-numeric:tabular-nums}
th,td{padding:0 0 0 1rem;text-align:left;vertical-align:middle;font-weight:400;border-bottom:1px solid var(--grid);white-space:nowrap}
th:first-child{padding-left:0}
thead th{font-size:.8rem;color:var(--faint);vertical-align:bottom;border-bottom:1px solid var(--line);position:relative}
.number{text-align:right}
.whole>*{font-weight:600}
.whole .ends,.whole .of{font-weight:400}
tbody tr:hover{background:var(--card)}
.gains .what,.layers .what,.memory .what{width:1%;padding-right:.4rem}
.gains wbr,.memory wbr{display:none}
.gains .number,.layers .number{width:1%}
.bar{min-width:8rem;line-height:0}
.gains .loss{width:13%;min-width:5.5rem}
.strip,.axis{display:block;overflow:visible}
.axis text{font-size:11px;fill:var(--faint)}
.grid{stroke:var(--grid);stroke-width:1}
.zero{stroke:var(--line);stroke-width:1}
.link{stroke:var(--level);stroke-width:1}
.whisker{stroke:var(--ink);stroke-width:1.3}
.total{fill:var(--total);background:var(--total)}
.faster{fill:var(--faster);background:var(--faster);stroke:var(--faster)}
.slower{fill:var(--slower);background:var(--slower);stroke:var(--slower)}
.level{fill:var(--level);background:var(--level);stroke:var(--level)}
.part{stroke:var(--page);stroke-width:.6}
.m-other{fill:var(--level);background:var(--level)}
.layers .what{white-space:normal;min-width:17rem;padding-top:.25rem;padding-bottom:.25rem;line-height:1.3}
.layers .names{display:block;font-size:.9em}
.times{font-weight:600}
.memory .number{min-width:6rem}
.memory td .strip{margin:2px 0 5px}
.memory td,.memory th{padding-top:4px}
details{margin:.6rem 0}
summary{cursor:pointer}
summary h3{display:inline-block;margin:.4rem 0}
.words dl{margin:.4rem 0 0}
.words dd{margin:0 0 .5rem;color:var(--faint)}
.words dt{font-size:.9rem;color:var(--ink)}
.scroll{overflow-x:auto}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,31rem),1fr));gap:1rem 1.5rem}
figure{margin:0;min-width:0}
.plot{display:block;width:100%;min-width:31rem;height:auto}
.plot text{font-size:12px;fill:var(--faint)}
.plot .field{fill:none;stroke:var(--line)}
.plot .minor{stroke-opacity:.55}
.plot .roof{stroke-width:1.8;stroke:var(--total)}
.plot .cache{stroke-dasharray:6 4}
.plot text.roof{stroke:var(--page);stroke-width:4;stroke-dasharray:none;paint-order:stroke;fill:var(--ink)}
.plot circle{fill-opacity:.6;stroke:var(--page);stroke-width:.8}
.plot .leader{stroke:var(--ink);stroke-width:.9}
.plot circle:hover{fill-opacity:1}
.plot .named{fill:var(--ink);stroke:var(--page);stroke-width:3.5;paint-order:stroke}
.graph svg{display:block;max-width:none}
.drawing .group{fill:var(--faster);fill-opacity:.14;stroke:var(--faster);stroke-width:2}
";

const DARK: &str = "\
:root{--faster:#4aa3e0;--slower:#f58a42;--level:#6f7988;--total:#b3bcc8;--grid:#2a3039}
";

const NARROW: &str = "\
@media screen and (max-width:64rem){
.gains,.gains thead,.gains thead tr,.gains tbody{display:block}
.gains thead th{display:none}
.gains thead th.bar:not(.loss){display:block;padding:0}
.gains wbr,.memory wbr{display:inline}
.gains tbody tr{display:grid;grid-template-columns:minmax(0,1fr) auto;gap:0 1rem;padding:.5rem 0;border-bottom:1px solid var(--grid)}
.gains tbody tr>*{display:block;padding:0;border:0;width:auto!important;min-width:0!important}
.gains .bar{grid-column:1/-1;grid-row:2}
.gains .loss,.gains tbody .loss{display:none}
.gains .unit{display:inline}
.gains .left:has(.quiet){display:none}
.gains .change{text-align:left}
.gains .left{grid-column:1/-1}
.gains .left:not(:empty)::before{content:'all but it, to all passes: ';color:var(--faint)}
}
@media screen and (min-width:36rem) and (max-width:64rem){
.cards{grid-template-columns:1fr 1fr}
}
@media screen and (max-width:46rem){
body{padding-top:1rem}
h1{font-size:1.6rem}
.layers,.layers thead,.layers thead tr,.layers tbody{display:block}
.layers thead th{display:none}
.layers thead th.bar{display:block;padding:0}
.layers tbody tr{display:grid;grid-template-columns:minmax(0,1fr) auto auto;gap:0 1rem;padding:.4rem 0;border-bottom:1px solid var(--grid)}
.layers tbody tr>*{display:block;padding:0;border:0;width:auto!important;min-width:0!important}
.layers .what,.layers .bar{grid-column:1/-1}
.layers .none::before{content:'none ';color:var(--faint)}
.layers .all::before{content:'all ';color:var(--faint)}
.layers .ratio::before{content:'ratio ';color:var(--faint)}
.layers .none{text-align:left}
}
";

const PRINT: &str = "\
@media print{
@page{margin:14mm}
:root{color-scheme:light}
body{max-width:none;padding:0;font-size:10pt}
nav{display:none}
.cards{grid-template-columns:1fr 1fr}
summary{list-style:none}
summary::-webkit-details-marker{display:none}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
main>section{margin-top:1.5rem}
h2,h3,summary{break-after:avoid}
tr,.card,figure{break-inside:avoid}
table{font-size:7.5pt}
thead th{font-size:7pt}
.axis text{font-size:7pt}
.note,.legend{font-size:8pt}
.gains{break-inside:avoid}
th,td{padding-left:.45rem}
.gains .bar{min-width:6rem}
.gains .loss{min-width:3rem;width:8%}
.scroll{overflow:visible}
.plot{min-width:0}
.plots{grid-template-columns:1fr 1fr}
details:not(.each)::details-content{content-visibility:visible;block-size:auto;display:block}
.each:not([open]){display:none}
.graph svg{max-width:100%;max-height:24cm;width:auto;height:auto}
}
";
