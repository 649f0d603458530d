//! Names made to break out of generated code, comments, file names or the terminal: the code is that of plain names but for its text.

#[path = "onnx_support/builder.rs"]
#[allow(dead_code, reason = "bad models take more")]
mod builder;

use std::path::{Path, PathBuf};

use builder::{Builder, int, ints};
use proc_macro2::{TokenStream, TokenTree};
use quote::{format_ident, quote};
use resnetc::codegen::{Item, Weights};
use resnetc::frontend::Changes;
use resnetc::frontend::surroundings::Surroundings;
use resnetc::frontend::yaml::spec::Labels;
use resnetc::pipeline::{self, Compiled, Options};

/// Each would do something somewhere: in a string, a comment, a path, a format, a shell, a page, or on a terminal.
const HOSTILE: [&str; 24] = [
    "\"",
    "\"; compile_error!(\"out\"); \"",
    "\"#; fn main() {} r#\"",
    "a\nfn injected() {}\nb",
    "a\r\npub mod injected {}",
    "*/ fn injected() {} /*",
    "`]\n#![feature(x)]",
    "\\",
    "\\\"",
    "\\u{0}",
    "../../../../outside",
    "..\\..\\out",
    "/etc/passwd",
    "nul\0byte",
    "fn",
    "self",
    "r#type",
    "{}{0}{name}%s$(true)`true`",
    "</title><script>alert(1)</script>",
    "left \u{202e}thgir\u{2066} \u{2069}",
    "\u{200b}\u{feff}\u{2028}\u{2029}\u{85}",
    "е\u{301}\u{301}\u{301}🦀",
    "\u{1b}]0;title\u{7}\u{1b}[31m",
    "--help",
];

/// A network in which everything that has a name is called `name` in some way: graph, nodes, input, tensors and outputs.
fn model(name: &str) -> Builder {
    let called = |what: &str| format!("{name}{what}");
    let (x, kernel, a, b) = (called("x"), called("kernel"), called("a"), called("b"));
    Builder::new(&[1, 3, 8, 8])
        .floats(&kernel, &[4, 3, 3, 3])
        .floats("dense", &[2, 4])
        .with(|graph| {
            graph.name = name.to_owned();
            graph.input[0].name = x.clone();
            graph.output[0].name = name.to_owned();
        })
        .node("Conv", &[&x, &kernel], &[&a], vec![ints("pads", &[1, 1, 1, 1])])
        .named(name)
        .node("Relu", &[&a], &[&b], vec![])
        .named(&called("relu"))
        .node("GlobalAveragePool", &[&b], &["c"], vec![])
        .named(&called("pool"))
        .node("Flatten", &["c"], &["d"], vec![])
        .node("Gemm", &["d", "dense"], &[name], vec![int("transB", 1)])
        .named(&called("gemm"))
        .with(|graph| {
            graph.output.push(builder::typed(&b, &[1, 4, 8, 8]));
        })
}

fn compile(name: &str) -> (Compiled, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = model(name).write(folder.path());
    let labels = Some(Labels::List(vec![name.to_owned(), "other".to_owned()]));
    let surroundings = Surroundings { labels, ..Surroundings::default() };
    let changes = Changes { surroundings, ..Changes::default() };
    let options = Options { changes, ..Options::new(path.to_str().unwrap()) };
    match pipeline::compile(&options, &mut |_| {}) {
        Ok(compiled) => (compiled, folder),
        Err(problems) => panic!("{name:?}: {problems}"),
    }
}

fn item() -> Item {
    Item {
        attributes: quote!(),
        visibility: quote!(pub),
        name: format_ident!("Net"),
        runtime: quote!(::resnet),
        weights: Weights::Embedded("../weights.bin".to_owned()),
    }
}

/// The tokens without what strings say.
fn tokens(stream: TokenStream, into: &mut Vec<String>) {
    for token in stream {
        match token {
            TokenTree::Group(group) => {
                into.push(format!("{:?}", group.delimiter()));
                tokens(group.stream(), into);
                into.push("end".to_owned());
            }
            TokenTree::Literal(literal) if literal.to_string().starts_with('"') => into.push("string".to_owned()),
            other => into.push(other.to_string()),
        }
    }
}

