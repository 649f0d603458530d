//! Pictures as the standalone program reads and resizes them: damaged ones, ones of rare kinds, and photographs.

use std::fs;
use std::path::{Path, PathBuf};

use resnet::app::{Picture, decode, preprocess};
use resnet::network::{Color, Interpolation, Preprocess, Resize, Rounding};

const RULES: Preprocess = Preprocess {
    resize: Resize::ShorterSide(256),
    interpolation: Interpolation::Bilinear,
    antialias: true,
    crop: None,
    rounding: Rounding::HalfToEven,
    color: Color::Rgb,
    scale: 1.0,
    mean: [0.0; 3],
    std: [1.0; 3],
};

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name)
}

fn fixture(name: &str) -> PathBuf {
    reference("pictures").join(name)
}

fn pixel(picture: &Picture, x: usize, y: usize) -> [u8; 3] {
    picture.pixels[(y * picture.width + x) * 3..][..3].try_into().unwrap()
}

fn refused(path: &Path) -> String {
    decode(path).unwrap_err().to_string()
}

#[test]
fn reads_rare_kinds() {
    let fields = [(8, 8, [220, 30, 30]), (40, 8, [30, 200, 40]), (8, 24, [40, 50, 210]), (40, 24, [230, 230, 60])];
    for (name, tolerance) in [("rgb16.png", 0), ("orientation6.png", 0), ("progressive.jpg", 4)] {
        let picture = decode(&fixture(name)).unwrap();
        assert_eq!((picture.width, picture.height), (48, 32), "{name}");
        for (x, y, color) in fields {
            for (found, expected) in pixel(&picture, x, y).into_iter().zip(color) {
                assert!(found.abs_diff(expected) <= tolerance, "{name} at {x}, {y}: {found}, not {expected}");
            }
        }
    }
    let bilevel = decode(&fixture("bilevel.png")).unwrap();
    assert!(bilevel.pixels.iter().all(|value| [0, 255].contains(value)));
    assert!(bilevel.pixels.contains(&0) && bilevel.pixels.contains(&255));
}

#[test]
fn reads_every_kind_as_pillow() {
    let lines = fs::read_to_string(reference("kinds.txt")).unwrap();
    assert_eq!(lines.lines().count(), fs::read_dir(fixture("kinds")).unwrap().count());
    let mut wrong = Vec::new();
    for line in lines.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let picture = match decode(&fixture("kinds").join(words[0])) {
            Ok(picture) => picture,
            Err(problem) => {
                wrong.push(format!("{}: {problem}", words[0]));
                continue;
            }
        };
        let size = [picture.width.to_string(), picture.height.to_string()];
        assert_eq!(size.each_ref().map(String::as_str), words[1..3], "{}", words[0]);
        let expected = words[3].as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let expected: Vec<u8> = expected.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        assert_eq!(picture.pixels.len(), expected.len());
        let differences = picture.pixels.iter().zip(&expected).map(|(&found, &expected)| found.abs_diff(expected));
        let largest = differences.clone().max().unwrap();
        // The decoder of JPEG rounds otherwise than libjpeg.
        let tolerance = if words[0].ends_with(".jpg") { 3 } else { 0 };
        println!("{}: {largest} at most, {} in all", words[0], differences.map(usize::from).sum::<usize>());
        if largest > tolerance {
            wrong.push(format!("{}: {largest} levels from Pillow's", words[0]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn samples_plainly_where_the_filter_is_not_widened() {
    let noise = decode(&fixture("noise.png")).unwrap();
    let cases = fs::read_to_string(fixture("plain.txt")).unwrap();
    assert_eq!(cases.lines().count(), 6);
    for case in cases.lines() {
        let words: Vec<&str> = case.split(' ').collect();
        let interpolation = if words[0] == "bilinear" { Interpolation::Bilinear } else { Interpolation::Bicubic };
        let size = [words[2].parse().unwrap(), words[1].parse().unwrap()];
        let rules = Preprocess { resize: Resize::Exact(size), interpolation, antialias: false, ..RULES };
        let resized = preprocess::resize(&noise, &rules).unwrap();
        assert_eq!(resized.pixels.len(), words.len() - 3);
        for (value, expected) in resized.pixels.iter().zip(&words[3..]) {
            assert!(value.abs_diff(expected.parse().unwrap()) <= 1, "{} {size:?}: {value}, not {expected}", words[0]);
        }
    }
}

#[test]
fn refuses_every_cut_off_picture() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut");
    for name in ["orientation1.jpg", "progressive.jpg", "cmyk.jpg", "alpha.png", "palette.png", "rgb16.png"] {
        let whole = fs::read(fixture(name)).unwrap();
        // A PNG needs nothing of its last chunk's 12 bytes, nor the checksum before it.
        let most = if name.ends_with("png") { whole.len() - 20 } else { whole.len() };
        for length in (0..most).step_by(1 + most / 400) {
            fs::write(&path, &whole[..length]).unwrap();
            let message = refused(&path);
            assert!(message.contains("expected: ") && message.contains("cut: "), "{name}, {length} bytes: {message}");
        }
    }
}

#[test]
fn survives_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged");
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut refusals = 0;
    for name in ["orientation6.jpg", "progressive.jpg", "cmyk.jpg", "grey.jpg", "orientation6.png", "palette.png"] {
        let whole = fs::read(fixture(name)).unwrap();
        for _ in 0..150 {
            let mut bytes = whole.clone();
            for _ in 0..=random(4) {
                let at = random(bytes.len());
                bytes[at] = random(256) as u8;
            }
            fs::write(&path, &bytes).unwrap();
            match decode(&path) {
                Ok(picture) => assert_eq!(picture.pixels.len(), picture.width * picture.height * 3),
                Err(_) => refusals += 1,
            }
        }
    }
    assert!(refusals > 0);
}

#[test]
fn refuses_sizes_that_a_header_lies_about() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lie");
    let png = fs::read(fixture("alpha.png")).unwrap();
    for (width, height, expected) in [
        (100_000_u32, 100_000_u32, "100000x100000 pixels"),
        (0x7fff_ffff, 0x7fff_ffff, "pixels"),
        (0, 5, "damaged"),
        (10_000, 10_000, "damaged"),
    ] {
        let mut bytes = png.clone();
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let checksum = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
        fs::write(&path, &bytes).unwrap();
        assert!(refused(&path).contains(expected), "{width}x{height}: {}", refused(&path));
    }
    let mut bytes = fs::read(fixture("orientation1.jpg")).unwrap();
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    for (side, expected) in [(0xffff_u16, "65535x65535 pixels"), (9999, "damaged")] {
        bytes[frame + 5..frame + 7].copy_from_slice(&side.to_be_bytes());
        bytes[frame + 7..frame + 9].copy_from_slice(&side.to_be_bytes());
        fs::write(&path, &bytes).unwrap();
        assert!(refused(&path).contains(expected), "{}", refused(&path));
    }
}

/// The checksum of PNG's chunks, ISO 3309.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
        }
    }
    !sum
}

