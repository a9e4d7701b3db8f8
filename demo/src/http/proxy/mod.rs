//! Proxies: which requests go through one. Used by `connector.rs` and `requests.rs`.
//!
//! The rules are curl's: `--proxy`, else `http_proxy`, `https_proxy` and `all_proxy` from the environment, except for
//! the hosts in `no_proxy`. `HTTP_PROXY` in capitals is ignored, because a CGI program gets it from the client's field
//! `Proxy`.

mod error;
mod exempt;
pub mod tunnel;

pub use error::ProxyError;

use super::credentials::{Login, hide_login};
use exempt::Exempt;
use std::rc::Rc;
use url::Url;

/// A proxy.
pub struct Proxy {
    /// Whether the connection to it is over TLS.
    pub secure: bool,
    /// Its name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The value of the field `Proxy-Authorization`.
    pub authorization: Option<String>,
}

impl Proxy {
    /// Parses the URL of a proxy. `http` is the default scheme and 1080 its default port, as in curl.
    ///
    /// # Errors
    /// The error says what is wrong and what to write, without the login.
    pub fn parse(text: &str) -> Result<Proxy, String> {
        let wrong = |why: &str| {
            format!("`{}` {why}: write it as http://host:port or http://user:password@host:port", hide_login(text))
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let default_port = match scheme.to_ascii_lowercase().as_str() {
            "http" => 1080,
            "https" => 443,
            _ => return Err(wrong("has an unsupported scheme")),
        };
        let url =
            Url::parse(&format!("{scheme}://{rest}")).map_err(|error| wrong(&format!("is not a URL ({error})")))?;
        // `Url` drops a port that is the default of its scheme. With an unknown scheme it keeps every port.
        let port = Url::parse(&format!("proxy://{rest}")).ok().and_then(|url| url.port());
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("has no host"))?;
        Ok(Proxy {
            secure: url.scheme() == "https",
            host: host.trim_matches(['[', ']']).to_owned(),
            port: port.unwrap_or(default_port),
            authorization: Login::of_url(&url).map(|login| login.basic()),
        })
    }

    /// Host and port, for messages and as a key. Without the login.
    pub fn name(&self) -> String {
        authority(&self.host, self.port)
    }
}

/// Host and port, with brackets around an IPv6 address.
pub fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The proxies of a run.
#[derive(Default)]
pub struct Proxies {
    http: Option<Rc<Proxy>>,
    https: Option<Rc<Proxy>>,
    exempt: Exempt,
}

