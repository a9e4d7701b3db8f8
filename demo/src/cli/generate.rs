//! Completions and the manual page, generated from the definition of the command line.

use super::Cli;
use crate::{Exit, Failure};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io::{self, Write};

/// Options of `demo completions`.
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// Shell to generate the script for
    pub shell: Shell,
}

/// Prints a completion script for a shell.
///
/// # Errors
/// Fails if standard output can't be written.
pub fn completions(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "demo", &mut script);
    print(&script)
}

/// Prints the manual page: the program, and a section for each command.
///
/// # Errors
/// Fails if standard output can't be written.
pub fn man() -> Result<Exit, Failure> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(Failure::Output)?;
    for command in command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help") {
        let man = clap_mangen::Man::new(command.clone());
        let name = command.get_name().to_uppercase();
        writeln!(page, ".SH \"DEMO {name}\"").map_err(Failure::Output)?;
        let written = man
            .render_synopsis_section(&mut page)
            .and_then(|()| man.render_description_section(&mut page))
            .and_then(|()| man.render_options_section(&mut page))
            .and_then(|()| match command.get_after_help() {
                Some(_) => man.render_extra_section(&mut page),
                None => Ok(()),
            });
        written.map_err(Failure::Output)?;
    }
    print(&page)
}

fn print(text: &[u8]) -> Result<Exit, Failure> {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(Exit::Success),
    }
}
