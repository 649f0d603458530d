//! Fetches published files of weights into a cache.
//!
//! A download goes to `NAME.part` beside its place and goes on there after an interruption. The file gets its name
//! only when it hashes to what its spec says.

mod download;
mod http;
mod part;
mod proxy;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use proxy::Proxies;

use crate::diagnostic::{Diagnostic, Place};
use crate::frontend::weights::{Hashes, Published};
use part::Part;

/// How fetching is done.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Take only what is there.
    pub offline: bool,
    /// Fetch even what is there.
    pub force: bool,
    /// How long a server may take to be found, to be reached, and to send the next byte.
    pub patience: Duration,
    /// How often a download that was interrupted is tried again.
    pub retries: u32,
    /// The time before the first of these; it doubles each time.
    pub pause: Duration,
    /// The ways to the servers.
    pub proxies: Proxies,
    /// A PEM file of the certificates that are trusted, instead of Mozilla's.
    pub certificates: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            offline: false,
            force: false,
            patience: Duration::from_secs(30),
            retries: 4,
            pause: Duration::from_millis(500),
            proxies: Proxies::default(),
            certificates: None,
        }
    }
}

impl Settings {
    /// The settings that `RESNETC_TIMEOUT` (seconds), the variables for proxies and `SSL_CERT_FILE` give.
    ///
    /// # Errors
    /// `E-ARGUMENT` when `RESNETC_TIMEOUT` is no number of seconds.
    pub fn from_environment() -> Result<Self, Diagnostic> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let mut settings = Self { proxies: Proxies::from_variables(variable), ..Self::default() };
        settings.certificates = variable("SSL_CERT_FILE").map(PathBuf::from);
        if let Some(text) = variable("RESNETC_TIMEOUT") {
            settings.patience = text
                .trim()
                .parse()
                .ok()
                .filter(|seconds| (0.01..=86400.0).contains(seconds))
                .map(Duration::from_secs_f64)
                .ok_or_else(|| {
                    Diagnostic::error("E-ARGUMENT", format!("`{text}` is no time-out"))
                        .about("RESNETC_TIMEOUT")
                        .expected("seconds, from 0.01 to 86400")
                })?;
        }
        Ok(settings)
    }
}

/// What happens meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Another process fetches the same file.
    Waiting,
    /// So many bytes have arrived, of so many.
    Arrived(u64, Option<u64>),
    /// The download was interrupted and is tried again.
    Again(String),
}

/// A file that was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Its size.
    pub bytes: u64,
    /// What it hashes to.
    pub hashes: Hashes,
    /// Whether it was fetched now, and not before.
    pub fetched: bool,
}

/// Makes sure that the published file lies whole at `place`.
///
/// # Errors
/// `E-OFFLINE` when it must be fetched and may not, `E-FETCH` when the server does not give it, `E-WHASH` when what it gives is
/// another file, `E-CACHE` when it cannot be kept. Nothing stands at `place` then but what stood there before.
pub fn pull(
    published: &Published,
    place: &Path,
    settings: &Settings,
    tell: &mut dyn FnMut(Event),
) -> Result<Pulled, Diagnostic> {
    if let Some(pulled) = present(published, place).filter(|_| !settings.force) {
        return Ok(pulled);
    }
    if settings.offline {
        let state = if place.exists() { "is damaged" } else { "was not pulled before" };
        return Err(Diagnostic::error("E-OFFLINE", format!("the file {state}, and nothing may be fetched"))
            .at(Place::file(place))
            .hint(format!("leave `--offline` out, or put {} there", published.url)));
    }
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder).map_err(|error| trouble("make the folder", folder, &error))?;
    }
    // Given back when the process ends, however that happens.
    let _lock = lock(place, tell)?;
    if let Some(pulled) = present(published, place).filter(|_| !settings.force) {
        return Ok(pulled);
    }
    let mut part = Part::open(place, &published.url)?;
    if settings.force {
        part.restart(None)?;
    }
    let mut fits = fetch(published, &mut part, settings, tell);
    if matches!(fits, Ok((Err(_), true))) {
        // The beginning may have been of another file.
        part.restart(None)?;
        fits = fetch(published, &mut part, settings, tell);
    }
    match fits {
        Ok((Ok(hashes), _)) => {
            let bytes = part.length();
            part.become_file(place)?;
            Ok(Pulled { bytes, hashes, fetched: true })
        }
        Ok((Err(problem), _)) => {
            part.remove()?;
            Err(problem.hint("nothing was kept: the published file has changed, or something on the way changed it"))
        }
        Err(problem) => {
            if part.length() == 0 {
                part.remove()?;
            }
            Err(problem)
        }
    }
}

/// Downloads, and hashes what has arrived. The second value says whether something from before is in it.
fn fetch(
    published: &Published,
    part: &mut Part,
    settings: &Settings,
    tell: &mut dyn FnMut(Event),
) -> Result<(Result<Hashes, Diagnostic>, bool), Diagnostic> {
    let resumed = download::run(&published.url, part, settings, tell)?;
    let hashes = Hashes::of(part.reader()?, &published.checksums).map_err(|error| part.trouble("read", &error))?;
    Ok((hashes.check(&published.checksums, &published.url).map(|()| hashes), resumed))
}

/// The file at its place, when it is the right one.
pub fn present(published: &Published, place: &Path) -> Option<Pulled> {
    let file = File::open(place).ok()?;
    let bytes = file.metadata().ok()?.len();
    let hashes = Hashes::of(file, &published.checksums).ok()?;
    hashes.check(&published.checksums, "").ok()?;
    Some(Pulled { bytes, hashes, fetched: false })
}

/// The lock of everybody who fetches this file. Its own file stays: whoever removed it would let two in.
fn lock(place: &Path, tell: &mut dyn FnMut(Event)) -> Result<File, Diagnostic> {
    let path = part::beside(place, ".lock");
    let failed = |error| trouble("lock", &path, &error);
    let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => return Ok(lock),
        Err(TryLockError::WouldBlock) => tell(Event::Waiting),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    lock.lock().map_err(failed)?;
    Ok(lock)
}

/// An error of the cache's file system.
fn trouble(doing: &str, path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error("E-CACHE", format!("cannot {doing}: {error}"))
        .at(Place::file(path))
        .hint("make room there, or name another folder with `--cache` or RESNETC_CACHE")
}
