//! How near each layer comes to what the machine can do: operations per second over operations per byte.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::number::{SPACE, count, digits, ratio};
use super::scale::Logarithmic;
use super::{key, setting_title, style, what};
use crate::bench::report::{Layers, Report, Setting};
use crate::drawing::Family;
use crate::drawing::escape::{columns, shorten, shown, visible, xml};

const WIDTH: f64 = 620.0;
const HEIGHT: f64 = 400.0;
/// The plot's left, top, right and lower side.
const LEFT: f64 = 52.0;
const TOP: f64 = 14.0;
const RIGHT: f64 = 606.0;
const BOTTOM: f64 = 352.0;
/// The radius of the layer that takes the most time, and the least that is seen.
const LARGEST: f64 = 15.0;
const SMALLEST: f64 = 2.5;
/// So much of each slope is shown, by factor, that its name has room.
const SLOPE: f64 = 6.0;
/// Layers with their names in the plot.
const NAMED: usize = 4;
/// Columns of letters in such a name, and the width of a letter.
const NAME: usize = 30;
const LETTER: f64 = 6.1;

/// Writes the section. `families` are those of the layers after the passes.
pub(super) fn write(html: &mut String, report: &Report, families: &BTreeMap<&str, Family>) {
    html.push_str(
        "<section id=\"roofline\">\n<h2>Roofline</h2>\n<p>Each layer of the program with all passes, by the operations that the \
         network asks for: across per byte of maps and weights that its step reads and writes, upwards per second. Its area is \
         its time. The lines are measured: the arithmetic peak, and reading a buffer as large as weights and activations, or one \
         that lies in a second-level cache, L2. Winograd’s and Strassen’s algorithms need fewer operations than the \
         network asks for, so layers may lie above the peak; maps that stay in a cache let them lie left of a line.</p>\n",
    );
    let shown = shown_families(report, families);
    if !shown.is_empty() {
        html.push_str("<p class=\"legend\">");
        for family in shown {
            key(html, &format!("round {}", style::class(family)), family.map_or("other", Family::name));
        }
        html.push_str("</p>\n");
    }
    html.push_str("<div class=\"plots\">\n");
    for (place, setting) in report.settings.iter().enumerate() {
        figure(html, report, setting, place, families);
    }
    html.push_str("</div>\n</section>\n");
}

/// A layer in the plot.
struct Point<'a> {
    layer: &'a Layers,
    family: Option<Family>,
    /// Operations per byte, and 10⁹ of them per second.
    intensity: f64,
    speed: f64,
}

fn shown_families(report: &Report, families: &BTreeMap<&str, Family>) -> Vec<Option<Family>> {
    let all = report.settings.iter().flat_map(|setting| points(setting, families));
    let found: Vec<Option<Family>> = all.map(|point| point.family).collect();
    Family::ALL.into_iter().map(Some).chain([None]).filter(|family| found.contains(family)).collect()
}

/// The layers that have a place in the plot, those that take the most time first.
fn points<'a>(setting: &'a Setting, families: &BTreeMap<&str, Family>) -> Vec<Point<'a>> {
    let point = |layer: &'a Layers| {
        let operations = 2.0 * layer.macs as f64;
        let intensity = ratio(operations, layer.bytes as f64);
        let speed = ratio(operations, layer.fused * 1e3);
        let is_seen = |value: f64| value.is_finite() && value > 0.0;
        let family = families.get(layer.name.as_str()).copied();
        (is_seen(intensity) && is_seen(speed)).then_some(Point { layer, family, intensity, speed })
    };
    let mut points: Vec<Point<'a>> = setting.layers.iter().filter_map(point).collect();
    points.sort_by(|a, b| b.layer.fused.total_cmp(&a.layer.fused));
    points
}

/// The scales of a plot.
struct Plane {
    x: Logarithmic,
    y: Logarithmic,
}

