//! What a program fetches into a near cache: its steps, played through a cache that keeps the lines used last.
//!
//! Each kernel's loops are retold line by line, in the order that `runtime/src/geometry.rs` states for its algorithm: which part of which
//! map, panel and scratch memory is read or written before which. Register tiles and rows of a few pixels are left out, and so is what
//! lies beside the maps: frames that are cleared, the program's own code. One thread computes everything. To write into a line that is
//! not there fetches it as well; what goes back to memory is not counted.

use super::geometry::{
    Algorithm, BLOCK, ConvGeometry, DenseGeometry, Direct, Frame, Map, Operand, PoolGeometry, Strassen, Winograd,
    in_pairs,
};
use super::{Kernel, Operands, Plan, Step};

/// Bytes of the cache: the second level of a core of Zen 2 to Zen 4 or Skylake's successors at least.
pub(super) const NEAR: usize = 512 * 1024;

/// Lines of a set.
const WAYS: usize = 8;
/// Values of a line.
const LINE: usize = 16;

/// Of so many neighbouring sets, the lines of one are played: the others fare alike.
const SAMPLED: usize = 8;

/// Where each kind of memory begins, far enough apart, in values.
const WEIGHTS: usize = 1 << 40;
const SCRATCH: usize = 2 << 40;
const CALLER: usize = 3 << 40;

/// Bytes that a call fetches into a near cache of [`NEAR`] bytes from beyond, when others came before it.
pub(super) fn fetched(plan: &Plan) -> u64 {
    let mut cache = Cache::of(NEAR, SAMPLED);
    play(plan, &mut cache);
    cache.fetched = 0;
    play(plan, &mut cache);
    cache.fetched * (SAMPLED * LINE * 4) as u64
}

/// All steps; those that run image by image, for each image.
fn play(plan: &Plan, cache: &mut Cache) {
    for together in plan.steps.chunk_by(|one, next| one.images.count == next.images.count) {
        for image in 0..together.first().map_or(1, |step| step.images.count) {
            together.iter().for_each(|step| step_of(step, image, cache));
        }
    }
}

/// A set-associative cache that drops of each set the line that was used longest ago.
struct Cache {
    /// The lines of each set, the last used first.
    sets: Vec<[usize; WAYS]>,
    /// Only lines that are multiples of it are heeded.
    every: usize,
    /// Lines that came from beyond.
    fetched: u64,
}

impl Cache {
    fn of(bytes: usize, every: usize) -> Self {
        Self { sets: vec![[usize::MAX; WAYS]; bytes / (4 * LINE * WAYS)], every, fetched: 0 }
    }

    /// Reads or writes so many values.
    fn touch(&mut self, from: usize, values: usize) {
        if values == 0 {
            return;
        }
        let count = self.sets.len();
        let lines = (from / LINE).next_multiple_of(self.every)..=(from + values - 1) / LINE;
        for line in lines.step_by(self.every) {
            let Some(set) = self.sets.get_mut(line % count) else { continue };
            let place = set.iter().position(|there| *there == line);
            self.fetched += u64::from(place.is_none());
            if let Some(uses) = set.get_mut(..=place.unwrap_or(WAYS - 1)) {
                uses.rotate_right(1);
            }
            set[0] = line;
        }
    }
}

/// A map where it lies.
#[derive(Clone, Copy)]
struct Placed {
    map: Map,
    at: usize,
}

impl Placed {
    /// Rows of a block, each from a column to before another. Rows and columns may lie in the frame; what lies beyond it is left out.
    fn touch(&self, cache: &mut Cache, image: usize, block: usize, rows: [isize; 2]) {
        let frame = self.map.frame.top as isize;
        let within = |row: isize| (row + frame).clamp(0, self.map.rows() as isize) as usize;
        let [from, to] = rows.map(within);
        let at = self.at + image * self.map.len() + block * self.map.plane() + from * self.map.row();
        cache.touch(at, to.saturating_sub(from) * self.map.row());
    }

