//! Runs a program within limits that the system enforces: `demo lab-confine`, which the other commands start for each
//! test. It sets the limits on itself and then becomes the program.

use super::error::LabError;
use super::manifest::Limits;
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Options of `demo lab-confine`.
#[derive(Clone, Debug, Args)]
pub struct ConfineArgs {
    /// Processor time, in seconds
    #[arg(long)]
    cpu: u64,
    /// Address space, in MiB
    #[arg(long)]
    memory: u64,
    /// Size of each file that it writes, in MiB
    #[arg(long)]
    output: u64,
    /// Number of processes and threads of its user; does not apply to the superuser
    #[arg(long)]
    processes: Option<u64>,
    /// User to become
    #[arg(long)]
    user: Option<u32>,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, required = true)]
    program: Vec<OsString>,
}

/// The command line that runs a program within limits.
pub(crate) fn confined(limits: Limits, processes: Option<u64>, user: Option<u32>) -> Result<Command, LabError> {
    let own = std::env::current_exe().map_err(LabError::program("demo"))?;
    let mut command = Command::new(own);
    command.arg("lab-confine");
    // Variables that change how a runtime, a model or a test runs, or make it write a recording.
    const CLEARED: [&str; 4] = ["EXECUTOR_", "MODELS_", "LOOM_", "RUST_TEST_"];
    for (name, _) in std::env::vars_os() {
        if CLEARED.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    let mut option = |name: &str, value: u64| _ = command.arg(name).arg(value.to_string());
    option("--cpu", limits.cpu);
    option("--memory", limits.memory);
    option("--output", limits.output);
    processes.inspect(|processes| option("--processes", *processes));
    user.inspect(|user| option("--user", u64::from(*user)));
    command.arg("--");
    if processes.is_some() {
        // The processes that a submission starts are killed as a group. A test of `check` is in the group of this
        // program, so that Ctrl-C reaches it, too.
        command.process_group(0);
    }
    Ok(command)
}

/// Becomes the program. Returns only if that fails.
pub(crate) fn run(args: &ConfineArgs) -> Result<Infallible, LabError> {
    let limit = |what: Resource, current: u64, maximum: u64| {
        // Only the superuser may raise a limit that the system sets.
        let most = getrlimit(what).maximum.unwrap_or(u64::MAX);
        let limits = Rlimit { current: Some(current.min(most)), maximum: Some(maximum.min(most)) };
        setrlimit(what, limits).map_err(|error| LabError::Other(format!("cannot set a limit: {error}")))
    };
    limit(Resource::Core, 0, 0)?;
    limit(Resource::As, args.memory << 20, args.memory << 20)?;
    limit(Resource::Fsize, args.output << 20, args.output << 20)?;
    args.processes.map_or(Ok(()), |processes| limit(Resource::Nproc, processes, processes))?;
    // The process gets a signal at the first limit and is killed at the second.
    limit(Resource::Cpu, args.cpu, args.cpu + 2)?;
    let mut program = Command::new(&args.program[0]);
    program.args(&args.program[1..]);
    args.user.inspect(|user| _ = program.uid(*user).gid(*user));
    Err(LabError::program(&args.program[0].to_string_lossy())(program.exec()))
}
