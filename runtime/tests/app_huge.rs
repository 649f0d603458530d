//! The largest pictures: in a process of their own, whose memory is measured.

use std::fs;
use std::path::Path;

use resnet::app::{decode, preprocess};
use resnet::network::{Color, Interpolation, Preprocess, Resize, Rounding};

const RULES: Preprocess = Preprocess {
    resize: Resize::ShorterSide(256),
    interpolation: Interpolation::Bicubic,
    antialias: true,
    crop: Some([224, 224]),
    rounding: Rounding::HalfToEven,
    color: Color::Rgb,
    scale: 1.0,
    mean: [0.0; 3],
    std: [1.0; 3],
};

/// One bit per pixel: a small file for its size. Columns are white from the middle on.
fn write(path: &Path, width: u32, height: u32) {
    let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let row: Vec<u8> = (0..width.div_ceil(8)).map(|byte| if byte * 8 < width / 2 { 0 } else { 255 }).collect();
    encoder.write_header().unwrap().write_image_data(&row.repeat(height as usize)).unwrap();
}

#[test]
fn the_largest_picture_takes_bounded_memory_and_a_larger_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.png");
    write(&path, 10_000, 10_001);
    let message = decode(&path).unwrap_err().to_string();
    assert!(message.contains("10000x10001 pixels") && message.contains("at most 100 million"), "{message}");
    assert!(peak().is_none_or(|bytes| bytes < 100 << 20), "refused before memory is taken");

    write(&path, 10_000, 10_000);
    let picture = decode(&path).unwrap();
    assert_eq!(picture.pixels.len(), 300_000_000);
    let resized = preprocess::resize(&picture, &RULES).unwrap();
    assert_eq!([resized.width, resized.height], [256, 256]);
    let cut = preprocess::center_crop(&resized, [224, 224], RULES.rounding);
    let (black, white) = cut.pixels[..3 * 224].split_at(3 * 112 - 6);
    assert!(black.iter().all(|&value| value == 0) && white[12..].iter().all(|&value| value == 255));
    match peak() {
        // Three bytes per pixel, one more while grey becomes colour, and what else there is.
        Some(bytes) => assert!(bytes < 450_000_000, "{bytes} bytes"),
        None => println!("skipped in part: this system does not tell a process's memory"),
    }

    let with = |limit: &str| {
        // SAFETY: this is the only test of the process, and nobody beside it reads or writes the environment now.
        unsafe { std::env::set_var("RESNET_PICTURE_PIXELS", limit) };
        decode(&path).map(|picture| picture.pixels.len()).map_err(|problem| problem.to_string())
    };
    let message = with("99999999").unwrap_err();
    assert!(
        message.contains("at most 99999999 pixels") && message.contains("RESNET_PICTURE_PIXELS=NUMBER"),
        "{message}"
    );
    assert!(with("many").unwrap_err().contains("a number of pixels from 1 to 2^40"));
    write(&path, 10_000, 10_001);
    assert_eq!(with("100010000"), Ok(300_030_000));
}

/// The most memory that this process has had.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}
