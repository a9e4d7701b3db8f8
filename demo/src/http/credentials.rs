//! Logins for Basic authentication (RFC 7617), and where they may be sent. Used by `requests.rs` and `proxy/`.
//!
//! A login belongs to an origin: scheme, host and port. Only the user can give one. Userinfo in a link or a redirect is
//! ignored: a page must not choose the user's login, and the result would depend on the order of the pages.

use super::netrc::Netrc;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use std::collections::HashMap;
use std::fmt;
use url::{Origin, Url};

/// A name and a password. Neither is ever printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    name: Vec<u8>,
    /// `None` if it is to be looked up.
    password: Option<Vec<u8>>,
}

impl Login {
    /// The login in a URL, decoded.
    pub fn of_url(url: &Url) -> Option<Login> {
        let decode = |text| percent_decode_str(text).collect();
        let given = !url.username().is_empty() || url.password().is_some();
        given.then(|| Login { name: decode(url.username()), password: url.password().map(decode) })
    }

    /// The login in `name:password`.
    ///
    /// # Errors
    /// If it has no colon.
    pub fn parse(text: &str) -> Result<Login, String> {
        let (name, password) = text.split_once(':').ok_or("there is no password: write it as USER:PASSWORD")?;
        Ok(Login::new(name, password))
    }

    fn new(name: &str, password: &str) -> Login {
        Login { name: name.into(), password: Some(password.into()) }
    }

    /// The value of the field `Authorization` or `Proxy-Authorization`.
    pub fn basic(&self) -> String {
        let password = self.password.as_deref().unwrap_or_default();
        format!("Basic {}", STANDARD.encode([&self.name, &b":"[..], password].concat()))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}

/// The logins of a run.
#[derive(Default)]
pub struct Credentials {
    /// For each origin of a first page, the login or none.
    named: HashMap<Origin, Option<Login>>,
    netrc: Netrc,
}

impl Credentials {
    /// Takes the logins out of the URLs of the first pages. Such a login precedes `user`, which precedes `netrc`.
    ///
    /// # Errors
    /// If two URLs of an origin have different logins.
    pub fn take(first_pages: &mut [Url], user: Option<&Login>, netrc: Netrc) -> Result<Credentials, String> {
        let mut named: HashMap<Origin, Option<Login>> = HashMap::new();
        for url in first_pages {
            let login = Login::of_url(url);
            remove_login(url);
            let known = named.entry(url.origin()).or_default();
            if let (Some(known), Some(login)) = (&known, &login)
                && known != login
            {
                let origin = url.origin().ascii_serialization();
                return Err(format!("two logins for {origin}: fetch these URLs in separate runs"));
            }
            *known = known.take().or(login);
        }
        for (origin, login) in &mut named {
            let Origin::Tuple(_, host, _) = origin else { continue };
            let host = host.to_string();
            match login {
                Some(Login { password: Some(_), .. }) => {}
                Some(Login { name, password }) => {
                    let found = std::str::from_utf8(name).ok().and_then(|name| netrc.find_user(&host, name));
                    *password = found.map(|entry| entry.password.clone().into());
                }
                None => {
                    let found = || netrc.find(&host).map(|entry| Login::new(&entry.login, &entry.password));
                    *login = user.cloned().or_else(found);
                }
            }
        }
        Ok(Credentials { named, netrc })
    }

    /// The login for a request. Beyond the origins of the first pages, `.netrc` applies to the machines that it names,
    /// over https on its usual port alone.
    pub fn of(&self, url: &Url) -> Option<Login> {
        if let Some(login) = self.named.get(&url.origin()) {
            return login.clone();
        }
        let entry = self.netrc.machine(url.host_str()?).filter(|_| url.scheme() == "https" && url.port().is_none())?;
        Some(Login::new(&entry.login, &entry.password))
    }

