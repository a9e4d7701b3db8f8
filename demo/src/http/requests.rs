//! What each request carries: credentials, cookies, the linking page, the user's own fields. `options.rs` makes
//! [`Requests`]; the engine uses it.

use super::coding::ACCEPTED;
use super::cookies::Jar;
use super::credentials::Credentials;
use super::custom::CustomField;
use super::error::Error;
use super::outgoing::Outgoing;
use super::proxy::{Proxies, ProxyError};
use http::{HeaderMap, Method, StatusCode};
use std::rc::Rc;
use url::{Position, Url};

/// What each request of a run carries, for one thread.
pub struct Requests {
    pub(super) proxies: Rc<Proxies>,
    pub(super) credentials: Credentials,
    /// `None` if cookies are ignored.
    pub(super) cookies: Option<Jar>,
    pub(super) custom: Vec<CustomField>,
    pub(super) user_agent: Option<String>,
    /// The value of `Referer` in requests without a linking page: those for first pages and for robots.txt.
    pub(super) referer: Option<String>,
}

impl Requests {
    /// A GET request for a URL that was found on the page `referrer`.
    pub fn get<'a>(&'a self, url: &'a Url, referrer: Option<&str>) -> Outgoing<'a> {
        let mut request = Outgoing::new(Method::GET, url);
        if let Some(proxy) = self.proxies.of(url).filter(|_| url.scheme() == "http") {
            request = request.through_proxy(url);
            if let Some(authorization) = &proxy.authorization {
                request.set("Proxy-Authorization", authorization);
            }
        }
        if let Some(user_agent) = &self.user_agent {
            request.set("User-Agent", user_agent);
        }
        request.set("Accept", "*/*");
        request.set("Accept-Encoding", ACCEPTED);
        if let Some(login) = self.credentials.of(url) {
            request.set("Authorization", login.basic());
        }
        if let Some(cookies) = self.cookies(url) {
            request.set("Cookie", cookies);
        }
        match referrer {
            Some(referrer) => {
                if let Some(referrer) = shown_referrer(referrer, url) {
                    request.set("Referer", referrer);
                }
            }
            None => {
                if let Some(referer) = &self.referer {
                    request.set("Referer", referer);
                }
            }
        }
        request.custom(&self.custom, self.credentials.is_named(url))
    }

    /// The cookies that a request for this URL would carry now; `None` if there are none.
    pub fn cookies(&self, url: &Url) -> Option<String> {
        self.cookies.as_ref()?.field(url)
    }

    /// Stores the cookies of a response.
    ///
    /// # Errors
    /// If the response is a proxy's request for credentials.
    pub fn received(&self, url: &Url, status: StatusCode, headers: &HeaderMap) -> Result<(), Error> {
        if let Some(proxy) = self.proxies.of(url)
            && url.scheme() == "http"
            && status == StatusCode::PROXY_AUTHENTICATION_REQUIRED
        {
            return Err(ProxyError::credentials(proxy.name(), proxy.authorization.is_some()).into());
        }
        if let Some(cookies) = &self.cookies {
            cookies.store(url, headers);
        }
        Ok(())
    }
}

/// The value of `Referer` in a request for `url`, as in browsers (`strict-origin-when-cross-origin`): the whole URL of
/// the linking page within an origin, its origin for other origins, and no value from https to http.
fn shown_referrer(referrer: &str, url: &Url) -> Option<String> {
    let referrer = Url::parse(referrer).ok()?;
    if referrer.origin() == url.origin() {
        let authority = &referrer[Position::BeforeHost..Position::AfterPort];
        return Some(format!(
            "{}://{authority}{}",
            referrer.scheme(),
            &referrer[Position::BeforePath..Position::AfterQuery]
        ));
    }
    let is_downgrade = referrer.scheme() == "https" && url.scheme() != "https";
    (!is_downgrade && referrer.has_host()).then(|| format!("{}/", referrer.origin().ascii_serialization()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_referer_is_that_of_browsers() {
        for (referrer, url, shown) in [
            ("http://h/a?b#c", "http://h/d", Some("http://h/a?b")),
            ("http://u:p@h/a", "http://h/d", Some("http://h/a")),
            ("https://h:444/a", "https://h:444/d", Some("https://h:444/a")),
            ("http://h/a?b", "http://other/", Some("http://h/")),
            ("http://u:p@h/a?b", "https://h/", Some("http://h/")),
            ("http://h:81/a?b", "http://h:82/", Some("http://h:81/")),
            ("https://h/a", "http://h/", None),
            ("https://h/a", "https://other/", Some("https://h/")),
            ("nonsense", "http://h/", None),
        ] {
            let got = shown_referrer(referrer, &Url::parse(url).unwrap());
            assert_eq!(got.as_deref(), shown, "{referrer} to {url}");
        }
    }
}
