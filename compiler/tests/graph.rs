//! `resnetc graph` as a user calls it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

mod xml;

use xml::elements;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn tool(folder: &Path, arguments: &[&str]) -> Output {
    // No pulled weights, whatever the user's cache holds.
    let cache = folder.join("cache");
    Command::new(env!("CARGO_BIN_EXE_resnetc"))
        .arg("graph")
        .args(arguments)
        .current_dir(folder)
        .env("RESNETC_CACHE", cache)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What a call prints that is to succeed without a word on standard error.
fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = tool(folder, arguments);
    assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn drawn(model: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &[&[model], arguments].concat())
}

#[test]
fn the_picture_in_the_readme_is_what_its_command_draws() {
    let shown = fs::read_to_string(format!("{ROOT}/specs/pictures/resnet50.svg")).unwrap();
    let readme = fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    assert!(readme.contains("(specs/pictures/resnet50.svg)"));
    assert!(
        shown == drawn("resnet50", &["--format", "svg"]),
        "draw it again: resnetc graph resnet50 -o specs/pictures/resnet50.svg"
    );
}

#[test]
fn the_check_of_xml_finds_what_is_wrong() {
    assert_eq!(elements("<a b=\"1\"><c/>x &lt;</a>\n").unwrap(), ["a", "c"]);
    for bad in ["<a>", "<a></b>", "<a/><b/>", "<a b=c/>", "<a b=\"1\" b=\"2\"/>", "<a>& </a>", "<a>\u{1b}</a>", "x<a/>"]
    {
        assert!(elements(bad).is_err(), "{bad}");
    }
}