#[test]
fn refuses_what_is_no_picture() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for (content, expected) in [
        (&b""[..], "empty"),
        (b"GIF89a......", "GIF"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "WebP"),
        (b"\x93NUMPY\x01\0", "tensor IN.npy"),
        (b"hello", "no known picture format"),
    ] {
        fs::write(&path, content).unwrap();
        assert!(refused(&path).contains(expected), "{}", refused(&path));
    }
    assert!(refused(folder.path()).contains("folder"));
    assert!(refused(&folder.path().join("none")).contains("no such file"));
}

#[cfg(unix)]
#[test]
fn refuses_pipes_and_devices_without_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.png");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: no mkfifo here");
        return;
    }
    assert!(refused(&pipe).contains("pipe or a device"));
    assert!(refused(Path::new("/dev/zero")).contains("pipe or a device"));
}

#[test]
fn refuses_to_resize_long_and_narrow_pictures_into_too_much() {
    let tall = Picture { width: 1, height: 1_000_000, pixels: vec![9; 3_000_000] };
    let wide = Picture { width: 1_000_000, height: 1, ..tall.clone() };
    for rules in [RULES, Preprocess { resize: Resize::ShorterSide(usize::MAX / 2), ..RULES }] {
        assert!(preprocess::resize(&tall, &rules).unwrap_err().contains("too long and narrow"));
        assert!(preprocess::resize(&wide, &rules).unwrap_err().contains("too long and narrow"));
    }
    let exact = Preprocess { resize: Resize::Exact([224, 224]), ..RULES };
    for picture in [tall, wide] {
        assert!(preprocess::resize(&picture, &exact).unwrap().pixels.iter().all(|&value| value == 9));
    }
}

#[test]
fn reads_and_resizes_photographs_as_pillow() {
    let shared = std::env::var_os("RESNET_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let root = shared.join("realdata");
    if !root.is_dir() {
        println!("skipped: no reference folder at {}", root.display());
        return;
    }
    let lines = fs::read_to_string(reference("photos.txt")).unwrap();
    assert_eq!(lines.lines().count(), 41 * 5);
    let mut decoded = None;
    for line in lines.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let numbers: Vec<usize> = words[2..].iter().map(|word| word.parse().unwrap()).collect();
        let exact = |side| Preprocess { resize: Resize::Exact([side, side]), ..RULES };
        let (rules, crop) = match words[1] {
            "decoded" => {
                decoded = Some(decode(&root.join(words[0])).unwrap());
                (None, None)
            }
            "bilinear256crop224" => (Some(RULES), Some([224, 224])),
            "bicubic235" => {
                let resize = Resize::ShorterSide(235);
                (Some(Preprocess { resize, interpolation: Interpolation::Bicubic, ..RULES }), None)
            }
            "nearest299" => (Some(Preprocess { interpolation: Interpolation::Nearest, ..exact(299) }), None),
            "bilinear32" => (Some(exact(32)), None),
            other => panic!("{other}"),
        };
        let source = decoded.as_ref().unwrap();
        let resized = rules.map_or_else(|| source.clone(), |rules| preprocess::resize(source, &rules).unwrap());
        let picture =
            crop.map_or(resized.clone(), |size| preprocess::center_crop(&resized, size, Rounding::HalfToEven));
        assert_eq!([picture.width, picture.height], numbers[..2], "{line}");
        // The decoder's inverse transform and upsampling are rounded otherwise than libjpeg's, by 5 at most and less
        // than 0.3 on average; from the same pixels, the resized ones are Pillow's own.
        let sum: usize = picture.pixels.iter().map(|&value| usize::from(value)).sum();
        assert!(sum.abs_diff(numbers[2]) as f64 <= 0.3 * picture.pixels.len() as f64, "{line}: {sum}");
        let mut expected = numbers[3..].iter();
        for (row, column) in (1..4).flat_map(|row| (1..4).map(move |column| (row, column))) {
            for value in pixel(&picture, picture.width * column / 4, picture.height * row / 4) {
                assert!(usize::from(value).abs_diff(*expected.next().unwrap()) <= 5, "{line}: {row}, {column}");
            }
        }
    }
}
