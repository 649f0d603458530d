//! One request.

use std::time::Duration;

use ureq::http::{HeaderMap, Uri, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Error, ResponseExt, Timeout};

use super::Settings;
use crate::diagnostic::{Diagnostic, Place};

/// How many addresses are followed from one to the next.
const REDIRECTS: u32 = 10;

/// What a server answers.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The length that the server states for what follows.
    pub length: Option<u64>,
    /// Of a range, its first byte and the length of the whole file.
    pub range: Option<(Option<u64>, Option<u64>)>,
    /// What the server calls this version of the file.
    pub validator: Option<String>,
    /// How long the server wants to be left alone.
    pub wait: Option<Duration>,
    /// The bytes.
    pub body: Body,
}

/// Why there is no answer, or not all of it.
#[derive(Debug)]
pub enum Trouble {
    /// It may go better the next time, but not before the server's time has passed.
    Passing(String, Option<Duration>),
    /// It will not.
    Lasting(Diagnostic),
}

impl From<Diagnostic> for Trouble {
    fn from(problem: Diagnostic) -> Self {
        Self::Lasting(problem)
    }
}

/// Asks for a file from byte `from` on; for all of it when it is not the version that `validator` names any more.
pub fn get(url: &str, from: u64, validator: Option<&str>, settings: &Settings) -> Result<Answer, Trouble> {
    let address: Uri = url.parse().map_err(|error| fetch(url, format!("this is no address: {error}")))?;
    let agent = agent(&address, settings)?;
    let mut request = agent.get(url).header(header::ACCEPT_ENCODING, "identity");
    if from > 0 {
        request = request.header(header::RANGE, format!("bytes={from}-"));
        if let Some(validator) = validator {
            request = request.header(header::IF_RANGE, validator);
        }
    }
    let response = request.call().map_err(|error| trouble(url, error, settings))?;
    if let Some(history) = response.get_redirect_history()
        && let Some(hop) = downgrade(history)
    {
        return Err(insecure(url, &hop.to_string()).into());
    }
    let headers = response.headers();
    Ok(Answer {
        status: response.status().as_u16(),
        length: response.body().content_length(),
        range: text(headers, header::CONTENT_RANGE).and_then(range),
        validator: validator_of(headers),
        wait: text(headers, header::RETRY_AFTER).and_then(|text| text.parse().ok()).map(Duration::from_secs),
        body: response.into_body(),
    })
}

/// What an error of the connection means.
pub fn trouble(url: &str, error: Error, settings: &Settings) -> Trouble {
    let seconds = settings.patience.as_secs_f64();
    match error {
        Error::Timeout(Timeout::PerRead | Timeout::PerWrite) => {
            Trouble::Passing(format!("nothing came for {seconds} s"), None)
        }
        Error::Timeout(_) => Trouble::Passing(format!("the server was not reached within {seconds} s"), None),
        Error::HostNotFound => Trouble::Passing("the server's name is not known".to_owned(), None),
        Error::ConnectionFailed => Trouble::Passing("the server cannot be reached".to_owned(), None),
        Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Trouble::Passing("the connection ended early".to_owned(), None)
        }
        // What is wrong with certificates and TLS.
        Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => distrust(url, &error.to_string()),
        Error::Rustls(error) => distrust(url, &error.to_string()),
        Error::Io(error) => Trouble::Passing(error.to_string(), None),
        Error::TooManyRedirects => {
            fetch(url, format!("it leads on to other addresses more than {REDIRECTS} times")).into()
        }
        Error::RequireHttpsOnly(hop) => insecure(url, &hop).into(),
        Error::ConnectProxyFailed(reason) => fetch(url, reason)
            .hint("the proxy is that of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY; NO_PROXY names hosts that need none")
            .into(),
        other => fetch(url, other.to_string()).into(),
    }
}

/// An error about an address.
pub fn fetch(url: &str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error("E-FETCH", message).about(url)
}

fn insecure(url: &str, hop: &str) -> Diagnostic {
    fetch(url, format!("it leads on to `{hop}`, which is not encrypted")).expected("an `https://` address")
}

