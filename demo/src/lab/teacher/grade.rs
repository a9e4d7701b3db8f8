//! `demo lab grade`: runs the tests of a lab, and hidden ones, on submissions.
//!
//! Each submission is put into a clean tree. Its tests run in process groups of their own and within limits; if the
//! superuser grades, as the user `nobody`, so that a fork bomb ends at the limit of processes and the files of others are
//! out of reach. A result says which tests passed, never that a solution is right. A submission that can't be graded gets
//! a result, too, and the next one is graded.

use super::hidden::with_hidden;
use super::submission::{Submission, lab_of, trees};
use crate::Exit;
use crate::lab::args::{Format, GradeArgs};
use crate::lab::build::plain;
use crate::lab::course::{Course, Edits, Lab};
use crate::lab::error::LabError;
use crate::lab::judge::{Judge, sentence, temporary};
use crate::lab::run::End;
use crate::lab::tree::write_tree;
use crate::step::printable;
use serde::Serialize;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// The result of a submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Grade {
    /// The name of the tree's directory.
    submission: String,
    /// Zero if it is unknown.
    lab: u32,
    /// The result in a sentence.
    verdict: String,
    passed: usize,
    tests: usize,
    hidden_passed: usize,
    hidden_tests: usize,
    /// The tests that failed, each with what happened.
    failures: Vec<String>,
}

impl Grade {
    /// The grade of a submission none of whose tests has run.
    fn new(tree: &Path, lab: u32, verdict: String) -> Grade {
        let name = tree.canonicalize().unwrap_or_else(|_| tree.into());
        let submission = name.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let (passed, tests, hidden_passed, hidden_tests, failures) = Default::default();
        Grade { submission, lab, verdict, passed, tests, hidden_passed, hidden_tests, failures }
    }
}

/// Grades submissions and prints the results.
pub(crate) fn grade(course: &Course, args: &GradeArgs) -> Result<Exit, LabError> {
    let place = temporary()?;
    let top = place.path().join("tree");
    let mut trees_found = Vec::new();
    for dir in &args.dirs {
        let found = trees(dir);
        if found.is_empty() {
            return Err(LabError::Usage(format!("{} is no tree of a lab and has none in it", dir.display())));
        }
        trees_found.extend(found);
    }
    args.lab.map(|lab| course.lab(lab)).transpose()?;
    let (mut print, mut exit) = (Printer::new(args.format), Exit::Success);
    for tree in trees_found {
        let grade = match lab_of(course, &tree, args.lab) {
            Ok(lab) => {
                let grading = Grading { course, lab, top: &top, place: place.path() };
                grading.grade(&tree, args.hidden.as_deref())
            }
            Err(error) => Err(LabError::Other(error.to_string())),
        };
        print.grade(&match grade {
            Err(LabError::Other(why)) => {
                exit = Exit::SomeFailed;
                let lab = lab_of(course, &tree, args.lab).map_or(0, |lab| lab.number);
                Grade::new(&tree, lab, format!("not graded: {}", printable(&why)))
            }
            grade => grade?,
        })?;
    }
    print.finish()?;
    Ok(exit)
}

struct Grading<'a> {
    course: &'a Course,
    lab: &'a Lab,
    /// The clean tree, into which each submission is put.
    top: &'a Path,
    place: &'a Path,
}