    /// Columns of rows of a block.
    fn touch_window(&self, cache: &mut Cache, image: usize, block: usize, rows: [isize; 2], columns: [isize; 2]) {
        let Frame { left, right, .. } = self.map.frame;
        let within =
            |column: isize| (column + left as isize).clamp(0, (left + self.map.width + right) as isize) as usize;
        let [from, to] = columns.map(within);
        let first = -(self.map.frame.top as isize);
        for row in rows[0].max(first)..rows[1].min(first + self.map.rows() as isize) {
            let row = (row - first) as usize * self.map.row() + from * self.map.block;
            let at = self.at + image * self.map.len() + block * self.map.plane() + row;
            cache.touch(at, to.saturating_sub(from) * self.map.block);
        }
    }

    /// The same of pixels counted over all rows of a map without frame.
    fn touch_pixels(&self, cache: &mut Cache, image: usize, block: usize, pixels: [usize; 2]) {
        let [from, to] = pixels;
        let at = self.at + image * self.map.len() + block * self.map.plane() + from * self.map.block;
        cache.touch(at, to.saturating_sub(from) * self.map.block);
    }

    fn touch_whole(&self, cache: &mut Cache, image: usize, block: usize) {
        self.touch(cache, image, block, [-(self.map.frame.top as isize), self.map.rows() as isize]);
    }
}

