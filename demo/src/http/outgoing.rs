//! A request without a body, and its head. `requests.rs` makes them, `connection.rs` sends them.

use super::custom::{CustomField, is_credential};
use http::Method;
use std::borrow::Cow;
use url::{Position, Url};

/// A request without a body.
pub struct Outgoing<'a> {
    method: Method,
    target: Cow<'a, str>,
    fields: Vec<(&'static str, Cow<'a, str>)>,
    /// The user's own fields, which replace those above.
    custom: &'a [CustomField],
    /// Whether the user's credentials may be among them.
    with_credentials: bool,
    is_recorded: bool,
}

impl<'a> Outgoing<'a> {
    /// A request to the URL's server. It has the field `Host` alone.
    pub fn new(method: Method, url: &'a Url) -> Outgoing<'a> {
        let target = url[Position::BeforePath..Position::AfterQuery].into();
        Outgoing { method, target, ..Outgoing::to_host(url[Position::BeforeHost..Position::AfterPort].into()) }
    }

    /// A request for a tunnel to `authority`, a host with its port (RFC 9110, 9.3.6).
    pub fn connect(authority: &'a str) -> Outgoing<'a> {
        Outgoing { method: Method::CONNECT, target: authority.into(), ..Outgoing::to_host(authority.into()) }
    }

    fn to_host(host: Cow<'a, str>) -> Outgoing<'a> {
        let (method, target) = (Method::GET, "/".into());
        Outgoing {
            method,
            target,
            fields: vec![("Host", host)],
            custom: &[],
            with_credentials: false,
            is_recorded: false,
        }
    }

    /// Writes the whole URL as the target, as a proxy expects (RFC 9112, 3.2.2).
    pub fn through_proxy(mut self, url: &Url) -> Outgoing<'a> {
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        self.target = format!("{}://{authority}{}", url.scheme(), self.target).into();
        self
    }

    /// Adds the user's own fields. They replace others of the same name, even those that are set later. Unless
    /// `with_credentials`, fields that carry credentials are left out.
    pub fn custom(mut self, fields: &'a [CustomField], with_credentials: bool) -> Outgoing<'a> {
        self.custom = fields;
        self.with_credentials = with_credentials;
        self
    }

    /// Sets a field. The value must not contain a line break.
    pub fn set(&mut self, name: &'static str, value: impl Into<Cow<'a, str>>) {
        let value = value.into();
        debug_assert!(!value.contains(['\r', '\n', '\0']), "the field {name} has a line break");
        self.fields.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.fields.push((name, value));
    }

    /// Records the response to it.
    pub fn record(&mut self) {
        self.is_recorded = true;
    }

    /// Whether the response to it is recorded.
    pub fn is_recorded(&self) -> bool {
        self.is_recorded
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The target: a path and query, or a whole URL.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The head, as it is sent.
    pub fn head(&self) -> Vec<u8> {
        self.head_of(|_| true, self.with_credentials)
    }

    /// The head without credentials and cookies, to be kept on the disk.
    pub fn head_without_secrets(&self) -> Vec<u8> {
        self.head_of(|name| !is_credential(name), false)
    }

    fn head_of(&self, is_wanted: impl Fn(&str) -> bool, with_credentials: bool) -> Vec<u8> {
        let custom = || self.custom.iter().filter(|field| with_credentials || !field.is_credential());
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let mut write = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                head.push_str(part);
            }
        };
        for (name, value) in &self.fields {
            if is_wanted(name) && !custom().any(|field| field.is(name)) {
                write(name, value);
            }
        }
        for field in custom() {
            if let Some(value) = field.value().filter(|_| is_wanted(field.name())) {
                write(field.name(), value);
            }
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(request: &Outgoing<'_>) -> String {
        String::from_utf8(request.head()).unwrap()
    }

    fn custom(fields: &[&str]) -> Vec<CustomField> {
        fields.iter().map(|field| CustomField::parse(field).unwrap()).collect()
    }

    #[test]
    fn the_host_has_its_port_its_brackets_and_punycode_and_no_userinfo() {
        for (url, host, target) in [
            ("http://example.org", "example.org", "/"),
            ("http://EXAMPLE.org:80/a", "example.org", "/a"),
            ("https://example.org:443/a?b#c", "example.org", "/a?b"),
            ("https://example.org:8443/", "example.org:8443", "/"),
            ("http://[::1]:8080/", "[::1]:8080", "/"),
            ("http://b\u{fc}cher.example/\u{fc}", "xn--bcher-kva.example", "/%C3%BC"),
            ("http://u:p@example.org/", "example.org", "/"),
            ("http://example.org./", "example.org.", "/"),
        ] {
            let url = Url::parse(url).unwrap();
            let request = Outgoing::new(Method::GET, &url);
            assert_eq!(head(&request), format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            let request = request.through_proxy(&url);
            let whole = format!("{}://{host}{target}", url.scheme());
            assert_eq!(head(&request), format!("GET {whole} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        }
        assert_eq!(head(&Outgoing::connect("x:443")), "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n");
    }

    #[test]
    fn a_custom_field_replaces_removes_or_adds() {
        let url = Url::parse("http://x/").unwrap();
        for (fields, expected) in [
            (&[][..], "Host: x\r\nAccept: */*\r\n"),
            (&["accept: text/html"], "Host: x\r\naccept: text/html\r\n"),
            (&["Accept:"], "Host: x\r\n"),
            (&["Accept;"], "Host: x\r\nAccept: \r\n"),
            (&["X-A: 1", "X-A: 2"], "Host: x\r\nAccept: */*\r\nX-A: 1\r\nX-A: 2\r\n"),
            (&["Host: other"], "Accept: */*\r\nHost: other\r\n"),
            (&["X: a: b "], "Host: x\r\nAccept: */*\r\nX: a: b\r\n"),
        ] {
            let fields = custom(fields);
            let mut request = Outgoing::new(Method::GET, &url).custom(&fields, true);
            request.set("Accept", "*/*");
            assert_eq!(head(&request), format!("GET / HTTP/1.1\r\n{expected}\r\n"));
        }
    }

    #[test]
    fn custom_credentials_are_left_out_where_they_must_not_go() {
        let url = Url::parse("http://x/").unwrap();
        let fields = custom(&["authorization: Bearer t", "Cookie: c=1", "X-A: 1"]);
        let all = head(&Outgoing::new(Method::GET, &url).custom(&fields, true));
        assert!(all.contains("Bearer t") && all.contains("c=1") && all.contains("X-A: 1"), "{all}");
        let some = head(&Outgoing::new(Method::GET, &url).custom(&fields, false));
        assert!(!some.contains("Bearer t") && !some.contains("c=1") && some.contains("X-A: 1"), "{some}");
    }
}
