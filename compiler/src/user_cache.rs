//! The user's folder for caches, and the names of files in it.

use std::path::PathBuf;

/// The folder: `$RESNETC_CACHE`, or the one for caches of the platform. `None` when there is no such folder.
pub fn folder() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(chosen) = folder("RESNETC_CACHE") {
        return std::path::absolute(chosen).ok();
    }
    let caches = if cfg!(windows) {
        folder("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        folder("HOME").map(|home| home.join("Library").join("Caches"))
    } else {
        folder("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| folder("HOME").map(|home| home.join(".cache")))
    };
    caches.map(|caches| caches.join("resnetc"))
}

/// A name from outside as the name of a file: letters, digits, `-`, `_` and `.`, and not hidden.
pub fn file_name(name: &str) -> String {
    let mut text: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' }).collect();
    text.truncate(100);
    if text.chars().all(|c| matches!(c, '.' | '_')) {
        return "network".to_owned();
    }
    if text.starts_with(['.', '-']) { format!("network{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_safe_file_names() {
        assert_eq!(file_name("cifar-resnet20"), "cifar-resnet20");
        assert_eq!(file_name("../../etc/passwd"), "network.._.._etc_passwd");
        assert_eq!(file_name(""), "network");
        assert_eq!(file_name("..."), "network");
        assert_eq!(file_name("--help"), "network--help");
        assert_eq!(file_name("größe"), "gr__e");
    }
}
