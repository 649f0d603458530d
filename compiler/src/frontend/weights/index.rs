//! Indices of files of weights that are split: which shard has which tensor, as JSON beside the shards.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::format::json;

/// Which shards have what is called by a key: one shard a tensor (Hugging Face), or several a group (Keras).
#[derive(Debug, Default)]
pub struct Index {
    /// The shards by the keys.
    pub entries: BTreeMap<String, Vec<String>>,
}

impl Index {
    /// That of a file that is whole.
    pub fn of_one(shard: &str) -> Self {
        Self { entries: BTreeMap::from([(String::new(), vec![shard.to_owned()])]) }
    }

    /// Reads the JSON.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let file: File = json("the index of shards", text)?;
        let mut entries = BTreeMap::new();
        let mut twice = BTreeSet::new();
        for (key, shards) in file.weight_map.0 {
            let shards = match shards {
                Shards::One(shard) => vec![shard],
                Shards::Several(shards) => shards,
            };
            if entries.insert(key.clone(), shards).is_some() {
                twice.insert(key);
            }
        }
        if !twice.is_empty() {
            let twice: Vec<_> = twice.into_iter().collect();
            return Err(format!("the index has these names twice: `{}`", twice.join("`, `")));
        }
        if entries.values().all(Vec::is_empty) {
            return Err("the index lists no shard".to_owned());
        }
        Ok(Self { entries })
    }

    /// The names of the shards.
    pub fn shards(&self) -> BTreeSet<&str> {
        self.entries.values().flatten().map(String::as_str).collect()
    }
}

/// The path of a shard: a file in the folder of its index, not through a link out of it either.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn beside(index: &Path, shard: &str) -> Result<PathBuf, String> {
    let shown = shard.escape_debug();
    let mut parts = Path::new(shard).components();
    if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) || shard.contains(['/', '\\']) {
        return Err(format!("shard `{shown}` is no file in the folder of the index"));
    }
    let folder = match index.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let path = folder.join(shard);
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("shard `{shown}` is not beside its index"),
        _ => format!("shard `{shown}` cannot be read: {error}"),
    };
    let real = path.canonicalize().map_err(failed)?;
    if real.parent() != Some(folder.canonicalize().map_err(failed)?.as_path()) {
        return Err(format!("shard `{shown}` is a link that leads out of the folder of the index"));
    }
    Ok(path)
}

#[derive(Deserialize)]
struct File {
    weight_map: Entries,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Shards {
    One(String),
    Several(Vec<String>),
}

/// The entries of an object, with those that stand in it twice.
struct Entries(Vec<(String, Shards)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;

        impl<'de> Visitor<'de> for Map {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of shards by tensor")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Map)
    }
}

/// Whether JSON is an index: an object with a `weight_map`.
pub fn matches(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Any {
        #[serde(rename = "weight_map")]
        _map: IgnoredAny,
    }
    serde_json::from_slice::<Any>(text).is_ok()
}
