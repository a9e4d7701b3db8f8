//! Cookies (RFC 6265 and its revision). Used by `requests.rs`.
//!
//! The crate `cookie_store` keeps them and knows to which URLs they belong. This folder adds limits, the rules that it
//! lacks (`Secure` cookies from plain HTTP, the prefixes `__Host-` and `__Secure-`), the public suffix list
//! (`suffixes.rs`) and files of cookies (`netscape.rs`). `SameSite` changes nothing: each request of a downloader
//! counts as one that the user made.

mod netscape;
mod suffixes;

pub use netscape::read;

use cookie_store::{CookieStore, RawCookie, StoreAction};
use http::HeaderMap;
use http::header::SET_COOKIE;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use suffixes::Suffixes;
use url::{Host, Url};

/// Maximum size of a cookie's name and value together, in bytes.
const SIZE: usize = 4096;
/// Maximum number of cookies of a domain.
const PER_DOMAIN: usize = 180;
/// Maximum number of cookies in all.
const IN_ALL: usize = 3000;
/// Maximum size of the field `Cookie`, in bytes. Servers refuse longer ones.
const FIELD: usize = 8000;

/// The cookies of a run, for one thread.
#[derive(Default)]
pub struct Jar {
    /// One store for each site, because a `CookieStore` looks at each of its domains for each request.
    stores: RefCell<HashMap<String, CookieStore>>,
    /// The number of cookies in all. Those that have expired since the last count are included.
    count: Cell<usize>,
    /// Loaded with the first cookie that has a domain.
    suffixes: OnceCell<Suffixes>,
}

impl Jar {
    /// The value of the field `Cookie` for a request; `None` without cookies. Those with the longest path come first.
    pub fn field(&self, url: &Url) -> Option<String> {
        let stores = self.stores.borrow();
        let mut cookies = stores.get(site(url)?)?.matches(url);
        // `cookie_store` would also send `Secure` cookies over plain HTTP to a loopback address.
        cookies.retain(|cookie| cookie.secure() != Some(true) || url.scheme() == "https");
        cookies.sort_by(|a, b| (b.path.len(), a.name()).cmp(&(a.path.len(), b.name())));
        let mut field = String::new();
        for cookie in cookies {
            let (name, value) = cookie.name_value();
            let separator = if field.is_empty() { "" } else { "; " };
            let equals = if name.is_empty() { "" } else { "=" };
            if field.len() + separator.len() + name.len() + equals.len() + value.len() <= FIELD {
                field.extend([separator, name, equals, value]);
            }
        }
        (!field.is_empty()).then_some(field)
    }

    /// Stores the cookies of a response. Those that break a rule or exceed a limit are ignored.
    pub fn store(&self, url: &Url, headers: &HeaderMap) {
        for field in headers.get_all(SET_COOKIE) {
            if let Ok(text) = std::str::from_utf8(field.as_bytes())
                && let Ok(cookie) = RawCookie::parse(text.to_owned())
            {
                self.add(url, cookie);
            }
        }
    }

    /// Adds a cookie that came from this URL.
    fn add(&self, url: &Url, mut cookie: RawCookie<'static>) {
        let (name, value) = cookie.name_value();
        if name.len() + value.len() > SIZE || [name, value].iter().any(|text| text.contains(char::is_control)) {
            return;
        }
        let Some(site) = site(url).filter(|_| is_allowed(url, &cookie)) else { return };
        let mut stores = self.stores.borrow_mut();
        if stores.get(site).is_some_and(|store| would_replace_secure(store, url, &cookie)) {
            return;
        }
        let is_full = self.is_full(&stores) || stores.get(site).is_some_and(|store| is_full(store, url));
        if is_full && !stores.get(site).is_some_and(|store| is_known(store, url, &cookie)) {
            return;
        }
        if let Some(domain) = cookie.domain().map(|domain| domain.trim_matches('.').to_ascii_lowercase()) {
            let host = url.host_str().unwrap_or_default();
            match self.suffixes.get_or_init(Suffixes::load).is_for_subdomains(host, &domain) {
                Some(true) => {}
                Some(false) => cookie.unset_domain(),
                None => return,
            }
        }
        match stores.entry(site.to_owned()).or_default().insert_raw(&cookie, url) {
            Ok(StoreAction::Inserted) => self.count.set(self.count.get() + 1),
            Ok(StoreAction::ExpiredExisting) => self.count.set(self.count.get().saturating_sub(1)),
            Ok(StoreAction::UpdatedExisting) | Err(_) => {}
        }
    }

    fn is_full(&self, stores: &HashMap<String, CookieStore>) -> bool {
        if self.count.get() >= IN_ALL {
            self.count.set(stores.values().map(|store| store.iter_unexpired().count()).sum());
        }
        self.count.get() >= IN_ALL
    }
}

/// The site of a URL: the last two labels of its host, or its address. Hosts that share a cookie have the same site,
/// because a cookie for a single label is for that host alone.
fn site(url: &Url) -> Option<&str> {
    match url.host()? {
        Host::Domain(name) => Some(name.rmatch_indices('.').nth(1).map_or(name, |(dot, _)| &name[dot + 1..])),
        _ => url.host_str(),
    }
}

/// Whether a cookie from plain HTTP would replace or shadow one that was set over TLS.
fn would_replace_secure(store: &CookieStore, url: &Url, cookie: &RawCookie<'_>) -> bool {
    let mut over_tls = url.clone();
    let is_secure = |known: &&cookie_store::Cookie<'_>| known.name() == cookie.name() && known.secure() == Some(true);
    url.scheme() != "https" && over_tls.set_scheme("https").is_ok() && store.matches(&over_tls).iter().any(is_secure)
}

fn is_full(store: &CookieStore, url: &Url) -> bool {
    store.iter_unexpired().filter(|known| known.domain.matches(url)).count() >= PER_DOMAIN
}

fn is_known(store: &CookieStore, url: &Url, cookie: &RawCookie<'_>) -> bool {
    store.matches(url).iter().any(|known| known.name() == cookie.name())
}

/// Whether a cookie's attributes allow this URL to set it.
fn is_allowed(url: &Url, cookie: &RawCookie<'_>) -> bool {
    let (over_tls, secure) = (url.scheme() == "https", cookie.secure() == Some(true));
    let has_prefix =
        |prefix: &str| cookie.name().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let is_of_host = || cookie.domain().is_none() && cookie.path() == Some("/");
    match secure {
        true if !over_tls => false,
        false if has_prefix("__Secure-") || has_prefix("__Host-") => false,
        _ => !has_prefix("__Host-") || is_of_host(),
    }
}

#[cfg(test)]
mod tests;
