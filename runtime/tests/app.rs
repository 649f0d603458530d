//! The standalone program, around a network that says which colour a picture is.

mod app_support;

use std::ffi::OsString;
use std::fs;

use resnet::app::{self, Picture, decode, preprocess};
use resnet::network::{Color, Input, Interpolation, Network, Preprocess, Resize, Rounding};
use serde_json::Value;

use app_support::{COLORS, Colors, NoLabels, NoPictures, One, RULES, call, colors, fixture, npy, text};

#[test]
fn resizes_as_pillow() {
    let noise = decode(&fixture("noise.png")).unwrap();
    let cases = fs::read_to_string(fixture("resize.txt")).unwrap();
    assert_eq!(cases.lines().count(), 9);
    for case in cases.lines() {
        let words: Vec<&str> = case.split(' ').collect();
        let interpolation = match words[0] {
            "nearest" => Interpolation::Nearest,
            "bilinear" => Interpolation::Bilinear,
            "bicubic" => Interpolation::Bicubic,
            other => panic!("{other}"),
        };
        let size = [words[2].parse().unwrap(), words[1].parse().unwrap()];
        let resized =
            preprocess::resize(&noise, &Preprocess { resize: Resize::Exact(size), interpolation, ..RULES }).unwrap();
        assert_eq!(resized.pixels.len(), words.len() - 3);
        for (value, expected) in resized.pixels.iter().zip(&words[3..]) {
            let expected: u8 = expected.parse().unwrap();
            assert_eq!(*value, expected, "{} {size:?}", words[0]);
        }
    }
}

fn pixel(picture: &Picture, x: usize, y: usize) -> [u8; 3] {
    picture.pixels[(y * picture.width + x) * 3..][..3].try_into().unwrap()
}

fn near(found: [u8; 3], expected: [u8; 3], tolerance: u8) -> bool {
    found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= tolerance)
}

#[test]
fn turns_pictures_upright_and_resolves_their_kinds() {
    let orientations = (1..=8).map(|number| format!("orientation{number}.jpg"));
    for (name, tolerance) in orientations.map(|name| (name, 4)).chain([("alpha.png".into(), 0), ("cmyk.jpg".into(), 8)])
    {
        let picture = decode(&fixture(&name)).unwrap();
        assert_eq!((picture.width, picture.height), (48, 32), "{name}");
        for (x, y, color) in
            [(8, 8, [220, 30, 30]), (40, 8, [30, 200, 40]), (8, 24, [40, 50, 210]), (40, 24, [230, 230, 60])]
        {
            assert!(
                near(pixel(&picture, x, y), color, tolerance),
                "{name}: {:?}, not {color:?}",
                pixel(&picture, x, y)
            );
        }
    }
    let grey = decode(&fixture("grey16.png")).unwrap();
    assert!(grey.pixels.iter().enumerate().all(|(index, &value)| usize::from(value) == index / 3));
    assert!(near(pixel(&decode(&fixture("grey.jpg")).unwrap(), 8, 8), [87; 3], 2));
    assert_eq!(decode(&fixture("palette.png")).unwrap().width, 48);
}

#[test]
fn crops_as_torchvision_and_hugging_face() {
    let row = Picture { width: 5, height: 1, pixels: (1..=5).flat_map(|value| [value; 3]).collect() };
    let reds = |width, rounding| {
        let cut = preprocess::center_crop(&row, [1, width], rounding);
        cut.pixels.iter().step_by(3).copied().collect::<Vec<_>>()
    };
    assert_eq!(reds(2, Rounding::HalfToEven), [3, 4]);
    assert_eq!(reds(4, Rounding::HalfToEven), [1, 2, 3, 4]);
    assert_eq!(reds(8, Rounding::HalfToEven), [0, 1, 2, 3, 4, 5, 0, 0]);
    assert_eq!(reds(2, Rounding::Down), [2, 3]);
    assert_eq!(reds(4, Rounding::Down), [1, 2, 3, 4]);
    assert_eq!(reds(8, Rounding::Down), [0, 0, 1, 2, 3, 4, 5, 0]);
}

#[test]
fn normalises_in_the_network_s_order() {
    let picture = Picture { width: 1, height: 1, pixels: vec![10, 20, 30] };
    let rules = Preprocess {
        resize: Resize::Exact([1, 1]),
        crop: None,
        color: Color::Bgr,
        scale: 1.0,
        mean: [1.0, 2.0, 3.0],
        std: [1.0, 2.0, 4.0],
        ..RULES
    };
    let network = Network { inputs: &[Input { name: "image", shape: &[1, 1, 1, 3], channels_last: true }], ..COLORS };
    let mut input = [0.0; 3];
    preprocess::fill(&network, &rules, &picture, &mut input).unwrap();
    assert_eq!(input, [29.0, 9.0, 1.75]);
}