/// The size that an SVG says it has.
fn size(svg: &str) -> [usize; 2] {
    ["width", "height"].map(|side| {
        let value = svg.split(&format!("{side}=\"")).nth(1).unwrap();
        value.split('"').next().unwrap().parse().unwrap()
    })
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn a_deep_network_is_one_readable_page() {
    for (model, words) in [
        ("resnet152", &["layer3.1 … layer3.35", "× 35", "× 7", "conv 7×7, 64, /2", "64×112×112", ">batch_norm<"][..]),
        ("keras-inception-resnet-v2", &["× 10", "× 20", "× 9", "concat of 4", "scale by 0.17", "max_pool 3×3, /2"]),
        (
            "cifar-preactivation-resnet1001",
            &["layer1.1 … layer1.109", "× 109", ">beside it: batch_norm, relu<", "64×32×32"],
        ),
        ("timm-seresnet50", &["× 5", ">multiply<", ">sigmoid<", "layer1.0.se.fc1", "256×1×1"]),
    ] {
        let svg = drawn(model, &["--format", "svg"]);
        let elements = elements(&svg).unwrap_or_else(|error| panic!("{model}: {error}"));
        assert_eq!(elements[0], "svg");
        for word in words.iter().chain(&["prefers-color-scheme:dark", "input, result"]) {
            assert!(svg.contains(word), "{model}: no {word}");
        }
        let [width, height] = size(&svg);
        assert!(width < 2600 && height < 2600, "{model}: {width} x {height}");
        assert!(!svg.contains("href") && count(&svg, "http") == 1, "{model}: reads something else");
    }
}

#[test]
fn pages_open_at_a_click_and_need_nothing_else() {
    for (model, blocks) in
        [("resnet152", 50), ("keras-inception-resnet-v2", 43), ("cifar-preactivation-resnet1001", 333)]
    {
        let html = drawn(model, &["--format", "html"]);
        let elements = elements(&html).unwrap_or_else(|error| panic!("{model}: {error}"));
        let of = |name: &str| elements.iter().filter(|element| *element == name).count();
        // A list of layers for each block, and a drawing for each run of equal ones.
        assert_eq!(of("table"), blocks, "{model}");
        assert_eq!(of("details"), blocks + of("svg"), "{model}");
        assert!((4..20).contains(&of("svg")), "{model}: {}", of("svg"));
        assert!(html.contains("name=\"viewport\"") && html.contains("prefers-color-scheme:dark"));
        for outside in ["src=", "href=", "url(", "@import", "fetch("] {
            assert!(!html.contains(outside), "{model}: {outside}");
        }
    }
}

#[test]
fn text_has_every_layer_on_a_line() {
    for (model, layers) in
        [("resnet152", 163), ("keras-inception-resnet-v2", 309), ("timm-seresnet50", 134), ("cifar-resnet20", 27)]
    {
        let text = drawn(model, &[]);
        let first = text.lines().next().unwrap();
        assert!(first.starts_with(&format!("{model}: {layers} layers, ")), "{first}");
        assert_eq!(text.lines().filter(|line| line.starts_with("  ")).count(), layers, "{model}");
        assert!(text.is_ascii(), "{model}");
    }
    let text = drawn("resnet50", &["--input-shape", "64", "--classes", "7"]);
    assert!(text.contains("layer4.2 (like layer4.1)") && text.contains("[1, 64, 32, 32]"), "{text}");
    assert!(text.contains("dense, 7"), "{text}");
}

#[test]
fn graphviz_gets_every_layer_and_a_cluster_per_block() {
    let dot = drawn("resnet152", &["--format", "dot"]);
    assert!(dot.starts_with("digraph \"resnet152\" {\n") && dot.ends_with("}\n"));
    assert_eq!(count(&dot, "subgraph cluster_"), 50);
    assert_eq!(count(&dot, "[label=<<table"), 163);
    // A chain, and a shortcut for each block.
    assert_eq!(count(&dot, " -> "), 162 + 50);
    for table in dot.split("label=<").skip(1).map(|rest| rest.split(">, tooltip").next().unwrap()) {
        elements(table).unwrap();
    }
}

#[test]
fn a_model_of_onnx_has_blocks_and_several_results() {
    let model = format!("{ROOT}/examples/embed/models/backbone.onnx");
    let text = drawn(&model, &["--after", "none"]);
    for word in
        ["backbone: 13 layers, 7 of them in 2 blocks", "\nlayer1\n", "\nlayer2\n", "= result c2", "= result logits"]
    {
        assert!(text.contains(word), "{word} is missing from:\n{text}");
    }
    for format in ["svg", "html"] {
        let xml = drawn(&model, &["--format", format]);
        elements(&xml).unwrap();
        assert_eq!(count(&xml, "result embedding"), 1, "{xml}");
    }
}

#[test]
fn a_graph_can_be_drawn_after_any_pass() {
    let layers = |arguments: &[&str]| -> (usize, String) {
        let text = drawn("cifar-resnet20", arguments);
        (text.lines().filter(|line| line.starts_with("  ")).count(), text)
    };
    let (before, text) = layers(&["--after", "none"]);
    assert!(text.contains("before the passes") && text.contains("  layer1.0.bn1 "), "{text}");
    let (folded, text) = layers(&["--after", "fold_batch_norm"]);
    assert!(text.contains("after the pass fold_batch_norm") && text.contains(" + batch_norm  "), "{text}");
    assert!(!text.contains("+ relu"), "{text}");
    let (fused, text) = layers(&["--after", "fuse_activation"]);
    assert!(text.contains("+ batch_norm + relu"), "{text}");
    let (all, text) = layers(&[]);
    assert!(text.contains("after all passes") && text.contains("+ batch_norm + add + relu"), "{text}");
    assert!(before > folded && folded > fused && fused > all, "{before} {folded} {fused} {all}");
    assert_eq!(layers(&["--after", "fuse_shortcut_add"]).0, all);
    let (without, text) = layers(&["--no-pass", "fuse_shortcut_add"]);
    assert!(text.contains("after all passes but fuse_shortcut_add"), "{text}");
    assert_eq!(without, fused);
}

const HOSTILE: &str = r#"
spec: resnet/1
name: "net <b>&\"'\u001b]0;x"
input: {name: "in\nput", shape: [N, 3, 8, 8]}
graph:
  body:
    - conv: {channels: 4, kernel: 3, padding: half, name: "<script>alert(\"1\")</script>\n\u001b[31m\\n\u202e"}
    - activation: relu
head:
  - global_average_pool
  - flatten
  - dense: {units: 2, name: "LONG"}
output: {name: "]]> --> }\n", activation: none}
"#;

#[test]
fn hostile_names_stay_names() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{}/*middle*/{}", "a".repeat(4000), "z".repeat(4000));
    fs::write(folder.path().join("net.yaml"), HOSTILE.replace("LONG", &long)).unwrap();
    let draw = |format: &str| done(folder.path(), &["net.yaml", "--format", format]);
    for format in ["svg", "html", "dot", "text"] {
        let drawn = draw(format);
        assert!(!drawn.contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}'), "{format}: {drawn}");
        assert!(drawn.contains("\\u{1b}") && drawn.contains("\\u{202e}"), "{format}: {drawn}");
    }
    for format in ["svg", "html"] {
        let drawn = draw(format);
        let elements = elements(&drawn).unwrap_or_else(|error| panic!("{format}: {error}"));
        let scripts = elements.iter().filter(|element| *element == "script").count();
        assert_eq!(scripts, usize::from(format == "html"));
        assert!(drawn.contains("&lt;script&gt;alert") && drawn.contains("/*middle*/"), "{format}");
        assert!(drawn.contains("…zz"), "{format}: the long name is not cut");
    }
    let text = draw("text");
    assert!(text.lines().all(|line| line.chars().count() < 300), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("  ")).count(), 5, "{text}");
    let dot = draw("dot");
    assert!(dot.lines().all(|line| !line.starts_with("<script")) && dot.contains("&lt;script&gt;"), "{dot}");
}

