//! A drawing as a page of HTML: one card per unit, blocks open at a click. It needs nothing beside itself, no network and,
//! but for two buttons, no script; it is well-formed XML too.

use std::fmt::Write;

use super::escape::{self, shown, xml};
use super::{Block, Drawing, Layer, Unit, blocks, layout, style, svg, words};

const NAME: usize = 60;

/// Writes the drawing as an HTML file.
pub fn write(drawing: &Drawing) -> String {
    let title = xml(&escape::visible(&drawing.title));
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{title}</title>\n\
         <style>\n{}{}{PAGE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{}; shapes are channels × height × width</p>\n",
        style::sheet(),
        style::PAGE,
        xml(&drawing.summary())
    );
    html.push_str("<p class=\"legend\">");
    for family in svg::families(drawing) {
        let _ = write!(html, "<span class=\"chip {}\">{}</span> ", family.class(), family.name());
    }
    html.push_str("</p>\n<p id=\"buttons\"></p>\n<ol class=\"flow\">\n");
    for unit in &drawing.units {
        match unit {
            Unit::Layer(index) => single(&mut html, drawing, *index),
            Unit::Blocks(run) => several(&mut html, drawing, run),
        }
    }
    html.push_str("</ol>\n");
    html.push_str(SCRIPT);
    html.push_str("</body>\n</html>\n");
    html
}

/// A layer outside of blocks.
fn single(html: &mut String, drawing: &Drawing, index: usize) {
    let Some(layer) = drawing.layer(index) else { return };
    let _ = writeln!(
        html,
        "<li class=\"card\"><div class=\"top\"><code>{}</code><span class=\"shape\">{}</span></div>\
         <div class=\"chips\"><span class=\"layer\">{}</span></div></li>",
        name(&layer.name),
        words::extents(&layer.shape),
        chips(layer)
    );
}

/// A run of blocks that do the same: drawn once, listed one by one.
fn several(html: &mut String, drawing: &Drawing, run: &[Block]) {
    let Some(first) = run.first() else { return };
    let layers = drawing.layers.get(first.layers.clone()).unwrap_or_default();
    let shape = layers.last().map(|layer| words::extents(&layer.shape)).unwrap_or_default();
    let times = if run.len() > 1 { format!("<span class=\"times\">× {}</span>", run.len()) } else { String::new() };
    let _ = write!(
        html,
        "<li class=\"card{}\"><details><summary><div class=\"top\"><span><b title=\"{}\">{}</b>{times}</span>\
         <span class=\"shape\">{shape}</span></div><div class=\"chips\">",
        if run.len() > 1 { " stack" } else { "" },
        xml(&blocks::title(run, usize::MAX)),
        xml(&blocks::title(run, NAME)),
    );
    for layer in layers {
        let _ = write!(html, "<span class=\"layer\">{}</span>", chips(layer));
    }
    html.push_str("</div></summary>\n");
    draw(html, drawing, first);
    for block in run {
        let _ = writeln!(html, "<details class=\"list\"><summary>{}: layers</summary>", name(&block.name));
        table(html, drawing, block);
        html.push_str("</details>\n");
    }
    html.push_str("</details></li>\n");
}

fn draw(html: &mut String, drawing: &Drawing, block: &Block) {
    let scene = layout::block(drawing, block);
    let (width, height) = (scene.width, scene.height);
    let _ = write!(
        html,
        "<div class=\"picture\"><svg xmlns=\"http://www.w3.org/2000/svg\" class=\"drawing\" role=\"img\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n{}</svg></div>\n",
        svg::scene(drawing, &scene)
    );
}

fn table(html: &mut String, drawing: &Drawing, block: &Block) {
    html.push_str("<table><tr><th>layer</th><th>what</th><th>shape</th><th>reads</th></tr>\n");
    for layer in drawing.layers.get(block.layers.clone()).unwrap_or_default() {
        let reads: Vec<String> = layer
            .operands
            .iter()
            .filter_map(|operand| drawing.layer(*operand))
            .map(|operand| format!("<code>{}</code>", name(&operand.name)))
            .collect();
        let _ = writeln!(
            html,
            "<tr><td><code>{}</code></td><td>{}</td><td class=\"shape\">{}</td><td>{}</td></tr>",
            name(&layer.name),
            chips(layer),
            words::extents(&layer.shape),
            reads.join(" ")
        );
    }
    html.push_str("</table>\n");
}

fn chips(layer: &Layer) -> String {
    layer.rows().iter().fold(String::new(), |mut text, part| {
        let _ = write!(text, "<span class=\"chip {}\">{}</span>", part.family.class(), xml(&shown(&part.what, NAME)));
        text
    })
}

/// A name as far as there is room, and in full where it is pointed at.
fn name(name: &str) -> String {
    let (full, short) = (escape::visible(name), shown(name, NAME));
    if full == short { xml(&short) } else { format!("<span title=\"{}\">{}</span>", xml(&full), xml(&short)) }
}

const PAGE: &str = "\
.flow{list-style:none;margin:1rem 0;padding:0}
.flow .card{position:relative;margin:0 0 1.1rem;padding:.5rem .75rem;border:1px solid var(--line);border-radius:8px;background:var(--card)}
.flow .stack{box-shadow:3px 3px 0 -1px var(--card),3px 3px 0 0 var(--line),6px 6px 0 -1px var(--card),6px 6px 0 0 var(--line)}
.flow .card:not(:last-child)::after{content:'';position:absolute;left:1.6rem;bottom:-1.1rem;height:1.1rem;border-left:2px solid var(--faint)}
.top{display:flex;justify-content:space-between;gap:1rem;flex-wrap:wrap}
.shape{color:var(--faint);white-space:nowrap;font-variant-numeric:tabular-nums}
.times{margin-left:.6rem;padding:0 .5rem;border-radius:1rem;background:var(--ink);color:var(--page);font-weight:600}
.chips{margin-top:.3rem;display:flex;flex-wrap:wrap;gap:.3rem}
.layer{display:inline-flex;flex-wrap:wrap;border:1px solid var(--line);border-radius:6px;overflow:hidden}
.chip{display:inline-block;padding:.05rem .4rem;font-size:.8rem;color:var(--ink)}
.legend .chip{border-radius:4px;margin:0 .15rem .25rem 0}
summary{cursor:pointer}
summary .top{display:inline-flex;width:calc(100% - 1.4rem);vertical-align:top}
.picture{overflow-x:auto;margin:.6rem 0}
.picture svg{max-width:max(100%,36rem);height:auto}
.list{margin:.3rem 0;overflow-x:auto}
table{border-collapse:collapse;margin:.3rem 0}
th,td{text-align:left;padding:.15rem .7rem .15rem 0;border-bottom:1px solid var(--line);vertical-align:top}
button{font:inherit;margin-right:.5rem;padding:.2rem .7rem;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:6px}
@media print{body{max-width:none}.chip,.f-interface{print-color-adjust:exact;-webkit-print-color-adjust:exact}
 .card{break-inside:avoid}#buttons{display:none}}
";

const SCRIPT: &str = "\
<script>
[['Open all blocks', true], ['Close all', false]].forEach(function (choice) {
  var button = document.createElement('button');
  button.textContent = choice[0];
  button.onclick = function () {
    document.querySelectorAll('.flow details:not(.list)').forEach(function (block) { block.open = choice[1]; });
  };
  document.getElementById('buttons').appendChild(button);
});
</script>
";
