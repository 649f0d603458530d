//! Reports for tests, with times that follow from sizes.

use std::collections::BTreeMap;

use crate::bench::report::{Interval, Layers, Machine, Report, Role, Setting, Timing, Variant};
use crate::frontend::{self, WeightSource};
use crate::ir::{Graph, NodeId, Op};
use crate::passes;

/// A pass: its name, what it leaves of the time, and whether a program was built for it.
const PASSES: [(&str, f64, bool); 8] = [
    ("remove_dead", 1.0, false),
    ("fold_constants", 1.0004, true),
    ("fold_pad", 0.992, true),
    ("fold_scale", 1.0, false),
    ("fold_batch_norm", 0.84, true),
    ("fuse_activation", 0.87, true),
    ("fuse_shortcut_add", 0.905, true),
    ("widen_frames", 1.012, true),
];

/// A network that ships, as if it had been timed in two batches on one and two threads.
pub(super) fn realistic(model: &str) -> Report {
    let (network, _) = frontend::load(model, Some(&WeightSource::Seed(0)), 1).unwrap();
    let mut graph = network.graph.clone();
    passes::run(&mut graph, &Default::default()).unwrap();
    let graphs = [network.graph, graph];
    let variants: Vec<Variant> = [1, 8].into_iter().flat_map(variants).collect();
    let settings = [(1, 1), (1, 2), (8, 1), (8, 2)].map(|(batch, threads)| setting(&graphs, &variants, batch, threads));
    Report {
        network: network.name,
        model: model.to_owned(),
        compiler: "0.1.0".to_owned(),
        time: 1_772_283_900,
        machine: Machine { processor: "AMD EPYC 7R13".to_owned(), isa: "avx2".to_owned(), threads: 2 },
        files: vec![(format!("{model}.safetensors"), "9f86d081884c7d659a2feaa0c55ad015".repeat(2))],
        exact: false,
        weights: "seed:0".to_owned(),
        passes: PASSES.map(|(pass, ..)| (pass.to_owned(), summary(pass))).to_vec(),
        variants,
        settings: settings.to_vec(),
        graphs,
    }
}

fn summary(name: &str) -> String {
    let pass = passes::PASSES.iter().find(|pass| pass.name == name);
    pass.map_or("Makes frames wide enough for every reader.", |pass| pass.summary).to_owned()
}

fn variants(batch: usize) -> Vec<Variant> {
    let names: Vec<String> = PASSES.iter().map(|(pass, ..)| (*pass).to_owned()).collect();
    let built: Vec<usize> = (0..PASSES.len()).filter(|place| PASSES[*place].2).collect();
    let mut list = vec![(Role::Unfused, Vec::new())];
    for place in &built {
        let role = if *place + 1 == PASSES.len() { Role::Full } else { Role::Added(names[*place].clone()) };
        list.push((role, names[..=*place].to_vec()));
    }
    for place in &built[..built.len() - 1] {
        let rest = names.iter().filter(|name| **name != names[*place]).cloned().collect();
        list.push((Role::Without(names[*place].clone()), rest));
    }
    let variant = |(role, passes): (Role, Vec<String>)| {
        let fewer = passes.iter().filter(|pass| pass.contains("norm") || pass.contains("fuse")).count();
        Variant {
            role,
            batch,
            steps: 175 - 40 * fewer,
            macs: 4_089_184_256 * batch as u64,
            arena_bytes: (9_633_792 - 1_204_224 * fewer as u64) * batch as u64,
            weight_bytes: 102_228_128 - 212_480 * u64::from(fewer > 0),
            map_bytes: (181_000_000 - 38_500_000 * fewer as u64) * batch as u64,
            fetched_bytes: (241_000_000 - 31_500_000 * fewer as u64) * batch as u64,
            departure: 1.3e-7 * fewer as f64,
            passes,
        }
    };
    list.into_iter().map(variant).collect()
}

fn around(median: f64, width: f64) -> Interval {
    Interval { median, low: median * (1.0 - width), high: median * (1.0 + width * 1.2) }
}

