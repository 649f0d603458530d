//! `resnetc pull` as a user calls it, and the commands that find what it fetched.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use resnetc::frontend::weights::Hashes;
use resnetc::frontend::{self, shipped};
use serde_json::Value;
use tempfile::TempDir;

#[path = "support/server.rs"]
mod server;

use server::{Server, respond, serve};

const WEIGHTS: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/weights/cifar-resnet20.safetensors"));
const SPEC: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/cifar-resnet20.yaml"));

/// A folder with a spec whose weights are published, and a cache.
struct Case {
    folder: TempDir,
}

impl Case {
    /// `keys` are those of `weights` but the names.
    fn new(keys: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("net.yaml"), spec(keys)).unwrap();
        Self { folder }
    }

    /// With weights at an address.
    fn at(url: &str) -> Self {
        Self::new(&format!("url: {url}/net.safetensors, sha256: {}", Hashes::of(WEIGHTS, &[]).unwrap().sha256))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_resnetc"));
        command.args(arguments).current_dir(self.folder.path()).env("RESNETC_CACHE", self.folder.path().join("cache"));
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "RESNETC_TIMEOUT"] {
            command.env_remove(name).env_remove(name.to_ascii_lowercase());
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&done(&self.run(arguments))).unwrap()
    }

    fn fails(&self, arguments: &[&str], code: i32, words: &[&str]) {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(words.iter().all(|word| text.contains(word)), "{arguments:?}: {text}");
    }
}

fn spec(keys: &str) -> String {
    let start = SPEC.split("\nweights:").next().unwrap();
    format!("{start}\nweights: {{names: torchvision, {keys}}}\n")
}