/// One run of a step, for one of the images that it runs for one by one.
fn step_of(step: &Step, one: usize, cache: &mut Cache) {
    let Operands { input, other, output, weights, .. } = step.operands;
    let placed = |map: Map, place: Option<usize>, moves: bool| Placed {
        map,
        at: place.unwrap_or(CALLER) + if moves { one * map.len() } else { 0 },
    };
    let input = |map: Map| placed(map, input, step.images.input);
    let other = |map: Map| placed(map, other, step.images.other);
    let output = |map: Map| placed(map, output, step.images.output);
    let weights = WEIGHTS + weights.unwrap_or(0);
    // A scale and a shift per channel.
    let line = |cache: &mut Cache, map: Map| cache.touch(weights, 2 * map.channels.next_multiple_of(BLOCK));
    // Block by block, what is read and what is written.
    let plain = |cache: &mut Cache, batch: usize, maps: &[Placed]| {
        for image in 0..batch {
            for block in 0..maps.iter().map(|placed| placed.map.blocks()).max().unwrap_or(0) {
                let there = maps.iter().filter(|placed| block < placed.map.blocks());
                there.for_each(|placed| placed.touch_whole(cache, image, block));
            }
        }
    };
    match &step.kernel {
        Kernel::Conv { geometry, first_block, .. } => {
            let conv = Conv {
                geometry,
                first_block,
                input: input(geometry.input),
                shortcut: geometry.shortcut.map(other),
                output: output(geometry.output),
                weights,
            };
            conv.play(cache);
        }
        Kernel::Pool(geometry) => pool(geometry, input(geometry.input), output(geometry.output), cache),
        Kernel::Elementwise(geometry) => {
            if geometry.affine {
                line(cache, geometry.output);
            }
            let others = geometry.other.map(other);
            let maps: Vec<Placed> =
                [input(geometry.input)].into_iter().chain(others).chain([output(geometry.output)]).collect();
            plain(cache, geometry.batch, &maps);
        }
        Kernel::GroupNorm(geometry) => {
            line(cache, geometry.output);
            // Once for the statistics.
            plain(cache, geometry.batch, &[input(geometry.input)]);
            plain(cache, geometry.batch, &[input(geometry.input), output(geometry.output)]);
        }
        Kernel::Remap(geometry) => plain(cache, geometry.batch, &[input(geometry.input), output(geometry.output)]),
        Kernel::Channels(geometry) => {
            let (from, to) = (input(geometry.input), output(geometry.output));
            for image in 0..geometry.batch {
                for block in 0..geometry.count.div_ceil(BLOCK) {
                    from.touch_whole(cache, image, geometry.from / BLOCK + block);
                    to.touch_whole(cache, image, geometry.to / BLOCK + block);
                }
            }
        }
        Kernel::GlobalPool(geometry) => plain(cache, geometry.batch, &[input(geometry.input), output(geometry.output)]),
        Kernel::Dense(DenseGeometry { batch, features, units, .. }) => {
            let [read, written] = [features, units].map(|values| values.next_multiple_of(BLOCK));
            for panel in 0..written / BLOCK {
                cache.touch(weights + panel * (read + 1) * BLOCK, (read + 1) * BLOCK);
                cache.touch(step.operands.input.unwrap_or(CALLER), batch * read);
                cache.touch(step.operands.output.unwrap_or(CALLER), batch * written);
            }
        }
        Kernel::Softmax(geometry) => {
            let values = geometry.batch * geometry.features.next_multiple_of(BLOCK);
            [step.operands.input, step.operands.output].into_iter().flatten().for_each(|at| cache.touch(at, values));
        }
        Kernel::Flatten(geometry) => {
            plain(cache, geometry.batch, &[input(geometry.input)]);
            let features = geometry.input.channels * geometry.input.height * geometry.input.width;
            cache.touch(step.operands.output.unwrap_or(CALLER), geometry.batch * features);
        }
        Kernel::Input(geometry) => {
            let map = geometry.output;
            let values = map.channels * map.height * map.width;
            let from = CALLER + (1 << 30) * 2 * step.operands.network_input.unwrap_or(0);
            cache.touch(from + one * values, geometry.batch * values);
            plain(cache, geometry.batch, &[output(map)]);
        }
        Kernel::AsArray(geometry) => {
            plain(cache, geometry.batch, &[input(geometry.input)]);
            let values = geometry.input.channels * geometry.input.height * geometry.input.width;
            cache.touch(step.operands.output.unwrap_or(CALLER), geometry.batch * values);
        }
        Kernel::AsMap(geometry) => {
            let values = geometry.output.channels * geometry.output.height * geometry.output.width;
            cache.touch(step.operands.input.unwrap_or(CALLER), geometry.batch * values);
            plain(cache, geometry.batch, &[output(geometry.output)]);
        }
        Kernel::Nest { nest, lengths, constant } => {
            let both = [step.operands.input, step.operands.other];
            let places = match constant {
                None => both,
                Some(Operand::A) => [Some(weights), step.operands.input],
                Some(Operand::B) => [step.operands.input, Some(weights)],
            };
            places.into_iter().zip(lengths).for_each(|(at, length)| cache.touch(at.unwrap_or(CALLER), *length));
            cache.touch(step.operands.output.unwrap_or(CALLER), nest.shape.len());
        }
        Kernel::Output(geometry) => {
            plain(cache, geometry.batch, &[input(geometry.input)]);
            let values = geometry.input.channels * geometry.input.height * geometry.input.width;
            cache.touch(
                CALLER + (1 << 30) * (1 + 2 * step.operands.network_output.unwrap_or(0)),
                geometry.batch * values,
            );
        }
    }
}

/// Row by row of each block.
fn pool(geometry: &PoolGeometry, input: Placed, output: Placed, cache: &mut Cache) {
    let ([rows, _], [stride, _], [above, ..]) = (geometry.kernel, geometry.stride, geometry.padding);
    for image in 0..geometry.batch {
        for block in 0..geometry.output.blocks() {
            for row in 0..geometry.output.height {
                input.touch(cache, image, block, covered([row, row + 1], rows, stride, above));
                output.touch(cache, image, block, [row as isize, row as isize + 1]);
            }
        }
    }
}

