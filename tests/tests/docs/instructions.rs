//! How many instructions a task costs, counted by valgrind: hardly anything else that the machine does changes that count.
//!
//! Where valgrind is not installed, the test prints so and checks nothing.

use std::path::Path;
use std::process::Command;
use tests::demo::Program;

/// What a spawn, a join and a yield cost together when this was measured, with Rust 1.95 on x86-64.
const INSTRUCTIONS: u64 = 1_226;

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
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn a_task_costs_no_more_instructions_than_before() {
    let Some(valgrind) = Program::find("valgrind") else { return };
    // A folder of its own, as the flag goes to all crates: without it rustix asks the kernel for what valgrind does not have.
    let this = std::env::current_exe().unwrap();
    let target = this.ancestors().nth(3).unwrap().join("valgrind");
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    build
        .args(["build", "--quiet", "--release", "-p", "executor", "--example", "instructions", "--target-dir"])
        .arg(&target);
    build.env("RUSTFLAGS", "--cfg rustix_use_libc").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let program = target.join("release/examples/instructions");
    let (few, many) = (count(&valgrind, &program, 1_000), count(&valgrind, &program, 11_000));
    let each = (many - few) / 10_000;
    println!("{each} instructions for a spawn, a join and a yield");
    assert!(each <= INSTRUCTIONS + INSTRUCTIONS / 10, "{each} instructions, and {INSTRUCTIONS} before");
}
