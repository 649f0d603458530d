//! `resnetc pull` against a server on the loopback that does everything that servers do.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use resnetc::diagnostic::{Diagnostic, Place};
use resnetc::fetch::{self, Event, Pulled, Settings};
use resnetc::frontend::weights::{Checksum, Hashes, Published};
use tempfile::TempDir;

#[path = "support/server.rs"]
mod server;

use server::{Request, Server, respond, serve};

const TAG: &str = "\"version-1\"";
const ALL: usize = usize::MAX;

/// More than the buffers of the connection hold.
fn content() -> Vec<u8> {
    (0..1_500_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A cache and the file that is pulled into it.
struct Case {
    folder: TempDir,
    published: Published,
    settings: Settings,
}

impl Case {
    fn new(server: &Server, content: &[u8]) -> Self {
        let digits = Hashes::of(content, &[]).unwrap().sha256[..8].to_owned();
        let checksum = Checksum { key: "sha256_prefix", digits, place: Place::file(Path::new("net.yaml")) };
        let published = Published { url: format!("{}/models/net.pth", server.address), checksums: vec![checksum] };
        let settings = Settings {
            patience: Duration::from_millis(300),
            pause: Duration::from_millis(5),
            retries: 2,
            ..Settings::default()
        };
        Self { folder: tempfile::tempdir().unwrap(), published, settings }
    }

    fn place(&self) -> PathBuf {
        self.published.path_in(self.folder.path())
    }

    fn pull(&self) -> Result<Pulled, Diagnostic> {
        fetch::pull(&self.published, &self.place(), &self.settings, &mut |_| ())
    }

    /// Pulls in vain. Nothing has the file's name then.
    fn fails(&self, code: &str, words: &[&str]) {
        let error = self.pull().unwrap_err();
        let text = error.to_string();
        assert!(error.code == code && words.iter().all(|word| text.contains(word)), "{text}");
        assert!(!self.place().exists());
    }

    /// The names in the cache, with `*` for the file's own.
    fn names(&self) -> Vec<String> {
        let own = self.place().file_name().unwrap().to_str().unwrap().to_owned();
        let mut names: Vec<_> = fs::read_dir(self.place().parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(&own, "*"))
            .collect();
        names.sort();
        names
    }
}

#[test]
fn a_whole_file_is_fetched_once() {
    let content = content();
    let served = content.clone();
    let server = Server::new(move |_, request, stream| serve(request, stream, &served, TAG, ALL));
    let case = Case::new(&server, &content);
    let mut seen = Vec::new();
    let pulled = fetch::pull(&case.published, &case.place(), &case.settings, &mut |event| seen.push(event)).unwrap();
    assert!(pulled.fetched && pulled.bytes == content.len() as u64);
    assert!(fs::read(case.place()).unwrap() == content);
    assert_eq!(case.names(), ["*", "*.lock"]);
    assert_eq!(seen.last(), Some(&Event::Arrived(content.len() as u64, Some(content.len() as u64))));
    let requests = server.requests();
    assert_eq!(requests[0].line, "GET /models/net.pth HTTP/1.1");
    assert_eq!(requests[0].header("accept-encoding"), Some("identity"));

    assert!(!case.pull().unwrap().fetched);
    let offline = Case { settings: Settings { offline: true, ..case.settings.clone() }, ..case };
    assert!(!offline.pull().unwrap().fetched);
    assert_eq!(server.requests().len(), 1);

    fs::write(offline.place(), "damaged").unwrap();
    let error = offline.pull().unwrap_err();
    assert_eq!(error.code, "E-OFFLINE", "{error}");
    let online = Case { settings: Settings { offline: false, ..offline.settings.clone() }, ..offline };
    assert!(online.pull().unwrap().fetched);
    let forced = Case { settings: Settings { force: true, ..online.settings.clone() }, ..online };
    assert!(forced.pull().unwrap().fetched);
    assert_eq!(server.requests().len(), 3);
    assert!(fs::read(forced.place()).unwrap() == content);
}

#[test]
fn a_download_that_ends_early_goes_on() {
    let content = content();
    let served = content.clone();
    let server = Server::new(move |_, request, stream| serve(request, stream, &served, TAG, 600_000));
    let case = Case::new(&server, &content);
    assert_eq!(case.pull().unwrap().bytes, content.len() as u64);
    let requests = server.requests();
    assert_eq!(requests.iter().map(Request::from).collect::<Vec<_>>(), [0, 600_000, 1_200_000]);
    assert_eq!(requests[1].header("if-range"), Some(TAG));
    assert!(fs::read(case.place()).unwrap() == content);
}

#[test]
fn another_run_goes_on_where_one_stopped() {
    let content = content();
    let served = content.clone();
    let server = Server::new(move |number, request, stream| match number {
        0 | 2 => serve(request, stream, &served, TAG, 600_000),
        1 => respond(stream, "404 Not Found", &[], &[]),
        _ => serve(request, stream, &served, TAG, ALL),
    });
    let case = Case::new(&server, &content);
    case.fails("E-FETCH", &["no such file (404)"]);
    assert_eq!(case.names(), ["*.lock", "*.part", "*.part.json"]);
    assert!(case.pull().unwrap().fetched);
    assert_eq!(server.requests().iter().map(Request::from).collect::<Vec<_>>(), [0, 600_000, 600_000, 1_200_000]);
    assert_eq!(case.names(), ["*", "*.lock"]);
}

#[test]
fn a_part_of_another_address_is_not_taken() {
    let content = content();
    let served = content.clone();
    let server = Server::new(move |_, request, stream| serve(request, stream, &served, TAG, ALL));
    let case = Case::new(&server, &content);
    let part = PathBuf::from(format!("{}.part", case.place().display()));
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    for note in [
        "{\"url\":\"http://other.example/net.pth\",\"validator\":null}".to_owned(),
        "no note".to_owned(),
        format!("{{\"url\":{:?},\"validator\":\"a\\r\\nb\"}}", case.published.url),
    ] {
        fs::write(&part, &content[..1000]).unwrap();
        fs::write(format!("{}.json", part.display()), note).unwrap();
        assert!(case.pull().unwrap().fetched);
        fs::remove_file(case.place()).unwrap();
    }
    assert_eq!(server.requests().iter().map(Request::from).collect::<Vec<_>>(), [0, 0, 0]);
}

#[test]
fn a_server_without_ranges_starts_over() {
    let content = content();
    let served = content.clone();
    let server = Server::new(move |number, _, stream| {
        let most = if number == 0 { 600_000 } else { ALL };
        let length = ("Content-Length", served.len().to_string());
        respond(stream, "200 OK", &[length], &served[..served.len().min(most)]);
    });
    let case = Case::new(&server, &content);
    assert!(case.pull().unwrap().fetched);
    assert_eq!(server.requests().iter().map(Request::from).collect::<Vec<_>>(), [0, 600_000]);
    assert!(fs::read(case.place()).unwrap() == content);
}

#[test]
fn a_file_that_has_changed_is_fetched_from_its_start() {
    let content = content();
    let served = content.clone();
    let server = Server::new(move |number, request, stream| match number {
        0 => serve(request, stream, &vec![7; served.len()], "\"old\"", 600_000),
        _ => serve(request, stream, &served, TAG, ALL),
    });
    let case = Case::new(&server, &content);
    assert!(case.pull().unwrap().fetched);
    assert_eq!(server.requests()[1].header("if-range"), Some("\"old\""));
    assert!(fs::read(case.place()).unwrap() == content);
}

/// Without a validator only the hash tells that the part was of another file.
#[test]
fn a_part_that_turns_out_wrong_is_thrown_away() {
    let content = content();
    let served = content.clone();
    let server = Server::new(move |number, request, stream| match number {
        0 => respond(stream, "200 OK", &[("Content-Length", served.len().to_string())], &[7; 600_000]),
        _ => serve(request, stream, &served, TAG, ALL),
    });
    let case = Case::new(&server, &content);
    assert!(case.pull().unwrap().fetched);
    assert_eq!(server.requests().iter().map(Request::from).collect::<Vec<_>>(), [0, 600_000, 0]);
    assert!(fs::read(case.place()).unwrap() == content);
}

#[test]
fn ranges_that_are_not_what_was_asked_for_start_over() {
    let content = content();
    for answer in ["bytes 5-1499999/1500000", "bytes 0-1499999/1500000", "nonsense", "bytes */5"] {
        let served = content.clone();
        let server = Server::new(move |number, request, stream| match (number, answer) {
            (0, _) => serve(request, stream, &served, TAG, 600_000),
            (1, "bytes */5") => respond(stream, "416 Range Not Satisfiable", &[("Content-Range", answer.into())], &[]),
            (1, _) => respond(stream, "206 Partial Content", &[("Content-Range", answer.into())], &served),
            _ => serve(request, stream, &served, TAG, ALL),
        });
        let case = Case::new(&server, &content);
        let mut troubles = Vec::new();
        let mut tell = |event| match event {
            Event::Again(message) => troubles.push(message),
            Event::Waiting | Event::Arrived(..) => {}
        };
        assert!(fetch::pull(&case.published, &case.place(), &case.settings, &mut tell).unwrap().fetched, "{answer}");
        assert_eq!(troubles, ["the connection ended early", "the server does not go on where it stopped"], "{answer}");
        assert_eq!(server.requests().iter().map(Request::from).collect::<Vec<_>>(), [0, 600_000, 0], "{answer}");
    }
}

#[test]
fn redirects_are_followed_and_keep_the_range() {
    let content = content();
    let served = content.clone();
    let server = Server::new(move |_, request, stream| {
        let hop = match request.line.split(' ').nth(1).unwrap() {
            "/models/net.pth" => ("302 Found", "/second"),
            "/second" => ("301 Moved Permanently", "folder/third?key=1"),
            "/folder/third?key=1" => ("307 Temporary Redirect", "../fourth"),
            "/fourth" => return serve(request, stream, &served, TAG, 800_000),
            other => panic!("{other}"),
        };
        respond(stream, hop.0, &[("Location", hop.1.to_owned()), ("Content-Length", "0".to_owned())], &[]);
    });
    let case = Case::new(&server, &content);
    assert!(case.pull().unwrap().fetched);
    let requests = server.requests();
    assert_eq!(requests.len(), 8);
    assert_eq!(requests[7].from(), 800_000);
    assert_eq!(requests[7].header("if-range"), Some(TAG));
}

#[test]
fn redirects_without_end_are_refused() {
    let server = Server::new(move |number, _, stream| {
        respond(stream, "302 Found", &[("Location", format!("/{number}")), ("Content-Length", "0".to_owned())], &[]);
    });
    let case = Case::new(&server, b"x");
    case.fails("E-FETCH", &["leads on to other addresses more than 10 times"]);
    assert_eq!(server.requests().len(), 11);
    assert_eq!(case.names(), ["*.lock"]);
}

#[test]
fn redirects_to_nowhere_are_refused() {
    for location in ["ftp://127.0.0.1/x", "file:///etc/passwd", "http://", ""] {
        let server = Server::new(move |_, _, stream| {
            respond(stream, "302 Found", &[("Location", location.to_owned()), ("Content-Length", "0".to_owned())], &[]);
        });
        let case = Case::new(&server, b"x");
        case.fails("E-FETCH", &[]);
        assert!(server.requests().len() <= 11, "{location}");
    }
}

#[test]
fn a_server_that_falls_silent_is_left() {
    let content = content();
    for silent_after in [None, Some(0), Some(600_000)] {
        let (served, open) = (content.clone(), Arc::new(AtomicBool::new(true)));
        let waits = Arc::clone(&open);
        let server = Server::new(move |_, request, stream| {
            if let Some(most) = silent_after {
                serve(request, stream, &served, TAG, most);
            }
            while waits.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
            }
        });
        let mut case = Case::new(&server, &content);
        case.settings.retries = 1;
        let start = Instant::now();
        case.fails("E-FETCH", &["nothing came for 0.3 s (2 tries)"]);
        let took = start.elapsed();
        assert!((Duration::from_millis(500)..Duration::from_secs(5)).contains(&took), "{took:?}");
        assert_eq!(server.requests().len(), 2);
        open.store(false, Ordering::Relaxed);
    }
}

#[test]
fn wrong_bytes_are_not_kept() {
    let server = Server::new(move |_, request, stream| serve(request, stream, b"a page that says hello", TAG, ALL));
    let case = Case::new(&server, b"x");
    case.fails("E-WHASH", &["the SHA-256 of `http://", "one that begins with 2d711642", "nothing was kept"]);
    assert_eq!(case.names(), ["*.lock"]);
    assert_eq!(server.requests().len(), 1);

    // What was there stays.
    fs::write(case.place(), "mine").unwrap();
    assert_eq!(case.pull().unwrap_err().code, "E-WHASH");
    assert_eq!(fs::read(case.place()).unwrap(), b"mine");
}

#[test]
fn passing_troubles_are_tried_again_and_lasting_ones_are_not() {
    for (status, passing) in [
        ("404 Not Found", false),
        ("410 Gone", false),
        ("403 Forbidden", false),
        ("204 No Content", false),
        ("206 Partial Content", false),
        ("501 Not Implemented", false),
        ("429 Too Many Requests", true),
        ("500 Internal Server Error", true),
        ("502 Bad Gateway", true),
        ("503 Service Unavailable", true),
    ] {
        let server = Server::new(move |number, request, stream| match number {
            0 | 1 => respond(stream, status, &[("Content-Length", "0".to_owned())], &[]),
            _ => serve(request, stream, b"hello", TAG, ALL),
        });
        let case = Case::new(&server, b"hello");
        if passing {
            assert!(case.pull().unwrap().fetched, "{status}");
            assert_eq!(server.requests().len(), 3, "{status}");
        } else {
            case.fails("E-FETCH", &[&status[..3]]);
            assert_eq!(server.requests().len(), 1, "{status}");
        }
    }
}

#[test]
fn retries_end_and_waits_are_kept() {
    let server = Server::new(move |_, request, stream| {
        let seconds = if request.line.contains("long") { "3600" } else { "0" };
        respond(stream, "429 Too Many Requests", &[("Retry-After", seconds.to_owned())], &[]);
    });
    let mut case = Case::new(&server, b"hello");
    case.fails("E-FETCH", &["answers 429 (3 tries)", "try again later"]);
    assert_eq!(server.requests().len(), 3);
    case.published.url.push_str("?long");
    case.fails("E-FETCH", &["come back in 3600 s"]);
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn a_wanted_pause_is_made() {
    let server = Server::new(move |number, request, stream| match number {
        0 => respond(stream, "503 Service Unavailable", &[("Retry-After", "1".to_owned())], &[]),
        _ => serve(request, stream, b"hello", TAG, ALL),
    });
    let case = Case::new(&server, b"hello");
    let start = Instant::now();
    assert!(case.pull().unwrap().fetched);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn lengths_that_are_not_true_are_noticed() {
    let answer = |length: &'static str, body: &'static [u8]| {
        Server::new(move |_, request, stream| match request.from() {
            0 => respond(stream, "200 OK", &[("Content-Length", length.to_owned())], body),
            _ => respond(stream, "416 Range Not Satisfiable", &[("Content-Range", "bytes */5".to_owned())], &[]),
        })
    };
    // Too much was promised, yet the file is whole.
    assert!(Case::new(&answer("9", b"hello"), b"hello").pull().unwrap().fetched);
    // Too much was promised, and the file is not whole.
    Case::new(&answer("9", b"hell"), b"hello").fails("E-FETCH", &["3 tries"]);
    // Too little: the rest is not read.
    let server = answer("4", b"hello");
    Case::new(&server, b"hello").fails("E-WHASH", &[]);
    assert_eq!(server.requests().len(), 1);
    for (length, word) in [("4294967297", "4294967297 bytes"), ("99999999999999999999", ""), ("-5", ""), ("five", "")] {
        let server = answer(length, b"hello");
        let case = Case::new(&server, b"hello");
        case.fails("E-FETCH", &[word]);
        assert_eq!(server.requests().len(), 1, "{length}");
        assert_eq!(case.names(), ["*.lock"], "{length}");
    }
}

#[test]
fn files_without_a_length_are_read_to_their_end() {
    let server = Server::new(move |_, request, stream| match request.line.contains("chunked") {
        true => {
            let chunked = ("Transfer-Encoding", "chunked".to_owned());
            respond(stream, "200 OK", &[chunked], b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n");
        }
        false => respond(stream, "200 OK", &[], b"hello"),
    });
    let case = Case::new(&server, b"hello");
    assert_eq!(case.pull().unwrap().bytes, 5);
    let mut chunked = Case::new(&server, b"hello");
    chunked.published.url.push_str("?chunked");
    assert_eq!(chunked.pull().unwrap().bytes, 5);
}

#[test]
fn servers_that_speak_no_http_or_are_not_there_are_told_apart() {
    use std::io::Write;

    let server = Server::new(|_, _, stream| drop(stream.write_all(b"220 mail.example.org ESMTP\r\n\r\n")));
    Case::new(&server, b"x").fails("E-FETCH", &["protocol"]);
    assert_eq!(server.requests().len(), 1);
    let endless = Server::new(|_, _, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    Case::new(&endless, b"x").fails("E-FETCH", &[]);
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut case = Case::new(&server, b"x");
    case.published.url = format!("http://{gone}/net.pth");
    case.fails("E-FETCH", &["refused", "3 tries"]);
}

#[test]
fn two_at_once_fetch_once() {
    let content = content();
    let served = content.clone();
    let server = Server::new(move |_, request, stream| {
        thread::sleep(Duration::from_millis(200));
        serve(request, stream, &served, TAG, ALL);
    });
    let case = Case::new(&server, &content);
    let fetched: usize = thread::scope(|scope| {
        let pulls: Vec<_> = (0..4).map(|_| scope.spawn(|| case.pull().unwrap().fetched)).collect();
        pulls.into_iter().map(|pull| usize::from(pull.join().unwrap())).sum()
    });
    assert_eq!((fetched, server.requests().len()), (1, 1));
    assert!(fs::read(case.place()).unwrap() == content);
}

#[test]
fn a_cache_that_cannot_be_written_is_told() {
    let server = Server::new(|_, request, stream| serve(request, stream, b"hello", TAG, ALL));
    let case = Case::new(&server, b"hello");
    fs::write(case.folder.path().join("weights"), "a file").unwrap();
    case.fails("E-CACHE", &["--cache"]);
    fs::remove_file(case.folder.path().join("weights")).unwrap();
    fs::create_dir_all(case.place()).unwrap();
    assert_eq!(case.pull().unwrap_err().code, "E-CACHE");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let content = content();
    let served = content.clone();
    let server = Server::new(move |_, request, stream| serve(request, stream, &served, TAG, ALL));
    let case = Case::new(&server, &content);
    let place = case.place();
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", format!("{}.part", place.display())).unwrap();
    case.fails("E-CACHE", &["No space left on device", "make room"]);
}
