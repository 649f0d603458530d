//! A server of files on the loopback that misbehaves as it is told.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it came: its first line, and its headers in small letters.
#[derive(Debug, Clone)]
pub struct Request {
    pub line: String,
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The first byte of the range that is asked for.
    pub fn from(&self) -> usize {
        self.header("range").map_or(0, |range| {
            range.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-')).unwrap().parse().unwrap()
        })
    }

    fn read(stream: &mut BufReader<TcpStream>) -> Option<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let headers = lines.iter().skip(1).map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Some(Self { line: lines[0].clone(), headers: headers.collect() })
    }
}

/// A server. It ends with the process.
pub struct Server {
    /// `http://127.0.0.1:PORT`.
    pub address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers each request, counted from 0, by a function; then the connection is closed.
    /// A `CONNECT` is granted before, as a proxy does that is the server itself.
    pub fn new(answer: impl Fn(usize, &Request, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || {
                    let mut output = stream.try_clone().unwrap();
                    let mut input = BufReader::new(stream);
                    while let Some(request) = Request::read(&mut input) {
                        let number = {
                            let mut seen = seen.lock().unwrap();
                            seen.push(request.clone());
                            seen.len() - 1
                        };
                        if !request.line.starts_with("CONNECT") {
                            answer(number, &request, &mut output);
                            break;
                        }
                        let _ = output.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                    }
                });
            }
        });
        Self { address, requests }
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// Writes a response. The client may be gone already.
pub fn respond(stream: &mut TcpStream, status: &str, headers: &[(&str, String)], body: &[u8]) {
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).and_then(|()| stream.flush());
}

/// Answers with a file of the version `tag`, and with a range of it when that is asked for of this version.
/// Stops after `most` bytes, though more were promised.
pub fn serve(request: &Request, stream: &mut TcpStream, content: &[u8], tag: &str, most: usize) {
    let same = request.header("if-range").is_none_or(|version| version == tag);
    let from = if same { request.from() } else { 0 };
    let tag = ("ETag", tag.to_owned());
    if from > 0 && from >= content.len() {
        let whole = ("Content-Range", format!("bytes */{}", content.len()));
        return respond(stream, "416 Range Not Satisfiable", &[tag, whole, ("Content-Length", "0".to_owned())], &[]);
    }
    let rest = &content[from..];
    let mut headers = vec![tag, ("Content-Length", rest.len().to_string())];
    if from > 0 {
        headers.push(("Content-Range", format!("bytes {from}-{}/{}", content.len() - 1, content.len())));
    }
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    respond(stream, status, &headers, &rest[..rest.len().min(most)]);
}
