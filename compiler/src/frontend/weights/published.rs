//! Published files of weights, and where they lie once they were pulled.

use std::path::{Path, PathBuf};

use super::Checksum;
use crate::user_cache;

/// A file of weights on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its address.
    pub url: String,
    /// What it must hash to; at least one.
    pub checksums: Vec<Checksum>,
}

impl Published {
    /// Where it lies in the user's cache, pulled or not. `None` when there is no such cache.
    pub fn path(&self) -> Option<PathBuf> {
        user_cache::folder().map(|cache| self.path_in(&cache))
    }

    /// Where it lies in a cache: `weights/HASH-NAME`, with the first 8 digits of its first checksum and the last segment of its address.
    pub fn path_in(&self, cache: &Path) -> PathBuf {
        let hash = self.checksums.first().and_then(|checksum| checksum.digits.get(..8)).unwrap_or_default();
        let path = self.url.split(['?', '#']).next().unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default();
        cache.join("weights").join(user_cache::file_name(&format!("{hash}-{name}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Place;

    #[test]
    fn names_in_the_cache_are_safe_and_tell_the_hash() {
        let checksum =
            Checksum { key: "sha256_prefix", digits: "f37072fd".to_owned(), place: Place::file(Path::new("a.yaml")) };
        let name = |url: &str| {
            let published = Published { url: url.to_owned(), checksums: vec![checksum.clone()] };
            published.path_in(Path::new("c")).strip_prefix("c/weights").unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(name("https://example.org/a/resnet18.pth?raw=1#x"), "f37072fd-resnet18.pth");
        assert_eq!(name("https://example.org/a/"), "f37072fd-");
        assert_eq!(name("https://example.org/a/.."), "f37072fd-..");
        assert_eq!(name("https://example.org/a/b%2F..%5Cc:d"), "f37072fd-b_2F.._5Cc_d");
        assert_eq!(name(&format!("https://example.org/{}", "x".repeat(5000))).len(), 100);
    }
}
