//! `demo lab score`: counts what a solution costs: processor instructions and allocations for each operation, relative
//! to ours. Both are counted by valgrind, so they do not depend on the machine's load.
//!
//! The program that is measured takes a number of operations: `examples/score.rs` of the lab, or the executor's example
//! `instructions`. It runs with few and with many operations, and only the difference counts, so its start does not. No
//! test runs: `lab grade` says whether a solution passes them.

use super::submission::{Submission, lab_of, trees};
use crate::Exit;
use crate::lab::args::Format;
use crate::lab::build::cargo;
use crate::lab::confine::confined;
use crate::lab::course::{Course, Edits, Lab, read};
use crate::lab::error::LabError;
use crate::lab::judge::temporary;
use crate::lab::manifest::Limits;
use crate::lab::run::run_to_the_end;
use crate::lab::tree::write_tree;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The operations of the two runs.
const FEW: u64 = 1_000;
const MANY: u64 = 3_000;
/// Differences up to this part are a tie.
const TIE: f64 = 0.01;
/// The limits of a run under valgrind, which needs a multiple of what the program needs.
const LIMITS: Limits = Limits { cpu: 300, memory: 16 << 10, output: 16 };

/// What a solution costs.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cost {
    instructions: f64,
    allocations: f64,
}

/// The score of a student: of the best attempt.
#[derive(Clone, Debug, Serialize)]
struct Score {
    student: String,
    lab: u32,
    /// Instructions for each operation, relative to ours.
    instructions: Option<f64>,
    /// Allocations for each operation, minus ours.
    allocations: Option<f64>,
    verdict: String,
}

/// Scores students and prints the results. A directory of trees holds the attempts of one student.
pub(crate) fn score(course: &Course, dirs: &[PathBuf], format: Format) -> Result<Exit, LabError> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Err(LabError::Other("valgrind is not installed; `apt-get install valgrind`, for example".into()));
    }
    let place = temporary()?;
    let bench = Bench { course, top: place.path().join("tree"), log: place.path().join("valgrind.txt") };
    let (mut scores, mut costs) = (Vec::new(), BTreeMap::new());
    for dir in dirs {
        let attempts = trees(dir);
        let Some(first) = attempts.first() else {
            return Err(LabError::Usage(format!("{} is no tree of a lab and has none in it", dir.display())));
        };
        let lab = lab_of(course, first, None)?;
        let ours = match costs.get(&lab.number) {
            Some(ours) => *ours,
            None => {
                bench.cost(lab, &Edits::new())?.ok_or_else(|| LabError::Other("our solution does not run".into()))?
            }
        };
        costs.insert(lab.number, ours);
        scores.push(bench.score(lab, dir, &attempts, ours)?);
    }
    print(&scores, format)?;
    Ok(Exit::Success)
}

struct Bench<'a> {
    course: &'a Course,
    top: PathBuf,
    /// The file that valgrind writes.
    log: PathBuf,
}