#[test]
fn classifies_and_goes_on_after_a_bad_picture() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("b.png");
    fs::write(&bad, "no picture").unwrap();
    for name in ["a.png", "c.PNG", "d.png"] {
        fs::copy(fixture("alpha.png"), folder.path().join(name)).unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
    let (code, out, err) = colors(&["--json", "--top", "2", text(folder.path())]);
    assert_eq!(code, 1);
    assert!(err.contains("b.png") && err.contains("expected: a JPEG or PNG"), "{err}");
    let results: Value = serde_json::from_str(&out).unwrap();
    let files: Vec<&str> = results.as_array().unwrap().iter().map(|result| result["file"].as_str().unwrap()).collect();
    assert_eq!(files.len(), 4);
    assert!(files.is_sorted());
    assert!(results[1]["error"]["found"].is_string());
    for index in [0, 2, 3] {
        let predictions = results[index]["predictions"].as_array().unwrap();
        assert_eq!(predictions.len(), 2);
        assert_eq!(predictions[0]["label"], "red");
        assert_eq!(predictions, results[0]["predictions"].as_array().unwrap());
    }
    let (code, out, _) = call::<Colors<NoLabels>>(&[text(&fixture("alpha.png"))]);
    assert!(code == 0 && out.contains("class 0") && out.contains("class 2"), "{out}");
    let (code, out, _) = colors(&[text(&fixture("alpha.png"))]);
    assert_eq!(code, 0);
    assert!(out.contains("red") && out.contains("blue"), "{out}");
    let sum: f64 = out.lines().skip(1).map(|line| line.trim().split(' ').next().unwrap().parse::<f64>().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-3);
}

#[test]
fn refuses_pictures_without_preprocessing() {
    let (code, out, err) = call::<Colors<NoPictures>>(&[text(&fixture("alpha.png"))]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("tensor IN.npy OUT"), "{err}");
}

#[test]
fn runs_tensors_of_any_number_of_images() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.npy"), folder.path().join("out.npy"));
    let values: Vec<f32> = (0..3 * 48).map(|index| (index / 16) as f32).collect();
    fs::write(&input, npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3, 4, 4), }\n", &values)).unwrap();
    let (code, _, err) = colors(&["tensor", text(&input), text(&output)]);
    assert_eq!((code, err.as_str()), (0, ""));
    let expected: Vec<u8> = (0..9).flat_map(|mean| (mean as f32 * 10.0).to_le_bytes()).collect();
    let written = fs::read(&output).unwrap();
    assert_eq!(written.len(), 128 + 36);
    assert_eq!(&written[128..], expected);
    assert!(String::from_utf8_lossy(&written[..128]).contains("'shape': (3,3,)"));

    fs::remove_file(&output).unwrap();
    for (header, length, expected) in [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3, 4, 4)}", 48, "float32"),
        ("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 3, 4, 4)}", 48, "C order"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4, 4)}", 48, "[any, 3, 4, 4]"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 4, 4)}", 47, "192 bytes"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551615, 3, 4, 4)}", 48, "[any"),
        // The bytes fit into 64 bits, but not with the header's.
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (96076792050570581, 3, 4, 4)}", 48, "184467"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3, 4, 4)}", 0, "[any"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3, 4, 4)}", 48, "dictionary"),
        ("{'descr': '<f4'}", 48, "dictionary"),
    ] {
        fs::write(&input, npy(header, &values[..length])).unwrap();
        let (code, _, err) = colors(&["tensor", text(&input), text(&output)]);
        assert_eq!(code, 1);
        assert!(err.contains("in.npy") && err.contains(expected), "{header}: {err}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing but the input");
}

#[test]
fn measures_and_describes() {
    let (code, out, _) = colors(&["bench", "--json", "--seconds", "0.01", "--threads", "2"]);
    assert_eq!(code, 0);
    let result: Value = serde_json::from_str(&out).unwrap();
    assert!(result["min_ms"].as_f64().unwrap() <= result["median_ms"].as_f64().unwrap());
    assert_eq!((&result["threads"], &result["isa"]), (&2.into(), &"portable".into()));
    assert!(colors(&["bench", "--seconds", "0.01"]).1.contains("median"));

    let result: Value = serde_json::from_str(&colors(&["info", "--json"]).1).unwrap();
    assert_eq!(result["checksums"]["model"], "abc");
    assert_eq!((&result["threads"], &result["map_bytes"]), (&7.into(), &0.into()));
    assert!(colors(&["info"]).1.contains("instruction sets"));
}

