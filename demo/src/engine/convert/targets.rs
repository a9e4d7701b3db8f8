//! Where the links of converted pages lead.

use crate::engine::chains::Chains;
use crate::engine::links::Target;
use crate::engine::save::{SavedFile, file_of_url, relative};
use crate::engine::urls::normalize;
use std::collections::{HashMap, HashSet};
use url::Url;

/// The files that links may lead to.
#[derive(Debug, Default)]
pub struct Targets {
    /// The path of the file of each URL.
    files: HashMap<String, String>,
    /// The paths of all files that exist.
    paths: HashSet<String>,
    /// The URL of each file that is known, whether it exists or not.
    urls: HashMap<String, String>,
    redirects: Chains,
}

impl Targets {
    /// The files that exist, those that are known, and the redirects of this run.
    pub fn new<'f>(
        there: impl Iterator<Item = &'f SavedFile>,
        known: impl Iterator<Item = &'f SavedFile>,
        redirects: Chains,
    ) -> Targets {
        let files: HashMap<_, _> = there.map(|file| (file.url.clone(), file.path.clone())).collect();
        let paths = files.values().cloned().collect();
        let urls = known.map(|file| (file.path.clone(), file.url.clone())).collect();
        Targets { files, paths, urls, redirects }
    }

    /// Where a link of the file `from` leads.
    pub fn of(&self, from: &str, url: &Url) -> Target {
        if let Some(path) = file_of_url(url) {
            return match self.urls.get(&path).and_then(|url| Url::parse(url).ok()) {
                _ if self.paths.contains(&path) => Target::File(relative(from, &path)),
                Some(url) => Target::Page(url),
                None => Target::Unchanged, // a relative link of the original page, to a file that no run has saved
            };
        }
        let normal = normalize(url.clone());
        let end = self.redirects.end(normal.as_str(), |url| self.files.contains_key(url));
        match end.and_then(|end| self.files.get(end)) {
            Some(path) => Target::File(relative(from, path)),
            None => Target::Page(url.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::save::url_of_file;

    #[test]
    fn a_link_leads_to_the_file_at_which_its_redirects_end() {
        let file = |path: &str| SavedFile {
            path: path.to_owned(),
            url: format!("http://h/{path}"),
            media: Default::default(),
            converted: None,
        };
        let (there, gone) = ([file("d/a.html"), file("b.css")], [file("d/gone.html")]);
        let redirects = [("old", "older"), ("older", "d/a.html"), ("x", "y"), ("y", "x"), ("z", "elsewhere")];
        let redirects = redirects.map(|(from, to)| (format!("http://h/{from}"), format!("http://h/{to}")));
        let targets = Targets::new(there.iter(), there.iter().chain(&gone), redirects.into_iter().collect());
        let of = |url: &str| targets.of("d/page.html", &Url::parse(url).unwrap());
        let file = |path: &str| Target::File(path.to_owned());
        for (url, expected) in [
            ("http://h/d/a.html", file("a.html")),
            ("http://h/d/%61.html?#x", file("a.html")),
            ("http://h/old", file("a.html")),
            ("http://h/b.css", file("../b.css")),
        ] {
            assert_eq!(of(url), expected, "{url}");
        }
        for url in ["http://h/x", "http://h/z", "http://h/d/gone.html", "http://other/"] {
            assert_eq!(of(url), Target::Page(Url::parse(url).unwrap()), "{url}");
        }
        let of_file = |path| targets.of("d/page.html", &url_of_file(path));
        assert_eq!(of_file("b.css"), file("../b.css"));
        assert_eq!(of_file("d/gone.html"), Target::Page(Url::parse("http://h/d/gone.html").unwrap()));
        assert_eq!(of_file("never"), Target::Unchanged);
    }
}