impl Plane {
    fn across(&self, intensity: f64) -> Option<f64> {
        self.x.part(intensity).map(|part| LEFT + part * (RIGHT - LEFT))
    }

    fn up(&self, speed: f64) -> Option<f64> {
        self.y.part(speed).map(|part| BOTTOM - part * (BOTTOM - TOP))
    }
}

fn figure(html: &mut String, report: &Report, setting: &Setting, place: usize, families: &BTreeMap<&str, Family>) {
    let title = setting_title(setting);
    let points = points(setting, families);
    let _ = writeln!(html, "<figure><h3>{title}</h3>");
    if points.is_empty() {
        html.push_str("<p>No layer with arithmetic was timed.</p>\n</figure>\n");
        return;
    }
    let peak = setting.peak / 1e9;
    let bandwidths = setting.bandwidth.map(|bandwidth| bandwidth / 1e9);
    let ridges = bandwidths.map(|bandwidth| ratio(peak, bandwidth));
    let slopes = ridges.map(|ridge| ridge / SLOPE);
    let plane = Plane {
        x: Logarithmic::covering(points.iter().map(|point| point.intensity).chain(ridges).chain(slopes)),
        y: Logarithmic::covering(points.iter().map(|point| point.speed).chain([peak, peak / SLOPE])),
    };
    let _ = writeln!(
        html,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Roofline: {title}\">\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" role=\"img\" aria-labelledby=\"roof-{place}-title\" \
         aria-describedby=\"roof-{place}-desc\" viewBox=\"0 0 {WIDTH} {HEIGHT}\">\n\
         <title id=\"roof-{place}-title\">Roofline of {}, {title}</title>\n<desc id=\"roof-{place}-desc\">{} as circles; the peak is \
         {} GFLOP/s, memory gives {} GB/s, the second-level cache {} GB/s.</desc>",
        xml(&shown(&report.network, 60)),
        count(points.len(), "layer"),
        digits(peak),
        digits(bandwidths[0]),
        digits(bandwidths[1]),
    );
    grid(html, &plane);
    let mut labels = Labels::default();
    roofs(html, &plane, peak, bandwidths, &mut labels);
    circles(html, &plane, &points, &mut labels);
    html.push_str("</svg>\n</div>\n");
    left_out(html, setting, points.len());
    html.push_str("</figure>\n");
}

