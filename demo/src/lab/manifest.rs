//! The manifest of a lab, `lab.toml`: its holes, tests, limits, wrong solutions and hints.

use serde::Deserialize;
use std::collections::BTreeSet;

/// The manifest of a lab.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The title.
    pub title: String,
    /// What it is about, in a few words.
    pub subject: String,
    /// The hours that it takes.
    pub hours: u32,
    /// The labs that come before.
    #[serde(default)]
    pub needs: Vec<u32>,
    /// Whether it belongs to the short course.
    #[serde(default)]
    pub short: bool,
    /// The limits of each test.
    #[serde(default)]
    pub limits: Limits,
    /// The functions to write, in the order in which to write them.
    #[serde(rename = "hole")]
    pub holes: Vec<Hole>,
    /// The tests, the easiest first.
    #[serde(rename = "test")]
    pub tests: Vec<Test>,
    /// Wrong solutions, each of which a test must find.
    #[serde(default, rename = "wrong")]
    pub wrongs: Vec<Wrong>,
}

/// What a test may use. The system enforces these.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Processor time, in seconds.
    pub cpu: u64,
    /// Address space, in MiB.
    pub memory: u64,
    /// Output, in MiB.
    pub output: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { cpu: 10, memory: 1024, output: 1 }
    }
}

/// A function whose body is cut out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hole {
    /// The file, from the top of the workspace.
    pub file: String,
    /// The function: see [`items`](super::items).
    pub item: String,
    /// What it must do.
    pub task: String,
    /// The hints, the gentlest first.
    pub hints: Vec<String>,
    /// Whether all of the file is the student's, so that types and helpers may be added.
    #[serde(default)]
    pub whole: bool,
    /// In a lab with a choice: what the hole belongs to.
    pub track: Option<String>,
}

/// A test.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// The name of the function.
    pub name: String,
    /// Where it is.
    #[serde(default, rename = "in")]
    pub target: Target,
    /// What is broken when it fails.
    pub broke: String,
    /// The invariant that it checks.
    pub invariant: String,
    /// As for a hole.
    pub track: Option<String>,
}

/// The binary that a test is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The lab's own tests.
    #[default]
    Check,
    /// The models of the runtime, which run under the model checker.
    Models,
}

/// A wrong solution: a change inside one function, and the test that finds it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wrong {
    /// Its name.
    pub name: String,
    /// The function that it changes.
    #[serde(rename = "in")]
    pub item: String,
    /// The text that it replaces, which occurs once in our function …
    pub replace: Option<String>,
    /// … and what it puts there.
    pub with: Option<String>,
    /// The body in place of ours, with or without its braces; instead of the two above.
    pub body: Option<String>,
    /// The first test that fails.
    pub fails: String,
    /// A part of what that test prints.
    pub says: String,
}

/// The manifest of hidden tests: tests, limits and wrong solutions of a lab whose other parts are public.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hidden {
    /// The tests.
    #[serde(rename = "test")]
    pub tests: Vec<Test>,
    /// Wrong solutions that they must find.
    #[serde(default, rename = "wrong")]
    pub wrongs: Vec<Wrong>,
    /// The limits, if they differ from the public ones.
    pub limits: Option<Limits>,
}

impl Hidden {
    /// Parses a manifest of hidden tests.
    ///
    /// # Errors
    /// If it is not TOML, lacks a value or has an unknown one.
    pub fn parse(text: &str) -> Result<Hidden, String> {
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
    }
}