impl Proxies {
    /// The proxies of the command line, or else of the environment; `variable` returns the value of a variable.
    ///
    /// # Errors
    /// If the URL of a proxy is wrong. The error names the option or the variable, and the reason.
    pub fn new(option: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Result<Proxies, String> {
        let exempt = ["no_proxy", "NO_PROXY"].iter().find_map(|name| variable(name));
        let exempt = Exempt::parse(&exempt.unwrap_or_default());
        let parse = |name: &str, text: &str| Proxy::parse(text).map(Rc::new).map_err(|why| format!("{name}: {why}"));
        if let Some(text) = option {
            let proxy = parse("--proxy", text)?;
            return Ok(Proxies { http: Some(proxy.clone()), https: Some(proxy), exempt });
        }
        // A variable that is set and empty turns the proxy off.
        let first = |names: &[&str]| {
            let (name, text) = names.iter().find_map(|name| Some((*name, variable(name)?)))?;
            (!text.trim().is_empty()).then(|| parse(name, text.trim()))
        };
        Ok(Proxies {
            http: first(&["http_proxy", "all_proxy", "ALL_PROXY"]).transpose()?,
            https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]).transpose()?,
            exempt,
        })
    }

    /// The proxy for a URL, if there is one.
    pub fn of(&self, url: &Url) -> Option<&Proxy> {
        let proxy = if url.scheme() == "https" { &self.https } else { &self.http };
        proxy.as_deref().filter(|_| !self.exempt.contains(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let variable = |name: &str| Some(variables.iter().find(|(known, _)| *known == name)?.1.to_owned());
        let proxies = Proxies::new(None, variable).unwrap();
        proxies.of(&Url::parse(url).unwrap()).map(Proxy::name)
    }

    #[test]
    fn a_proxy_has_a_scheme_a_port_and_a_login_or_their_defaults() {
        for (text, secure, name, authorization) in [
            ("http://p:3128", false, "p:3128", None),
            ("http://p:80/", false, "p:80", None),
            ("p:8080", false, "p:8080", None),
            ("p", false, "p:1080", None),
            ("HTTP://P", false, "p:1080", None),
            ("https://p", true, "p:443", None),
            ("https://p:443", true, "p:443", None),
            ("http://[::1]:3128", false, "[::1]:3128", None),
            ("http://u:p%40ss@p:3128", false, "p:3128", Some("Basic dTpwQHNz")),
            ("u:p@p:3128", false, "p:3128", Some("Basic dTpw")),
        ] {
            let proxy = Proxy::parse(text).unwrap();
            assert_eq!((proxy.secure, &*proxy.name(), proxy.authorization.as_deref()), (secure, name, authorization));
        }
        for wrong in ["", "socks5://u:secret@p:1080", "ftp://p", "http://", "http://u:secret@", "http://p:x", "p:99999"]
        {
            let error = Proxy::parse(wrong).err().unwrap_or_else(|| panic!("{wrong:?} is accepted"));
            assert!(error.contains("http://host:port") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_environment_is_read_as_curl_reads_it() {
        let (http, https) = ("http://x/", "https://x/");
        assert_eq!(of(&[], http), None);
        assert_eq!(of(&[("http_proxy", "a:1")], http).as_deref(), Some("a:1"));
        assert_eq!(of(&[("http_proxy", "a:1")], https), None);
        assert_eq!(of(&[("HTTP_PROXY", "a:1")], http), None);
        assert_eq!(of(&[("https_proxy", "a:1")], https).as_deref(), Some("a:1"));
        assert_eq!(of(&[("HTTPS_PROXY", "a:1")], https).as_deref(), Some("a:1"));
        assert_eq!(of(&[("https_proxy", "a:1"), ("HTTPS_PROXY", "b:1")], https).as_deref(), Some("a:1"));
        for all in ["all_proxy", "ALL_PROXY"] {
            assert_eq!(of(&[(all, "a:1")], http).as_deref(), Some("a:1"));
            assert_eq!(of(&[(all, "a:1")], https).as_deref(), Some("a:1"));
            assert_eq!(of(&[(all, "a:1"), ("http_proxy", "b:1")], http).as_deref(), Some("b:1"));
            assert_eq!(of(&[(all, "a:1"), ("http_proxy", "")], http), None);
        }
        for no in ["no_proxy", "NO_PROXY"] {
            assert_eq!(of(&[("all_proxy", "a:1"), (no, "x")], http), None);
            assert_eq!(of(&[("all_proxy", "a:1"), (no, "y")], http).as_deref(), Some("a:1"));
        }
        assert_eq!(of(&[("all_proxy", "a:1"), ("no_proxy", "y"), ("NO_PROXY", "x")], http).as_deref(), Some("a:1"));
    }

    #[test]
    fn the_option_precedes_the_environment_but_not_its_exemptions() {
        let variable = |name: &str| match name {
            "http_proxy" => Some("a:1".to_owned()),
            "no_proxy" => Some("near".to_owned()),
            _ => None,
        };
        let proxies = Proxies::new(Some("b:2"), variable).unwrap();
        let of = |url: &str| proxies.of(&Url::parse(url).unwrap()).map(Proxy::name);
        assert_eq!((of("http://x/"), of("https://x/")), (Some("b:2".to_owned()), Some("b:2".to_owned())));
        assert_eq!(of("http://near/"), None);
    }

    #[test]
    fn an_error_names_the_variable_of_the_proxy() {
        let variable = |name: &str| (name == "all_proxy").then(|| "socks5://u:secret@p".to_owned());
        let error = Proxies::new(None, variable).err().unwrap();
        assert!(error.starts_with("all_proxy: ") && !error.contains("secret"), "{error}");
    }
}
