//! The labs as they are in the clone, without building them.

use super::{clone, lab};

#[test]
fn the_manifests_and_the_chapters_of_all_labs_hold() {
    let printed = lab(clone(), &["verify", "--text"]).succeeds();
    assert!(printed.contains("everything holds"), "{printed}");
}

#[test]
fn the_labs_are_listed_with_their_hours() {
    let printed = lab(clone(), &[]).succeeds();
    let labs: Vec<&str> =
        printed.lines().filter(|line| line.trim_start_matches('*').trim().starts_with(char::is_numeric)).collect();
    assert!(labs.len() >= 13, "twelve labs and the sum: {printed}");
    assert!(printed.contains("* 1 Sixty lines") && printed.contains("hours in all"), "{printed}");
    assert!(printed.lines().all(|line| line.chars().count() <= 100), "{printed}");
}

#[test]
fn a_broken_lab_is_found_with_its_reasons() {
    let place = tempfile::tempdir().unwrap();
    let labs = place.path().join("demo/labs/01-first");
    std::fs::create_dir_all(&labs).unwrap();
    let manifest = "title = \"A\"\nsubject = \"a\"\nhours = 1\nneeds = [2]\n\
        [[hole]]\nfile = \"a.rs\"\nitem = \"f\"\ntask = \"t\"\nhints = [\"h\"]\n\
        [[test]]\nname = \"t\"\nbroke = \"b\"\ninvariant = \"i\"\n\
        [[wrong]]\nname = \"w\"\nin = \"f\"\nreplace = \"one\"\nwith = \"two\"\nfails = \"t\"\nsays = \"s\"\n";
    std::fs::write(labs.join("lab.toml"), manifest).unwrap();
    std::fs::write(place.path().join("a.rs"), "fn f() {}\n").unwrap();
    let chapter = "# Lab 2: A\n\n```rust,ignore source=a.rs item=f\n```\n\n```rust,ignore\nf();\n```\n";
    std::fs::write(labs.join("README.md"), chapter).unwrap();
    let course = place.path().to_str().unwrap();
    let printed = lab(place.path(), &["--course", course, "verify", "--text"]);
    for says in [
        "the first line is `# Lab 2: A`, not `# Lab 1: A`",
        "`f` is a hole of this lab",
        "neither compiled nor compared",
        "`one` occurs 0 times",
        "needs lab 2",
        "fewer than four wrong solutions",
    ] {
        printed.fails(3, says);
    }
}