fn good(_: usize, request: &server::Request, stream: &mut std::net::TcpStream) {
    serve(request, stream, WEIGHTS, "\"1\"", usize::MAX);
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn what_was_pulled_is_found_by_other_commands() {
    let server = Server::new(good);
    let case = Case::at(&server.address);
    case.fails(&["compile", "net.yaml", "-o", "out"], 1, &["E-WNONE", "`resnetc pull net.yaml` gets trained ones"]);
    assert_eq!(case.json(&["inspect", "net.yaml", "--json"])["weights"], "seed:0");

    let pulled = case.run(&["pull", "net.yaml"]);
    assert!(pulled.stderr.is_empty(), "no progress where there is no terminal");
    assert!(done(&pulled).contains("net.yaml: ") && done(&pulled).contains("fetched)"), "{}", done(&pulled));
    assert!(done(&case.run(&["pull", "net.yaml"])).contains("already there)"));
    let weights = case.json(&["inspect", "net.yaml", "--json"])["weights"].as_str().unwrap().to_owned();
    assert!(weights.ends_with("-net.safetensors"), "{weights}");

    // The same network as with the same file given.
    fs::write(case.folder.path().join("given.safetensors"), WEIGHTS).unwrap();
    let emit = |arguments: &[&str]| {
        done(&case.run(&[&["compile", "net.yaml", "--emit", "weights", "-o", "packed"], arguments].concat()));
        fs::read(case.folder.path().join("packed")).unwrap()
    };
    assert!(emit(&[]) == emit(&["--weights", "given.safetensors"]));
    assert!(emit(&[]) != emit(&["--weights", "seed:7"]));

    let path = case.folder.path().join("cache/weights").join(&weights);
    let mut damaged = fs::read(&path).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&path, damaged).unwrap();
    let words = ["E-WHASH", &weights, "the file is damaged; `resnetc pull net.yaml` gets it again"];
    case.fails(&["inspect", "net.yaml"], 1, &words);
    assert!(done(&case.run(&["pull", "net.yaml"])).contains("fetched)"));
    assert_eq!(case.json(&["inspect", "net.yaml", "--json"])["weights"], weights.as_str());
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_file_beside_the_spec_comes_first_and_may_be_missing() {
    let server = Server::new(good);
    let sum = Hashes::of(WEIGHTS, &[]).unwrap().sha256;
    let keys =
        format!("file: mine.safetensors, url: {}/net.safetensors, sha256_prefix: \"{}\"", server.address, &sum[..9]);
    let case = Case::new(&keys);
    case.fails(&["compile", "net.yaml", "-o", "out"], 1, &["E-WNONE", "`mine.safetensors` does not exist"]);
    done(&case.run(&["pull", "net.yaml"]));
    let weights = case.json(&["inspect", "net.yaml", "--json"])["weights"].clone();
    assert_eq!(weights, format!("{}-net.safetensors", &sum[..8]));
    fs::write(case.folder.path().join("mine.safetensors"), WEIGHTS).unwrap();
    assert_eq!(case.json(&["inspect", "net.yaml", "--json"])["weights"], "mine.safetensors");
    fs::write(case.folder.path().join("mine.safetensors"), "other").unwrap();
    case.fails(&["inspect", "net.yaml"], 1, &["E-WHASH", "`mine.safetensors`"]);
}

#[test]
fn json_has_an_object_per_file() {
    let server = Server::new(good);
    let case = Case::at(&server.address);
    fs::copy(case.folder.path().join("net.yaml"), case.folder.path().join("same.yaml")).unwrap();
    let lines = done(&case.run(&["pull", "net.yaml", "same.yaml", "--json"]));
    let objects: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sum = Hashes::of(WEIGHTS, &[]).unwrap().sha256;
    assert_eq!(objects.len(), 2);
    for (object, name, fetched) in [(&objects[0], "net.yaml", true), (&objects[1], "same.yaml", false)] {
        assert_eq!((object["name"].as_str(), object["fetched"].as_bool()), (Some(name), Some(fetched)));
        assert_eq!(
            (object["sha256"].as_str(), object["bytes"].as_u64()),
            (Some(sum.as_str()), Some(WEIGHTS.len() as u64))
        );
        assert!(fs::read(object["path"].as_str().unwrap()).unwrap() == WEIGHTS);
    }
    assert_eq!(case.json(&["pull", "--list", "net.yaml", "--json"])["there"], true);
}

#[test]
fn the_list_names_all_that_can_be_pulled() {
    let case = Case::new("file: none");
    let list = done(&case.run(&["pull", "--list"]));
    for name in ["resnet18", "resnet152", "keras-resnet50", "cifar-resnet1202", "akamaster-cifar-resnet20"] {
        assert!(list.lines().any(|line| line.starts_with(&format!("{name} ")) && line.contains(" no ")), "{list}");
    }
    assert!(!list.contains("caffe-") && !list.lines().any(|line| line.starts_with("cifar-resnet20 ")), "{list}");
    let json = done(&case.run(&["pull", "--list", "--json"]));
    assert_eq!(json.lines().count(), list.lines().count() - 1);
    assert!(!case.folder.path().join("cache").exists());
}

/// Of what is published, all can be pulled; where the publisher puts the hash into the name, it is the spec's.
#[test]
fn shipped_specs_state_the_hash_of_what_is_published() {
    let mut named = 0;
    for spec in &shipped::SPECS {
        let described = frontend::describe(spec.name).unwrap();
        let Some(url) = &described.spec.weights.url else { continue };
        let published = described.published().unwrap_or_else(|| panic!("{} states no checksum", spec.name));
        let stem = url.rsplit('/').next().and_then(|name| name.rsplit_once('.')).unwrap().0;
        if let Some((_, hash)) = stem.rsplit_once('-').filter(|(_, hash)| hash.len() == 8) {
            assert!(published.checksums[0].digits.starts_with(hash), "{}", spec.name);
            named += 1;
        }
    }
    assert!(named >= 11, "{named}");
}

#[test]
fn every_bad_name_is_told_and_the_good_ones_are_pulled() {
    let server = Server::new(good);
    let case = Case::at(&server.address);
    fs::write(case.folder.path().join("bare.yaml"), spec("url: https://example.org/net.pth")).unwrap();
    let names = ["resnet81", "a.onnx", "no.yaml", "cifar-resnet20", "caffe-resnet50", "bare.yaml", "net.yaml"];
    let output = case.run(&[&["pull"], &names[..]].concat());
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    for word in [
        "did you mean `resnet101`?",
        "an ONNX model holds its weights itself",
        "`no.yaml` does not exist",
        "it comes with its own, `weights/cifar-resnet20.safetensors`",
        "`caffe-resnet50` has no published weights",
        "weights: https://example.org/net.pth can be checked by nothing",
    ] {
        assert!(text.contains(word), "{word} is missing from:\n{text}");
    }
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("net.yaml: "));
}

#[test]
fn offline_fetches_nothing() {
    let server = Server::new(good);
    let case = Case::at(&server.address);
    case.fails(&["pull", "net.yaml", "--offline"], 1, &["E-OFFLINE", "-net.safetensors", "leave `--offline` out"]);
    assert!(!case.folder.path().join("cache").exists());
    assert_eq!(server.requests().len(), 0);
    done(&case.run(&["pull", "net.yaml"]));
    done(&case.run(&["pull", "net.yaml", "--offline"]));
    assert_eq!(server.requests().len(), 1);
    case.fails(&["pull", "net.yaml", "--offline", "--force"], 2, &["cannot be used with"]);
    case.fails(&["pull"], 2, &["NAME"]);
}