impl Bench<'_> {
    fn score(&self, lab: &Lab, dir: &Path, attempts: &[PathBuf], ours: Cost) -> Result<Score, LabError> {
        let name = dir.canonicalize().unwrap_or_else(|_| dir.into());
        let student = name.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let mut best: Option<Cost> = None;
        for tree in attempts {
            let taken = Submission::take(self.course, lab, tree)?;
            if taken.refused.is_some() || !taken.unwritten.is_empty() {
                continue;
            }
            let Some(cost) = self.cost(lab, &taken.edits)? else { continue };
            if best.is_none_or(|best| cost.instructions < best.instructions) {
                best = Some(cost);
            }
        }
        let relative = |cost: Cost| cost.instructions / ours.instructions;
        let verdict = match best.map(relative) {
            None => "does not run".to_owned(),
            Some(part) if (part - 1.0).abs() <= TIE => "a tie with ours".into(),
            Some(part) if part < 1.0 => "fewer instructions than ours".into(),
            Some(_) => "more instructions than ours".into(),
        };
        let allocations = best.map(|cost| cost.allocations - ours.allocations);
        Ok(Score { student, lab: lab.number, instructions: best.map(relative), allocations, verdict })
    }

    /// What an operation costs. `None` if the solution does not compile or fails.
    fn cost(&self, lab: &Lab, edits: &Edits) -> Result<Option<Cost>, LabError> {
        write_tree(self.course, lab, &self.top, edits)?;
        let own = self.top.join(lab.path()).join("examples/score.rs").exists();
        let (package, example) = if own { (lab.package(), "score") } else { ("executor".into(), "instructions") };
        let mut build = cargo(&self.top);
        build.args(["build", "--offline", "--quiet", "--release", "--package", &package, "--example", example]);
        if !build.output().map_err(LabError::program("cargo"))?.status.success() {
            return Ok(None);
        }
        let program = self.top.join("target/release/examples").join(example);
        let (few, many) = (self.counts(&program, FEW)?, self.counts(&program, MANY)?);
        let (Some(few), Some(many)) = (few, many) else { return Ok(None) };
        let each = |few: u64, many: u64| (many as f64 - few as f64) / (MANY - FEW) as f64;
        Ok(Some(Cost { instructions: each(few.0, many.0), allocations: each(few.1, many.1) }))
    }

    /// The instructions and the allocations of a run.
    fn counts(&self, program: &Path, operations: u64) -> Result<Option<(u64, u64)>, LabError> {
        let run = |options: &[&str]| {
            let mut log = OsString::from("--log-file=");
            log.push(&self.log);
            let mut valgrind = confined(LIMITS, None, None)?;
            valgrind.arg("valgrind").args(options).arg(log).arg(program).arg(operations.to_string());
            valgrind.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let (status, _) = run_to_the_end(&mut valgrind, LIMITS).map_err(LabError::program("valgrind"))?;
            match status.is_some_and(|status| status.success()) {
                true => read(&self.log).map(Some),
                false => Ok(None),
            }
        };
        let cachegrind = run(&["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])?;
        let memcheck = run(&["--tool=memcheck", "--leak-check=no", "--undef-value-errors=no"])?;
        let instructions = cachegrind.and_then(|text| number_after(&text, "I refs:"));
        let allocations = memcheck.and_then(|text| number_after(&text, "total heap usage:"));
        Ok(instructions.zip(allocations))
    }
}

/// The number that follows a title in what valgrind prints, such as `12,345`. Versions of valgrind differ in the spaces.
fn number_after(text: &str, title: &str) -> Option<u64> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let rest = text.split(title).nth(1)?.trim_start();
    let digits = rest.chars().take_while(|digit| digit.is_ascii_digit() || *digit == ',');
    digits.filter(char::is_ascii_digit).collect::<String>().parse().ok()
}

fn print(scores: &[Score], format: Format) -> Result<(), LabError> {
    let other = |error: String| LabError::Other(error);
    match format {
        Format::Json => {
            for score in scores {
                say!("{}", serde_json::to_string(score).map_err(|error| other(error.to_string()))?);
            }
        }
        Format::Csv => {
            let mut csv = csv::Writer::from_writer(std::io::stdout());
            for score in scores {
                csv.serialize(score).map_err(|error| other(error.to_string()))?;
            }
            csv.flush().map_err(|source| LabError::Unwritable { path: "standard output".into(), source })?;
        }
        Format::Table => {
            for Score { student, lab, instructions, allocations, verdict } in scores {
                let cost = instructions.zip(*allocations).map_or_else(String::new, |(instructions, allocations)| {
                    format!("{instructions:.3} of our instructions, {allocations:+.2} allocations for each operation; ")
                });
                say!("{student}: lab {lab}: {cost}{verdict}");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::number_after;

    #[test]
    fn the_counts_of_valgrind_are_read() {
        assert_eq!(number_after("==1== I refs:      1,234,567\n", "I refs:"), Some(1_234_567));
        assert_eq!(number_after("==1== I   refs:      302,731\n", "I refs:"), Some(302_731));
        let memcheck = "==1==   total heap usage: 1,024 allocs, 1,000 frees";
        assert_eq!(number_after(memcheck, "total heap usage:"), Some(1024));
        assert_eq!(number_after("nothing", "I refs:"), None);
    }
}
