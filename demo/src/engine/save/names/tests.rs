//! The scheme of names: a table, and its properties for URLs that are made to collide.

use super::*;
use crate::engine::urls::normalize;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use std::path::Component;

fn name(url: &str) -> String {
    let url = normalize(Url::parse(url).unwrap());
    let names = Names { folds_case: true, ..Names::default() };
    names.path(&url).to_str().unwrap().to_owned()
}

/// A name as a system sees it that distinguishes neither case nor normalization.
fn folded(name: &str) -> String {
    let nfc = ComposingNormalizerBorrowed::new_nfc();
    let upper: String = nfc.normalize(name).chars().flat_map(char::to_uppercase).collect();
    nfc.normalize(&upper.chars().flat_map(char::to_lowercase).collect::<String>()).into_owned()
}

#[test]
fn urls_are_named_by_the_rules_of_the_table() {
    for (url, expected) in [
        ("https://h/", "h/index.html"),
        ("https://h/d/page.html", "h/d/page.html"),
        ("https://h/d/", "h/d/index.html"),
        ("https://h/d/index.html", "h/d/index~0.html"),
        ("https://h/d/INDEX.html", "h/d/INDEX~1f.html"),
        ("https://h/about", "h/about@"),
        ("https://h/about/", "h/about/index.html"),
        ("https://h/about/team.html", "h/about/team.html"),
        ("https://h/page.html/x.css", "h/page.html~/x.css"),
        ("https://h/v1.80/a.tar.gz", "h/v1.80/a.tar.gz"),
        ("https://h/style.css?v=3", "h/style.css@v=3.css"),
        ("https://h/?q", "h/index.html@q.html"),
        ("https://h/x?1", "h/x@1"),
        ("https://h/README.md", "h/README~3f.md"),
        ("https://h/README", "h/README@~3f"),
        ("https://h/Docs/a.html", "h/Docs~1/a.html"),
        ("https://h/%C3%BC%20b.css", "h/\u{fc} b.css"),
        ("https://h/%C3%9Cb.css", "h/%C3%9Cb~3.css"),
        ("https://h/%FF%FE.css", "h/%FF%FE~f.css"),
        ("https://h/a%2Fb.css", "h/a%2Fb~2.css"),
        ("https://h/~user/@name/a.css", "h/~user/@name/a.css"),
        ("https://h/.well-known/x.txt", "h/.well-known/x.txt"),
        ("http://h/", "h_80/index.html"),
        ("http://h:8080/a.html", "h_8080/a.html"),
        ("https://h:8443/a.html", "h_8443/a.html"),
        ("https://[::1]/x.css", "[__1]/x.css"),
        ("https://[::1]:81/x.css", "[__1]_81/x.css"),
        ("https://a_81/x.css", "a_81_443/x.css"),
        ("https://example.org/x.css", "example.org/x.css"),
    ] {
        assert_eq!(name(url), expected, "{url}");
    }
}

#[test]
fn parts_that_a_name_cannot_hold_are_replaced_and_hashed() {
    let long = "x".repeat(300);
    for (url, beginning, end) in [
        ("https://h/a*.html", "h/a_~73bdde89da78", ".html"),
        ("https://h/con.txt", "h/_con~", ".txt"),
        ("https://h/com1/a.txt", "h/_com1~", "/a.txt"),
        ("https://h/a./x.txt", "h/a_~", "/x.txt"),
        ("https://h//etc//passwd.txt", "h/_~", "/passwd.txt"),
        ("https://h/a~1.txt", "h/a_1~", ".txt"),
        ("https://h/x?a@b", "h/x@a_b~", ""),
        ("https://h/x?../..", "h/x@.._.", ""),
        ("https://h/u%CC%88.txt", "h/u%CC%88", ".txt"),
        ("https://.parts/x.txt", "_~", "/x.txt"),
        (&format!("https://h/{long}.html"), "h/xxxx", ".html"),
        (&format!("https://h/{long}"), "h/xxxx", "@"),
        (&format!("https://h/{}x.html", "d/".repeat(800)), "h/@~", "/x.html"),
    ] {
        let name = name(url);
        assert!(name.starts_with(beginning) && name.ends_with(end), "{url}: {name}");
    }
}