#[test]
fn another_cache_can_be_named() {
    let server = Server::new(good);
    let case = Case::at(&server.address);
    let object = case.json(&["pull", "net.yaml", "--cache", "there", "--json"]);
    assert!(
        Path::new(object["path"].as_str().unwrap())
            .starts_with(case.folder.path().canonicalize().unwrap().join("there"))
    );
    assert!(!case.folder.path().join("cache").exists());
    case.fails(&["pull", "net.yaml", "--cache", "net.yaml"], 1, &["E-CACHE", "name another folder"]);
}

#[test]
fn proxies_are_taken_from_the_environment() {
    let proxy = Server::new(good);
    let case = Case::at("http://weights.invalid");
    for (name, other) in [("HTTP_PROXY", "HTTPS_PROXY"), ("http_proxy", "https_proxy"), ("ALL_PROXY", "HTTPS_PROXY")] {
        let mut pull = case.command(&["pull", "net.yaml", "--force"]);
        done(&pull.env(name, &proxy.address).env(other, "http://127.0.0.1:1").output().unwrap());
        let requests = proxy.requests();
        let [.., connect, get] = requests.as_slice() else { panic!("{requests:?}") };
        assert_eq!(connect.line, "CONNECT weights.invalid:80 HTTP/1.1");
        assert!(get.line.starts_with("GET /net.safetensors"), "{}", get.line);
    }
    let mut pull = case.command(&["pull", "net.yaml", "--force"]);
    let output = pull.env("HTTP_PROXY", "gopher://me:secret@h").output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("E-PROXY") && text.contains("HTTP_PROXY") && !text.contains("secret"), "{text}");
}

#[test]
fn exempt_hosts_need_no_proxy() {
    let (server, proxy) = (Server::new(good), Server::new(|_, _, stream| respond(stream, "403 Forbidden", &[], &[])));
    let case = Case::at(&server.address);
    let pull = |exempt: &str| {
        let mut pull = case.command(&["pull", "net.yaml"]);
        pull.env("HTTP_PROXY", &proxy.address).env("NO_PROXY", exempt).output().unwrap()
    };
    assert_eq!(pull("example.org").status.code(), Some(1));
    assert_eq!((server.requests().len(), proxy.requests().len()), (0, 2));
    done(&pull("example.org, 127.0.0.1"));
    assert_eq!((server.requests().len(), proxy.requests().len()), (1, 2));
}

#[test]
fn the_time_out_can_be_shortened() {
    let server = Server::new(|_, _, _| std::thread::sleep(Duration::from_secs(60)));
    let case = Case::at(&server.address);
    let mut pull = case.command(&["pull", "net.yaml"]);
    // Five tries, and 7.5 s between them, would be too long here: the first request is enough to see.
    let mut child = pull.env("RESNETC_TIMEOUT", "0.05").stderr(Stdio::null()).spawn().unwrap();
    let start = std::time::Instant::now();
    while server.requests().len() < 2 && start.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(server.requests().len(), 2);
    for text in ["0", "-1", "soon", "nan", "1e300"] {
        let output = case.command(&["pull", "net.yaml"]).env("RESNETC_TIMEOUT", text).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
    }
}

#[test]
fn processes_at_once_fetch_once() {
    let server = Server::new(|number, request, stream| {
        std::thread::sleep(Duration::from_millis(200));
        good(number, request, stream);
    });
    let case = Case::at(&server.address);
    let pulls: Vec<_> =
        (0..3).map(|_| case.command(&["pull", "net.yaml", "--json"]).stdout(Stdio::piped()).spawn().unwrap()).collect();
    let outputs: Vec<String> = pulls.into_iter().map(|pull| done(&pull.wait_with_output().unwrap())).collect();
    assert_eq!(outputs.iter().filter(|output| output.contains("\"fetched\":true")).count(), 1);
    assert_eq!(server.requests().len(), 1);
}

/// What a killed download leaves is gone on with.
#[test]
fn a_killed_pull_is_gone_on_with() {
    let server = Server::new(|number, request, stream| match number {
        0 => {
            serve(request, stream, WEIGHTS, "\"1\"", 500_000);
            std::thread::sleep(Duration::from_secs(60));
        }
        _ => good(number, request, stream),
    });
    let case = Case::at(&server.address);
    let part = case.folder.path().join("cache/weights");
    let arrived = || {
        let parts = fs::read_dir(&part).into_iter().flatten().flatten();
        let mut lengths = parts.filter(|file| file.path().extension().is_some_and(|ending| ending == "part"));
        lengths.next().map_or(0, |file| file.metadata().unwrap().len())
    };
    let mut child = case.command(&["pull", "net.yaml"]).spawn().unwrap();
    let start = std::time::Instant::now();
    while arrived() < 500_000 && start.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let object = case.json(&["pull", "net.yaml", "--json"]);
    assert_eq!(server.requests()[1].from(), 500_000);
    assert!(fs::read(object["path"].as_str().unwrap()).unwrap() == WEIGHTS);
}