/// What windows of some outputs along an axis cover of the input: each so much.
fn covered([from, to]: [usize; 2], span: usize, stride: usize, padding: usize) -> [isize; 2] {
    let padding = padding as isize;
    [(from * stride) as isize - padding, (to.saturating_sub(1) * stride + span) as isize - padding]
}

/// A convolution where it lies.
struct Conv<'a> {
    geometry: &'a ConvGeometry,
    first_block: &'a [usize],
    input: Placed,
    shortcut: Option<Placed>,
    output: Placed,
    weights: usize,
}

impl Conv<'_> {
    fn play(&self, cache: &mut Cache) {
        if self.geometry.second.is_some() {
            let panels = match self.geometry.algorithm {
                Algorithm::Strassen(_) => self.geometry.output.blocks() / 2,
                _ => self.geometry.output.blocks(),
            };
            cache.touch(self.weights + panels * self.panel(), 2 * self.geometry.output.channels);
        }
        match self.geometry.algorithm {
            Algorithm::Direct(direct) => self.direct(direct, cache),
            Algorithm::Winograd(winograd) => self.winograd(winograd, cache),
            Algorithm::Strassen(strassen) => {
                (0..self.geometry.batch).for_each(|image| self.strassen(strassen, image, cache))
            }
            Algorithm::Grouped(_) => {
                let panel = self.panel();
                let rows = [0, self.geometry.output.height];
                for block in 0..self.geometry.output.blocks() {
                    cache.touch(self.weights + block * panel, panel);
                    let read = self.first_block.get(block).copied().unwrap_or(0);
                    for image in 0..self.geometry.batch {
                        self.input.touch(cache, image, read, self.rows(rows));
                        self.write(cache, image, block, Part::Rows(rows));
                    }
                }
            }
        }
    }

    /// Length of a panel, by Strassen of a pair, biases included.
    fn panel(&self) -> usize {
        let ConvGeometry { window, kernel, input, .. } = *self.geometry;
        let taps = kernel[0] * kernel[1];
        let per_lane = match self.geometry.algorithm {
            Algorithm::Strassen(strassen) => return strassen.panel(window),
            Algorithm::Direct(_) => window * taps * input.block,
            Algorithm::Winograd(winograd) => {
                window * winograd.channels(input.block) * winograd.factors() * winograd.factors()
            }
            Algorithm::Grouped(grouped) => taps * grouped.channels,
        };
        (per_lane + 1) * BLOCK
    }

    /// The input rows that the windows of rows of the output cover.
    fn rows(&self, rows: [usize; 2]) -> [isize; 2] {
        let ConvGeometry {
            kernel: [kernel, _],
            stride: [stride, _],
            padding: [padding, _],
            dilation: [dilation, _],
            ..
        } = *self.geometry;
        covered(rows, (kernel - 1) * dilation + 1, stride, padding)
    }

    /// The same of columns.
    fn columns(&self, columns: [usize; 2]) -> [isize; 2] {
        let ConvGeometry {
            kernel: [_, kernel],
            stride: [_, stride],
            padding: [_, padding],
            dilation: [_, dilation],
            ..
        } = *self.geometry;
        covered(columns, (kernel - 1) * dilation + 1, stride, padding)
    }

    /// Output blocks that are computed together.
    fn together(&self) -> usize {
        if in_pairs(self.geometry.output.blocks(), self.first_block) { 2 } else { 1 }
    }

    /// The results of a block, behind the shortcut that is added to them.
    fn write(&self, cache: &mut Cache, image: usize, block: usize, part: Part) {
        let second = self.geometry.second.map(|_| (self.output, block + self.geometry.output.blocks()));
        let places =
            self.shortcut.map(|placed| (placed, block)).into_iter().chain([(self.output, block)]).chain(second);
        for (placed, block) in places {
            part.touch(placed, cache, image, block);
        }
    }

    /// A band's inputs of a pass, for every panel; the sums of a few panels wait in scratch memory between passes.
    fn direct(&self, Direct { band, depth, sums }: Direct, cache: &mut Cache) {
        let ConvGeometry { output, window, kernel, input, .. } = *self.geometry;
        let per_block = kernel[0] * kernel[1] * input.block * BLOCK;
        let (together, depth) = (self.together(), depth.min(window).max(1));
        let passes = window.div_ceil(depth);
        let pixels = output.height * output.width;
        let band = if self.geometry.flat() { band } else { band.next_multiple_of(output.width) };
        let all = self.geometry.batch * pixels;
        for first in (0..all).step_by(band.max(1)) {
            let last = (first + band).min(all);
            let parts = of_images(first, last, pixels).map(|(image, [first, last])| {
                let rows = [first / output.width, last.div_ceil(output.width)];
                let read = if self.geometry.flat() { Part::Pixels([first, last]) } else { Part::Read(self.rows(rows)) };
                (image, read, Part::Rows(rows))
            });
            let run = if passes == 1 { output.blocks() } else { (sums / ((last - first) * BLOCK)).max(together) };
            for begin in (0..output.blocks()).step_by(run.next_multiple_of(together)) {
                let panels = (begin..(begin + run.next_multiple_of(together)).min(output.blocks())).step_by(together);
                for pass in 0..passes {
                    let blocks = pass * depth..window.min((pass + 1) * depth);
                    for panel in panels.clone() {
                        for panel in panel..panel + together {
                            let at = panel * self.panel() + blocks.start * per_block;
                            cache.touch(self.weights + at, blocks.len() * per_block + BLOCK);
                        }
                        let first_block = self.first_block.get(panel).copied().unwrap_or(0);
                        for (image, read, _) in parts.clone() {
                            blocks.clone().for_each(|block| read.touch(self.input, cache, image, first_block + block));
                        }
                        if passes > 1 {
                            let sums = (last - first) * BLOCK * together;
                            cache.touch(SCRATCH + (panel - begin) / together * sums, sums);
                        }
                        if pass + 1 == passes {
                            for (image, _, written) in parts.clone() {
                                (panel..panel + together).for_each(|block| self.write(cache, image, block, written));
                            }
                        }
                    }
                }
            }
        }
    }

    /// A group of tiles is transformed, multiplied with each panel or pair of panels, and transformed back.
    fn winograd(&self, winograd: Winograd, cache: &mut Cache) {
        let ConvGeometry { output, window, input, stride, .. } = *self.geometry;
        let (products, panel) = (winograd.products(stride[0]), self.panel());
        let across = winograd.tiles(output.width).max(1);
        let tiles = across * winograd.tiles(output.height);
        let together = self.together();
        let all = self.geometry.batch * tiles;
        for first in (0..all).step_by(winograd.group.max(1)) {
            let group = winograd.group.min(all - first);
            let windows = of_images(first, first + group, tiles).flat_map(|(image, [first, last])| {
                let windows = Runs { first, last, across }.windows(winograd.outputs, [output.height, output.width]);
                windows.map(move |window| (image, window))
            });
            let transformed = group * products * BLOCK;
            for block in 0..input.blocks() {
                for (image, [rows, columns]) in windows.clone() {
                    let (rows, columns) = (self.rows(rows), self.columns(columns));
                    self.input.touch_window(cache, image, block, rows, columns);
                }
                cache.touch(SCRATCH + block * transformed, transformed);
            }
            for begin in (0..output.blocks()).step_by(together) {
                cache.touch(self.weights + begin * panel, together * panel);
                let first_block = self.first_block.get(begin).copied().unwrap_or(0);
                cache.touch(SCRATCH + first_block * transformed, window * transformed);
                cache.touch(SCRATCH + input.blocks() * transformed, together * transformed);
                for (image, window) in windows.clone() {
                    (begin..begin + together).for_each(|block| self.write(cache, image, block, Part::Window(window)));
                }
            }
        }
    }

    /// A band's pairs of pixels: their sums, for each pair of panels.
    fn strassen(&self, strassen: Strassen, image: usize, cache: &mut Cache) {
        let ConvGeometry { output, window, .. } = *self.geometry;
        let (pixels, half) = (output.height * output.width, output.blocks() / 2);
        let pairs = pixels.div_ceil(2);
        let (passes, panel) = (strassen.passes(window), self.panel());
        for first in (0..pairs).step_by(strassen.band.max(1)) {
            let last = (first + strassen.band).min(pairs);
            let both = [[first, last], [pixels - pairs + first, pixels - pairs + last]].map(Part::Pixels);
            let sums = 4 * strassen.depth * (last - first) * BLOCK;
            for pass in 0..passes {
                let blocks = 2 * strassen.depth * pass..2 * strassen.depth * (pass + 1);
                let read = |cache: &mut Cache| {
                    for block in blocks.clone() {
                        both.iter().for_each(|part| part.touch(self.input, cache, image, block));
                    }
                    cache.touch(SCRATCH, sums);
                };
                read(cache);
                for block in 0..half {
                    let of_pass = panel / passes;
                    cache.touch(self.weights + block * panel + pass * of_pass, of_pass);
                    read(cache);
                    let slots = 6 * (last - first) * BLOCK;
                    cache.touch(SCRATCH + sums, slots);
                    if passes > 1 {
                        let open = 4 * (last - first) * BLOCK;
                        cache.touch(SCRATCH + sums + slots + block * open, open);
                    }
                    if pass + 1 == passes {
                        for part in both {
                            [block, block + half].iter().for_each(|block| self.write(cache, image, *block, part));
                        }
                    }
                }
            }
        }
    }
}