/// The tokens without what strings say, without the fingerprint, which is of the names too, and with the fields of the outputs by their places,
/// since these have letters of the names.
fn structure(compiled: &Compiled, fields: &[String]) -> String {
    let mut found = Vec::new();
    tokens(compiled.tokens(&item()), &mut found);
    for at in 0..found.len() {
        let is = |expected: &[&str]| found[at + 1..].iter().zip(expected).all(|(found, expected)| found == expected);
        match fields.iter().position(|field| *field == found[at]) {
            Some(place) if is(&[":", "&", "'", "a"]) || is(&[":", "outputs", ".", "get"]) => {
                found[at] = format!("field {place}");
            }
            _ => {}
        }
        if found[at] == "FINGERPRINT" && found[at + 1] == ":" {
            found[at + 4] = "number".to_owned();
        }
    }
    found.join(" ")
}

/// Compares without printing all of the code.
#[track_caller]
fn same(found: &str, expected: &str, name: &str) {
    let at = found.bytes().zip(expected.bytes()).position(|(found, expected)| found != expected);
    if let Some(at) = at {
        let part = |text: &str| text.get(at.saturating_sub(60)..at + 60).unwrap_or_default().to_owned();
        panic!("{name:?}: {} instead of {}", part(found), part(expected));
    }
    assert_eq!(found.len(), expected.len(), "{name:?}");
}

/// The fields of the struct of outputs, in order.
fn fields(file: &syn::File) -> Vec<String> {
    let outputs = file.items.iter().find_map(|item| match item {
        syn::Item::Struct(item) if item.ident == "NetOutputs" => Some(item),
        _ => None,
    });
    outputs.unwrap().fields.iter().map(|field| field.ident.as_ref().unwrap().to_string()).collect()
}

fn shape(compiled: &Compiled) -> String {
    let source = compiled.source(&item());
    let file = syn::parse_file(&source).unwrap_or_else(|error| panic!("{error}:\n{source}"));
    let fields = fields(&file);
    for field in &fields {
        assert!(field.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{field}");
    }
    structure(compiled, &fields)
}

/// What rustc refuses in a comment, and what a terminal or an editor acts on.
fn acts(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

#[test]
fn code_has_the_structure_of_plain_names() {
    let plain = shape(&compile("plain").0);
    for name in HOSTILE {
        let (compiled, _folder) = compile(name);
        let source = compiled.source(&item());
        // The text that is no string stays text: formatted code has a comment or a string per name, and none that ends early.
        assert!(!source.chars().any(acts), "{name:?}: {:?}", source.lines().find(|line| line.chars().any(acts)));
        same(&shape(&compiled), &plain, name);
        // All of the name is there, as the value of a string.
        let file = syn::parse_file(&source).unwrap();
        let mut strings = Vec::new();
        values(quote!(#file), &mut strings);
        assert!(strings.iter().any(|value| value == name), "{name:?} is not among {strings:?}");
    }
}

fn values(tokens: TokenStream, into: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => values(group.stream(), into),
            TokenTree::Literal(literal) => {
                if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                    into.push(text.value());
                }
            }
            _ => {}
        }
    }
}

#[test]
fn specs_have_the_structure_of_plain_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.yaml");
    let compile = |name: &str| {
        let quoted = serde_json::to_string(name).unwrap();
        let text = format!(
            "spec: resnet/1\nname: {quoted}\ndescription: {quoted}\ninput: {{shape: [N, 3, 8, 8]}}\n\
             graph: {{{quoted}: [conv: {{channels: 4, kernel: 3}}, activation]}}\n\
             head: [global_average_pool, flatten, dense: {{units: 2, name: {quoted}}}]\nlabels: [{quoted}, b]\n"
        );
        std::fs::write(&path, text).unwrap();
        let options =
            Options { weights: Some(resnetc::frontend::WeightSource::Seed(1)), ..Options::new(path.to_str().unwrap()) };
        pipeline::compile(&options, &mut |_| {})
    };
    let structure = |compiled: &Compiled, name: &str| {
        let source = compiled.source(&item());
        let acting = source.lines().find(|line| line.chars().any(acts));
        assert!(acting.is_none(), "{name:?}: {acting:?}");
        syn::parse_file(&source).unwrap_or_else(|error| panic!("{name:?}: {error}:\n{source}"));
        structure(compiled, &[])
    };
    let plain = structure(&compile("plain").unwrap_or_else(|problems| panic!("{problems}")), "plain");
    let mut taken = 0;
    for name in HOSTILE {
        // The spec's own rules refuse most; what they let through is text.
        match compile(name) {
            Ok(compiled) => {
                taken += 1;
                same(&structure(&compiled, name), &plain, name);
            }
            Err(problems) => assert!(problems.to_string().starts_with("error[E-"), "{problems}"),
        }
    }
    println!("{taken} of {} names are taken", HOSTILE.len());
}

