//! The tests on the starter, on our solution and on the wrong ones.

use super::Settings;
use super::bench::Bench;
use super::text::fill;
use crate::Failure;
use crate::lab::build::plain;
use crate::lab::chapter::{self, blocks};
use crate::lab::course::{Edits, LABS, Lab, write};
use crate::lab::cut::{body, with_bodies, wrong_body};
use crate::lab::error::LabError;
use crate::lab::judge::Judge;
use crate::lab::manifest::{Limits, Manifest, Test, Wrong};
use crate::lab::names;
use crate::lab::run::End;
use crate::lab::tree::write_tree;
use std::io::{Write, stdout};
use std::ops::ControlFlow;

/// How often our solution must pass.
const ROUNDS: usize = 3;
/// Our solution must need less than one part in this many of each limit.
const PART: u64 = 4;

impl<'a> Bench<'a> {
    pub(super) fn verify(&mut self, settings: &Settings) -> Result<(), Failure> {
        let lab = self.lab;
        say!("lab {}: {}", lab.number, lab.manifest.title);
        self.limits(lab.manifest.limits);
        if self.hidden.is_some() {
            return self.solutions(settings, &mut String::new());
        }
        let before = chapter::text(self.course, lab)?;
        let title = format!("Lab {}: {}", lab.number, lab.manifest.title);
        blocks::problems(&before, &title).into_iter().for_each(|problem| self.problem("the chapter", problem));
        let mut text = before.clone();
        fill(self, None, None, &mut text)?;
        for wrong in &lab.manifest.wrongs {
            self.edits_of(wrong)?;
        }
        self.names()?;
        if !settings.is_text {
            self.solutions(settings, &mut text)?;
        }
        match settings.bless {
            true => write(&self.course.root.join(LABS).join(&lab.folder).join(chapter::CHAPTER), text)?,
            false if text == before => {}
            false => self.differs(&before, &text),
        }
        Ok(())
    }

    /// The starter, ours and the wrong solutions.
    fn solutions(&mut self, settings: &Settings, text: &mut String) -> Result<(), Failure> {
        self.starter()?;
        self.ours(text)?;
        for wrong in self.lab.manifest.wrongs.iter().filter(|_| !settings.quick) {
            self.wrong(wrong, text)?;
        }
        Ok(())
    }

    /// Our own functions must not be refused.
    fn names(&mut self) -> Result<(), LabError> {
        for hole in &self.lab.manifest.holes {
            let Ok(text) = self.course.source(&hole.file) else { continue }; // a problem of its own
            let ours = if hole.whole { Ok(&*text) } else { body(&text, &hole.item) };
            if let Err(why) = ours.and_then(names::check) {
                self.problem(&format!("our `{}`", hole.item), format!("it {why}"));
            }
        }
        Ok(())
    }

    fn limits(&mut self, limits: Limits) {
        if limits.cpu < PART || limits.memory < PART || limits.output == 0 {
            self.problem("the limits", format!("cpu and memory must be at least {PART}, output at least 1"));
        }
        if self.lab.manifest.wrongs.len() < 4 {
            self.problem("the manifest", "there are fewer than four wrong solutions");
        }
    }

    fn differs(&mut self, before: &str, after: &str) {
        let line = 1 + before.lines().zip(after.lines()).take_while(|(before, after)| before == after).count();
        self.problem("the chapter", format!("line {line} is not what the sources or the run give; --bless writes it"));
    }

