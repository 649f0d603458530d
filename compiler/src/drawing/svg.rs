//! A drawing as SVG: one page, one block of each run. It needs nothing beside itself, and is dark on dark screens.

use std::fmt::Write;

use super::escape::{self, shown, xml};
use super::lanes::{BOX, NAME, Placed, ROW, Scene, Wire};
use super::layout::{self, Frame, HEADING, STACK};
use super::{Drawing, Family, Layer, style, words};

const MARGIN: i64 = 28;
/// Title and summary, and each line of the legend.
const HEAD: i64 = 62;
const LEGEND: i64 = 22;
const LEAST_WIDTH: i64 = 640;
/// Between layers that belong together and the outline around them.
const AROUND: i64 = 5;
/// Columns of letters that a layer's box has room for: of its name, and of a row.
const NAME_COLUMNS: usize = 27;
const ROW_COLUMNS: usize = 29;

/// Writes the drawing as an SVG file.
pub fn write(drawing: &Drawing) -> String {
    picture(drawing, &format!("<style>\n{}</style>\n", style::sheet()), &[])
}

/// The drawing as a part of a page that has the style sheet of drawings, with outlines, of the class `group`,
/// around layers that belong together: their indices.
pub(crate) fn inside(drawing: &Drawing, groups: &[Vec<usize>]) -> String {
    let about = format!("<desc>{}</desc>\n", xml(&summary(drawing)));
    picture(drawing, &about, groups)
}

fn picture(drawing: &Drawing, head: &str, groups: &[Vec<usize>]) -> String {
    let page = layout::network(drawing);
    let width = (page.scene.width + 2 * MARGIN).max(LEAST_WIDTH);
    let (legend, legend_height) = legend(drawing, width);
    let top = HEAD + legend_height + MARGIN;
    let height = top + page.scene.height + MARGIN;
    let title = xml(&escape::visible(&drawing.title));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"drawing\" role=\"img\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\">\n<title>{title}</title>\n{head}<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n",
    );
    let _ = writeln!(
        svg,
        "<text class=\"title\" x=\"{MARGIN}\" y=\"36\">{}</text>\n<text class=\"quiet\" x=\"{MARGIN}\" y=\"55\">{}</text>\n{legend}",
        xml(&shown(&drawing.title, (width / 14) as usize)),
        xml(&escape::shorten(&summary(drawing), (width / 6) as usize)),
    );
    let _ = writeln!(svg, "<g transform=\"translate({MARGIN} {top})\">");
    for frame in &page.frames {
        draw_frame(&mut svg, frame);
    }
    for group in groups {
        draw_group(&mut svg, drawing, &page.scene.boxes, group);
    }
    svg.push_str(&scene(drawing, &page.scene));
    svg.push_str("</g>\n</svg>\n");
    svg
}

/// What the drawing is of, and how its shapes are to be read.
fn summary(drawing: &Drawing) -> String {
    let batch = drawing.layers.first().and_then(|layer| layer.shape.0.first()).copied().unwrap_or(1);
    format!("{}; channels × height × width on the edges, batch {batch}", drawing.summary())
}

/// The families that occur, as coloured squares with their names, and the height of that.
fn legend(drawing: &Drawing, width: i64) -> (String, i64) {
    let mut text = String::new();
    let (mut x, mut y) = (MARGIN, HEAD + 4);
    for family in families(drawing) {
        let needs = 34 + 6 * family.name().len() as i64;
        if x > MARGIN && x + needs > width - MARGIN {
            (x, y) = (MARGIN, y + LEGEND);
        }
        let _ = writeln!(
            text,
            "<rect class=\"{}\" x=\"{x}\" y=\"{y}\" width=\"14\" height=\"14\" rx=\"3\"/>\
             <text x=\"{}\" y=\"{}\">{}</text>",
            family.class(),
            x + 19,
            y + 11,
            family.name()
        );
        x += needs;
    }
    (text, y + LEGEND - HEAD)
}

/// The families that occur, in the order of the legend.
pub(super) fn families(drawing: &Drawing) -> impl Iterator<Item = Family> {
    let mut occur: Vec<Family> = Vec::new();
    for part in drawing.layers.iter().flat_map(Layer::rows) {
        if !occur.contains(&part.family) {
            occur.push(part.family);
        }
    }
    Family::ALL.into_iter().filter(move |family| occur.contains(family))
}

