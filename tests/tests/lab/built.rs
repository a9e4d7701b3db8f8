//! The commands that build a tree: a student's way through a lab, and grading.

use super::{Tree, clone, lab};
use std::fs;
use tests::within;

const QUEUE: &str = "reactor/src/time/queue.rs";

#[test]
#[ignore = "builds trees: tests/long.sh"]
fn a_student_writes_a_lab_and_goes_on_with_the_own_functions() {
    within(900, || {
        let tree = Tree::start(8);
        let red = tree.run(&["check"]);
        red.fails(3, "FAILED  a tick belongs into one slot");
        red.fails(3, "write      task 1: slot_from, in reactor/src/time/queue.rs:");
        assert_eq!(red.stdout.matches("FAILED").count(), 1, "only the first failure is shown: {}", red.all());

        // A wrong solution: the failure in three lines.
        let ours = fs::read_to_string(clone().join(QUEUE)).unwrap();
        let wrong = ours.replace("fired[before..].sort_by_key(|fired| fired.timer);", "");
        assert_ne!(wrong, ours);
        tree.write(QUEUE, &wrong);
        let red = tree.run(&["check"]);
        red.fails(3, "broke      Timers of one tick fired in a wrong order.");
        red.fails(3, "invariant  ");
        red.fails(3, "see it     ./lab show");
        tree.run(&["beside"]).fails(2, "run ./lab check first");
        tree.run(&["next", "--mine"]).fails(3, "--mine keeps functions that pass");
        let shown = tree.run(&["show"]);
        shown.fails(3, "they fired in the order");

        // Changed tests do not count.
        let check = "demo/labs/08-timers/tests/check.rs";
        let tests = tree.read(check);
        tree.write(check, &format!("{tests}// Mine.\n"));
        let changed = tree.run(&["check"]);
        changed.fails(3, "these tests were changed");
        tree.write(check, &tests);

        // It does not compile.
        tree.write(QUEUE, &ours.replace("self.numbered += 1;", "self.numbered += \"1\";"));
        let red = tree.run(&["check"]);
        red.fails(3, "the tree does not compile");
        assert!(!red.stdout.contains('\u{1b}'), "no colours in a pipe");

        // Ours, with a mark.
        let mine = ours.replace("        self.numbered += 1;", "        self.numbered += 1; // my own");
        tree.write(QUEUE, &mine);
        let green = tree.run(&["check"]).succeeds();
        assert!(green.contains("all public tests passed"), "{green}");
        let beside = tree.run(&["beside"]).succeeds();
        assert!(beside.contains("// my own") && beside.contains("ours"), "{beside}");
        let next = tree.run(&["next", "--mine"]).succeeds();
        assert!(next.contains("Lab 9: "), "{next}");
        assert!(tree.read(QUEUE).contains("// my own"), "--mine keeps the functions");
        tree.run(&["next"]).succeeds();
        assert!(!tree.read(QUEUE).contains("// my own"), "without --mine, ours take their place");
    });
}

#[test]
#[ignore = "builds trees: tests/long.sh"]
fn submissions_are_graded_by_their_functions_alone() {
    within(900, || {
        let place = tempfile::tempdir().unwrap();
        let ours = fs::read_to_string(clone().join(QUEUE)).unwrap();
        let submit = |name: &str, queue: &str| {
            let tree = place.path().join(name);
            lab(place.path(), &["start", "8", name]).succeeds();
            fs::write(tree.join(QUEUE), queue).unwrap();
            tree
        };
        let insert = "        self.numbered += 1;\n";
        submit("a-good", &ours);
        let cheat = submit("b-changes-the-tests", &fs::read_to_string(submit("c-starter", "").join(QUEUE)).unwrap());
        fs::write(cheat.join("demo/labs/08-timers/tests/check.rs"), "#[test] fn a_tick_belongs_into_one_slot() {}")
            .unwrap();
        submit("d-exits", &ours.replace(insert, "std::process::exit(0);"));
        submit("e-includes", &ours.replace(insert, &format!("include!({:?});", clone().join(QUEUE))));
        submit(
            "f-loops",
            &ours.replace(insert, &format!("{insert} if tick > 0 {{ loop {{ std::hint::spin_loop() }} }}")),
        );
        submit(
            "g-prints",
            &ours.replace(insert, &format!("{insert} if tick > 0 {{ loop {{ println!(\"{{tick:1000}}\") }} }}")),
        );
        let thread = "std::thread::spawn(|| std::thread::sleep(std::time::Duration::from_secs(60)));";
        submit("h-spawns", &ours.replace(insert, &format!("{insert} if tick > 0 {{ loop {{ {thread} }} }}")));
        let printed = lab(place.path(), &["grade", ".", "--lab", "8", "--format", "csv"]).succeeds();
        let row =
            |name: &str| printed.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{printed}"));
        assert!(printed.starts_with("submission,lab,verdict,passed,tests,"), "{printed}");
        assert!(row("a-good").contains("all public tests passed"), "{printed}");
        for (name, says) in [
            ("b-changes-the-tests", "refused: reactor/src/time/queue.rs: there is no `slot_from`"),
            ("c-starter", "refused"),
            ("d-exits", "names `exit`, which no solution needs"),
            ("e-includes", "names `include`, which no solution needs"),
            ("f-loops", "is there a loop without an end?"),
            ("g-prints", "the test prints more than 1 MiB"),
            ("h-spawns", "public tests failed"),
        ] {
            assert!(row(name).contains(says), "{name}: {printed}");
        }
        let json = lab(place.path(), &["grade", "a-good", "--format", "json"]).succeeds();
        let value: serde_json::Value = serde_json::from_str(json.trim()).unwrap();
        assert_eq!((&value["passed"], &value["verdict"]), (&value["tests"], &"all public tests passed".into()));
    });
}
