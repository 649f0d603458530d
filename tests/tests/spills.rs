//! The loops in which programs spend their time keep their sums in registers: no vector goes through the stack in them. A tile that is too
//! large for the registers, or a compiler that handles them less well, would cost a fifth of the speed and change no result.
//!
//! Every x86-64 program holds the kernels of AVX2 and of AVX-512, so both are looked at on any such machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use quote::{format_ident, quote};
use resnetc::codegen::{Item, Weights};
use resnetc::frontend::WeightSource;
use resnetc::package::{self, Layout, Package};
use resnetc::pipeline::{self, Options};
use resnetc::plan::Settings;

use hot_loops::{HotLoop, hot_loops};

#[path = "support/hot_loops.rs"]
mod hot_loops;

/// Networks by the names of their modules: bottlenecks and Winograd's filtering of both strides, direct convolutions of all kinds,
/// grouped ones, and narrow ones.
const NETWORKS: [(&str, &str, bool); 4] = [
    ("resnet50", "resnet50", false),
    ("resnet18_direct", "resnet18", true),
    ("resnext50", "resnext50_32x4d", false),
    ("cifar20", "cifar-resnet20", false),
];

/// Instruction sets by the names of their modules, with the bits of their vectors.
const INSTRUCTION_SETS: [(&str, usize); 2] = [("avx2", 256), ("avx512", 512)];

/// A network whose tiles of 32 sums are more than AVX2 has registers.
const TOO_LARGE: &str = "
spec: resnet/1
name: too-large
description: Two convolutions
input: {name: input, shape: [N, 3, 16, 16]}
graph:
  body:
    - conv: {channels: 32, kernel: 1, bias: true, name: first}
    - conv: {channels: 32, kernel: 1, bias: true, name: second}
head: [global_average_pool, flatten, dense: {units: 10}]
output: {name: output, activation: none}
";

/// A kernel, compiled for a layer and an instruction set.
struct Kernel {
    name: String,
    loops: Vec<HotLoop>,
}

impl Kernel {
    /// Whether it is one of those that take nearly all of the time.
    fn multiplies(&self) -> bool {
        self.name.contains("::Conv<") || self.name.contains("::Dense<")
    }
}

/// Where the package of all networks lies.
const PACKAGE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/spills");

/// The kernels of all networks.
static KERNELS: LazyLock<Vec<Kernel>> = LazyLock::new(|| {
    let program = build(Path::new(PACKAGE));
    kernels(&fs::read(program).unwrap())
});

/// Whether programs built here hold what the test reads.
fn readable() -> bool {
    let readable = cfg!(all(target_arch = "x86_64", target_os = "linux"));
    if !readable {
        println!("skipped: only programs for Linux on x86-64 are looked at");
    }
    readable
}