fn draw_frame(svg: &mut String, frame: &Frame) {
    let Frame { x, y, width, height, title, full_title, times } = frame;
    if *times > 1 {
        for behind in [STACK, STACK / 2] {
            let (x, y) = (x + behind, y + behind);
            let _ = writeln!(
                svg,
                "<rect class=\"frame\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>"
            );
        }
    }
    let _ = writeln!(
        svg,
        "<g><title>{}</title><rect class=\"frame\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>\
         <text class=\"block\" x=\"{}\" y=\"{}\">{}</text></g>",
        xml(full_title),
        x + 10,
        y + HEADING - 6,
        xml(title)
    );
    if *times > 1 {
        let _ = writeln!(
            svg,
            "<text class=\"times\" text-anchor=\"end\" x=\"{}\" y=\"{}\">× {times}</text>",
            x + width - 10,
            y + HEADING - 6
        );
    }
}

/// Outlines around layers that belong together: one around all that stand one below the other with no other layer between.
fn draw_group(svg: &mut String, drawing: &Drawing, boxes: &[Placed], group: &[usize]) {
    let mut runs: Vec<(&Placed, &Placed)> = Vec::new();
    for placed in boxes.iter().filter(|placed| group.contains(&placed.layer)) {
        let is_between =
            |other: &Placed, first: &Placed| other.x == placed.x && first.y < other.y && other.y < placed.y;
        match runs.iter_mut().find(|(_, last)| {
            last.x == placed.x && last.y < placed.y && !boxes.iter().any(|other| is_between(other, last))
        }) {
            Some(run) => run.1 = placed,
            None => runs.push((placed, placed)),
        }
    }
    let names: Vec<String> = group
        .iter()
        .filter_map(|index| drawing.layer(*index))
        .map(|layer| xml(&escape::visible(&layer.name)))
        .collect();
    for (first, last) in runs {
        let _ = writeln!(
            svg,
            "<g><title>{}</title><rect class=\"group\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"9\"/></g>",
            names.join("\n"),
            first.x - AROUND,
            first.y - AROUND,
            BOX + 2 * AROUND,
            last.y + last.height - first.y + 2 * AROUND
        );
    }
}

/// Edges, boxes and shapes, without a frame around them.
pub(super) fn scene(drawing: &Drawing, scene: &Scene) -> String {
    let mut svg = String::new();
    for wire in &scene.wires {
        draw_wire(&mut svg, wire);
    }
    for placed in &scene.boxes {
        draw_box(&mut svg, drawing, placed);
    }
    for label in &scene.labels {
        let Some(layer) = drawing.layer(label.layer) else { continue };
        let shape = words::extents(&layer.shape);
        let _ = writeln!(svg, "<text class=\"edge halo\" x=\"{}\" y=\"{}\">{shape}</text>", label.x, label.y);
    }
    svg
}

fn draw_wire(svg: &mut String, wire: &Wire) {
    let mut points = wire.points.iter();
    let (Some((x, y)), Some((end_x, end_y))) = (points.next(), wire.points.last()) else { return };
    let mut path = format!("M{x} {y}");
    for (x, y) in points {
        let _ = write!(path, "L{x} {y}");
    }
    let _ =
        writeln!(svg, "<path class=\"wire\" d=\"{path}\"/><path class=\"head\" d=\"M{end_x} {end_y}l-3.5 -6.5h7z\"/>");
}

fn draw_box(svg: &mut String, drawing: &Drawing, placed: &Placed) {
    let Some(layer) = drawing.layer(placed.layer) else { return };
    let Placed { x, y, height, .. } = placed;
    let _ = writeln!(
        svg,
        "<g><title>{}\n{}\n{}</title><rect class=\"card\" x=\"{x}\" y=\"{y}\" width=\"{BOX}\" height=\"{height}\" rx=\"6\"/>\
         <text class=\"name\" x=\"{}\" y=\"{}\">{}</text>",
        xml(&escape::visible(&layer.name)),
        xml(&layer.what()),
        layer.shape,
        x + 8,
        y + 14,
        xml(&shown(&layer.name, NAME_COLUMNS))
    );
    let mut row = y + NAME;
    for part in layer.rows() {
        let _ = writeln!(
            svg,
            "<rect class=\"{}\" x=\"{}\" y=\"{row}\" width=\"{}\" height=\"{}\" rx=\"3\"/><text x=\"{}\" y=\"{}\">{}</text>",
            part.family.class(),
            x + 4,
            BOX - 8,
            ROW - 1,
            x + 9,
            row + 12,
            xml(&escape::shorten(&part.what, ROW_COLUMNS))
        );
        row += ROW;
    }
    let _ =
        writeln!(svg, "<rect class=\"outline\" x=\"{x}\" y=\"{y}\" width=\"{BOX}\" height=\"{height}\" rx=\"6\"/></g>");
}