/// A run counted over all images, of so many each: which of every image it has.
fn of_images(first: usize, last: usize, each: usize) -> impl Iterator<Item = (usize, [usize; 2])> + Clone {
    (first / each..last.div_ceil(each)).map(move |image| {
        (image, [first.max(image * each) - image * each, last.min((image + 1) * each) - image * each])
    })
}

/// Tiles that are computed together, counted row by row.
#[derive(Clone, Copy)]
struct Runs {
    first: usize,
    last: usize,
    /// Tiles of a row.
    across: usize,
}

impl Runs {
    /// The rows and columns of outputs that they are, for each row of tiles: so many outputs to a side of a tile, and in all.
    fn windows(self, side: usize, output: [usize; 2]) -> impl Iterator<Item = [[usize; 2]; 2]> + Clone {
        let Self { first, last, across } = self;
        (first / across..last.div_ceil(across)).map(move |row| {
            let tiles = [first.max(row * across) - row * across, last.min((row + 1) * across) - row * across];
            let outputs = |tiles: [usize; 2], extent: usize| tiles.map(|tile| (tile * side).min(extent));
            [outputs([row, row + 1], output[0]), outputs(tiles, output[1])]
        })
    }
}

/// What of a block is read or written.
#[derive(Clone, Copy)]
enum Part {
    /// Rows inside the frame.
    Rows([usize; 2]),
    /// Rows and columns inside the frame.
    Window([[usize; 2]; 2]),
    /// Rows that may lie in the frame.
    Read([isize; 2]),
    /// Pixels over all rows of a map without frame.
    Pixels([usize; 2]),
}

