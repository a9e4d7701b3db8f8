//! The commands that need no build.

use super::{Printed, Tree, clone, lab, lab_in};
use std::fs;
use std::io::Write;
use std::process::Stdio;

#[test]
fn hints_come_one_at_a_time() {
    let tree = Tree::start(8);
    let [first, second] = [(), ()].map(|()| tree.run(&["hint"]).succeeds());
    assert!(first.starts_with("task 1: slot_from\n  1. ") && !first.contains("  2. "), "{first}");
    assert!(second.contains("  1. ") && second.contains("  2. "), "{second}");
    let of_other = tree.run(&["hint", "3"]).succeeds();
    assert!(of_other.starts_with("task 3: ") && !of_other.contains("  2. "), "{of_other}");
    tree.run(&["hint", "99"]).fails(2, "there is no task 99; the tasks are 1 to ");
}

#[test]
fn our_solution_is_not_shown_before_the_tests_pass() {
    Tree::start(8).run(&["beside"]).fails(2, "run ./lab check first");
}

#[test]
fn a_command_outside_of_a_tree_says_how_to_make_one() {
    let place = tempfile::tempdir().unwrap();
    for command in ["check", "show", "hint", "beside", "next", "crawl", "update"] {
        lab(place.path(), &[command]).fails(2, "make one with `lab start 1 DIR`");
    }
    lab(place.path(), &["grade", "."]).fails(2, "is no tree of a lab and has none in it");
    lab(place.path(), &["--course", "/nowhere"]).fails(1, "there are no labs in /nowhere/demo/labs");
}

#[test]
fn a_chapter_is_read_in_a_terminal_of_80_columns() {
    let printed = lab(clone(), &["read", "4"]).succeeds();
    let chapter = fs::read_to_string(clone().join("demo/labs/04-state-word/README.md")).unwrap();
    // Code is shown as it is.
    let is_code = |line: &str| chapter.lines().any(|code| code.trim() == line.trim());
    let long: Vec<&str> = printed.lines().filter(|line| line.chars().count() > 80 && !is_code(line)).collect();
    assert!(long.is_empty(), "{long:#?}");
    assert!(printed.contains("The answers: lab read --answers"), "{printed}");
    let with_answers = lab(clone(), &["read", "4", "--answers"]).succeeds();
    assert!(with_answers.len() > printed.len() && !with_answers.contains("<details>"), "{with_answers}");
}

#[test]
fn the_chapters_are_pages_for_a_browser() {
    let place = tempfile::tempdir().unwrap();
    lab(clone(), &["read", "--html", place.path().to_str().unwrap()]).succeeds();
    let index = fs::read_to_string(place.path().join("index.html")).unwrap();
    let links: Vec<&str> = index.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(links.len(), 12, "{links:?}");
    for link in links {
        let page = fs::read_to_string(place.path().join(link)).unwrap();
        assert_eq!(page.matches("<details>").count(), 5, "{link}");
        assert!(page.contains("index.html") && page.contains("<h1>Lab "), "{link}");
    }
}

#[test]
fn a_quiz_asks_about_a_recording_and_counts_the_right_answers() {
    let recording = recording();
    let ask = |answers: &str| {
        let mut command = lab_in(clone());
        command.args(["quiz", recording.path().to_str().unwrap(), "--seed", "3", "--questions", "4"]);
        let mut running = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        running.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
        Printed::of(running.wait_with_output().unwrap())
    };
    let wrong = ask("a\na\na\na\n");
    assert!(wrong.stdout.contains("1. ") && wrong.stdout.contains("4. "), "{}", wrong.all());
    // The right answers, as the first try printed them.
    let options = wrong.stdout.split("\n\n").filter(|question| question.contains(") "));
    let right: String = options
        .map(|question| {
            let one_line = question.split_whitespace().collect::<Vec<_>>().join(" ");
            let verdict = one_line.split_once("right: ").or(one_line.split_once("wrong: ")).unwrap().1;
            let letter = ['a', 'b', 'c', 'd'].into_iter().find(|letter| {
                let option = one_line.split_once(&format!("{letter}) ")).map(|(_, rest)| rest);
                option.is_some_and(|option| {
                    let end = option.find(" answer (").unwrap_or(option.len());
                    let next = [" b) ", " c) ", " d) "].iter().filter_map(|next| option.find(next)).min();
                    verdict.starts_with(&format!("{}. ", &option[..next.unwrap_or(end).min(end)]))
                })
            });
            format!("{}\n", letter.unwrap_or_else(|| panic!("{one_line}")))
        })
        .collect();
    let all_right = ask(&right).succeeds();
    assert!(all_right.contains("4 of 4 right"), "{all_right}");
    ask("x\n").fails(3, "give one of the letters a to ");
}

/// A recording of two tasks that send each other messages.
fn recording() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut command = std::process::Command::new(tests::demo::executor_examples().join("messages"));
    let output = command.env("EXECUTOR_TRACE", file.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    file
}

#[test]
fn a_new_lab_has_all_files_and_is_not_accepted_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    let course = place.path().to_str().unwrap();
    let labs = place.path().join("demo/labs");
    let first = labs.join("01-first");
    fs::create_dir_all(&first).unwrap();
    let ours = clone().join("demo/labs/08-timers");
    for file in ["lab.toml", "README.md"] {
        fs::copy(ours.join(file), first.join(file)).unwrap();
    }
    let printed = lab(place.path(), &["--course", course, "new", "own-mutex"]).succeeds();
    assert!(printed.contains("created demo/labs/02-own-mutex"), "{printed}");
    for file in ["Cargo.toml", "lab.toml", "README.md", "src/lib.rs", "tests/check.rs", "examples/show.rs"] {
        let text = fs::read_to_string(labs.join("02-own-mutex").join(file)).unwrap();
        assert!(!text.contains("NUMBER") && !text.contains("TITLE"), "{file}: {text}");
    }
    lab(place.path(), &["--course", course, "verify", "--text", "2"]).fails(3, "lab 2");
    lab(place.path(), &["--course", course, "new", "../x"]).fails(2, "small letters and dashes only");
}
