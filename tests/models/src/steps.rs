//! The steps of a model: which thread did what to which shared word, lock or cell, in the order of the interleaving.
//!
//! Loom reports that an interleaving fails, but not how it went. The types of [`shim`](crate::shim) note each of their
//! operations here if MODELS_STEPS=FILE is in the environment. When an interleaving fails, its steps are written to that
//! file. Loom runs all threads of a model on one thread of the system, so notes are in order, and noting does not change
//! what loom explores.

use loom::thread;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write;
use std::panic::{self, Location};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Once, OnceLock};
use std::{env, fs};

/// The file to write to.
static FILE: LazyLock<Option<PathBuf>> = LazyLock::new(|| env::var_os("MODELS_STEPS").map(PathBuf::from));

/// How to print a word, by the name of the file that changes it.
static DESCRIBE: OnceLock<Describe> = OnceLock::new();

type Describe = fn(&str, u64) -> Option<String>;

thread_local! {
    static STEPS: RefCell<Vec<Step>> = const { RefCell::new(Vec::new()) };
}

struct Step {
    thread: String,
    what: String,
    at: Option<&'static Location<'static>>,
}

/// Sets how the words of a file are printed: `describe` is passed the file's path and the word.
pub fn describe(describe: fn(&str, u64) -> Option<String>) {
    _ = DESCRIBE.set(describe);
}

/// Notes what a model does besides its operations on shared memory, such as polling a task.
pub fn note(what: &str) {
    push(|| what.to_owned(), None);
}

pub(crate) fn is_on() -> bool {
    FILE.is_some()
}

/// An interleaving begins.
pub(crate) fn begin() {
    if is_on() {
        STEPS.with_borrow_mut(Vec::clear);
    }
}

pub(crate) fn push(what: impl FnOnce() -> String, at: Option<&'static Location<'static>>) {
    if is_on() {
        let thread = format!("{:?}", thread::current().id());
        let thread = thread.chars().filter(char::is_ascii_digit).collect();
        STEPS.with_borrow_mut(|steps| steps.push(Step { thread, what: what(), at }));
    }
}

/// The change of a word, as far as people read it.
pub(crate) fn change(before: u64, after: u64, at: &'static Location<'static>) -> String {
    let [before, after] = [before, after].map(|word| {
        let described = DESCRIBE.get().and_then(|describe| describe(at.file(), word));
        described.unwrap_or_else(|| format!("{word:#x}"))
    });
    let indent = " ".repeat(18);
    if before == after { format!("\n{indent}{before}") } else { format!("\n{indent}{before}\n{indent}→ {after}") }
}

/// The most steps that are written.
const SHOWN: usize = 40;

/// From now on, a panic writes the steps so far. It is the panic and not the end of the model that does, because
/// destructors that run after it may abort the process.
pub(crate) fn report_on_panic() {
    static ONCE: Once = Once::new();
    if is_on() {
        ONCE.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                report();
                before(panic);
            }));
        });
    }
}

/// Writes the steps of the interleaving so far, unless it panicked before.
fn report() {
    let Some(file) = &*FILE else { return };
    let Ok(steps) = STEPS.try_with(|steps| steps.try_borrow_mut().map(|mut steps| std::mem::take(&mut *steps))) else {
        return;
    };
    let Some(steps) = steps.ok().filter(|steps| !steps.is_empty()) else { return };
    let mut text = String::from("The steps of the interleaving that fails, the oldest first:\n\n");
    let earlier = steps.len().saturating_sub(SHOWN);
    if earlier > 0 {
        _ = writeln!(text, "  … {earlier} earlier steps");
    }
    let mut sources = HashMap::new();
    for (number, step) in steps.iter().enumerate().skip(earlier) {
        let at = step.at.map_or_else(String::new, |at| format!("{}: ", function(at, &mut sources)));
        _ = writeln!(text, "{:>4}  thread {}  {at}{}", number + 1, step.thread, step.what);
    }
    if let Err(error) = fs::write(file, text) {
        eprintln!("cannot write {}: {error}", file.display());
    }
}

/// The name of the function that a line is in.
fn function(at: &'static Location<'static>, sources: &mut HashMap<&'static str, String>) -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = sources.entry(at.file()).or_insert_with(|| fs::read_to_string(top.join(at.file())).unwrap_or_default());
    let before = text.lines().take(at.line() as usize).collect::<Vec<_>>();
    let name = before.iter().rev().find_map(|line| line.split_once("fn ")?.1.split(['(', '<']).next());
    let file = at.file().rsplit('/').next().unwrap_or(at.file());
    name.map_or_else(|| format!("{file}:{}", at.line()), |name| format!("{name} ({file})"))
}
