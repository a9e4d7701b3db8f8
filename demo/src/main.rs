//! The binary: see `dispatch.rs` for what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    demo::run(std::env::args_os())
}
