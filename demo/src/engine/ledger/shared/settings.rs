//! What all workers of a job must agree on. Redis keeps it as JSON, and a worker with other settings is refused.

use crate::engine::scope::ScopeOptions;
use serde_json::{Map, Value, json};
use std::time::Duration;
use url::Url;

/// What all workers of a job must agree on.
pub struct Settings(Map<String, Value>);

impl Settings {
    /// The first pages, the options of the scope, and those that concern the hosts or the job as a whole.
    pub fn new(
        starts: &[Url],
        scope: &ScopeOptions,
        delay: Duration,
        ignore_robots: bool,
        lease: Duration,
    ) -> Settings {
        let ScopeOptions {
            depth,
            no_parent,
            span_hosts,
            include,
            exclude,
            page_requisites,
            sitemaps,
            canonical: _, // not allowed
            follow_nofollow,
            accept_type,
            max_pages,
        } = scope;
        let texts =
            |regexes: &[regex::Regex]| regexes.iter().map(|regex| regex.as_str().to_owned()).collect::<Vec<_>>();
        let settings = json!({
            "URLs": starts.iter().map(Url::as_str).collect::<Vec<_>>(),
            "--depth": depth,
            "--no-parent": no_parent,
            "--span-hosts": span_hosts,
            "--include": texts(include),
            "--exclude": texts(exclude),
            "--page-requisites": page_requisites,
            "--sitemaps": sitemaps,
            "--follow-nofollow": follow_nofollow,
            "--accept-type": accept_type,
            "--max-pages": max_pages,
            "--delay": format!("{delay:?}"),
            "--ignore-robots": ignore_robots,
            "--lease": format!("{lease:?}"),
        });
        let Value::Object(settings) = settings else { unreachable!("it is written as an object") };
        Settings(settings)
    }

    /// The text that Redis keeps. Equal settings have equal texts.
    pub fn text(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// The differences from the text of other settings, for an error.
    pub fn difference(&self, other: &str) -> String {
        let other: Map<String, Value> = serde_json::from_str(other).unwrap_or_default();
        let differs = |(name, value): (&String, &Value)| match other.get(name) {
            Some(theirs) if theirs == value => None,
            theirs => Some(format!("{name} {}, not {value}", theirs.unwrap_or(&Value::Null))),
        };
        self.0.iter().filter_map(differs).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, depth: u32, delay: u64) -> Settings {
        let scope = ScopeOptions { depth, ..ScopeOptions::default() };
        let seconds = Duration::from_secs;
        Settings::new(&[Url::parse(url).unwrap()], &scope, seconds(delay), false, seconds(30))
    }

    #[test]
    fn each_difference_is_named_with_both_values() {
        let ours = settings("http://a/", 3, 0);
        assert_eq!(ours.text(), settings("http://a/", 3, 0).text());
        assert_eq!(ours.difference(&settings("http://a/", 8, 0).text()), "--depth 8, not 3");
        let difference = ours.difference(&settings("http://b/", 3, 2).text());
        assert_eq!(difference, r#"--delay "2s", not "0ns"; URLs ["http://b/"], not ["http://a/"]"#);
    }
}