impl Grading<'_> {
    fn grade(&self, tree: &Path, hidden: Option<&Path>) -> Result<Grade, LabError> {
        let mut grade = Grade::new(tree, self.lab.number, String::new());
        let taken = Submission::take(self.course, self.lab, tree)?;
        let tests = self.lab.manifest.tests_of(&taken.tracks).len();
        grade.tests = tests;
        if let Some(why) = taken.refused {
            grade.verdict = format!("refused: {}", printable(&why));
            return Ok(grade);
        }
        match self.run(self.lab, &taken.edits, &taken.tracks)? {
            Ok((passed, failures)) => (grade.passed, grade.failures) = (passed, failures),
            Err(error) => {
                grade.verdict =
                    format!("does not compile in a clean tree, which has only the lab's functions: {error}");
                return Ok(grade);
            }
        }
        if let Some(hidden) = hidden {
            let (lab, (file, text)) = with_hidden(self.course, self.lab, hidden)?;
            let mut edits = taken.edits.clone();
            edits.insert(file, text);
            grade.hidden_tests = lab.manifest.tests_of(&taken.tracks).len();
            let (passed, failures) = self
                .run(&lab, &edits, &taken.tracks)?
                .map_err(|error| LabError::Other(format!("the hidden tests do not compile: {error}")))?;
            grade.hidden_passed = passed;
            grade.failures.extend(failures.into_iter().map(|failure| format!("hidden: {failure}")));
        }
        grade.verdict = match (grade.passed == tests, grade.hidden_passed == grade.hidden_tests, grade.hidden_tests) {
            (true, true, 0) => "all public tests passed".into(),
            (true, true, _) => "all public and hidden tests passed".into(),
            (true, false, _) => "all public tests passed; hidden ones failed".into(),
            (false, ..) if !taken.unwritten.is_empty() => format!("not written: {}", taken.unwritten.join(", ")),
            (false, ..) => "public tests failed".into(),
        };
        Ok(grade)
    }

    /// Runs the tests of these tracks on a solution: how many passed, and what failed; or the compiler's first error.
    fn run(&self, lab: &Lab, edits: &Edits, tracks: &[&str]) -> Result<Result<(usize, Vec<String>), String>, LabError> {
        write_tree(self.course, lab, self.top, edits)?;
        let mut judge = match Judge::build(self.top, lab)? {
            Ok(judge) => judge,
            Err(errors) => return Ok(Err(first_error(&errors))),
        };
        if nix::unistd::geteuid().is_root() {
            self.give_to_nobody(&mut judge)?;
        }
        judge.processes = Some(PROCESSES + if judge.user.is_some() { 0 } else { threads_of_user() });
        let tests = lab.manifest.tests_of(tracks);
        let (mut passed, mut exceeded, mut failures) = (0, 0, Vec::new());
        judge.run_all(tests.iter().copied(), |test, outcome| {
            if let Some(what) = outcome.end.failure() {
                // The text is the submission's. In a terminal, control characters in it could change other results.
                let what = printable(what.lines().next().unwrap_or_default());
                failures.push(format!("{}: {what}", sentence(&test.name)));
            } else {
                passed += 1;
            }
            exceeded += usize::from(matches!(outcome.end, End::Exceeded(_)));
            let left = tests.len() - passed - failures.len();
            if exceeded < PATIENCE || left == 0 {
                return ControlFlow::Continue(());
            }
            failures.push(format!("{left} tests were not run, because {PATIENCE} had reached a limit"));
            ControlFlow::Break(())
        })?;
        Ok(Ok((passed, failures)))
    }

    /// Lets a user without rights run the tests: it can write to the tests' directory and read the binaries.
    fn give_to_nobody(&self, judge: &mut Judge<'_>) -> Result<(), LabError> {
        let written = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| LabError::Unwritable { path, source }
        };
        for path in [self.place, self.top] {
            fs::set_permissions(path, Permissions::from_mode(0o755)).map_err(written(path))?;
        }
        chown(judge.place(), Some(NOBODY), Some(NOBODY)).map_err(written(judge.place()))?;
        judge.user = Some(NOBODY);
        Ok(())
    }
}

/// The first line of the compiler's first error.
fn first_error(errors: &[String]) -> String {
    let first = errors.first().map(|error| plain(error)).unwrap_or_default();
    printable(first.lines().next().unwrap_or_default()).into_owned()
}

/// A user without rights on most systems.
const NOBODY: u32 = 65534;
/// After this many tests that reach a limit, the others are not run.
const PATIENCE: usize = 3;
/// The processes that a test may start.
const PROCESSES: u64 = 512;

/// The threads of the current user, which count for the limit on processes. Without `/proc`, more than a user has.
fn threads_of_user() -> u64 {
    let Ok(processes) = fs::read_dir("/proc") else { return 1 << 16 };
    let user = nix::unistd::geteuid().as_raw();
    let own = processes.flatten().filter(|process| process.metadata().is_ok_and(|about| about.uid() == user));
    own.filter_map(|process| Some(fs::read_dir(process.path().join("task")).ok()?.count() as u64)).sum()
}

/// Prints grades as they come.
struct Printer {
    format: Format,
    csv: csv::Writer<io::Stdout>,
    has_head: bool,
}

impl Printer {
    fn new(format: Format) -> Printer {
        Printer { format, csv: csv::Writer::from_writer(io::stdout()), has_head: false }
    }

    fn grade(&mut self, grade: &Grade) -> Result<(), LabError> {
        let Grade { submission, lab, verdict, passed, tests, hidden_passed, hidden_tests, failures } = grade;
        let failed = |source: io::Error| LabError::Unwritable { path: PathBuf::from("standard output"), source };
        match self.format {
            Format::Json => {
                let line = serde_json::to_string(grade).map_err(|error| LabError::Other(error.to_string()))?;
                writeln!(io::stdout(), "{line}").map_err(failed)
            }
            Format::Csv => {
                let row = (submission, lab, verdict, passed, tests, hidden_passed, hidden_tests, failures.join("; "));
                self.csv_row(row).map_err(failed)
            }
            Format::Table => {
                say!("{submission}: lab {lab}, {passed} of {tests} tests: {verdict}");
                failures.iter().for_each(|failure| say!("    {failure}"));
                Ok(())
            }
        }
    }

    fn csv_row(&mut self, row: impl Serialize) -> io::Result<()> {
        const HEAD: [&str; 8] =
            ["submission", "lab", "verdict", "passed", "tests", "hidden_passed", "hidden_tests", "failures"];
        if !std::mem::replace(&mut self.has_head, true) {
            self.csv.write_record(HEAD)?;
        }
        self.csv.serialize(row)?;
        self.csv.flush()
    }

    fn finish(&mut self) -> Result<(), LabError> {
        let flushed = self.csv.flush().and_then(|()| io::stdout().flush());
        flushed.map_err(|source| LabError::Unwritable { path: PathBuf::from("standard output"), source })
    }
}
