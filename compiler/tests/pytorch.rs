//! Files of `torch.save`, good and hostile. `pytorch/make.py` wrote those in the folder.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use resnetc::frontend::weights::{TensorFile, file};
use resnetc::frontend::{self, WeightSource};

const MAGIC: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
const VERSION: &[u8] = b"\x80\x02M\xe9\x03.";
const SYSTEM: &[u8] = b"\x80\x02}X\x0d\x00\x00\x00little_endian\x88s.";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pytorch")
}

fn parse(content: &[u8]) -> Result<TensorFile, String> {
    file::parse(Path::new("w.pt"), Cow::Owned(content.to_vec())).map_err(|problems| problems.to_string())
}

fn refused(content: &[u8]) -> String {
    let begin = Instant::now();
    let text = parse(content).unwrap_err();
    assert!(text.starts_with("error[E-WFMT]: w.pt: "), "{text}");
    assert!(begin.elapsed() < Duration::from_secs(20), "{text}");
    text
}

/// A legacy file of one pickle of data and no storages.
fn legacy(pickle: &[u8]) -> Vec<u8> {
    [MAGIC, VERSION, SYSTEM, pickle, b"\x80\x02]."].concat()
}

/// A legacy file of a tensor `a` in a storage that claims `claimed` elements and holds four floats.
fn tensor(claimed: u8, offset: u32, shape: &[u32], strides: &[u32]) -> Vec<u8> {
    let number = |number: &u32| [&[0x8A, 5][..], &u64::from(*number).to_le_bytes()[..5]].concat();
    let tuple = |numbers: &[u32]| {
        let numbers: Vec<u8> = numbers.iter().flat_map(number).collect();
        [b"(", numbers.as_slice(), b"t"].concat()
    };
    let pickle = [
        b"\x80\x02}U\x01actorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x01kU\x03cpuK",
        &[claimed][..],
        b"NtQ",
        &number(&offset),
        &tuple(shape),
        &tuple(strides),
        b"\x89ccollections\nOrderedDict\n)RtRs.",
    ]
    .concat();
    let values: Vec<u8> = [1.0_f32, 2.0, 3.0, 4.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    [MAGIC, VERSION, SYSTEM, &pickle, b"\x80\x02]U\x01ka.", &4_u64.to_le_bytes(), &values].concat()
}

#[test]
fn every_form_has_the_bits_of_safetensors() {
    let read = |name: &str| file::load(&folder().join(name)).unwrap_or_else(|problems| panic!("{problems}"));
    let plain = read("tensors.safetensors");
    assert_eq!(plain.tensors.len(), 9);
    for name in ["zip.pt", "legacy.pt", "checkpoint.pt"] {
        let file = read(name);
        assert_eq!(file.tensors.len(), 10, "{name}");
        assert!(file.tensors.contains_key("bn.num_batches_tracked"), "{name}");
        for (tensor, stored) in &plain.tensors {
            let found = &file.tensors[tensor];
            assert_eq!(found.shape, stored.shape, "{name}: {tensor}");
            assert_eq!(found.element, stored.element, "{name}: {tensor}");
            let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            assert_eq!(bits(file.values(found).unwrap()), bits(plain.values(stored).unwrap()), "{name}: {tensor}");
        }
    }
}

#[test]
fn truncated_files_are_refused() {
    for name in ["zip.pt", "legacy.pt"] {
        let whole = std::fs::read(folder().join(name)).unwrap();
        assert!(parse(&whole).is_ok());
        for cut in (0..whole.len()).step_by(10).chain([whole.len() - 1]) {
            refused(&whole[..cut]);
        }
    }
}

#[test]
fn a_damaged_entry_is_noticed() {
    let mut content = std::fs::read(folder().join("zip.pt")).unwrap();
    let file = parse(&content).unwrap();
    let at = file.tensors["single"].bytes.start;
    content[at] ^= 1;
    assert!(refused(&content).contains("hecksum"), "{}", refused(&content));
}

#[test]
fn a_pickle_that_calls_is_refused_by_name() {
    let call = b"\x80\x02cos\nsystem\nU\x04echoQ\x85R.";
    let expected = "it names `os.system`, which is not read from a file of weights";
    assert!(refused(call).contains(expected));
    assert!(refused(&legacy(call)).contains(expected));
    let stacked = b"\x80\x04\x8c\x02os\x8c\x06system\x93.";
    assert!(refused(&legacy(stacked)).contains(expected));
    assert!(refused(&legacy(b"\x80\x02cbuiltins\neval\n.")).contains("`builtins.eval`"));
    assert!(refused(&legacy(b"\x80\x02ctorch.storage\n_load_from_bytes\n.")).contains("_load_from_bytes"));
    assert!(refused(&legacy(b"\x80\x02c__main__\nResNet\n.")).contains("`__main__.ResNet`"));
}

#[test]
fn views_stay_inside_their_storage() {
    let file = parse(&tensor(4, 1, &[3], &[1])).unwrap();
    assert_eq!(file.values(&file.tensors["a"]).unwrap(), [2.0, 3.0, 4.0]);
    let file = parse(&tensor(4, 0, &[2, 2], &[1, 2])).unwrap();
    assert_eq!(file.values(&file.tensors["a"]).unwrap(), [1.0, 3.0, 2.0, 4.0]);
    for bad in [
        tensor(4, 2, &[3], &[1]),
        tensor(4, 5, &[1], &[1]),
        tensor(4, u32::MAX, &[1], &[1]),
        tensor(4, 0, &[2], &[4]),
        tensor(4, 0, &[u32::MAX, u32::MAX, u32::MAX], &[0, 0, 0]),
        tensor(4, 0, &[5], &[0]),
        tensor(4, 0, &[2, 2], &[u32::MAX, u32::MAX]),
        tensor(4, 0, &[4], &[1, 1]),
        tensor(200, 0, &[4], &[1]),
    ] {
        assert!(refused(&bad).contains("tensor `a`: "));
    }
}

#[test]
fn bombs_take_little() {
    // Lists of two times the list before, 200 deep.
    let mut doubled = b"\x80\x02]".to_vec();
    for _ in 0..200 {
        doubled.extend(b"q\x00h\x00\x86");
    }
    doubled.push(b'.');
    assert!(refused(&legacy(&doubled)).contains("no dictionary of tensors"));
    let nested = [&b"\x80\x02"[..], &vec![b']'; 1_000_000], b".", b""].concat();
    refused(&legacy(&nested));
    assert!(
        refused(&legacy(&[&b"\x80\x02"[..], &vec![b']'; 5_000_000]].concat())).contains("more than 4194304 values")
    );
    assert!(refused(&legacy(&[&b"\x80\x02"[..], &vec![b'('; 17 << 20]].concat())).contains("longer than"));
    // A text that claims more than there is, an entry of the memo that nobody made, a list inside itself.
    assert!(refused(&legacy(b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\x7f")).contains("ends in the middle"));
    assert!(refused(&legacy(b"\x80\x02j\xff\xff\xff\xff.")).contains("did not remember"));
    assert!(refused(&legacy(b"\x80\x02]q\x00h\x00a.")).contains("no dictionary of tensors"));
}

#[test]
fn published_checkpoints_fit_their_networks() {
    let shared = std::env::var_os("RESNET_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let files = shared.join("realdata/cifar10_resnet");
    if !files.is_dir() {
        println!("skipped: {} is absent", files.display());
        return;
    }
    for (model, name) in
        [("akamaster-cifar-resnet20", "resnet20-12fca82f.th"), ("cifar-resnet56", "resnet56-4bfd9763.th")]
    {
        let weights = WeightSource::File(files.join(name));
        frontend::load(model, Some(&weights), 1).unwrap_or_else(|problems| panic!("{problems}"));
    }
}
