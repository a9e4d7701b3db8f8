//! How many instructions a task costs, counted by valgrind: other load on the machine hardly changes that count.
//!
//! Where valgrind is not installed, the test prints a message and checks nothing.

use std::path::Path;
use tests::demo::{Program, optimized_executor_example};

/// What a spawn, a join and a yield cost together when this was measured, with Rust 1.95 on x86-64, without link-time
/// optimization. A release has it, and executes a quarter fewer.
const INSTRUCTIONS: u64 = 1_636;

/// Instructions of a whole run.
fn count(valgrind: &Program, program: &Path, tasks: u64) -> u64 {
    let mut command = valgrind.command();
    command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    let ran = command.arg(program).arg(tasks.to_string()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{}: {said}", ran.status);
    let refs = said.lines().find_map(|line| Some(line.split_once("refs:")?.1.trim().replace(',', "")));
    refs.expect("a count").parse().unwrap()
}

#[test]
#[ignore = "builds crates: tests/long.sh"]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn a_task_costs_no_more_instructions_than_before() {
    let Some(valgrind) = Program::find("valgrind") else { return };
    let program = optimized_executor_example("instructions");
    let (few, many) = (count(&valgrind, &program, 1_000), count(&valgrind, &program, 11_000));
    let each = (many - few) / 10_000;
    println!("{each} instructions for a spawn, a join and a yield");
    assert!(each <= INSTRUCTIONS + INSTRUCTIONS / 10, "{each} instructions, and {INSTRUCTIONS} before");
}