#[test]
fn capitals_stay_as_they_are_where_case_counts() {
    for (url, file) in [
        ("https://h/README.md", "h/README.md"),
        ("https://h/A.html", "h/A.html"),
        ("https://h/Docs/struct.Vec.html", "h/Docs/struct.Vec.html"),
        ("https://h/INDEX.html", "h/INDEX~0.html"),
    ] {
        assert_eq!(Names::default().path(&Url::parse(url).unwrap()).to_str(), Some(file));
    }
}

#[test]
fn a_server_or_a_url_can_have_a_name_of_its_own() {
    let url = |path: &str| Url::parse(&format!("http://h:8080{path}")).unwrap();
    let mut names = Names::default();
    names.name_server(&url("/"), "site");
    names.name_file(url("/a.html"), "b.html".into());
    let other = Url::parse("http://h:8081/c.html").unwrap();
    let name = |url: &Url| names.path(url).to_str().unwrap().to_owned();
    assert_eq!(
        [name(&url("/c.html")), name(&url("/a.html")), name(&other)],
        ["site/c.html", "b.html", "h_8081/c.html"]
    );
}

#[test]
fn the_order_of_arrival_changes_no_name() {
    let urls = ["http://h/a", "http://h/a/b", "http://h/A", "http://h/a/", "http://h/a/index.html", "http://h/x?1"];
    let first: Vec<_> = urls.iter().map(|url| name(url)).collect();
    let last: Vec<_> = urls.iter().rev().map(|url| name(url)).collect();
    assert_eq!(first, last.into_iter().rev().collect::<Vec<_>>());
    assert_eq!(first.iter().collect::<HashSet<_>>().len(), urls.len());
}

/// Pieces of URLs that some system, or some part of the scheme, may confuse.
fn piece() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "a",
        "A",
        "b",
        "index.html",
        "INDEX.html",
        "index",
        ".html",
        ".HTML",
        ".",
        "..",
        "/",
        "/",
        "//",
        "@",
        "~",
        "~0",
        "~1",
        "_",
        "%",
        "%25",
        "%2F",
        "%2f",
        "%5C",
        "%00",
        "%20",
        "+",
        "*",
        "%2A",
        ":",
        "|",
        "con",
        "NUL",
        "%C3%BC",
        "%c3%bc",
        "%C3%9C",
        "u%CC%88",
        "%C3%9F",
        "ss",
        "%C5%BF",
        "%CF%82",
        "%CF%83",
        "%E2%84%AA",
        "k",
        "%FF",
        "?",
        "?",
        "&x=1",
        "!",
        "%21",
        ".tar.gz",
        "1.80",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ];
    prop_oneof![8 => prop::sample::select(PIECES).prop_map(str::to_owned), 1 => "\\PC{0,3}"]
}

fn url() -> impl Strategy<Value = Url> {
    const HOSTS: &[&str] =
        &["http://h/", "https://h/", "http://h:8080/", "https://h_80/", "http://[::1]/", "http://H./", "https://a/"];
    (prop::sample::select(HOSTS), prop::collection::vec(piece(), 0..7)).prop_filter_map("a URL", |(host, pieces)| {
        Url::parse(&format!("{host}{}", pieces.concat().replace('#', ""))).ok().map(normalize)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn names_are_safe_different_and_never_both_a_file_and_a_directory(urls in prop::collection::vec(url(), 1..60)) {
        let mut files: HashMap<String, Url> = HashMap::new();
        let mut directories = HashSet::new();
        for url in urls {
            let path = Names { folds_case: true, ..Names::default() }.path(&url);
            prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{url}: {path:?}");
            let text = path.to_str().unwrap();
            prop_assert!(text.len() <= 900, "{url}: {path:?}");
            for part in text.split('/') {
                prop_assert!(!part.is_empty() && part.len() <= 143 && !part.ends_with(['.', ' ']), "{url}: {path:?}");
                let refused = |c: char| c.is_control() || "\\:*?\"<>|".contains(c);
                prop_assert!(!part.contains(refused) && !is_device(part), "{url}: {path:?}");
            }
            directories.extend(path.ancestors().skip(1).map(|parent| folded(parent.to_str().unwrap())));
            if let Some(other) = files.insert(folded(text), url.clone()) {
                prop_assert_eq!(&other, &url, "{}", text);
            }
        }
        for (file, url) in &files {
            prop_assert!(!directories.contains(file), "{url}: {file} is a directory, too");
        }
    }
}