#[test]
fn teaches_and_refuses_wrong_calls() {
    let (code, out, _) = colors(&["--help"]);
    assert!(code == 0 && out.contains("Examples:") && out.contains("./bench"), "{out}");
    let (code, out, _) = colors(&["--version"]);
    assert!(code == 0 && out.contains("0.1.0"), "{out}");
    for wrong in [
        &[][..],
        &["--json"],
        &["--top", "0", "a.png"],
        &["bench", "--seconds", "-1"],
        &["bench", "--turns", "--json"],
        &["tensor", "a"],
        &["--what"],
    ] {
        let (code, out, err) = colors(wrong);
        assert!(code == 2 && out.is_empty() && !err.is_empty(), "{wrong:?}: {code} {out} {err}");
    }
    let (code, _, err) = colors(&["./bench"]);
    assert!(code == 1 && err.contains("no such file"), "{err}");
}

#[test]
fn has_an_exit_code_for_each_kind_of_error() {
    for (threads, expected) in [("1001", 1), ("1002", 2), ("1003", 2), ("1004", 1)] {
        for arguments in [&["bench", "--seconds", "0.01", "--threads", threads][..], &["--threads", threads, "a.png"]] {
            let (code, out, err) = colors(arguments);
            assert_eq!((code, out.as_str()), (expected, ""), "{err}");
            assert!(err.starts_with("error: colors: "), "{err}");
        }
    }
}

/// A reader who leaves after some bytes.
struct Leaver(usize);

impl std::io::Write for Leaver {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn ends_in_silence_when_nobody_reads_on() {
    let picture = fixture("alpha.png");
    for arguments in [&["info"][..], &["--help"], &["--json", text(&picture), text(&picture)], &[text(&picture)]] {
        let mut err = Vec::new();
        let all = std::iter::once("colors").chain(arguments.iter().copied()).map(OsString::from);
        let code = app::run::<Colors<One>>(all, &mut Leaver(10), &mut err, false);
        assert_eq!((code, err.as_slice()), (0, &b""[..]), "{arguments:?}");
    }
}

#[test]
fn writes_beside_what_a_killed_run_left_and_through_links() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.npy"), folder.path().join("out.npy"));
    fs::write(&input, npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 4, 4)}\n", &[1.0; 48])).unwrap();
    let left = [0, 1].map(|number| folder.path().join(format!(".resnet-{}-{number}.tmp", std::process::id())));
    for path in &left {
        fs::write(path, "left behind").unwrap();
    }
    let (code, _, err) = colors(&["tensor", text(&input), text(&output)]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(fs::read(&output).unwrap().len(), 128 + 12);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
    assert!(left.iter().all(|path| fs::read(path).unwrap() == b"left behind"));

    let (code, _, err) = colors(&["tensor", text(&input), text(&folder.path().join("none/out.npy"))]);
    assert!(code == 1 && err.contains("cannot be written"), "{err}");
    let (code, _, err) = colors(&["tensor", text(&input), text(folder.path())]);
    assert!(code == 1 && err.contains("no ordinary file"), "{err}");
    #[cfg(unix)]
    {
        let link = folder.path().join("link.npy");
        std::os::unix::fs::symlink(&output, &link).unwrap();
        fs::write(&output, "").unwrap();
        assert_eq!(colors(&["tensor", text(&input), text(&link)]).0, 0);
        assert!(link.is_symlink());
        assert_eq!(fs::read(&output).unwrap().len(), 128 + 12);
        let (code, _, err) = colors(&["tensor", "/dev/zero", text(&output)]);
        assert!(code == 1 && err.contains("pipe or a device"), "{err}");
    }
}

#[test]
fn shows_what_every_step_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (input, steps) = (folder.path().join("in.npy"), folder.path().join("new/steps"));
    let values: Vec<f32> = (0..3 * 48).map(|index| (index / 16) as f32).collect();
    fs::write(&input, npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3, 4, 4)}\n", &values)).unwrap();
    let (code, out, err) = colors(&["trace", text(&input), text(&steps)]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", ""));
    let list: Value = serde_json::from_str(&fs::read_to_string(steps.join("steps.json")).unwrap()).unwrap();
    // The last step is one that writes an output.
    let expected = serde_json::json!([
        { "index": 0, "name": "mean", "shape": [2, 3, 1, 1] },
        { "index": 2, "name": "logits", "shape": [2, 3, 1, 1] },
    ]);
    assert_eq!(list, expected);
    let means: Vec<u8> = (0..6).flat_map(|mean| (mean as f32 * 10.0).to_le_bytes()).collect();
    for name in ["0.npy", "2.npy"] {
        let written = fs::read(steps.join(name)).unwrap();
        assert!(String::from_utf8_lossy(&written[..128]).contains("'shape': (2,3,1,1,)"));
        assert_eq!(written[128..], means);
    }
    assert_eq!(fs::read_dir(&steps).unwrap().count(), 3);
    assert!(!colors(&["--help"]).1.contains("trace"));
    let (code, _, err) = colors(&["trace", text(&input), text(&input)]);
    assert!(code == 1 && err.contains("cannot be written"), "{err}");
}
