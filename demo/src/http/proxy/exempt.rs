//! The hosts that are reached without a proxy (`no_proxy`). Used by `proxy/mod.rs`.

use std::net::IpAddr;
use url::{Host, Url};

/// The hosts that are reached without a proxy.
#[derive(Default)]
pub struct Exempt {
    all: bool,
    /// A domain stands for its subdomains too.
    domains: Vec<String>,
    /// Addresses, with the number of bits that count.
    networks: Vec<(IpAddr, u8)>,
}

impl Exempt {
    /// Parses names, addresses and networks (`10.0.0.0/8`), separated by commas or spaces. `*` alone stands for all
    /// hosts.
    pub fn parse(text: &str) -> Exempt {
        let mut exempt = Exempt { all: text.trim() == "*", ..Exempt::default() };
        for entry in text.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()) {
            match network(entry) {
                Some(network) => exempt.networks.push(network),
                None => exempt.domains.push(entry.trim_matches('.').to_ascii_lowercase()),
            }
        }
        exempt
    }

    /// Whether a URL's host is among them.
    pub fn contains(&self, url: &Url) -> bool {
        let in_network = |address: IpAddr| self.networks.iter().any(|network| is_within(address, *network));
        self.all
            || match url.host() {
                Some(Host::Domain(name)) => self.domains.iter().any(|domain| is_below(name, domain)),
                Some(Host::Ipv4(address)) => in_network(address.into()),
                Some(Host::Ipv6(address)) => in_network(address.into()),
                None => false,
            }
    }
}

fn network(entry: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = entry.split_once('/').map_or((entry, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.trim_matches(['[', ']']).parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
    (bits <= most).then_some((address, bits))
}

fn is_within(address: IpAddr, (network, bits): (IpAddr, u8)) -> bool {
    let differing = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return false,
    };
    differing >= bits.into()
}

fn is_below(name: &str, domain: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.strip_suffix(domain).is_some_and(|rest| !domain.is_empty() && (rest.is_empty() || rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_their_subdomains_and_networks_for_their_addresses() {
        for (list, url, expected) in [
            ("example.org", "http://example.org/", true),
            ("example.org", "http://EXAMPLE.org./", true),
            ("Example.org.", "http://www.example.org:8080/", true),
            (".example.org", "http://example.org/", true),
            (".example.org", "http://www.example.org/", true),
            ("example.org", "http://badexample.org/", false),
            ("www.example.org", "http://example.org/", false),
            ("a, b,c d", "http://d/", true),
            ("a, b,c d", "http://b/", true),
            ("*", "http://any/", true),
            (" * ", "http://[::1]/", true),
            ("*,a", "http://any/", false),
            ("*.a", "http://x.a/", false),
            ("127.0.0.1", "http://127.0.0.1:80/", true),
            ("127.0.0.1", "http://127.0.0.11/", false),
            ("10.0.0.0/8", "http://10.200.1.1/", true),
            ("10.0.0.0/8", "http://11.0.0.1/", false),
            ("192.168.1.128/25", "http://192.168.1.200/", true),
            ("192.168.1.128/25", "http://192.168.1.100/", false),
            ("0.0.0.0/0", "http://1.2.3.4/", true),
            ("1.2.3.4/33", "http://1.2.3.4/", false),
            ("::1", "http://[::1]/", true),
            ("[::1]", "http://[::1]/", true),
            ("fd00::/8", "http://[fd12::1]/", true),
            ("fd00::/8", "http://[fe80::1]/", false),
            ("10.0.0.0/8", "http://[::1]/", false),
            ("", "http://a/", false),
            (",,", "http://a/", false),
        ] {
            assert_eq!(Exempt::parse(list).contains(&Url::parse(url).unwrap()), expected, "{list:?} and {url}");
        }
    }
}