fn grid(html: &mut String, plane: &Plane) {
    let _ = write!(
        html,
        "<rect class=\"field\" x=\"{LEFT}\" y=\"{TOP}\" width=\"{}\" height=\"{}\"/>",
        RIGHT - LEFT,
        BOTTOM - TOP
    );
    for (tick, is_labelled) in plane.x.ticks() {
        let Some(x) = plane.across(tick) else { continue };
        let class = if is_labelled { "grid" } else { "grid minor" };
        let _ = write!(html, "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\"/>");
        if is_labelled {
            let y = BOTTOM + 16.0;
            let _ = write!(
                html,
                "<text class=\"tick\" x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
                power(tick)
            );
        }
    }
    for (tick, is_labelled) in plane.y.ticks() {
        let Some(y) = plane.up(tick) else { continue };
        let class = if is_labelled { "grid" } else { "grid minor" };
        let _ = write!(html, "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
        if is_labelled {
            let (x, y) = (LEFT - 6.0, y + 4.0);
            let _ =
                write!(html, "<text class=\"tick\" x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>", power(tick));
        }
    }
    let (middle, height) = ((LEFT + RIGHT) / 2.0, (TOP + BOTTOM) / 2.0);
    let _ = writeln!(
        html,
        "<text class=\"axis\" x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">arithmetic intensity, FLOP/byte</text>\
         <text class=\"axis\" transform=\"translate(13 {height}) rotate(-90)\" text-anchor=\"middle\">GFLOP/s</text>",
        BOTTOM + 37.0
    );
}

/// A tick's number without zeros that say nothing.
fn power(tick: f64) -> String {
    if (1e-3..1e6).contains(&tick) { format!("{}", (tick * 1e6).round() / 1e6) } else { format!("{tick:.0e}") }
}

/// The peak, and a slope per bandwidth up to it.
fn roofs(html: &mut String, plane: &Plane, peak: f64, bandwidths: [f64; 2], labels: &mut Labels) {
    let [first, last] = plane.x.ends();
    let [lowest, highest] = plane.y.ends();
    let top = plane.up(peak).map_or(highest, |_| peak);
    let angle = -((BOTTOM - TOP) / plane.y.decades()).atan2((RIGHT - LEFT) / plane.x.decades()).to_degrees();
    let mut ridge = f64::INFINITY;
    for ((name, class), bandwidth) in [("memory", "memory"), ("L2 cache", "cache")].into_iter().zip(bandwidths) {
        let end = ratio(top, bandwidth).min(last);
        let begin = ratio(lowest, bandwidth).max(first);
        let places = [plane.across(begin), plane.up(begin * bandwidth), plane.across(end), plane.up(end * bandwidth)];
        let [Some(x1), Some(y1), Some(x2), Some(y2)] = places else { continue };
        if begin >= end {
            continue;
        }
        ridge = ridge.min(end);
        labels.take_line([x1, y1], [x2, y2]);
        let _ = write!(
            html,
            "<line class=\"roof {class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>\
             <text class=\"roof {class}\" transform=\"translate({:.1} {:.1}) rotate({angle:.1})\">{name}, {} GB/s</text>",
            x1 + 14.0 + 4.0 * angle.to_radians().sin(),
            y1 + 14.0 * angle.to_radians().tan() - 5.0,
            digits(bandwidth)
        );
    }
    let begin = if ridge.is_finite() { ridge } else { first };
    if let (Some(x), Some(y)) = (plane.across(begin), plane.up(peak)) {
        let text = format!("peak, {} GFLOP/s", digits(peak));
        let width = columns(&text) as f64 * LETTER;
        // Where the lines meet there are few layers.
        let left = (x + 4.0).min(RIGHT - 6.0 - width);
        labels.texts.push([left, y - 18.0, left + width, y - 2.0]);
        labels.take_line([x, y], [RIGHT, y]);
        let _ = writeln!(
            html,
            "<line class=\"roof peak\" x1=\"{x:.1}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"roof peak\" x=\"{left:.1}\" y=\"{:.1}\">{text}</text>",
            y - 6.0
        );
    }
}

/// The layers, and the names of those that take the most time.
fn circles(html: &mut String, plane: &Plane, points: &[Point<'_>], labels: &mut Labels) {
    let most = points.first().map_or(1.0, |point| point.layer.fused);
    let mut circles: Vec<(&Point<'_>, [f64; 3])> = Vec::new();
    for point in points {
        let (Some(x), Some(y)) = (plane.across(point.intensity), plane.up(point.speed)) else { continue };
        let radius = ((point.layer.fused / most).sqrt() * LARGEST).max(SMALLEST);
        labels.marks.push([x - radius, y - radius, x + radius, y + radius]);
        circles.push((point, [x, y, radius]));
        let _ = writeln!(
            html,
            "<circle class=\"{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"><title>{}</title></circle>",
            style::class(point.family),
            xml(&tip(point))
        );
    }
    let mut named: Vec<String> = Vec::new();
    for (point, circle) in circles {
        let what = what(point.layer);
        if named.len() == NAMED {
            return;
        }
        if named.contains(&what) {
            continue;
        }
        let text = shorten(&what, NAME);
        named.push(what);
        let Some(([x, y], line)) = labels.place(circle, columns(&text) as f64 * LETTER) else { continue };
        if let Some([x1, y1, x2, y2]) = line {
            let _ =
                write!(html, "<line class=\"leader\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>");
        }
        let _ = writeln!(html, "<text class=\"named\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", xml(&text));
    }
}

fn tip(point: &Point<'_>) -> String {
    format!(
        "{}\n{}\n{} µs, {} FLOP/byte, {} GFLOP/s",
        visible(&point.layer.name),
        what(point.layer),
        digits(point.layer.fused),
        digits(point.intensity),
        digits(point.speed)
    )
}

/// A rectangle: its left, upper, right and lower side.
type Sides = [f64; 4];

/// What text must not cover.
#[derive(Default)]
struct Labels {
    marks: Vec<Sides>,
    texts: Vec<Sides>,
}

impl Labels {
    /// Takes a line, in pieces.
    fn take_line(&mut self, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
        const PIECES: u32 = 40;
        for piece in 0..=PIECES {
            let part = f64::from(piece) / f64::from(PIECES);
            let (x, y) = (x1 + (x2 - x1) * part, y1 + (y2 - y1) * part);
            self.marks.push([x - 2.0, y - 2.0, x + 2.0, y + 2.0]);
        }
    }

    /// Where a text of a width begins, beside a circle, above or below it, and the line between both if it is far.
    fn place(&mut self, [x, y, radius]: [f64; 3], width: f64) -> Option<([f64; 2], Option<Sides>)> {
        const UP: f64 = 10.0;
        let gap = radius + 5.0;
        let around = |[x, y]: [f64; 2]| [x - 2.0, y - UP, x + width + 2.0, y + 3.0];
        let beside = [[x + gap, y + 4.0], [x - gap - width, y + 4.0]].map(|begin| (begin, None));
        let apart = (0..14).flat_map(|far| [-0.5, -0.85, -0.15].map(|shift| (far, shift)));
        let apart = apart.flat_map(|(far, shift)| {
            let (left, far) = (x + width * shift, gap + 9.0 * f64::from(far));
            [([left, y - far - 3.0], [x, y - far, x, y - radius]), ([left, y + far + UP], [x, y + radius, x, y + far])]
        });
        let apart = apart.map(|(begin, line)| (begin, Some(line).filter(|[_, top, _, bottom]| bottom - top > 8.0)));
        let is_free = |(begin, line): &([f64; 2], Option<Sides>)| {
            let text = around(*begin);
            let field = [LEFT, TOP, RIGHT, BOTTOM];
            is_within(&text, &field)
                && !self.marks.iter().chain(&self.texts).any(|taken| meet(&text, taken))
                && !line.is_some_and(|line| self.texts.iter().any(|taken| meet(&line, taken)))
        };
        let place = beside.into_iter().chain(apart).find(is_free)?;
        self.texts.push(around(place.0));
        if let Some([x1, y1, x2, y2]) = place.1 {
            self.marks.push([x1 - 4.0, y1, x2 + 4.0, y2]);
        }
        Some(place)
    }
}

fn meet(one: &Sides, other: &Sides) -> bool {
    let ([left, top, right, bottom], [from, upper, to, lower]) = (one, other);
    left < to && from < right && top < lower && upper < bottom
}

fn is_within(one: &Sides, other: &Sides) -> bool {
    let ([left, top, right, bottom], [from, upper, to, lower]) = (one, other);
    from < left && right < to && upper < top && bottom < lower
}

/// The layers that have no place in the plot, and their time.
fn left_out(html: &mut String, setting: &Setting, shown: usize) {
    let others = setting.layers.len() - shown;
    if others == 0 {
        return;
    }
    let without = setting.layers.iter().filter(|layer| layer.macs == 0);
    let time: f64 = without.map(|layer| layer.fused).filter(|time| time.is_finite()).sum();
    let _ = writeln!(
        html,
        "<figcaption class=\"note\">{} without multiply-accumulates, such as poolings, {} not shown: {}{SPACE}µs.</figcaption>",
        count(others, "layer"),
        if others == 1 { "is" } else { "are" },
        digits(time)
    );
}