/// The code of a network as a module.
fn source(model: &str, exact: bool) -> String {
    let options = Options {
        weights: Some(WeightSource::Seed(1)),
        settings: Settings { exact, ..Settings::default() },
        ..Options::new(model)
    };
    let compiled = pipeline::compile(&options, &mut |_| ()).unwrap_or_else(|problems| panic!("{problems}"));
    compiled.source(&Item {
        attributes: quote!(#[doc = " A network of the test."]),
        visibility: quote!(pub),
        name: format_ident!("Net"),
        runtime: quote!(::resnet),
        // Kernels depend on no weight.
        weights: Weights::Embedded("none.weights".to_owned()),
    })
}

/// Writes one package of all networks and builds its program.
///
/// Manifest and runtime are those of a program that the tool makes, and so are the settings of the optimiser. What differs tells what
/// belongs to what: symbols stay, with names that say the layer. The surface of a program is left out, since it holds no kernel.
fn build(folder: &Path) -> PathBuf {
    let model = folder.join("too_large.yaml");
    write(&model, TOO_LARGE.as_bytes());
    let large = source(model.to_str().unwrap(), false);
    let large: String = large
        .lines()
        .map(|line| if line.trim().starts_with("type Avx2 =") { "type Avx2 = Tile<16, 0, 2>;" } else { line })
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut modules: Vec<(&str, String)> =
        NETWORKS.iter().map(|(module, model, exact)| (*module, source(model, *exact))).collect();
    modules.push(("too_large", large));

    let empty = Package { name: "spills".to_owned(), source: String::new(), blob: Vec::new() };
    for (name, content) in package::files(&empty, Layout::Standalone) {
        match name.as_str() {
            "Cargo.toml" => {
                let manifest = String::from_utf8(content).unwrap();
                assert!(
                    manifest.contains("opt-level = 3") && manifest.contains(r#", features = ["app"]"#),
                    "{manifest}"
                );
                write(&folder.join(name), manifest.replace(r#", features = ["app"]"#, "").as_bytes());
            }
            name if name == "Cargo.lock" || name.starts_with("runtime/") => write(&folder.join(name), &content),
            _ => (),
        }
    }
    let (mut main, mut arms) = ("//! Runs one of the networks.\n\n".to_owned(), String::new());
    for (module, source) in &modules {
        write(&folder.join(format!("src/{module}.rs")), source.as_bytes());
        main += &format!("mod {module};\n");
        arms += &format!("        Some({module:?}) => run::<{module}::Net>(),\n");
    }
    write(&folder.join("src/none.weights"), &[]);
    main += &format!(
        "
fn run<M: resnet::Model>() {{
    let mut model = M::open(resnet::Options::default()).unwrap();
    println!(\"{{:?}}\", model.run(&[]).unwrap().len());
}}

fn main() {{
    match std::env::args().nth(1).as_deref() {{
{arms}        _ => (),
    }}
}}
"
    );
    write(&folder.join("src/main.rs"), main.as_bytes());

    let target = folder.join("target");
    let done = Command::new(env!("CARGO"))
        .args(["rustc", "--release", "--offline", "--quiet"])
        .args(["--", "-Cstrip=none", "-Csymbol-mangling-version=v0"])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    target.join("release/spills")
}

/// Writes a file, unless it is there and the same: cargo builds anew what was written.
fn write(path: &Path, content: &[u8]) {
    if fs::read(path).is_ok_and(|old| old == content) {
        return;
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// The kernels of a program with symbols.
fn kernels(program: &[u8]) -> Vec<Kernel> {
    let file = object::File::parse(program).unwrap();
    let text = file.section_by_name(".text").unwrap();
    let (code, base) = (text.data().unwrap(), text.address());
    let mut kernels = Vec::new();
    for symbol in file.symbols().filter(|symbol| symbol.section_index() == Some(text.index())) {
        let name = format!("{:#}", rustc_demangle::demangle(symbol.name().unwrap()));
        if name.contains("::Isa>::enter") {
            let start = (symbol.address() - base) as usize;
            let loops = hot_loops(&code[start..start + symbol.size() as usize], symbol.address());
            kernels.push(Kernel { name, loops });
        }
    }
    kernels
}

/// Whether a kernel's layer reads a map of a few channels. Its last word is the name of the layer's type in the network's code.
fn reads_few_channels(network: &str, kernel: &str) -> bool {
    let code = fs::read_to_string(Path::new(PACKAGE).join(format!("src/{network}.rs"))).unwrap();
    let layer = kernel.trim_end_matches('>').rsplit("::").next().unwrap();
    let (_, geometry) = code.split_once(&format!("Geometry> for {layer} {{")).unwrap();
    let (_, input) = geometry.split_once("input: Map").unwrap();
    let (_, channels) = input.split_once("channels: ").unwrap();
    channels.split_once(',').unwrap().0.parse::<usize>().unwrap() < 16
}

/// Kernels of a network for an instruction set.
fn of<'a>(network: &str, set: &str) -> impl Iterator<Item = &'a Kernel> {
    let (network, set) = (format!("::{network}::"), format!("::{set}::"));
    KERNELS.iter().filter(move |kernel| kernel.name.contains(&network) && kernel.name.contains(&set))
}

#[test]
fn the_hot_loops_of_programs_hold_no_spills() {
    if !readable() {
        return;
    }
    for (set, width) in INSTRUCTION_SETS {
        for (network, ..) in NETWORKS {
            let (mut layers, mut loops, mut without) = (0, 0, Vec::new());
            for kernel in of(network, set).filter(|kernel| kernel.multiplies()) {
                layers += 1;
                loops += kernel.loops.len();
                if kernel.loops.is_empty() {
                    without.push(&kernel.name);
                }
                assert!(kernel.loops.iter().all(|hot| hot.width == width), "{}", kernel.name);
            }
            println!("{network} on {set}: {loops} hot loops of {layers} convolutions and dense layers");
            // Kernels that are the same in two networks are one function.
            assert!(layers >= 10, "{network} on {set}: {layers} layers");
            // A sum over few inputs needs no loop: the first layer's, of three channels, or those of its parts.
            without.retain(|kernel| !reads_few_channels(network, kernel));
            assert!(without.is_empty(), "{network} on {set}: no hot loop in {without:?}");
        }
    }
    let checked = KERNELS.iter().filter(|kernel| !kernel.name.contains("::too_large::"));
    let spills: Vec<String> = checked
        .flat_map(|kernel| kernel.loops.iter().map(move |hot| (kernel, hot)))
        .filter(|(_, hot)| hot.spills > 0)
        .map(|(kernel, hot)| {
            let HotLoop { spills, multiply_adds, listing, .. } = hot;
            format!("{}: {spills} spills, {multiply_adds} multiply-adds per iteration\n{listing}", kernel.name)
        })
        .collect();
    assert!(spills.is_empty(), "{} hot loops go through the stack\n\n{}", spills.len(), spills.join("\n"));
}

#[test]
fn a_tile_that_is_too_large_is_found() {
    if !readable() {
        return;
    }
    let spills = |set| of("too_large", set).flat_map(|kernel| &kernel.loops).map(|hot| hot.spills).max();
    assert!(spills("avx2") >= Some(16), "{:?}", spills("avx2"));
    assert_eq!(spills("avx512"), Some(0));
}