#[test]
fn files_are_written_in_the_format_of_their_ending() {
    let folder = tempfile::tempdir().unwrap();
    let begins =
        [("a.svg", "<svg "), ("a.HTML", "<!DOCTYPE html>"), ("a.dot", "digraph "), ("a.txt", "cifar-resnet20: ")];
    for (name, begin) in begins {
        // A file that is there is replaced.
        fs::write(folder.path().join(name), "old").unwrap();
        let output = tool(folder.path(), &["cifar-resnet20", "-o", name]);
        assert!(output.status.success() && output.stdout.is_empty(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr), format!("wrote {name}\n"));
        assert!(fs::read_to_string(folder.path().join(name)).unwrap().starts_with(begin), "{name}");
    }
    let output = tool(folder.path(), &["cifar-resnet20", "-o", "a.svg", "--format", "text"]);
    assert!(output.status.success());
    assert!(fs::read_to_string(folder.path().join("a.svg")).unwrap().starts_with("cifar-resnet20"));
}

#[test]
fn mistakes_are_told_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(format!("{ROOT}/examples/embed/models/backbone.onnx"), folder.path().join("b.onnx")).unwrap();
    let model = fs::read(folder.path().join("b.onnx")).unwrap();
    fs::create_dir(folder.path().join("folder.svg")).unwrap();
    let cases: [(&[&str], i32, &str); 9] = [
        (&["resnet18", "--after", "fold_batchnorm"], 1, "error[E-PASS]: --after: there is no pass `fold_batchnorm`"),
        (&["resnet18", "--after", "fold_batchnorm"], 1, "or `none`\n  hint: did you mean `fold_batch_norm`?"),
        (&["resnet18", "--no-pass", "xyz"], 1, "error[E-PASS]: there is no pass `xyz`"),
        (&["resnet18", "--format", "pdf"], 2, "possible values: svg, dot, html, text"),
        (&["resnet18", "-o", "net.pdf"], 2, "error[E-ARGUMENT]: net.pdf: the ending"),
        (&["resnet18", "-o", "net"], 2, "--format svg"),
        (&["resnet81"], 1, "resnet81"),
        (&["b.onnx", "-o", "b.onnx", "--format", "svg"], 1, "error[E-OUTPUT]: b.onnx"),
        (&["b.onnx", "-o", "folder.svg"], 1, "this is a folder"),
    ];
    for (arguments, status, word) in cases {
        let output = tool(folder.path(), arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {told}");
        assert!(told.contains(word) && output.stdout.is_empty(), "{arguments:?}: {told}");
    }
    assert!(fs::read(folder.path().join("b.onnx")).unwrap() == model);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn help_teaches_with_examples() {
    let help = done(Path::new(ROOT), &["--help"]);
    for word in
        ["Examples:", "resnetc graph resnet152 -o resnet152.html", "--after", "fold_batch_norm", "before any pass"]
    {
        assert!(help.contains(word), "{word} is missing from:\n{help}");
    }
}
