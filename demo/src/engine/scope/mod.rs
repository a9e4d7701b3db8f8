//! The scope: which links belong to the crawl, and why others do not.

mod options;

pub use options::ScopeOptions;

use super::skipped::Skipped;
use super::urls;
use std::collections::HashMap;
use url::Url;

/// Maximum number of links from requisite to requisite beyond the depth, for example from a style to another to a font.
const REQUISITE_DEPTH: u32 = 5;

/// The servers of the first pages (with `--no-parent`, their directories), and the other rules for links.
pub struct Scope {
    /// The directories of each server.
    directories: HashMap<String, Vec<String>>,
    options: ScopeOptions,
}

/// A link that may be followed.
pub struct Candidate<'a> {
    pub url: &'a Url,
    /// The number of links from the first page.
    pub depth: u32,
    /// Whether its page cannot be shown without it, for example an image.
    pub requisite: bool,
    /// Whether the link, or its page, is marked nofollow.
    pub nofollow: bool,
}

impl Scope {
    /// The scope of a crawl that begins at these URLs.
    pub fn new(starts: &[Url], options: ScopeOptions) -> Scope {
        let mut scope = Scope { directories: HashMap::new(), options };
        starts.iter().for_each(|url| scope.add(url));
        scope
    }

    /// Adds the server and the directory of a URL: a first page was redirected to it.
    pub fn add(&mut self, url: &Url) {
        let directory = url.path().rsplit_once('/').map_or("", |(directory, _)| directory);
        self.directories.entry(urls::server(url)).or_default().push(format!("{directory}/"));
    }

    /// Whether a URL is in scope, whatever links to it; for example the target of a redirect.
    pub fn contains(&self, url: &Url) -> bool {
        self.admits(&Candidate { url, depth: 0, requisite: false, nofollow: false }).is_ok()
    }

    /// Whether a link is followed.
    ///
    /// # Errors
    /// Fails with the first reason against it.
    pub fn admits(&self, link: &Candidate<'_>) -> Result<(), Skipped> {
        let ScopeOptions { depth, no_parent, span_hosts, include, exclude, .. } = &self.options;
        let url = link.url;
        let requisite = link.requisite && self.options.page_requisites;
        if !urls::is_web(url) {
            return Err(Skipped::Scheme(url.scheme().to_owned()));
        }
        let inside = |directories: &Vec<String>| directories.iter().any(|directory| url.path().starts_with(directory));
        match self.directories.get(&urls::server(url)) {
            None if !span_hosts && !requisite => return Err(Skipped::OtherHost),
            Some(directories) if *no_parent && !requisite && !inside(directories) => {
                return Err(Skipped::OtherDirectory);
            }
            _ => {}
        }
        if !include.is_empty() && !include.iter().any(|regex| regex.is_match(url.as_str())) {
            return Err(Skipped::NotIncluded);
        }
        if exclude.iter().any(|regex| regex.is_match(url.as_str())) {
            return Err(Skipped::Excluded);
        }
        if link.depth > depth.saturating_add(if requisite { REQUISITE_DEPTH } else { 0 }) {
            return Err(Skipped::TooDeep);
        }
        if link.nofollow && !self.options.follow_nofollow {
            return Err(Skipped::NoFollow);
        }
        Ok(())
    }

    /// Whether the requisites of pages are fetched from any host.
    pub fn has_requisites(&self) -> bool {
        self.options.page_requisites
    }

    /// Whether the pages that sitemaps list are fetched.
    pub fn has_sitemaps(&self) -> bool {
        self.options.sitemaps
    }

    /// Whether pages that are copies of others are removed.
    pub fn has_canonical(&self) -> bool {
        self.options.canonical
    }

    /// Whether a server belongs to the crawl.
    pub fn has_server(&self, url: &Url) -> bool {
        self.options.span_hosts || self.directories.contains_key(&urls::server(url))
    }

