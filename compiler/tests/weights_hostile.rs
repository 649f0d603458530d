//! Files of weights that are cut, damaged or made to harm: each is an error or weights, in little time and memory.
//!
//! `reference/make_weights.py` wrote the files of `fixtures/weights`.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use resnetc::frontend::weights::{TensorFile, file, load};

#[path = "support/peak.rs"]
mod peak;

use peak::Peak;

#[global_allocator]
static MEMORY: Peak = Peak::new();

/// What a file of `length` bytes may take: what deflate could make of it, twice while a chunk is unpacked, and a little for the rest.
fn allowed(length: usize) -> usize {
    2 * 1032 * length + (8 << 20)
}

/// Reads a file, and measures it. One at a time, so that no other test is measured with it.
fn parse(name: &str, content: &[u8]) -> Result<TensorFile, String> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = MEMORY.now.load(Ordering::Relaxed);
    MEMORY.most.store(before, Ordering::Relaxed);
    let begin = Instant::now();
    let read = file::parse(&path(name), Cow::Owned(content.to_vec()));
    let (time, most) = (begin.elapsed(), MEMORY.most.load(Ordering::Relaxed).saturating_sub(before));
    drop(guard);
    assert!(time < Duration::from_secs(20), "{name}: {time:?}");
    assert!(most < allowed(content.len()), "{name}: {most} bytes of memory for {}", content.len());
    read.map_err(|problems| {
        let text = problems.to_string();
        assert!(text.starts_with("error[E-W"), "{text}");
        text
    })
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights").join(name)
}

fn content(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

#[track_caller]
fn refused(name: &str, content: &[u8], expected: &str) {
    let text = parse(name, content).unwrap_err();
    assert!(text.contains(expected), "{text}");
}

const FILES: [&str; 19] = [
    "../../pytorch/zip.pt",
    "../../pytorch/legacy.pt",
    "plain.safetensors",
    "weights.h5",
    "model.h5",
    "latest.h5",
    "chunked.h5",
    "nested.h5",
    "keras3.weights.h5",
    "nameless.weights.h5",
    "elements.weights.h5",
    "model.keras",
    "nameless.keras",
    "stored.npz",
    "deflated.npz",
    "elements.npz",
    "model.safetensors.index.json",
    "raw.onnx",
    "elements.onnx",
];

#[test]
fn truncated_files_are_refused() {
    for name in FILES {
        let whole = content(name);
        let tensors = parse(name, &whole).unwrap().tensors.len();
        for cut in (0..whole.len()).step_by(10).chain([whole.len() - 1]) {
            if let Ok(file) = parse(name, &whole[..cut]) {
                // The weights of an ONNX model are whole before the versions of its operators, which come last.
                assert!(name.ends_with("onnx") && file.tensors.len() == tensors, "{name} cut at {cut}");
            }
        }
    }
}

#[test]
fn damaged_files_are_refused_or_read() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for name in FILES {
        let whole = content(name);
        let mut errors = 0;
        for _ in 0..300 {
            let mut damaged = whole.clone();
            for _ in 0..=random(3) {
                // Half of the damage in the first bytes, where most headers are.
                let at = if random(2) == 0 { random(whole.len()) } else { random(whole.len().min(4096)) };
                match random(4) {
                    0 => damaged[at] ^= 1 << random(8),
                    1 => damaged[at] = random(256) as u8,
                    2 => damaged[at] = 0xFF,
                    _ => damaged[at..].iter_mut().take(8).for_each(|byte| *byte = 0xFF),
                }
            }
            match parse(name, &damaged) {
                Ok(file) => file.tensors.values().for_each(|tensor| {
                    if let Ok(values) = file.values(tensor) {
                        assert_eq!(values.len(), tensor.shape.len(), "{name}");
                    }
                }),
                Err(_) => errors += 1,
            }
        }
        assert!(errors > 30, "{name}: {errors}");
    }
}