fn setting(graphs: &[Graph; 2], variants: &[Variant], batch: usize, threads: usize) -> Setting {
    let layers = layers(graphs, batch as f64 / (threads as f64).powf(0.92));
    let unfused: f64 = layers.iter().flat_map(|layer| &layer.unfused).map(|step| step.1 / 1e3).sum();
    let part = |passes: &[String]| -> f64 {
        PASSES.iter().filter(|(pass, ..)| passes.iter().any(|name| name == pass)).map(|(_, part, _)| part).product()
    };
    let full = variants.iter().find(|variant| variant.role == Role::Full).map_or(1.0, |variant| part(&variant.passes));
    let mut before = 1.0;
    let mut timings = Vec::new();
    for (place, variant) in variants.iter().enumerate().filter(|(_, variant)| variant.batch == batch) {
        let part = part(&variant.passes);
        let neighbour = if matches!(variant.role, Role::Without(_)) { full } else { before };
        before = part;
        timings.push(Timing {
            variant: place,
            median: unfused * part,
            least: unfused * part * 0.985,
            rounds: 41,
            against_unfused: around(part, if place == 0 { 0.0 } else { 0.006 }),
            against_neighbour: around(part / neighbour, 0.005),
        });
    }
    let peak = 1.1e11 * threads as f64;
    Setting { batch, threads, timings, layers, peak, bandwidth: [1.45e10, 4.8e10 * threads as f64] }
}

fn layers([before, after]: &[Graph; 2], times: f64) -> Vec<Layers> {
    let is_step = |graph: &Graph, id: NodeId| graph.value(id).is_none() && !matches!(graph.node(id).op(), Op::Input(_));
    let names: Vec<String> =
        after.ids().filter(|id| is_step(after, *id)).map(|id| after.node(id).name.clone()).collect();
    // What is gone is done by the step that does what it read.
    let mut hosts: BTreeMap<NodeId, String> = BTreeMap::new();
    let mut steps: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
    for id in before.topological().into_iter().filter(|id| is_step(before, *id)) {
        let name = before.node(id).name.clone();
        let alone = |operand: &&NodeId| before.only_reader(**operand) == Some(id) && hosts.contains_key(operand);
        let host = match before.operands(id).iter().find(alone).and_then(|operand| hosts.get(operand)) {
            Some(host) if !names.contains(&name) => host.clone(),
            _ => name.clone(),
        };
        let moved = before.node(id).shape().0.iter().product::<usize>() as f64;
        let microseconds = times * (moved * 8.0 / 12e3 + macs(before, id) as f64 / 42e3);
        steps.entry(host.clone()).or_default().push((name, microseconds));
        hosts.insert(id, host);
    }
    let layer = |id: NodeId| {
        let node = after.node(id);
        let unfused = steps.remove(&node.name).unwrap_or_default();
        let values = |id: NodeId| after.node(id).shape().0.iter().product::<usize>() as f64;
        let bytes: f64 = after.operands(id).into_iter().map(values).sum::<f64>() + values(id);
        let macs = macs(after, id);
        let wobble = 1.0 + 0.3 * (macs as f64).sin();
        Layers {
            name: node.name.clone(),
            what: what(after, id),
            fused: times * (macs as f64 / 46e3 * wobble + bytes / 9e3),
            unfused,
            macs: (macs as f64 * times.ceil()) as u64,
            bytes: (bytes * 4.0 * times) as u64,
        }
    };
    after.topological().into_iter().filter(|id| is_step(after, *id)).map(layer).collect()
}

fn macs(graph: &Graph, id: NodeId) -> u64 {
    let node = graph.node(id);
    if !matches!(node.op(), Op::Conv(_) | Op::Dense(_)) {
        return 0;
    }
    let kernel: usize = graph.node(graph.operands(id)[1]).shape().0.iter().product();
    (kernel * node.shape().0.iter().skip(2).product::<usize>()) as u64
}

