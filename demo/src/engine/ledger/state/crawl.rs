//! Which crawl a file holds: its first pages, and the options that decide which pages belong to it.

use super::error::StateError;
use serde::{Deserialize, Serialize};
use url::Url;

/// Which crawl a file holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Crawl {
    /// The first pages, without logins.
    pub starts: Vec<Url>,
    /// The options that decide which pages belong to the crawl and where they are saved, if they differ from the
    /// defaults.
    pub options: Vec<String>,
}

impl Crawl {
    /// Checks that a command continues this crawl. A command without URLs and without such options does.
    ///
    /// # Errors
    /// Fails if it names other URLs or options.
    pub fn is_continued_by(&self, given: &Crawl) -> Result<(), StateError> {
        let sorted = |urls: &[Url]| {
            let mut urls = urls.to_vec();
            urls.sort();
            urls.dedup();
            urls
        };
        if !given.starts.is_empty() && sorted(&given.starts) != sorted(&self.starts) {
            let urls: Vec<_> = self.starts.iter().map(Url::as_str).collect();
            return Err(StateError::OtherUrls(urls.join(", ")));
        }
        let adopts = given.starts.is_empty() && given.options.is_empty();
        if !adopts && given.options != self.options {
            return Err(StateError::OtherOptions(match self.options.is_empty() {
                true => "with the default scope and directory".to_owned(),
                false => format!("with `{}`", self.options.join(" ")),
            }));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crawl(starts: &[&str], options: &[&str]) -> Crawl {
        let starts = starts.iter().map(|url| Url::parse(url).unwrap()).collect();
        Crawl { starts, options: options.iter().map(|&option| option.to_owned()).collect() }
    }

    #[test]
    fn a_crawl_is_continued_by_its_own_command_or_without_urls() {
        let kept = crawl(&["http://a/", "http://b/"], &["--depth=2"]);
        for (starts, options) in [
            (&[][..], &[][..]),
            (&[], &["--depth=2"]),
            (&["http://a/", "http://b/"], &["--depth=2"]),
            (&["http://b/", "http://a/", "http://a/"], &["--depth=2"]),
        ] {
            assert_eq!(kept.is_continued_by(&crawl(starts, options)), Ok(()), "{starts:?} {options:?}");
        }
    }

    #[test]
    fn the_error_for_other_urls_or_options_names_those_of_the_file() {
        let kept = crawl(&["http://a/", "http://b/"], &["--depth=2"]);
        for starts in [&["http://a/"][..], &["http://a/", "http://b/", "http://c/"], &["http://c/"]] {
            let error = kept.is_continued_by(&crawl(starts, &["--depth=2"])).unwrap_err();
            assert_eq!(error, StateError::OtherUrls("http://a/, http://b/".to_owned()));
        }
        for (starts, options) in [(&[][..], "--depth=3"), (&["http://a/", "http://b/"], "--no-parent")] {
            let error = kept.is_continued_by(&crawl(starts, &[options])).unwrap_err();
            assert_eq!(error, StateError::OtherOptions("with `--depth=2`".to_owned()));
        }
        let error = kept.is_continued_by(&crawl(&["http://a/", "http://b/"], &[])).unwrap_err();
        assert_eq!(error, StateError::OtherOptions("with `--depth=2`".to_owned()), "URLs without the options");
        let plain = crawl(&["http://a/"], &[]);
        let error = plain.is_continued_by(&crawl(&[], &["--depth=3"])).unwrap_err().to_string();
        assert!(error.contains("with the default scope"), "{error}");
    }
}
