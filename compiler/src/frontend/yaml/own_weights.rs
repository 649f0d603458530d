//! The weights that a spec names itself: a file beside it, or a published one that was pulled into the user's cache.

use std::borrow::Cow;
use std::path::PathBuf;

use super::Described;
use super::problems::Problems;
use super::spec::Spec;
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::frontend::source::{self, Source};
use crate::frontend::weights::{Checksum, Hashes, TensorFile, file};
use crate::limits;

/// What the spec's file of weights must hash to; checks the keys about it.
pub fn checksums(spec: &Spec, problems: &mut Problems<'_>) -> Vec<Checksum> {
    let weights = &spec.weights;
    if let Some(message) = weights.url.as_deref().and_then(wrong_address) {
        problems
            .error("E-URL", "weights.url", message)
            .expected("`https://` or `http://`, a host and a path, without spaces");
    }
    let mut found = Vec::new();
    for (key, digits) in [("sha256", &weights.sha256), ("sha256_prefix", &weights.sha256_prefix), ("md5", &weights.md5)]
    {
        let Some(digits) = digits.as_ref().map(|digits| digits.to_ascii_lowercase()) else { continue };
        let path = format!("weights.{key}");
        if let Some(other) = digits.chars().find(|digit| !digit.is_ascii_hexdigit()) {
            problems
                .error("E-WHASH", &path, format!("`{other}` is no hexadecimal digit"))
                .expected("digits `0` to `9` and `a` to `f`");
        } else if weights.file.is_none() && weights.url.is_none() {
            problems.error("E-WHASH", &path, "there is no file that could hash to this").expected("`file` or `url`");
        } else {
            found.push(Checksum { key, digits, place: problems.place(&path) });
        }
    }
    if let [Checksum { key: "sha256", digits: whole, .. }, Checksum { key: "sha256_prefix", digits, .. }, ..] =
        found.as_slice()
        && !whole.starts_with(digits)
    {
        problems
            .error("E-WHASH", "weights.sha256_prefix", format!("`sha256` does not begin with {digits}"))
            .hint("leave `sha256_prefix` out when the whole hash is known");
    }
    found
}

/// The tensors, and the file's path when it is one on disk.
pub fn read(source: &Source<'_>, described: &Described) -> Result<(TensorFile, Option<PathBuf>), Diagnostics> {
    let weights = &described.spec.weights;
    let (shown, path, content) = match &weights.file {
        Some(name) if weights.url.is_none() || !source.lacks(name) => beside(source, name, described)?,
        _ => pulled(source, described)?,
    };
    Ok((file::parse(&shown, content)?, path))
}

/// What errors call a file, its path when it is one on disk, and its content.
type Content = (PathBuf, Option<PathBuf>, Cow<'static, [u8]>);

fn beside(source: &Source<'_>, name: &str, described: &Described) -> Result<Content, Diagnostic> {
    let (path, content) = source.beside(name, limits::WEIGHT_BYTES.get()).map_err(|message| {
        Diagnostic::error("E-WFILE", message)
            .at(described.weights_place.clone())
            .about("weights.file")
            .expected("a file beside or below the spec")
    })?;
    check(&content, &described.checksums, name)?;
    Ok((path.clone().unwrap_or_else(|| PathBuf::from(name)), path, content))
}

fn pulled(source: &Source<'_>, described: &Described) -> Result<Content, Diagnostic> {
    let path = described.published().and_then(|published| published.path());
    let Some(path) = path.filter(|path| path.exists()) else { return Err(none(source, described)) };
    let again = format!("`resnetc pull {}` gets it again", source.argument());
    let content = source::read(&path, limits::WEIGHT_BYTES.get()).map_err(|message| {
        Diagnostic::error("E-WFILE", message)
            .at(Place::file(&path))
            .expected("a file of weights that was pulled")
            .hint(again.as_str())
    })?;
    check(&content, &described.checksums, &path.display().to_string())
        .map_err(|problem| problem.hint(format!("the file is damaged; {again}")))?;
    Ok((path.clone(), Some(path), Cow::Owned(content)))
}

/// The error of a spec whose weights are nowhere.
fn none(source: &Source<'_>, described: &Described) -> Diagnostic {
    let Described { spec, weights_place, .. } = described;
    let message = match &spec.weights.file {
        Some(file) => format!("`{file}` does not exist, and published weights were not pulled"),
        None => format!("`{}` comes without weights", spec.name),
    };
    let published = match (&spec.weights.url, described.published()) {
        (Some(url), Some(_)) => format!("`resnetc pull {}` gets trained ones from {url}; or ", source.argument()),
        (Some(url), None) => format!("trained ones are published at {url}; "),
        (None, _) => String::new(),
    };
    Diagnostic::error("E-WNONE", message)
        .at(weights_place.clone())
        .about("weights")
        .expected("a file of weights or a seed")
        .hint(format!("{published}say `--weights FILE`, or `--weights seed:7` for made-up ones"))
}

fn check(content: &[u8], checksums: &[Checksum], name: &str) -> Result<(), Diagnostic> {
    if checksums.is_empty() {
        return Ok(());
    }
    let hashes = Hashes::of(content, checksums)
        .map_err(|error| Diagnostic::error("E-WFILE", format!("`{name}` cannot be hashed: {error}")))?;
    hashes.check(checksums, name)
}

/// What is wrong with a text as an address for `resnetc pull`.
fn wrong_address(text: &str) -> Option<String> {
    let unknown = || Some(format!("`{text}` is no address that can be fetched"));
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else { return unknown() };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let usual = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}');
    match host {
        // Not shown: there may be a password.
        _ if host.contains('@') => Some("the address names a user".to_owned()),
        "" => unknown(),
        _ => {
            if text.chars().all(usual) {
                None
            } else {
                unknown()
            }
        }
    }
}
