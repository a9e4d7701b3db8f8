//! The public suffix list: names such as `co.uk`, below which anyone can register a domain. No cookie may be set for
//! them. Used by `cookies/mod.rs`.
//!
//! The list comes from the system, which keeps it up to date. Compiled into the program it would grow old, and would
//! lengthen the build. Without a list, each cookie is for its own host alone. That is always safe, and enough for most
//! sites.

use publicsuffix::{List, Psl};

/// The paths of the list on Linux, with Homebrew and on FreeBSD.
const FILES: [&str; 4] = [
    "/usr/share/publicsuffix/public_suffix_list.dat",
    "/usr/local/share/publicsuffix/public_suffix_list.dat",
    "/opt/homebrew/share/publicsuffix/public_suffix_list.dat",
    "/usr/local/share/public_suffix_list/public_suffix_list.dat",
];

/// The public suffix list, if there is one.
pub struct Suffixes(Option<List>);

impl Suffixes {
    /// Reads the system's list.
    pub fn load() -> Suffixes {
        let lists = FILES.iter().filter_map(|file| std::fs::read(file).ok());
        Suffixes(lists.filter_map(|bytes| List::from_bytes(&bytes).ok()).find(|list| !list.is_empty()))
    }

    /// Whether a cookie from `host` with this `Domain` is also for the subdomains of that domain. `Some(false)` if it
    /// is for the host alone, `None` if the host must not set it.
    pub fn is_for_subdomains(&self, host: &str, domain: &str) -> Option<bool> {
        let Suffixes(list) = self;
        let is_of_domain = host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        // To a name that is not in the list, the rule `*` applies: a name without a dot is a suffix.
        let is_suffix = |list: &List| list.suffix(domain.as_bytes()).is_none_or(|suffix| suffix == domain.as_bytes());
        match list {
            _ if domain.is_empty() => Some(false),
            _ if !is_of_domain => None,
            Some(list) if !is_suffix(list) => Some(true),
            Some(_) if host != domain => None,
            _ => Some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_for_its_subdomains_unless_anyone_can_register_them() {
        let text = b"// ===BEGIN ICANN DOMAINS===\ncom\nuk\nco.uk\n*.ck\n!www.ck\n// ===END ICANN DOMAINS===\n\
            // ===BEGIN PRIVATE DOMAINS===\ngithub.io\n// ===END PRIVATE DOMAINS===\n";
        let list = Suffixes(List::from_bytes(text).ok());
        for (host, domain, expected) in [
            ("a.example.com", "example.com", Some(true)),
            ("example.com", "example.com", Some(true)),
            ("a.b.example.co.uk", "example.co.uk", Some(true)),
            ("example.com", "com", None),
            ("example.co.uk", "co.uk", None),
            ("me.github.io", "github.io", None),
            ("github.io", "github.io", Some(false)),
            ("www.ck", "www.ck", Some(true)),
            ("a.b.ck", "b.ck", None),
            ("a.localhost", "localhost", None),
            ("localhost", "localhost", Some(false)),
            ("a.intranet.corp", "intranet.corp", Some(true)),
            ("badexample.com", "example.com", None),
            ("example.com", "a.example.com", None),
            ("example.com", "", Some(false)),
        ] {
            assert_eq!(list.is_for_subdomains(host, domain), expected, "{domain} from {host}");
        }
    }

    #[test]
    fn without_a_list_a_cookie_is_for_its_own_host() {
        for (host, domain, expected) in [
            ("a.example.com", "example.com", Some(false)),
            ("example.co.uk", "co.uk", Some(false)),
            ("example.com", "other.com", None),
        ] {
            assert_eq!(Suffixes(None).is_for_subdomains(host, domain), expected, "{domain} from {host}");
        }
    }
}
