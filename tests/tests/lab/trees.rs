//! The tree of a lab: what is cut, and what stays.

use super::{Tree, clone, lab};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// All files below a directory, by their path in it.
fn files(top: &Path) -> BTreeSet<PathBuf> {
    fn list(top: &Path, directory: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.file_name().is_some_and(|name| name == ".git" || name == "target") => {}
                true => list(top, &path, found),
                false => _ = found.insert(path.strip_prefix(top).unwrap().to_owned()),
            }
        }
    }
    let mut found = BTreeSet::new();
    list(top, top, &mut found);
    found
}

#[test]
fn a_tree_has_the_holes_of_its_lab_and_no_others() {
    let tree = Tree::start(4);
    let differs =
        |file: &PathBuf| fs::read(clone().join(file)).is_ok_and(|ours| ours != fs::read(tree.top.join(file)).unwrap());
    let changed: Vec<PathBuf> = files(&tree.top).into_iter().filter(differs).collect();
    // Cargo.lock has no packages of other labs; Cargo.toml allows unused code; README.md is the chapter.
    let expected =
        [".gitignore", "Cargo.lock", "Cargo.toml", "README.md", "executor/src/task/state.rs"].map(PathBuf::from);
    assert_eq!(changed, expected);
    let state = tree.read("executor/src/task/state.rs");
    let ours = fs::read_to_string(clone().join("executor/src/task/state.rs")).unwrap();
    assert!(state.contains("todo!(\"lab 4, task 1: State::begin\")"), "{state}");
    let docs = |text: &str| text.lines().filter(|line| line.trim_start().starts_with("///")).count();
    assert_eq!(docs(&state), docs(&ours), "documentation stays");
    assert!(!tree.top.join("demo/labs/04-state-word/lab.toml").exists(), "the wrong solutions are not in the tree");
    assert!(tree.read("README.md").starts_with("# Lab 4: "));
}

#[test]
fn a_tree_is_a_git_repository_with_one_commit() {
    let tree = Tree::start(8);
    assert_eq!(tree.git(&["log", "--format=%s"]), "Lab 8: Timers\n");
    assert_eq!(tree.git(&["status", "--porcelain"]), "");
}

#[test]
fn the_next_lab_has_our_functions_for_those_of_the_last() {
    let tree = Tree::start(4);
    tree.write("executor/src/lib.rs", "// my notes\n");
    let printed = tree.run(&["next"]).succeeds();
    assert!(printed.contains("Lab 5: "), "{printed}");
    let ours = fs::read_to_string(clone().join("executor/src/task/state.rs")).unwrap();
    assert_eq!(tree.read("executor/src/task/state.rs"), ours);
    assert!(tree.read("executor/src/schedule/run_queue.rs").contains("todo!(\"lab 5, task "));
    let labs: Vec<_> =
        fs::read_dir(tree.top.join("demo/labs")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(labs.len(), 1, "{labs:?}");
    // The work so far is in the history.
    assert_eq!(tree.git(&["show", "HEAD~1:executor/src/lib.rs"]), "// my notes\n");
    assert_eq!(tree.git(&["log", "--format=%s"]).lines().nth(1), Some("Lab 4: my work"));
}

#[test]
fn an_update_keeps_what_was_written() {
    let tree = Tree::start(8);
    let before = tree.read("reactor/src/time/queue.rs");
    let written = before.replacen("todo!(\"lab 8, task 1: slot_from\")", "(0, (elapsed + tick) as usize)", 1);
    tree.write("reactor/src/time/queue.rs", &written);
    tree.write("reactor/src/reactor.rs", "// broken\n");
    tree.run(&["update"]).succeeds();
    assert_eq!(tree.read("reactor/src/time/queue.rs"), written);
    assert_eq!(
        tree.read("reactor/src/reactor.rs"),
        fs::read_to_string(clone().join("reactor/src/reactor.rs")).unwrap()
    );
}

#[test]
fn a_place_that_can_not_be_used_is_refused() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("file"), "").unwrap();
    lab(place.path(), &["start", "4", "."]).fails(2, "exists and is not empty; give a new directory");
    lab(place.path(), &["start", "4", "file"]).fails(2, "exists and is not empty");
    lab(place.path(), &["start", "99", "rt"]).fails(2, "there is no lab 99; the labs are 1 to 12");
    lab(clone(), &["start", "4", "rt"]).fails(2, "is inside of the clone; give a directory outside of it");
    assert!(!clone().join("rt").exists());
}