    /// Builds the tree with these files. A problem if it does not compile.
    fn build(&mut self, of: &str, edits: &Edits) -> Result<Option<Judge<'a>>, LabError> {
        let mut edits = edits.clone();
        edits.extend(self.hidden.clone());
        write_tree(self.course, self.lab, self.top, &edits)?;
        match Judge::build(self.top, self.lab)? {
            Ok(judge) => Ok(Some(judge)),
            Err(errors) => {
                self.problem(of, format!("does not compile:\n{}", plain(&errors.join("\n"))));
                Ok(None)
            }
        }
    }

    /// The starter compiles without a warning, and fails each test.
    fn starter(&mut self) -> Result<(), LabError> {
        let edits = self.lab.starter(|file| self.course.source(file))?;
        let Some(judge) = self.build("the starter", &edits)? else { return Ok(()) };
        if let Some(warning) = judge.warnings.first() {
            self.problem(
                "the starter",
                format!("compiles with {} warnings:\n{}", judge.warnings.len(), plain(warning)),
            );
        }
        let mut passed = Vec::new();
        judge.run_all(&self.lab.manifest.tests, |test, outcome| {
            passed.extend((outcome.end == End::Passed).then_some(&test.name));
            ControlFlow::Continue(())
        })?;
        passed.iter().for_each(|test| self.problem("the starter", format!("passes the test `{test}`")));
        say!("  the starter fails {} tests", self.lab.manifest.tests.len() - passed.len());
        Ok(())
    }

    /// Our solution passes each test within a part of each limit.
    fn ours(&mut self, text: &mut String) -> Result<(), Failure> {
        let Some(judge) = self.build("our solution", &Edits::new())? else { return Ok(()) };
        let Limits { cpu, memory, output } = judge.limits();
        let manifest =
            Manifest { limits: Limits { cpu: cpu / PART, memory: memory / PART, output }, ..self.lab.manifest.clone() };
        let quarter = Lab { number: self.lab.number, folder: self.lab.folder.clone(), manifest };
        let judge = judge.with_lab(&quarter);
        let (mut failures, mut slowest) = (Vec::new(), None);
        for _ in 0..ROUNDS {
            judge.run_all(&quarter.manifest.tests, |test, outcome| {
                if let Some(what) = outcome.end.failure() {
                    failures.push(format!("fails `{}` within a quarter of the limits: {what}", test.name));
                }
                if outcome.output.len() as u64 > (output << 20) / PART {
                    failures.push(format!("prints more than a quarter of the limit in `{}`", test.name));
                }
                slowest = slowest.max(Some((outcome.cpu, &test.name)));
                ControlFlow::Continue(())
            })?;
        }
        failures.dedup();
        failures.iter().for_each(|failure| self.problem("our solution", failure));
        if let Some((time, test)) = slowest {
            say!(
                "  ours passes {} tests {ROUNDS} times; the slowest takes {time:.1?} ({test})",
                quarter.manifest.tests.len()
            );
        }
        fill(self, Some(&judge), None, text)
    }

    /// The file with a wrong solution. A problem if it can't be made.
    fn edits_of(&mut self, wrong: &Wrong) -> Result<Option<Edits>, LabError> {
        let Some(hole) = self.lab.manifest.hole(&wrong.item) else { return Ok(None) };
        let source = self.course.source(&hole.file).map_err(String::from);
        let edited = source.and_then(|source| {
            let body = wrong_body(&source, wrong)?;
            with_bodies(&source, &[(&wrong.item, &body)])
        });
        match edited {
            Ok(edited) => Ok(Some(Edits::from([(hole.file.clone(), edited)]))),
            Err(why) => {
                self.problem(&of(wrong), why);
                Ok(None)
            }
        }
    }

    /// A wrong solution fails by the test that it names, and passes those before it.
    fn wrong(&mut self, wrong: &Wrong, text: &mut String) -> Result<(), Failure> {
        let of = of(wrong);
        let Some(edits) = self.edits_of(wrong)? else { return Ok(()) };
        let Some(judge) = self.build(&of, &edits)? else { return Ok(()) };
        let mut failed: Option<(&Test, String)> = None;
        judge.run_all(self.tests_for(wrong), |test, outcome| match outcome.end.failure() {
            Some(what) => {
                failed = Some((test, what.to_owned()));
                ControlFlow::Break(())
            }
            None => ControlFlow::Continue(()),
        })?;
        match failed {
            None => self.problem(&of, "passes all tests"),
            Some((test, what)) if test.name != wrong.fails => {
                self.problem(&of, format!("fails first by `{}`, not by `{}`: {what}", test.name, wrong.fails));
            }
            Some((_, what)) if !what.contains(&wrong.says) => {
                self.problem(&of, format!("fails, but its message does not contain `{}`: {what}", wrong.says));
            }
            Some((test, what)) => {
                self.wrongs += 1;
                say!("  {:<34} fails by {}: {}", wrong.name, test.name, what.lines().next().unwrap_or_default());
            }
        }
        _ = stdout().flush();
        fill(self, Some(&judge), Some(wrong), text)
    }

    /// The tests that a student with this wrong solution runs: in a lab with a choice, those of its track.
    fn tests_for(&self, wrong: &Wrong) -> impl Iterator<Item = &'a Test> + use<'a> {
        let track = self.lab.manifest.hole(&wrong.item).and_then(|hole| hole.track.as_ref());
        self.lab.manifest.tests.iter().filter(move |test| test.track.is_none() || test.track.as_ref() == track)
    }
}

fn of(wrong: &Wrong) -> String {
    format!("the wrong solution `{}`", wrong.name)
}
