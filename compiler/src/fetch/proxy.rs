//! Proxies, as curl finds them in the environment.

use ureq::Proxy;

use crate::diagnostic::Diagnostic;

/// The ways to the servers. The default is to go straight.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<(&'static str, String)>,
    https: Option<(&'static str, String)>,
    exempt: Vec<String>,
}

impl Proxies {
    /// Reads `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in small letters or capitals.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: [&'static str; 4]| names.iter().find_map(|name| Some((*name, variable(name)?)));
        let exempt = variable("no_proxy").or_else(|| variable("NO_PROXY")).unwrap_or_default();
        Self {
            http: first(["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]),
            https: first(["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            exempt: exempt
                .split([',', ' '])
                .map(|entry| match entry {
                    "*" => entry.to_owned(),
                    _ => entry.trim_start_matches(['*', '.']).to_ascii_lowercase(),
                })
                .filter(|entry| !entry.is_empty())
                .collect(),
        }
    }

    /// The proxy for an address.
    ///
    /// # Errors
    /// `E-PROXY` when the variable that gives it cannot be understood.
    pub fn of(&self, url: &ureq::http::Uri) -> Result<Option<Proxy>, Diagnostic> {
        let chosen = if url.scheme_str() == Some("https") { &self.https } else { &self.http };
        match chosen {
            Some((name, value)) if !self.exempts(url) => Proxy::new(value).map(Some).map_err(|_| {
                // The value may hold a password.
                Diagnostic::error("E-PROXY", "this is no proxy")
                    .about(*name)
                    .expected("`http://HOST:PORT`, or with `https`, `socks4`, `socks4a`, `socks5` or `socks5h`")
            }),
            _ => Ok(None),
        }
    }

    fn exempts(&self, url: &ureq::http::Uri) -> bool {
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
        self.exempt.iter().any(|entry| {
            let below = || host.strip_suffix(entry.as_str()).is_some_and(|rest| rest.ends_with('.'));
            let with_port = || url.port_u16().is_some_and(|port| *entry == format!("{host}:{port}"));
            entry == "*" || *entry == host || below() || with_port()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let proxy = Proxies::from_variables(find).of(&url.parse().unwrap()).unwrap();
        proxy.map(|proxy| proxy.host().to_owned())
    }

    #[test]
    fn each_scheme_has_its_proxy() {
        let both = [("HTTP_PROXY", "plain:1"), ("https_proxy", "http://secure:2"), ("ALL_PROXY", "socks5h://all:3")];
        assert_eq!(chosen(&both, "http://a.org/x").as_deref(), Some("plain"));
        assert_eq!(chosen(&both, "https://a.org/x").as_deref(), Some("secure"));
        assert_eq!(chosen(&both[2..], "https://a.org/x").as_deref(), Some("all"));
        assert_eq!(chosen(&both[..1], "https://a.org/x"), None);
    }

    #[test]
    fn exempt_hosts_are_reached_straight() {
        for (exempt, url, straight) in [
            ("a.org", "http://a.org/x", true),
            ("a.org", "http://b.A.org/x", true),
            (" other , .a.org", "http://b.a.org/x", true),
            ("*.a.org", "http://b.a.org/x", true),
            ("a.org", "http://ba.org/x", false),
            ("*", "http://a.org/x", true),
            ("a.org:80", "http://a.org:80/x", true),
            ("a.org:81", "http://a.org:80/x", false),
            ("::1", "http://[::1]:80/x", true),
            ("", "http://a.org/x", false),
        ] {
            let proxy = chosen(&[("HTTP_PROXY", "p:1"), ("NO_PROXY", exempt)], url);
            assert_eq!(proxy.is_none(), straight, "{exempt} {url}");
        }
    }

    #[test]
    fn a_broken_variable_is_told_without_its_value() {
        let proxies = Proxies::from_variables(|name| (name == "http_proxy").then(|| "ftp://me:secret@h".to_owned()));
        let error = proxies.of(&"http://a.org/".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("http_proxy") && !error.contains("secret"), "{error}");
    }
}