    /// Whether a response of this media type is saved.
    pub fn accepts(&self, content_type: Option<&str>) -> bool {
        let accepted = &self.options.accept_type;
        let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        let essence = essence.to_ascii_lowercase();
        accepted.is_empty()
            || accepted.iter().any(|accepted| match accepted.strip_suffix("/*") {
                Some("*") => true,
                Some(kind) => essence.split('/').next() == Some(kind),
                None => essence == *accepted,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        scope: ScopeOptions,
    }

    fn scope(args: &[&str]) -> Scope {
        let start = Url::parse("http://a.example/docs/index.html").unwrap();
        Scope::new(&[start], Cli::parse_from([&["demo"], args].concat()).scope)
    }

    #[test]
    fn each_rule_rejects_a_link_with_its_own_reason() {
        let page = |url, depth| (url, depth, false, false);
        for (args, (url, depth, requisite, nofollow), expected) in [
            (&[][..], page("http://a.example/x", 8), Ok(())),
            (&[], page("ftp://a.example/x", 1), Err(Skipped::Scheme("ftp".to_owned()))),
            (&[], page("http://b.example/x", 1), Err(Skipped::OtherHost)),
            (&[], page("http://a.example:81/x", 1), Err(Skipped::OtherHost)),
            (&["--span-hosts"], page("http://b.example/x", 1), Ok(())),
            (&["--no-parent"], page("http://a.example/docs/x", 1), Ok(())),
            (&["--no-parent"], page("http://a.example/docs", 1), Err(Skipped::OtherDirectory)),
            (&["--no-parent"], page("http://a.example/x", 1), Err(Skipped::OtherDirectory)),
            (&["--no-parent", "--span-hosts"], page("http://b.example/x", 1), Ok(())),
            (&[], page("http://a.example/x", 9), Err(Skipped::TooDeep)),
            (&["-l", "2"], page("http://a.example/x", 3), Err(Skipped::TooDeep)),
            (&["-l", "inf"], page("http://a.example/x", u32::MAX), Ok(())),
            (&["--include", r"\.html$"], page("http://a.example/x", 1), Err(Skipped::NotIncluded)),
            (&["--include", r"\.html$", "--include", "/x"], page("http://a.example/x", 1), Ok(())),
            (&["--exclude", r"\?"], page("http://a.example/x?y", 1), Err(Skipped::Excluded)),
            (&["--include", "x", "--exclude", "y"], page("http://a.example/xy", 1), Err(Skipped::Excluded)),
            (&[], ("http://a.example/x", 1, false, true), Err(Skipped::NoFollow)),
            (&["--follow-nofollow"], ("http://a.example/x", 1, false, true), Ok(())),
            (&[], ("http://b.example/x.png", 1, true, false), Err(Skipped::OtherHost)),
            (&["-p"], ("http://b.example/x.png", 1, true, false), Ok(())),
            (&["-p", "--no-parent"], ("http://a.example/x.png", 1, true, false), Ok(())),
            (&["-p", "-l", "0"], ("http://a.example/x.png", 1, true, false), Ok(())),
            (&["-p", "-l", "0"], ("http://a.example/x.png", 6, true, false), Err(Skipped::TooDeep)),
            (&["-p", "-l", "0"], page("http://a.example/x.png", 1), Err(Skipped::TooDeep)),
            (&["-p", "--exclude", "png"], ("http://b.example/x.png", 1, true, false), Err(Skipped::Excluded)),
        ] {
            let parsed = Url::parse(url).unwrap();
            let candidate = Candidate { url: &parsed, depth, requisite, nofollow };
            assert_eq!(scope(args).admits(&candidate), expected, "{args:?} {url} {depth}");
        }
    }

    #[test]
    fn a_media_type_is_accepted_whatever_its_case_and_parameters() {
        let accepted = |types: &[&str], given| {
            let args: Vec<_> = types.iter().flat_map(|name| ["--accept-type", name]).collect();
            scope(&args).accepts(given)
        };
        assert!(accepted(&[], Some("image/png")) && accepted(&[], None));
        assert!(accepted(&["image/*"], Some("Image/PNG; x=y")));
        assert!(accepted(&["text/html", "IMAGE/png"], Some("image/png")));
        assert!(accepted(&["*/*"], None));
        assert!(!accepted(&["image/*"], Some("text/html")));
        assert!(!accepted(&["image/png"], Some("image/pngx")));
        assert!(!accepted(&["image/*"], None));
    }

    #[test]
    fn a_wrong_option_is_refused() {
        for args in [["--include", "("], ["-l", "deep"], ["--accept-type", "png"], ["--max-pages", "0"]] {
            assert!(Cli::try_parse_from([&["demo"][..], &args].concat()).is_err(), "{args:?}");
        }
    }
}