fn what(graph: &Graph, id: NodeId) -> String {
    let channels = |id: NodeId| graph.node(id).shape().0.get(1).copied().unwrap_or_default();
    let inputs = graph.operands(id).first().map_or(0, |operand| channels(*operand));
    match graph.node(id).op() {
        Op::Conv(conv) => {
            let stride = if conv.stride == [1, 1] { "" } else { " /2" };
            format!("conv {}x{}{stride} {inputs} -> {}", conv.kernel[0], conv.kernel[1], channels(id))
        }
        op => format!("{} {inputs} -> {}", op.name(), channels(id)),
    }
}

/// One pass, one program, nothing else.
pub(super) fn tiny() -> Report {
    let variant = Variant {
        role: Role::Full,
        batch: 1,
        passes: vec!["fold_pad".to_owned()],
        steps: 1,
        macs: 0,
        arena_bytes: 0,
        weight_bytes: 0,
        map_bytes: 0,
        fetched_bytes: 0,
        departure: 0.0,
    };
    let one = Interval { median: 1.0, low: 1.0, high: 1.0 };
    let timing =
        Timing { variant: 0, median: 0.25, least: 0.24, rounds: 1, against_unfused: one, against_neighbour: one };
    Report {
        network: "tiny".to_owned(),
        model: "tiny.yaml".to_owned(),
        compiler: "0.1.0".to_owned(),
        time: 0,
        machine: Machine { processor: String::new(), isa: "portable".to_owned(), threads: 1 },
        files: Vec::new(),
        weights: String::new(),
        exact: true,
        passes: vec![("fold_pad".to_owned(), "Folds.".to_owned())],
        variants: vec![variant],
        settings: vec![Setting {
            batch: 1,
            threads: 1,
            timings: vec![timing],
            layers: Vec::new(),
            peak: 0.0,
            bandwidth: [0.0; 2],
        }],
        graphs: [Graph::new(), Graph::new()],
    }
}

/// A name that would like to be markup.
pub(super) const HOSTILE: &str = "a\"b'<script>alert('&')</script>\n\0\u{1b}[2J\u{202e}]]>-->";

/// Every text hostile or long, every number one that is none, some places that do not exist.
pub(super) fn hostile() -> Report {
    let mut report = realistic("cifar-resnet20");
    let long = format!("{HOSTILE}{}", "z".repeat(5000));
    for text in [&mut report.network, &mut report.model, &mut report.compiler, &mut report.machine.processor] {
        *text = HOSTILE.to_owned();
    }
    report.machine.isa = long.clone();
    report.time = u64::MAX;
    report.files = vec![(HOSTILE.to_owned(), HOSTILE.to_owned()), (long.clone(), long.clone())];
    report.passes.iter_mut().for_each(|(pass, summary)| {
        pass.push_str(HOSTILE);
        *summary = long.clone();
    });
    let wild = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0, 1e300, 5e-324, f64::MAX];
    let mut next = wild.into_iter().cycle();
    let mut number = || next.next().unwrap();
    for variant in &mut report.variants {
        if let Role::Added(pass) | Role::Without(pass) = &mut variant.role {
            pass.push_str(HOSTILE);
        }
        variant.passes.iter_mut().for_each(|pass| pass.push_str(HOSTILE));
        variant.departure = number();
        variant.map_bytes = u64::MAX;
    }
    for setting in &mut report.settings {
        (setting.peak, setting.bandwidth) = (number(), [number(), number()]);
        for timing in &mut setting.timings {
            (timing.median, timing.least) = (number(), number());
            for interval in [&mut timing.against_unfused, &mut timing.against_neighbour] {
                *interval = Interval { median: number(), low: number(), high: number() };
            }
            timing.variant += 1;
        }
        for layer in &mut setting.layers {
            (layer.fused, layer.macs) = (number(), u64::MAX);
            layer.name.push_str(HOSTILE);
            layer.what = long.clone();
            layer.unfused.iter_mut().for_each(|step| *step = (HOSTILE.to_owned(), number()));
        }
    }
    let nothing =
        Setting { batch: 77, threads: 0, timings: Vec::new(), layers: Vec::new(), peak: 1.0, bandwidth: [1.0; 2] };
    report.settings.push(nothing);
    report
}