#[test]
fn links_of_hdf5_lead_nowhere_else() {
    let refused = |name: &str, expected: &str| refused(name, &content(name), expected);
    refused("loop.weights.h5", "group `layers/dense/again`: a link leads to what was reached before");
    let kernel = "layer `dense`: `dense/kernel`: `dense` is";
    refused("soft_loop.h5", &format!("{kernel} a soft link, which is not followed"));
    refused("external_link.h5", &format!("{kernel} a link to another file, which is not followed"));
    refused("external_storage.h5", "its values are in another file, which is not followed");
    refused("none.h5", "the HDF5 file is none of Keras: it has neither `layer_names` nor `vars`");
}

#[test]
fn sizes_of_hdf5_are_not_believed() {
    refused("terabytes.h5", &content("terabytes.h5"), "`dense/kernel`: what is packed in the file gives more than");
    refused(
        "unwritten.h5",
        &content("unwritten.h5"),
        "`dense/kernel`: it has no values, or they lie outside of the file",
    );
    // A file of 10 KB may give ten megabytes, and gives four.
    assert_eq!(parse("bomb.h5", &content("bomb.h5")).unwrap().tensors["dense/kernel"].shape.len(), 1 << 20);
    let shared = "its names, links and attributes are longer than itself";
    refused("shared_text.h5", &content("shared_text.h5"), shared);
    let mut claims = content("weights.h5");
    let end = u64::from_le_bytes(claims[40..48].try_into().unwrap());
    assert_eq!(end, claims.len() as u64);
    claims[40..48].copy_from_slice(&(end + 1).to_le_bytes());
    refused("weights.h5", &claims, &format!("the HDF5 file is truncated: it claims {} bytes and has {end}", end + 1));
    // An extent of the last dataset of the file, which is one of a matrix.
    let whole = content("keras2.h5");
    let space = [3_u64.to_le_bytes(), 3_u64.to_le_bytes()].concat();
    let at = whole.windows(16).rposition(|window| window == space).unwrap();
    for extent in [4, 1 << 20, u64::MAX / 4, u64::MAX / 2, u64::MAX] {
        let mut damaged = whole.clone();
        damaged[at..at + 8].copy_from_slice(&extent.to_le_bytes());
        damaged[at + 8..at + 16].copy_from_slice(&extent.to_le_bytes());
        refused("keras2.h5", &damaged, "layer `predictions`: `predictions/bias:0`: ");
    }
}

/// The one sum of the library that is not checked: extents in a layout of the first version.
#[test]
fn an_overflow_in_the_library_is_an_error() {
    let mut damaged = content("keras2.h5");
    let layout: &[u8] = &[8, 0, 24, 0, 0, 0, 0, 0, 3, 1];
    let at = damaged.windows(layout.len()).rposition(|window| window == layout).unwrap();
    // The message takes in the empty one behind it, and has 20 extents.
    let empty = usize::from(u16::from_le_bytes([damaged[at + 34], damaged[at + 35]]));
    assert_eq!(damaged[at + 32..at + 34], [0, 0]);
    let length = (24 + 8 + empty) as u16;
    damaged[at + 2..at + 4].copy_from_slice(&length.to_le_bytes());
    damaged[at + 8..at + 11].copy_from_slice(&[1, 20, 1]);
    damaged[at + 24..at + 104].fill(0xFF);
    let header = at - 96;
    assert_eq!(damaged[header..header + 3], [1, 0, 5]);
    damaged[header + 2] = 4;
    refused("keras2.h5", &damaged, "the HDF5 file is broken");
}

/// A zip archive of stored entries; the offset of an entry may be that of another.
fn zip(entries: &[(&str, &[u8], Option<usize>)]) -> Vec<u8> {
    let (mut bytes, mut central) = (Vec::new(), Vec::new());
    let mut offsets = Vec::new();
    for (name, data, same) in entries {
        let crc = data.iter().fold(!0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 })
        });
        let size = (data.len() as u32).to_le_bytes();
        let rest = [[0; 4], (!crc).to_le_bytes(), size, size, (name.len() as u32).to_le_bytes()].concat();
        let offset = same.map_or(bytes.len() as u32, |same| offsets[same]);
        offsets.push(offset);
        if same.is_none() {
            bytes.extend([&b"PK\x03\x04\x14\0\0\0\0\0"[..], &rest, name.as_bytes(), data].concat());
        }
        central.extend(
            [&b"PK\x01\x02\x14\0\x14\0\0\0\0\0"[..], &rest, &[0; 10], &offset.to_le_bytes(), name.as_bytes()].concat(),
        );
    }
    let count = (entries.len() as u16).to_le_bytes();
    let (size, start) = ((central.len() as u32).to_le_bytes(), (bytes.len() as u32).to_le_bytes());
    bytes.extend(central);
    bytes.extend([&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &size, &start, &[0; 2]].concat());
    bytes
}