impl Part {
    fn touch(self, placed: Placed, cache: &mut Cache, image: usize, block: usize) {
        match self {
            Self::Rows(rows) => placed.touch(cache, image, block, rows.map(|row| row as isize)),
            Self::Window(window) => {
                let [rows, columns] = window.map(|range| range.map(|at| at as isize));
                placed.touch_window(cache, image, block, rows, columns);
            }
            Self::Read(rows) => placed.touch(cache, image, block, rows),
            Self::Pixels(pixels) if placed.map.frame.is_none() => placed.touch_pixels(cache, image, block, pixels),
            Self::Pixels([from, to]) => {
                let width = placed.map.width.max(1);
                placed.touch(cache, image, block, [(from / width) as isize, to.div_ceil(width) as isize]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::frontend::{self, WeightSource};
    use crate::passes::{self, Switches};
    use crate::plan::{Settings, plan};

    fn planned(spec: &str, batch: usize, switches: &Switches, exact: bool) -> Plan {
        let (network, _) = frontend::load(spec, Some(&WeightSource::Seed(1)), batch).unwrap();
        let mut graph = network.graph;
        passes::run(&mut graph, switches).unwrap();
        plan(&graph, &Settings { exact, ..Settings::default() }).unwrap().0
    }

    #[test]
    fn what_fits_is_fetched_once_and_what_does_not_each_time() {
        for (values, again) in [(NEAR / 4, 0), (NEAR / 2, NEAR / 2 / LINE)] {
            let mut cache = Cache::of(NEAR, 1);
            cache.touch(0, values);
            assert_eq!(cache.fetched, (values / LINE) as u64);
            cache.touch(0, values);
            assert_eq!(cache.fetched, (values / LINE + again) as u64);
        }
    }

    #[test]
    fn every_weight_is_read_and_nothing_beside_the_arena() {
        let networks = [
            ("resnet18", 1, false),
            ("resnet18", 1, true),
            ("resnet50", 2, false),
            ("resnext50_32x4d", 1, false),
            ("timm-resnetv2_50x1_bit", 1, false),
            ("keras-resnet50v2", 1, false),
            ("cifar-preactivation-resnet164", 3, false),
        ];
        for (spec, batch, exact) in networks {
            let plan = planned(spec, batch, &Switches::default(), exact);
            // Large enough that it drops nothing.
            let mut cache = Cache::of(32 * NEAR.max(4 * (plan.weights.len() + plan.arena)), 1);
            play(&plan, &mut cache);
            let lines: BTreeSet<usize> = cache.sets.into_iter().flatten().filter(|line| *line != usize::MAX).collect();
            assert_eq!(lines.len() as u64, cache.fetched, "{spec}");
            let between = |from: usize, to: usize| lines.range(from / LINE..to / LINE).copied();
            let arena = between(0, WEIGHTS).next_back().unwrap();
            assert!(arena < plan.arena.div_ceil(LINE), "{spec}: {arena} of {}", plan.arena);
            let missing: Vec<&str> = plan
                .steps
                .iter()
                .filter(|step| step.operands.weights.is_some_and(|at| !lines.contains(&((WEIGHTS + at) / LINE))))
                .map(|step| step.name.as_str())
                .collect();
            assert_eq!(missing, Vec::<&str>::new(), "{spec}");
            let (read, all) = (between(WEIGHTS, SCRATCH).count(), plan.weights.len() / LINE);
            assert!(read * 100 >= all * 98 && read <= all, "{spec}: {read} of {all} lines of weights");
            assert!(plan.fetched() as usize >= 4 * LINE * (read - read / 100), "{spec}");
        }
    }

    #[test]
    fn maps_between_element_wise_steps_are_fetched_and_parts_of_convolutions_fetch_weights_again() {
        let fetched = |with: &[&str], without: &[&str]| {
            let mut switches = Switches::default();
            switches.forced.extend(with.iter().map(|name| (*name).to_owned()));
            switches.disabled.extend(without.iter().map(|name| (*name).to_owned()));
            planned("resnet50", 1, &switches, false).fetched() as f64
        };
        let all = fetched(&[], &[]);
        // Sixteen sums and as many activations, of 26 MB to read and write each if they are steps of their own.
        assert!(fetched(&[], &["fuse_shortcut_add"]) > all + 20e6);
        assert!(fetched(&["fuse_bottleneck"], &[]) > all);
    }
}
