//! The presets against the libraries' own preprocessing: from keys of a spec to the numbers of the input.

use std::fs;
use std::path::{Path, PathBuf};

use resnet::app::{Picture, decode, preprocess};
use resnet::network::{Color, Input, Interpolation, Network, Preprocess, Resize, Rounding};
use resnetc::frontend;
use resnetc::frontend::surroundings::{PreprocessKeys, preprocess as rules};
use resnetc::frontend::yaml::spec;

const NETWORK: Network = Network {
    name: "",
    description: "",
    inputs: &[],
    outputs: &[],
    parameters: 0,
    macs: 0,
    passes: &[],
    steps: 0,
    arena_bytes: 0,
    weight_bytes: 0,
    weights: "",
    checksums: &[],
    compiler: "",
    preprocess: None,
    labels: &[],
};

/// The compiler's rules as the program has them: generated code says the same.
fn in_program(rules: frontend::Preprocess) -> Preprocess {
    Preprocess {
        resize: match rules.resize {
            frontend::Resize::ShorterSide(side) => Resize::ShorterSide(side),
            frontend::Resize::Cover(size) => Resize::Cover(size),
            frontend::Resize::Exact(size) => Resize::Exact(size),
        },
        interpolation: match rules.interpolation {
            frontend::Interpolation::Nearest => Interpolation::Nearest,
            frontend::Interpolation::Bilinear => Interpolation::Bilinear,
            frontend::Interpolation::Bicubic => Interpolation::Bicubic,
        },
        antialias: rules.antialias,
        crop: rules.crop,
        rounding: match rules.rounding {
            frontend::Rounding::HalfToEven => Rounding::HalfToEven,
            frontend::Rounding::Down => Rounding::Down,
        },
        color: match rules.color {
            frontend::Color::Rgb => Color::Rgb,
            frontend::Color::Bgr => Color::Bgr,
        },
        scale: rules.scale,
        mean: rules.mean,
        std: rules.std,
    }
}

fn photos() -> PathBuf {
    let shared = std::env::var_os("RESNET_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    shared.join("realdata/imagenet_sample/images")
}

struct Recipe<'a> {
    name: &'a str,
    size: [usize; 2],
    rules: Preprocess,
}

impl<'a> Recipe<'a> {
    /// Reads `NAME HEIGHT WIDTH KEYS`.
    fn read(line: &'a str) -> Self {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let size = [words[1].parse().unwrap(), words[2].parse().unwrap()];
        let given: spec::Preprocess = serde_yaml::from_str(words[3]).unwrap();
        let keys = PreprocessKeys { own: None, given: &given, place: &|_| None };
        let rules = rules(&keys, [3, size[0], size[1]], &mut |problem| panic!("{problem}")).unwrap();
        Self { name: words[0], size, rules: in_program(rules) }
    }

    /// The input, plane by plane.
    fn input(&self, picture: &Picture) -> Vec<f32> {
        let [height, width] = self.size;
        let mut input = vec![f32::NAN; 3 * height * width];
        let shape = Box::leak(Box::new([1, 3, height, width]));
        let network =
            Network { inputs: Box::leak(Box::new([Input { name: "", shape, channels_last: false }])), ..NETWORK };
        preprocess::fill(&network, &self.rules, picture, &mut input).unwrap();
        input
    }

    /// Compares with the words of a library's line behind the picture's name.
    fn compare(&self, picture: &Picture, words: &[&str]) -> Result<(), String> {
        let [height, width] = self.size;
        let Preprocess { scale, mean, std, .. } = self.rules;
        let input = self.input(picture);
        let value = |channel: usize, pixel: usize| input[channel * height * width + pixel];
        let level =
            |channel, pixel| ((f64::from(value(channel, pixel)) * std[channel] + mean[channel]) / scale).round();
        let levels = (0..height * width).flat_map(|pixel| [0, 1, 2].map(|channel| level(channel, pixel) as u8));
        let sum = crc32(levels);
        if sum != words[0].parse::<u32>().unwrap() {
            return Err(format!("checksum {sum}, not {}", words[0]));
        }
        for (index, word) in words[1..].iter().enumerate() {
            let part = 1 + index / 3;
            let found = value(index % 3, height * part / 3 * width + width * part / 3);
            let expected: f32 = word.parse().unwrap();
            // Rounding of single floats, in units of the input.
            let tolerance = 1e-6 * (1.0 + expected.abs() + mean[index % 3].abs() as f32) / std[index % 3] as f32;
            if (found - expected).abs() > tolerance {
                return Err(format!("value {index}: {found}, not {expected}"));
            }
        }
        Ok(())
    }
}

#[test]
fn inputs_are_those_of_the_libraries() {
    let lines = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/presets.txt")).unwrap();
    let recipes: Vec<_> = lines.lines().filter_map(|line| line.strip_prefix("recipe ")).map(Recipe::read).collect();
    assert_eq!(recipes.len(), 13);
    let synthetic = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/tests/reference/pictures");
    let photos = photos();
    if !photos.is_dir() {
        println!("skipped in part: no photographs at {}", photos.display());
    }
    let (mut compared, mut wrong) = (0, Vec::new());
    let mut open: Option<(String, Picture)> = None;
    let mut decoder = None;
    for words in lines.lines().map(|line| line.split(' ').collect::<Vec<_>>()) {
        if words[0] == "recipe" || (words[1].ends_with(".JPEG") && !photos.is_dir()) {
            continue;
        }
        if open.as_ref().is_none_or(|(name, _)| name != words[1]) {
            let folder = if words[1].ends_with(".JPEG") { &photos } else { &synthetic };
            open = Some((words[1].to_owned(), decode(&folder.join(words[1])).unwrap()));
        }
        let (name, picture) = open.as_ref().unwrap();
        if words[0] == "decoded" {
            let same = crc32(picture.pixels.iter().copied()) == words[2].parse::<u32>().unwrap();
            if !same {
                println!("{name} is not compared: its decoder gives other pixels on this machine");
            }
            decoder = Some((name.clone(), same));
            continue;
        }
        if decoder.as_ref().is_some_and(|(decoded, same)| decoded == name && !same) {
            continue;
        }
        let recipe = recipes.iter().find(|recipe| recipe.name == words[0]).unwrap();
        compared += 1;
        if let Err(difference) = recipe.compare(picture, &words[2..]) {
            wrong.push(format!("{} of {name}: {difference}", recipe.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} results differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= 13 * 4, "{compared}");
    println!("{compared} results, equal in every pixel");
}

/// Not a test: the decoder's pixels for `reference/presets.py`.
#[test]
#[ignore = "writes files for the script that makes the fixtures, where RESNET_DECODED says; skips aloud in .ci/run"]
fn writes_decoded_photographs() {
    let Some(folder) = std::env::var_os("RESNET_DECODED").map(PathBuf::from) else {
        println!("skipped: RESNET_DECODED names no folder to write the decoded photographs to");
        return;
    };
    fs::create_dir_all(&folder).unwrap();
    for entry in fs::read_dir(photos()).unwrap() {
        let path = entry.unwrap().path();
        let picture = decode(&path).unwrap();
        let mut file = format!("P6\n{} {}\n255\n", picture.width, picture.height).into_bytes();
        file.extend(picture.pixels);
        fs::write(folder.join(format!("{}.ppm", path.file_name().unwrap().to_str().unwrap())), file).unwrap();
    }
}

/// As ISO 3309 has it.
fn crc32(bytes: impl Iterator<Item = u8>) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
        }
    }
    !sum
}