#[test]
fn archives_are_not_believed() {
    let array = &content_of_array("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", &[0; 4]);
    assert!(parse("x.npz", &zip(&[("a.npy", array, None)])).is_ok());
    let overlapping = zip(&[("a.npy", array, None), ("a.npy2", array, Some(0)), ("a.npy3", array, Some(0))]);
    refused("x.npz", &overlapping, "the zip archive is broken or truncated: its entries overlap");
    refused("x.npz", &zip(&[("../a", array, None)]), "the zip archive is of no format that is known");
    // An entry that claims to be 4 GB.
    let mut claims = content("deflated.npz");
    let central = claims.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    claims[central + 24..central + 28].copy_from_slice(&0xFFFF_FFF0_u32.to_le_bytes());
    refused("x.npz", &claims, "what is packed in the file gives more than");
    refused(
        "x.keras",
        &zip(&[("config.json", b"{", None), ("model.weights.h5", b"", None)]),
        "`config.json` is not valid JSON",
    );
    let deep = "[".repeat(1 << 20);
    refused(
        "x.keras",
        &zip(&[("config.json", deep.as_bytes(), None), ("model.weights.h5", b"", None)]),
        "not valid JSON",
    );
    refused(
        "x.keras",
        &zip(&[("config.json", b"{}", None), ("model.weights.npz", b"", None)]),
        "neither `model.weights.h5` nor",
    );
    let out = br#"{"weight_map": {"a": "../x.h5"}}"#;
    refused(
        "x.keras",
        &zip(&[("config.json", b"{}", None), ("model.weights.json", out, None)]),
        "the archive has no `../x.h5`",
    );
    // The layers of the description are those of other weights: names are left out, and nothing else.
    let other = content("keras3.weights.h5");
    let file = parse("x.keras", &zip(&[("config.json", b"{}", None), ("model.weights.h5", &other, None)])).unwrap();
    assert_eq!(file.tensors.len(), 14);
}

fn content_of_array(header: &str, data: &[u8]) -> Vec<u8> {
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

#[test]
fn arrays_are_not_believed() {
    refused("pickled.npz", &content("pickled.npz"), "array `bad`: it is pickled, which is not read");
    for (header, expected) in [
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "array `a`: its shape [2] takes 8 bytes, it has 4"),
        ("{'descr': '<f4', 'fortran_order': True, 'shape': (4294967296, 4294967296)}", "is too large to be true"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'shape': (1,)}", "no dictionary of descr"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': [1]}", "no dictionary of descr"),
        ("__import__('os').system('true')", "no dictionary of descr"),
        (&"(".repeat(9999), "no dictionary of descr"),
        (&" ".repeat(10_001), "it does not begin as an array of NumPy does, or is truncated"),
    ] {
        refused("x.npz", &zip(&[("a.npy", &content_of_array(header, &[0; 4]), None)]), expected);
    }
    refused("x.npz", &zip(&[("a.npy", b"\x93NUMPY\x02\x00\xFF\xFF\xFF\xFF", None)]), "or is truncated");
    refused("x.npy", &content_of_array("", &[]), "the file is a single array of NumPy, which has no name");
}