    /// Whether a first page is of the URL's origin.
    pub fn is_named(&self, url: &Url) -> bool {
        self.named.contains_key(&url.origin())
    }
}

/// Removes the userinfo of a URL.
pub fn remove_login(url: &mut Url) {
    // Both fail only for URLs that can't have userinfo.
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

/// Text that may contain a URL, without that URL's userinfo.
pub fn hide_login(text: &str) -> String {
    let start = text.find("//").map_or(0, |at| at + 2);
    let end = text[start..].find(['/', '?', '#', '\\']).map_or(text.len(), |at| start + at);
    match text[start..end].rfind('@') {
        Some(at) => format!("{}…{}", &text[..start], &text[start + at..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(urls: &[&str]) -> Vec<Url> {
        urls.iter().map(|url| Url::parse(url).unwrap()).collect()
    }

    fn sent(credentials: &Credentials, url: &str) -> Option<String> {
        let value = credentials.of(&Url::parse(url).unwrap())?.basic();
        let decoded = STANDARD.decode(value.strip_prefix("Basic ").unwrap()).unwrap();
        Some(String::from_utf8_lossy(&decoded).into_owned())
    }

    #[test]
    fn a_login_of_a_url_is_decoded_and_goes_to_its_origin_alone() {
        let mut first = urls(&["http://us%65r:p%40ss%3A%C3%BC@h:8080/a", "http://name@other/", "http://:pw@third/"]);
        let credentials = Credentials::take(&mut first, None, Netrc::default()).unwrap();
        assert!(first.iter().all(|url| url.username().is_empty() && url.password().is_none()));
        for same in ["http://h:8080/a", "http://h:8080/b?c", "http://H:8080/"] {
            assert_eq!(sent(&credentials, same).as_deref(), Some("user:p@ss:\u{fc}"), "{same}");
        }
        for other in ["https://h:8080/a", "http://h/a", "http://h:8081/", "http://x.h:8080/", "http://h.evil:8080/"] {
            assert_eq!(sent(&credentials, other), None, "{other}");
        }
        assert_eq!(sent(&credentials, "http://other/").as_deref(), Some("name:"));
        assert_eq!(sent(&credentials, "http://third/").as_deref(), Some(":pw"));
    }

    #[test]
    fn a_url_precedes_the_option_and_the_option_precedes_netrc() {
        let netrc = || Netrc::parse("machine h login n password np\nmachine o login n password np").unwrap();
        let user = Login::parse("u:up:x").unwrap();
        let mut first = urls(&["http://a:b@h/", "http://o/"]);
        let credentials = Credentials::take(&mut first, Some(&user), netrc()).unwrap();
        assert_eq!(sent(&credentials, "http://h/").as_deref(), Some("a:b"));
        assert_eq!(sent(&credentials, "http://o/").as_deref(), Some("u:up:x"));
        assert_eq!(sent(&credentials, "http://elsewhere/"), None);
        let credentials = Credentials::take(&mut urls(&["http://n@h/", "http://x@o/"]), None, netrc()).unwrap();
        assert_eq!(sent(&credentials, "http://h/").as_deref(), Some("n:np"));
        assert_eq!(sent(&credentials, "http://o/").as_deref(), Some("x:"));
    }

    #[test]
    fn netrc_applies_beyond_the_first_pages_only_to_named_machines_over_https() {
        let netrc = Netrc::parse("machine m login n password p\ndefault login d password dp").unwrap();
        let credentials = Credentials::take(&mut urls(&["http://first/"]), None, netrc).unwrap();
        assert_eq!(sent(&credentials, "http://first/").as_deref(), Some("d:dp"));
        assert_eq!(sent(&credentials, "https://m/").as_deref(), Some("n:p"));
        for not in ["http://m/", "https://m:8443/", "https://elsewhere/", "https://first/", "https://x.m/"] {
            assert_eq!(sent(&credentials, not), None, "{not}");
        }
    }

    #[test]
    fn two_logins_of_an_origin_are_an_error_that_names_neither() {
        let error = Credentials::take(&mut urls(&["http://a:b@h/", "http://a:c@h/"]), None, Netrc::default()).err();
        assert_eq!(error.as_deref(), Some("two logins for http://h: fetch these URLs in separate runs"));
        let mut same = urls(&["http://h/", "http://a:b@h/", "http://h/x", "http://a:b@h/"]);
        let credentials = Credentials::take(&mut same, None, Netrc::default()).unwrap();
        assert_eq!(sent(&credentials, "http://h/y").as_deref(), Some("a:b"));
    }

    #[test]
    fn a_login_is_hidden_in_text_and_in_debug_output() {
        for (text, hidden) in [
            ("http://u:secret@h/", "http://…@h/"),
            ("http://u:sec@ret@h:x/@b", "http://…@h:x/@b"),
            ("u:secret@h", "…@h"),
            ("http://h/a@b", "http://h/a@b"),
            ("plain", "plain"),
        ] {
            assert_eq!(hide_login(text), hidden);
        }
        assert!(!format!("{:?}", Login::parse("u:secret").unwrap()).contains("secret"));
    }
}
