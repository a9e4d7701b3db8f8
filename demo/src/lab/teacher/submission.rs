//! A submission: the functions of a lab in a student's tree. Only they are taken; everything else in the tree, such as
//! changed tests, does not matter.

use crate::lab::course::{Course, Edits, Lab, read};
use crate::lab::cut::{body, is_hole, with_bodies};
use crate::lab::error::LabError;
use crate::lab::items;
use crate::lab::state::State;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use std::fs;
use std::path::{Path, PathBuf};

/// The functions of a lab in a student's tree.
pub(super) struct Submission {
    /// The files with the student's functions, in a tree that is otherwise ours.
    pub(super) edits: Edits,
    /// Items of the lab that are still holes.
    pub(super) unwritten: Vec<String>,
    /// Why it must not be run: it names something that no solution needs.
    pub(super) refused: Option<String>,
}

/// Names that no solution needs, and with which one could avoid the tests: by ending the process, reading our sources, or
/// looking at how it is run.
const REFUSED: [&str; 15] = [
    "include",
    "include_str",
    "include_bytes",
    "env",
    "option_env",
    "exit",
    "Command",
    "File",
    "fs",
    "net",
    "asm",
    "global_asm",
    "extern",
    "libc",
    "ctor",
];

impl Submission {
    /// Takes the functions of a lab out of a tree.
    ///
    /// # Errors
    /// If a source file of ours can't be read.
    pub(super) fn take(course: &Course, lab: &Lab, tree: &Path) -> Result<Submission, LabError> {
        let mut submission = Submission { edits: Edits::new(), unwritten: Vec::new(), refused: None };
        for file in lab.files() {
            let theirs = match read(&tree.join(file)) {
                Ok(theirs) => theirs,
                Err(_) => {
                    submission.refuse(format!("{file} is missing or not UTF-8"));
                    continue;
                }
            };
            let ours = course.source(file)?;
            match submission.of_file(lab, file, &theirs, &ours) {
                Ok(edited) => _ = submission.edits.insert(file.into(), edited),
                Err(why) => submission.refuse(format!("{file}: {why}")),
            }
        }
        Ok(submission)
    }

    fn refuse(&mut self, why: String) {
        self.refused.get_or_insert(why);
    }

    /// Our file with the student's functions; or the student's file, where all of it is.
    fn of_file(&mut self, lab: &Lab, file: &str, theirs: &str, ours: &str) -> Result<String, String> {
        let mut bodies = Vec::new();
        for (_, hole) in lab.holes_of(file) {
            let body = body(theirs, &hole.item)?;
            if is_hole(body) {
                self.unwritten.push(hole.item.clone());
            }
            if hole.whole {
                check_names(&items::parse(theirs)?.to_token_stream())?;
                return Ok(theirs.to_owned());
            }
            let block: syn::Block = syn::parse_str(body).map_err(|error| error.to_string())?;
            let tokens = block.to_token_stream();
            check_names(&tokens).map_err(|why| format!("`{}` {why}", hole.item))?;
            bodies.push((&*hole.item, body));
        }
        with_bodies(ours, &bodies)
    }
}

/// Refuses tokens that name what no solution needs, unless ours does.
fn check_names(tokens: &TokenStream) -> Result<(), String> {
    for token in tokens.clone() {
        match token {
            TokenTree::Ident(name) if REFUSED.iter().any(|refused| name == refused) => {
                return Err(format!("names `{name}`, which no solution needs"));
            }
            TokenTree::Group(group) => check_names(&group.stream())?,
            _ => {}
        }
    }
    Ok(())
}

/// The trees in a directory: itself, or those right below it, by name.
pub(super) fn trees(dir: &Path) -> Vec<PathBuf> {
    let is_tree = |path: &Path| path.join("executor/src").is_dir() || path.join("demo/labs").is_dir();
    if is_tree(dir) {
        return vec![dir.into()];
    }
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut trees: Vec<PathBuf> = entries.filter(|path| is_tree(path)).collect();
    trees.sort();
    trees
}

/// The lab of a tree: the given one, or the one that the tree says.
pub(super) fn lab_of<'a>(course: &'a Course, tree: &Path, given: Option<u32>) -> Result<&'a Lab, LabError> {
    let number = match given {
        Some(number) => number,
        None => State::read(tree).map(|state| state.lab).map_err(|_| {
            LabError::Usage(format!("{} does not say which lab it is; give it with --lab", tree.display()))
        })?,
    };
    course.lab(number)
}

#[cfg(test)]
mod tests {
    use super::check_names;

    #[test]
    fn a_way_around_the_tests_is_refused_wherever_it_stands() {
        for (body, is_good) in [
            ("{ self.0.fetch_or(1, Ordering::AcqRel) }", true),
            ("{ if x { loop { std::process::exit(0) } } }", false),
            ("{ include!(\"/clone/executor/src/task/state.rs\") }", false),
            ("{ match std::env::var(\"A\") { _ => () } }", false),
            ("{ // exit\n let exited = \"exit\"; }", true),
        ] {
            let tokens = body.parse().unwrap();
            assert_eq!(check_names(&tokens).is_ok(), is_good, "{body}");
        }
    }
}