#[test]
fn shards_stay_beside_their_index() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("model");
    std::fs::create_dir(&inner).unwrap();
    for shard in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
        std::fs::copy(path(shard), inner.join(shard)).unwrap();
        std::fs::copy(path(shard), folder.path().join(shard)).unwrap();
    }
    let index = inner.join("model.safetensors.index.json");
    let whole = String::from_utf8(content("model.safetensors.index.json")).unwrap();
    let refused = |text: &str, code: &str, expected: &str| {
        std::fs::write(&index, text).unwrap();
        let problems = load(&index).unwrap_err().to_string();
        assert!(problems.starts_with(&format!("error[{code}]: {}: ", index.display())), "{problems}");
        assert!(problems.contains(expected), "{problems}");
    };
    std::fs::write(&index, &whole).unwrap();
    assert_eq!(load(&index).unwrap().tensors.len(), 14);
    let second = "model-00002-of-00002.safetensors";
    for escape in ["../model-00002-of-00002.safetensors", "/etc/passwd", "..", "", ".", "a/b", "a\\b", "./x"] {
        let text = whole.replace(second, &escape.escape_default().to_string());
        refused(&text, "E-WFILE", "is no file in the folder of the index");
    }
    refused(&whole.replace(second, "gone.safetensors"), "E-WFILE", "shard `gone.safetensors` is not beside its index");
    refused(&whole.replace(second, "model.safetensors.index.json"), "E-WFMT", "it is an index itself");
    let first = r#""predictions/kernel""#;
    assert!(whole.contains(first));
    refused(&whole.replace(first, r#""other""#), "E-WFMT", "the index does not list its tensor `predictions/kernel`");
    refused(&whole.replacen('{', r#"{"weight_map": {"a": 1}, "#, 1), "E-WFMT", "the file is");
    let more = whole.replace(r#""weight_map": {"#, &format!(r#""weight_map": {{"more": "{second}", "#));
    refused(
        &more,
        "E-WFMT",
        "tensor `more` is not in shard `model-00002-of-00002.safetensors`, where the index has it",
    );
    let twice = whole.replace(first, &format!(r#"{first}: "{second}", {first}"#));
    refused(&twice, "E-WFMT", "the index has these names twice: `predictions/kernel`");
    refused(r#"{"weight_map": {}}"#, "E-WFMT", "the index lists no shard");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.path().join(second), inner.join("link.safetensors")).unwrap();
        let text = whole.replace(second, "link.safetensors");
        refused(&text, "E-WFILE", "shard `link.safetensors` is a link that leads out of the folder of the index");
    }
    let problem = load(&inner).unwrap_err().to_string();
    assert!(problem.starts_with("error[E-WFILE]: ") && problem.contains("the index (`.index.json`)"), "{problem}");
}

#[test]
fn models_of_onnx_are_not_believed() {
    // A graph of one initializer: `dims`, `data_type`, `name`, then more.
    let model = |tensor: &[u8]| {
        let graph = [&[0x2A, tensor.len() as u8][..], tensor].concat();
        [&[0x08, 8, 0x12, 4][..], b"test", &[0x3A, graph.len() as u8], &graph].concat()
    };
    let values = [0x4A, 4, 0, 0, 0x80, 0x3F];
    let file = parse("x.onnx", &model(&[&[8, 1, 16, 1, 0x42, 1, b'a'][..], &values].concat())).unwrap();
    assert_eq!(file.values(&file.tensors["a"]).unwrap(), [1.0]);
    let refused = |tensor: &[u8], expected: &str| refused("x.onnx", &model(tensor), expected);
    refused(
        &[&[8, 2, 16, 1, 0x42, 1, b'a'][..], &values].concat(),
        "initializer `a`: its shape [2] takes 8 bytes, it has 4",
    );
    let negative = [&[8][..], &[0xFF; 9], &[1, 16, 1, 0x42, 1, b'a'], &values].concat();
    refused(&negative, "initializer `a`: its extents [-1] are negative or too large to be true");
    let huge = [8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 16, 1, 0x42, 1, b'a'];
    refused(&[&huge[..], &values].concat(), "too large to be true");
    let outside = |location: &str, extent: &[u8]| {
        let entry = [&[10, 8][..], b"location", &[18, location.len() as u8], location.as_bytes()].concat();
        [&[8], extent, &[16, 1, 0x42, 1, b'a', 0x6A, entry.len() as u8], &entry, &[0x70, 1]].concat()
    };
    for location in ["../Cargo.toml", "/etc/passwd", ""] {
        refused(&outside(location, &[1]), "is not a path below the model's folder");
    }
    refused(&outside("gone.bin", &[1]), "`gone.bin` cannot be read");
    refused(&outside("plain.safetensors", &[0xFF, 0x7F]), "bytes 0 to 0 + 65532 lie beyond");
}
