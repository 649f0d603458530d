//! Where a spec is read from, and the files beside it.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use super::shipped;

/// A spec on disk or inside the compiler.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A file.
    File(&'a Path),
    /// One that ships with the compiler, by its name.
    Shipped(&'static shipped::Shipped),
}

/// A file's path, when it is one on disk, and its content.
pub type Content = (Option<PathBuf>, Cow<'static, [u8]>);

impl Source<'_> {
    /// What errors call the spec.
    pub fn label(&self) -> PathBuf {
        match self {
            Self::File(path) => path.to_path_buf(),
            Self::Shipped(shipped) => PathBuf::from(format!("{}.yaml", shipped.name)),
        }
    }

    /// The file, when it is one on disk.
    pub fn path(&self) -> Option<PathBuf> {
        match self {
            Self::File(path) => Some(path.to_path_buf()),
            Self::Shipped(_) => None,
        }
    }

    /// The spec's bytes.
    pub fn content(&self, limit: u64) -> Result<Cow<'static, [u8]>, String> {
        match self {
            Self::File(path) => read(path, limit).map(Cow::Owned),
            Self::Shipped(shipped) => Ok(Cow::Borrowed(shipped.text.as_bytes())),
        }
    }

    /// How a user names the spec on the command line.
    pub fn argument(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Shipped(shipped) => shipped.name.to_owned(),
        }
    }

    /// Whether nothing stands where the spec names a file.
    pub fn lacks(&self, relative: &str) -> bool {
        match self {
            Self::Shipped(_) => shipped::file(relative.trim_start_matches("./")).is_none(),
            Self::File(spec) => spec.parent().is_some_and(|folder| folder.join(relative).symlink_metadata().is_err()),
        }
    }

    /// A file that the spec names: beside it or below, never outside its folder, not through a link either.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn beside(&self, relative: &str, limit: u64) -> Result<Content, String> {
        let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if relative.is_empty() || !Path::new(relative).components().all(inside) {
            return Err(format!("`{relative}` leads outside the spec's folder"));
        }
        match self {
            Self::Shipped(_) => match shipped::file(relative.trim_start_matches("./")) {
                Some(bytes) => Ok((None, Cow::Borrowed(bytes))),
                None => Err(format!("`{relative}` does not ship with the compiler")),
            },
            Self::File(spec) => {
                let folder = match spec.parent() {
                    Some(folder) if !folder.as_os_str().is_empty() => folder,
                    _ => Path::new("."),
                };
                let path = folder.join(relative);
                let real = path.canonicalize().map_err(|error| unreadable(&path, &error))?;
                let root = folder.canonicalize().map_err(|error| unreadable(folder, &error))?;
                if !real.starts_with(&root) {
                    return Err(format!("`{relative}` is a link that leads outside the spec's folder"));
                }
                Ok((Some(path.clone()), Cow::Owned(read(&real, limit)?)))
            }
        }
    }
}

/// The bytes of a regular file of at most `limit` bytes.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| unreadable(path, &error);
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("`{}` is not a file", path.display()));
    }
    if metadata.len() > limit {
        return Err(format!("`{}` has {} bytes, more than the {limit} that are read", path.display(), metadata.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    File::open(path).map_err(failed)?.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(format!("`{}` grew past {limit} bytes while it was read", path.display()));
    }
    Ok(bytes)
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => format!("`{}` does not exist", path.display()),
        _ => format!("`{}` cannot be read: {error}", path.display()),
    }
}
