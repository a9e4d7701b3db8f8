//! File names for a list of URLs: the last part of each path, as curl and wget name files.

use crate::engine::{file_name, sha256};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use url::Url;

/// A name for each URL. Where several URLs of the list end in the same name, or in names that differ only in case, each
/// of them gets a hash of its URL, so that no name depends on the order of the list.
pub fn assign(urls: &[Url]) -> HashMap<Url, PathBuf> {
    let mut counts: HashMap<String, u32> = HashMap::new();
    let distinct: HashSet<&Url> = urls.iter().collect();
    let plain: Vec<(&Url, String)> = distinct.into_iter().map(|url| (url, file_name(url))).collect();
    for (_, name) in &plain {
        *counts.entry(name.to_lowercase()).or_default() += 1;
    }
    let name = |url: &Url, plain: String| match counts[&plain.to_lowercase()] {
        1 => plain,
        _ => with_hash(&plain, url),
    };
    plain.into_iter().map(|(url, plain)| (url.clone(), name(url, plain).into())).collect()
}

/// The most bytes of a name without its hash. With the hash, the name still fits every file system.
const LENGTH: usize = 120;

/// `a-0123456789abcdef.html` from `a.html`.
fn with_hash(name: &str, url: &Url) -> String {
    let digest = sha256(url.as_str().as_bytes());
    let hash = &digest[..16];
    let (stem, extension) = name.rfind('.').filter(|at| *at > 0).map_or((name, ""), |at| name.split_at(at));
    let most = LENGTH.saturating_sub(extension.len()).min(stem.len());
    let end = (0..=most).rev().find(|end| stem.is_char_boundary(*end)).unwrap_or_default();
    format!("{}-{hash}{extension}", &stem[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_with_the_same_name_get_a_hash_and_others_do_not() {
        let urls =
            ["http://a/x.html", "http://b/X.html", "http://a/d/", "http://a/y?q=1"].map(|url| Url::parse(url).unwrap());
        let names = assign(&urls);
        let name = |index: usize| names[&urls[index]].to_str().unwrap();
        assert!(name(0).starts_with("x-") && name(0).ends_with(".html"));
        assert!(name(1).starts_with("X-") && name(0)[2..] != name(1)[2..]);
        assert_eq!((name(2), name(3)), ("index.html", "y@q=1"));
        let long = ["\u{fc}", "x", ".y"].map(|part| format!("http://a/z?{}", part.repeat(200)));
        for url in long.map(|url| Url::parse(&url).unwrap()) {
            let urls = [url.clone(), Url::parse(&url.as_str().replace("//a/", "//b/")).unwrap()];
            let names = assign(&urls);
            assert_ne!(names[&urls[0]], names[&urls[1]]);
            assert!(names.values().all(|name| name.as_os_str().len() <= 143), "{names:?}");
        }
        // A URL that is given twice is one file.
        assert_eq!(assign(&[urls[0].clone(), urls[0].clone()])[&urls[0]].to_str(), Some("x.html"));
        let reversed: Vec<Url> = urls.iter().rev().cloned().collect();
        assert_eq!(assign(&reversed), names);
    }
}