impl Manifest {
    /// Parses a manifest and checks what can be checked without the sources.
    ///
    /// # Errors
    /// If it is not TOML, lacks a value or has an unknown one, or refers to a test or a hole that it does not have.
    pub fn parse(text: &str) -> Result<Manifest, String> {
        let manifest: Manifest = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        manifest.check()?;
        Ok(manifest)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let unique = |what: &str, names: Vec<&str>| {
            let mut seen = BTreeSet::new();
            match names.into_iter().find(|name| !seen.insert(*name)) {
                Some(twice) => Err(format!("there are two {what}s `{twice}`")),
                None => Ok(()),
            }
        };
        unique("test", self.tests.iter().map(|test| &*test.name).collect())?;
        unique("wrong solution", self.wrongs.iter().map(|wrong| &*wrong.name).collect())?;
        if let Some(hole) = self.holes.iter().find(|hole| hole.hints.is_empty()) {
            return Err(format!("the hole `{}` has no hint", hole.item));
        }
        for wrong in &self.wrongs {
            let of = format!("the wrong solution `{}`", wrong.name);
            if !self.tests.iter().any(|test| test.name == wrong.fails) {
                return Err(format!("{of} fails by `{}`, which is no test of the lab", wrong.fails));
            }
            if self.hole(&wrong.item).is_none() {
                return Err(format!("{of} is in `{}`, which is no hole of the lab", wrong.item));
            }
            if matches!((&wrong.replace, &wrong.with, &wrong.body), (Some(_), Some(_), None) | (None, None, Some(_))) {
                continue;
            }
            return Err(format!("{of} needs either `replace` and `with`, or `body`"));
        }
        Ok(())
    }

    /// The hole with this item.
    pub fn hole(&self, item: &str) -> Option<&Hole> {
        self.holes.iter().find(|hole| hole.item == item)
    }

    /// The number of a hole, from 1: that of its task.
    pub fn task_of(&self, hole: &Hole) -> usize {
        1 + self.holes.iter().position(|other| other.item == hole.item && other.file == hole.file).unwrap_or(0)
    }

    /// The tracks between which a student chooses, in the order of the holes; none in most labs.
    pub fn tracks(&self) -> Vec<&str> {
        let mut tracks: Vec<&str> = self.holes.iter().filter_map(|hole| hole.track.as_deref()).collect();
        tracks.dedup();
        tracks
    }

    /// The tracks of which a function is written; the first track if none is.
    pub(crate) fn tracks_begun(&self, is_written: impl Fn(&Hole) -> bool) -> Vec<&str> {
        let mut tracks = self.tracks();
        let first = tracks.first().copied();
        tracks.retain(|track| self.holes.iter().any(|hole| hole.track.as_deref() == Some(*track) && is_written(hole)));
        if tracks.is_empty() {
            tracks.extend(first);
        }
        tracks
    }

    /// The tests of these tracks, and those that belong to no track.
    pub(crate) fn tests_of(&self, tracks: &[&str]) -> Vec<&Test> {
        let is_of = |test: &&Test| test.track.as_deref().is_none_or(|track| tracks.contains(&track));
        self.tests.iter().filter(is_of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Manifest;

    const GOOD: &str = r#"
        title = "One"
        subject = "the first"
        hours = 1
        [[hole]]
        file = "executor/src/spawn.rs"
        item = "yield_now"
        task = "Yield."
        hints = ["Look."]
        [[test]]
        name = "a"
        broke = "It broke."
        invariant = "It holds."
        [[wrong]]
        name = "never"
        in = "yield_now"
        body = "{}"
        fails = "a"
        says = "text"
    "#;

    #[test]
    fn a_manifest_is_read() {
        let manifest = Manifest::parse(GOOD).unwrap();
        assert_eq!((manifest.limits.cpu, manifest.holes.len(), manifest.wrongs.len()), (10, 1, 1));
    }

    #[test]
    fn a_wrong_manifest_is_refused_with_what_to_change() {
        for (from, to, says) in [
            ("fails = \"a\"", "fails = \"b\"", "`b`, which is no test"),
            ("in = \"yield_now\"", "in = \"spawn\"", "`spawn`, which is no hole"),
            ("body = \"{}\"", "replace = \"x\"", "needs either"),
            ("hints = [\"Look.\"]", "hints = []", "no hint"),
            ("hours = 1", "ours = 1", "ours"),
            ("title = \"One\"", "", "title"),
        ] {
            let error = Manifest::parse(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.contains(says), "{from} → {to}: {error}");
        }
    }
}