fn distrust(url: &str, message: &str) -> Trouble {
    fetch(url, format!("no secure connection: {message}"))
        .hint("where the network checks connections with a certificate of its own, set SSL_CERT_FILE to a PEM file with it")
        .into()
}

fn agent(address: &Uri, settings: &Settings) -> Result<Agent, Diagnostic> {
    let patience = Some(settings.patience);
    let roots = match &settings.certificates {
        Some(path) => RootCerts::from(certificates(path)?),
        None => RootCerts::WebPki,
    };
    let config = Agent::config_builder()
        .user_agent(concat!("resnetc/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        .https_only(address.scheme_str() == Some("https"))
        .max_redirects(REDIRECTS)
        .max_redirects_will_error(true)
        .save_redirect_history(true)
        .proxy(settings.proxies.of(address)?)
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .timeout_resolve(patience)
        .timeout_connect(patience)
        .timeout_per_read(patience)
        .timeout_per_write(patience)
        .build();
    Ok(config.into())
}

fn certificates(path: &std::path::Path) -> Result<Vec<Certificate<'static>>, Diagnostic> {
    let failed = |message: String| {
        Diagnostic::error("E-FETCH", message)
            .about("SSL_CERT_FILE")
            .at(Place::file(path))
            .expected("certificates (PEM)")
    };
    let text = crate::frontend::source::read(path, 1 << 24).map_err(failed)?;
    let mut found = Vec::new();
    for item in parse_pem(&text) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(failed(format!("this is not PEM: {error}"))),
        }
    }
    if found.is_empty() { Err(failed("there is no certificate in it".to_owned())) } else { Ok(found) }
}

/// The first address that is not encrypted behind one that is.
fn downgrade(history: &[Uri]) -> Option<&Uri> {
    let secure = |uri: &Uri| uri.scheme_str() == Some("https");
    history.iter().skip_while(|uri| !secure(uri)).find(|uri| !secure(uri))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// `If-Range` takes strong entity tags and dates (RFC 9110, section 13.1.5).
fn validator_of(headers: &HeaderMap) -> Option<String> {
    let tag = text(headers, header::ETAG).filter(|tag| tag.starts_with('"'));
    tag.or_else(|| text(headers, header::LAST_MODIFIED)).map(str::to_owned)
}

/// First byte and whole length of `bytes 5-9/10`, `bytes 5-9/*` or `bytes */10`.
fn range(text: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (span, whole) = text.strip_prefix("bytes")?.trim().split_once('/')?;
    let first = span.split_once('-').map(|(first, _)| first.trim().parse());
    Some((first.transpose().ok()?, if whole == "*" { None } else { Some(whole.trim().parse().ok()?) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(range("bytes 5-9/10"), Some((Some(5), Some(10))));
        assert_eq!(range("bytes 5-9/*"), Some((Some(5), None)));
        assert_eq!(range("bytes */10"), Some((None, Some(10))));
        for text in ["", "bytes", "bytes 5-9", "bytes x-9/10", "lines 5-9/10", "bytes 5-9/99999999999999999999"] {
            assert_eq!(range(text), None, "{text}");
        }
    }

    #[test]
    fn no_step_from_https_to_http_is_taken() {
        let uris = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Uri>>();
        assert_eq!(downgrade(&uris(&["http://a/", "http://b/", "https://c/"])), None);
        assert_eq!(downgrade(&uris(&["http://a/", "https://b/", "http://c/"])), uris(&["http://c/"]).first());
    }

    #[test]
    fn weak_tags_are_no_validators() {
        let headers = |entries: &[(header::HeaderName, &'static str)]| {
            entries.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect::<HeaderMap>()
        };
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        let found = |tag| validator_of(&headers(&[(header::ETAG, tag), (header::LAST_MODIFIED, date)]));
        assert_eq!(found("\"a\"").as_deref(), Some("\"a\""));
        assert_eq!(found("W/\"a\"").as_deref(), Some(date));
    }
}
