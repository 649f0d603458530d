//! What the compiler carries: specs, labels, and the weights of the default network.

/// A spec that ships with the compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shipped {
    /// Its name: that of its file without `.yaml`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// The network that is compiled when none is named: it ships with its weights.
pub const DEFAULT: &str = "cifar-resnet20";

macro_rules! specs {
    ($($name:literal)*) => {
        [$(Shipped {
            name: $name,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/", $name, ".yaml")),
        }),*]
    };
}

/// Every spec that ships, sorted by name.
pub static SPECS: [Shipped; 45] = specs! {
    "akamaster-cifar-resnet20"
    "caffe-resnet101"
    "caffe-resnet152"
    "caffe-resnet50"
    "cifar-preactivation-resnet1001"
    "cifar-preactivation-resnet164"
    "cifar-resnet110"
    "cifar-resnet110-projection"
    "cifar-resnet1202"
    "cifar-resnet1202-projection"
    "cifar-resnet20"
    "cifar-resnet20-projection"
    "cifar-resnet32"
    "cifar-resnet32-projection"
    "cifar-resnet44"
    "cifar-resnet44-projection"
    "cifar-resnet56"
    "cifar-resnet56-projection"
    "keras-inception-resnet-v2"
    "keras-resnet101"
    "keras-resnet101v2"
    "keras-resnet152"
    "keras-resnet152v2"
    "keras-resnet50"
    "keras-resnet50v2"
    "mlperf-tiny-resnet8"
    "mlperf-tiny-resnet8-large"
    "resnet101"
    "resnet152"
    "resnet18"
    "resnet34"
    "resnet50"
    "resnext101_32x8d"
    "resnext101_64x4d"
    "resnext50_32x4d"
    "timm-legacy_senet154"
    "timm-resnet26t"
    "timm-resnet50_gn"
    "timm-resnet50d"
    "timm-resnetrs50"
    "timm-resnetv2_50"
    "timm-resnetv2_50x1_bit"
    "timm-seresnet50"
    "wide_resnet101_2"
    "wide_resnet50_2"
};

macro_rules! files {
    ($($name:literal)*) => {
        [$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/", $name)) as &[u8])),*]
    };
}

/// The files that shipped specs name, by their path from the specs' folder.
static FILES: [(&str, &[u8]); 1] = files! { "weights/cifar-resnet20.safetensors" };

static LABELS: [(&str, &str); 3] = [
    ("cifar10", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/labels/cifar10.txt"))),
    ("cifar100", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/labels/cifar100.txt"))),
    ("imagenet1k", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/labels/imagenet1k.txt"))),
];

/// The picture that shows a first result, a JPEG file.
pub static PICTURE: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/pictures/cat.jpg"));

/// The spec of a name.
pub fn spec(name: &str) -> Option<&'static Shipped> {
    SPECS.iter().find(|spec| spec.name == name)
}

/// A file that a shipped spec names.
pub fn file(path: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(name, _)| *name == path).map(|(_, bytes)| *bytes)
}

/// The labels of a set, one per line.
pub fn labels(set: &str) -> Option<&'static str> {
    LABELS.iter().find(|(name, _)| *name == set).map(|(_, text)| *text)
}

/// The names of the sets of labels.
pub fn label_sets() -> Vec<&'static str> {
    LABELS.iter().map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    fn folder(below: &str, ending: &str) -> BTreeSet<String> {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../specs")).join(below);
        std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| {
                entry.unwrap().file_name().into_string().unwrap().strip_suffix(ending).map(str::to_owned)
            })
            .collect()
    }

    #[test]
    fn everything_in_the_folder_ships() {
        assert_eq!(folder("", ".yaml"), SPECS.iter().map(|spec| spec.name.to_owned()).collect());
        assert_eq!(folder("labels", ".txt"), label_sets().into_iter().map(str::to_owned).collect());
        let weights = FILES.iter().map(|(name, _)| name.trim_start_matches("weights/").to_owned()).collect();
        assert_eq!(folder("weights", ""), weights);
        assert!(SPECS.is_sorted_by_key(|spec| spec.name));
        assert!(spec(DEFAULT).is_some());
        assert_eq!(PICTURE.get(..3), Some(&[0xFF, 0xD8, 0xFF][..]));
    }

    #[test]
    fn labels_are_complete() {
        assert_eq!(labels("imagenet1k").unwrap().lines().count(), 1000);
        assert_eq!(labels("cifar10").unwrap().lines().count(), 10);
        let cifar100: Vec<_> = labels("cifar100").unwrap().lines().collect();
        // The classes are numbered in the order of the alphabet, without a repetition.
        assert!(cifar100.len() == 100 && cifar100.is_sorted_by(|a, b| a < b));
    }
}