/// Every file below a folder, with its length.
#[cfg(feature = "cli")]
fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.push(path);
        }
    }
}

#[cfg(feature = "cli")]
#[test]
fn packages_have_the_files_of_plain_names() {
    use resnetc::package::{Layout, Package, file_name};
    let names = |name: &str| {
        let package = Package::new(&compile(name).0);
        assert_eq!(Path::new(&package.name).components().count(), 1, "{name:?}");
        let files = resnetc::package::files(&package, Layout::Standalone);
        let manifest = files.iter().find(|(path, _)| path == "Cargo.toml").unwrap();
        // The name is that of the program, in letters, digits and dashes.
        let (mut names, mut lines) = (Vec::new(), Vec::new());
        for line in std::str::from_utf8(&manifest.1).unwrap().lines() {
            let of = |line: &str| Some(line.strip_prefix("name = \"")?.strip_suffix('"')?.to_owned());
            match of(line) {
                Some(name) => names.push(name),
                None => lines.push(line.to_owned()),
            }
        }
        assert_eq!((names.len(), names[0].as_str()), (2, "resnet-program"));
        assert!(names[1].chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')), "{names:?}");
        (files.into_iter().map(|(path, _)| path).collect::<Vec<_>>(), lines)
    };
    let plain = names("plain");
    for name in HOSTILE {
        assert_eq!(names(name), plain, "{name:?}");
        let name = file_name(name);
        assert!(!name.starts_with(['.', '-']) && !name.contains(['/', '\\', '\0', ':']), "{name}");
    }
}

/// The command line writes where it is told, and nowhere else.
#[cfg(feature = "cli")]
#[test]
fn nothing_is_written_outside_of_the_folder() {
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("a/b/c/d/e");
    std::fs::create_dir_all(&inner).unwrap();
    for (index, name) in HOSTILE.iter().enumerate() {
        let model = model(name).write(&inner);
        let run = |arguments: &[&str]| {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_resnetc"))
                .args(arguments)
                .current_dir(&inner)
                .env("RESNETC_CACHE", inner.join("cache"))
                .env("HOME", &inner)
                .output()
                .unwrap();
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{name:?} {arguments:?}: {error}");
            let text = String::from_utf8_lossy(&output.stdout).into_owned() + &error;
            let acting = text.lines().find(|line| line.chars().any(acts));
            assert!(acting.is_none(), "{name:?} {arguments:?}: {acting:?}");
        };
        let out = format!("out{index}");
        run(&["compile", model.to_str().unwrap(), "--emit", "rust", "-o", &out]);
        run(&["graph", model.to_str().unwrap(), "-o", &format!("{out}.svg")]);
        run(&["graph", model.to_str().unwrap(), "-o", &format!("{out}.html")]);
        run(&["inspect", model.to_str().unwrap()]);
        std::fs::remove_file(&model).unwrap();
        let pages = [format!("{out}.svg"), format!("{out}.html")];
        for page in &pages {
            let page = std::fs::read_to_string(inner.join(page)).unwrap();
            assert!(!page.contains("<script>alert"), "{name:?}");
        }
    }
    let mut found = Vec::new();
    files(outer.path(), &mut found);
    assert!(found.len() > HOSTILE.len());
    for path in found {
        let inside = path.strip_prefix(&inner).unwrap_or_else(|_| panic!("{}", path.display()));
        let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        assert!(first.starts_with("out") || first == "cache", "{}", path.display());
    }
}
