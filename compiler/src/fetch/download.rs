//! A download: as many requests as it takes.

use std::io::Read;
use std::thread;
use std::time::Duration;

use super::http::{self, Trouble, fetch};
use super::part::Part;
use super::{Event, Settings};
use crate::diagnostic::Diagnostic;
use crate::limits;

/// The longest time that a server is left alone because it asks for it.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Brings the part to its full length. Returns whether something that had arrived before was kept.
///
/// # Errors
/// `E-FETCH` when the server does not give the file, `E-CACHE` when it cannot be written.
pub fn run(url: &str, part: &mut Part, settings: &Settings, tell: &mut dyn FnMut(Event)) -> Result<bool, Diagnostic> {
    let mut resumed = false;
    let mut pause = settings.pause;
    let mut left = settings.retries;
    loop {
        let (message, wait) = match request(url, part, &mut resumed, settings, tell) {
            Ok(()) => return Ok(resumed),
            Err(Trouble::Lasting(problem)) => return Err(problem),
            Err(Trouble::Passing(message, wait)) => (message, wait.unwrap_or_default()),
        };
        if left == 0 || wait > LONGEST_WAIT {
            let tries = settings.retries - left + 1;
            let message = match wait > LONGEST_WAIT {
                true => format!("{message}, and asks to come back in {} s", wait.as_secs()),
                false => format!("{message} ({tries} tries)"),
            };
            return Err(fetch(url, message).hint(match part.length() {
                0 => "try again later".to_owned(),
                length => format!("try again later: the {length} bytes that have arrived are kept"),
            }));
        }
        tell(Event::Again(message));
        thread::sleep(pause.max(wait));
        pause = pause.saturating_mul(2);
        left -= 1;
    }
}

/// One request for what is missing.
fn request(
    url: &str,
    part: &mut Part,
    resumed: &mut bool,
    settings: &Settings,
    tell: &mut dyn FnMut(Event),
) -> Result<(), Trouble> {
    let arrived = part.length();
    let mut answer = http::get(url, arrived, part.validator(), settings)?;
    let whole = match (answer.status, answer.range) {
        (200, _) => {
            part.restart(answer.validator.take())?;
            *resumed = false;
            answer.length
        }
        (206, Some((Some(first), whole))) if first == arrived => {
            *resumed |= arrived > 0;
            whole.or_else(|| answer.length.map(|length| arrived.saturating_add(length)))
        }
        (416, Some((_, Some(whole)))) if arrived > 0 && whole == arrived => {
            *resumed = true;
            return Ok(());
        }
        (206 | 416, _) if arrived > 0 => {
            part.restart(None)?;
            return Err(Trouble::Passing("the server does not go on where it stopped".to_owned(), None));
        }
        (status, _) => return Err(refusal(url, status, answer.wait)),
    };
    if whole.is_some_and(|whole| whole > limits::WEIGHT_BYTES.get()) {
        return Err(too_large(url, whole).into());
    }
    let mut body = answer.body.as_reader();
    let mut buffer = vec![0; 1 << 16];
    loop {
        tell(Event::Arrived(part.length(), whole));
        let length = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(http::trouble(url, error.into(), settings)),
        };
        part.append(buffer.get(..length).unwrap_or_default())?;
        if part.length() > limits::WEIGHT_BYTES.get() {
            part.restart(None)?;
            return Err(too_large(url, None).into());
        }
    }
    match whole {
        Some(whole) if part.length() < whole => {
            Err(Trouble::Passing(format!("only {} of {whole} bytes came", part.length()), None))
        }
        _ => Ok(()),
    }
}

fn refusal(url: &str, status: u16, wait: Option<Duration>) -> Trouble {
    match status {
        408 | 425 | 429 | 500 | 502 | 503 | 504 => Trouble::Passing(format!("the server answers {status}"), wait),
        404 | 410 => fetch(url, format!("the server has no such file ({status})"))
            .hint("it may have been moved: fetch it by hand and say `--weights FILE`, or correct `weights.url`")
            .into(),
        401 | 403 => fetch(url, format!("the server does not give this file to everybody ({status})"))
            .hint("fetch it by hand and say `--weights FILE`")
            .into(),
        _ => fetch(url, format!("the server answers {status}")).expected("200").into(),
    }
}

fn too_large(url: &str, whole: Option<u64>) -> Diagnostic {
    let message = match whole {
        Some(whole) => format!("the file has {whole} bytes"),
        None => "the file does not end".to_owned(),
    };
    fetch(url, message).expected(format!("at most {} bytes", limits::WEIGHT_BYTES.get()))
}
