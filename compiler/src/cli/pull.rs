//! `resnetc pull`

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::progress::Progress;
use super::table::{Align, table};
use super::{Failure, output};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::fetch::{self, Event, Pulled, Settings};
use crate::frontend;
use crate::frontend::shipped;
use crate::frontend::weights::Published;
use crate::user_cache;

/// Fetch the published weights of networks, once and for all
///
/// Every command, and the macro, then finds them by itself when no other weights are given. A file is kept
/// only when it hashes to what its spec says; a download that was interrupted goes on where it stopped.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Networks that ship inside (see `--list`), or .yaml or .yml files with `weights.url`
    #[arg(value_name = "NAME", required_unless_present = "list")]
    names: Vec<String>,

    /// Show what can be fetched, and what was, instead of fetching
    #[arg(long)]
    list: bool,

    /// Fetch nothing: fail when a file was not fetched before
    #[arg(long)]
    offline: bool,

    /// Fetch even what is there
    #[arg(long, conflicts_with = "offline")]
    force: bool,

    /// Keep the files in another cache [default: that of RESNETC_CACHE, or the user's, where other commands look]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,

    /// Print JSON, an object per line and file
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let cache = cache(arguments)?;
    if arguments.list {
        return list(arguments, &cache);
    }
    let settings = Settings::from_environment().map_err(|error| Failure::Usage(error.into()))?;
    let settings = Settings { offline: arguments.offline, force: arguments.force, ..settings };
    let mut progress = Progress::new();
    let mut told = false;
    for name in &arguments.names {
        let done = published(name).and_then(|published| {
            let path = published.path_in(&cache);
            let pulled = pull(&published, &path, &settings, &mut progress)?;
            Ok((published, path, pulled))
        });
        progress.clear();
        match done {
            Ok((published, path, pulled)) => print(arguments, name, &published, &path, &pulled)?,
            Err(problems) => {
                output::tell(&problems);
                told = true;
            }
        }
    }
    if told { Err(Failure::Told) } else { Ok(()) }
}

fn cache(arguments: &Arguments) -> Result<PathBuf, Failure> {
    match &arguments.cache {
        Some(folder) => std::path::absolute(folder).map_err(|error| {
            let error = Diagnostic::error("E-ARGUMENT", format!("this is no folder: {error}")).about("--cache");
            Failure::Usage(error.into())
        }),
        None => user_cache::folder().ok_or_else(|| {
            Diagnostic::error("E-CACHE", "no folder for the cache: neither RESNETC_CACHE nor HOME is set")
                .hint("name one with `--cache`")
                .into()
        }),
    }
}

/// The published weights of a network.
fn published(name: &str) -> Result<Published, Diagnostics> {
    let described = frontend::describe(name)?;
    described.published().ok_or_else(|| {
        let weights = &described.spec.weights;
        let problem = match (&weights.url, &weights.file) {
            (Some(url), _) => Diagnostic::error("E-WHASH", format!("{url} can be checked by nothing"))
                .expected("`sha256`, `sha256_prefix` or `md5`")
                .hint("fetch the file by hand, see that it is the right one, and state its `sha256sum`"),
            (None, Some(file)) => {
                Diagnostic::error("E-URL", format!("`{}` has no published weights", described.spec.name))
                    .hint(format!("it comes with its own, `{file}`"))
            }
            (None, None) => Diagnostic::error("E-URL", format!("`{}` has no published weights", described.spec.name))
                .hint("say where they are with `weights.url`, and what they hash to with `weights.sha256`"),
        };
        problem.at(described.weights_place.clone()).about("weights").into()
    })
}

fn pull(
    published: &Published,
    path: &Path,
    settings: &Settings,
    progress: &mut Progress,
) -> Result<Pulled, Diagnostics> {
    let name = file_name(path);
    let mut start = None;
    let mut trouble = String::new();
    let pulled = fetch::pull(published, path, settings, &mut |event| match event {
        Event::Waiting => progress.line(&format!("{name}: another process fetches it; waiting")),
        Event::Again(message) => trouble = format!("; {message}, trying again"),
        Event::Arrived(bytes, whole) => {
            let (began, before) = *start.get_or_insert((Instant::now(), bytes));
            let seconds = began.elapsed().as_secs_f64().max(0.001);
            let rate = megabytes(bytes.saturating_sub(before)) / seconds;
            let share = match whole {
                Some(whole) => {
                    format!(" of {:.1} MB, {} %", megabytes(whole), bytes.saturating_mul(100) / whole.max(1))
                }
                None => " MB".to_owned(),
            };
            progress.line(&format!("{name}: {:.1}{share}, {rate:.1} MB/s{trouble}", megabytes(bytes)));
        }
    });
    Ok(pulled?)
}

fn print(
    arguments: &Arguments,
    name: &str,
    published: &Published,
    path: &Path,
    pulled: &Pulled,
) -> Result<(), Failure> {
    if arguments.json {
        let line = json!({
            "name": name,
            "url": published.url,
            "path": path.display().to_string(),
            "bytes": pulled.bytes,
            "sha256": pulled.hashes.sha256,
            "fetched": pulled.fetched,
        });
        return output::print(&format!("{line}\n"));
    }
    let how = if pulled.fetched { "fetched" } else { "already there" };
    output::print(&format!("{name}: {} ({:.1} MB, {how})\n", path.display(), megabytes(pulled.bytes)))
}

/// The networks named, or all that ship inside and have published weights.
fn list(arguments: &Arguments, cache: &Path) -> Result<(), Failure> {
    let mut files = Vec::new();
    if arguments.names.is_empty() {
        for spec in &shipped::SPECS {
            files.extend(frontend::describe(spec.name)?.published().map(|published| (spec.name, published)));
        }
    } else {
        for name in &arguments.names {
            files.push((name.as_str(), published(name)?));
        }
    }
    let files = files.into_iter().map(|(name, published)| {
        let path = published.path_in(cache);
        let there = fetch::present(&published, &path).is_some();
        (name, published, path, there)
    });
    if arguments.json {
        let lines = files.map(|(name, published, path, there)| {
            let path = path.display().to_string();
            format!("{}\n", json!({ "name": name, "url": published.url, "path": path, "there": there }))
        });
        return output::print(&lines.collect::<String>());
    }
    let rows: Vec<_> = files
        .map(|(name, published, _, there)| {
            vec![name.to_owned(), if there { "yes" } else { "no" }.to_owned(), published.url]
        })
        .collect();
    output::print(&table(&[("name", Align::Left), ("fetched", Align::Left), ("published at", Align::Left)], &rows))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
