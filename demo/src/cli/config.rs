//! Options from a file, for the commands that download. They come before those of the command line, which therefore
//! win.
//!
//! Each line is a long option without its dashes, with a value if it takes one: `retries = 5`. Empty lines and lines
//! that begin with `#` are skipped. An option that only another command has is skipped, so that one file serves all.

use super::Cli;
use crate::Failure;
use clap::CommandFactory;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind::{NotFound, PermissionDenied};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The commands that the file is for.
const COMMANDS: [&str; 3] = ["crawl", "download", "check"];

/// The arguments, with the options of the file after the command's name.
pub fn with_options_of_file(mut args: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
    let words: Vec<&str> = args.iter().skip(1).map(|word| word.to_str().unwrap_or_default()).collect();
    let command = match words.first() {
        Some(word) if COMMANDS.contains(word) => Some(*word),
        Some(word) if Cli::command().find_subcommand(word).is_some() => return Ok(args),
        _ => None, // crawl is the default
    };
    let Some((path, is_default)) = file(&args) else { return Ok(args) };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        // Under another user, the home directory may be inaccessible. That counts as no file.
        Err(error) if is_default && matches!(error.kind(), NotFound | PermissionDenied) => return Ok(args),
        Err(source) => return Err(Failure::Unreadable { path, source }),
    };
    let options = options(&text, command.unwrap_or("crawl")).map_err(|why| Failure::Config { path, why })?;
    let at = 1 + usize::from(command.is_some());
    args.splice(at..at, options.into_iter().map(OsString::from));
    Ok(args)
}

/// The file's path, and whether it is the default one. `None` with `--no-config`, or if there is no home directory.
fn file(args: &[OsString]) -> Option<(PathBuf, bool)> {
    let mut args = args.iter().take_while(|arg| *arg != "--");
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--no-config") => return None,
            Some("--config") => return Some((PathBuf::from(args.next()?), false)),
            Some(arg) if arg.starts_with("--config=") => {
                return Some((PathBuf::from(&arg["--config=".len()..]), false));
            }
            _ => {}
        }
    }
    let directory = |name: &str, inside: &str| {
        env::var_os(name).filter(|value| Path::new(value).is_absolute()).map(|value| Path::new(&value).join(inside))
    };
    let directory = directory("XDG_CONFIG_HOME", "").or_else(|| directory("HOME", ".config"))?;
    Some((directory.join(OsStr::new("demo.conf")), true))
}

/// The options of a file, as arguments of a command.
///
/// # Errors
/// The error says what is wrong and in which line.
pub fn options(text: &str, command: &str) -> Result<Vec<String>, String> {
    let mut cli = Cli::command();
    cli.build();
    let has = |command: &str, name: &str| {
        let command = cli.find_subcommand(command);
        command.is_some_and(|command| command.get_arguments().any(|arg| arg.get_long() == Some(name)))
    };
    let mut options = Vec::new();
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (line, None),
        };
        let name = name.trim_start_matches("--");
        if name == "config" || !COMMANDS.iter().any(|command| has(command, name)) {
            return Err(format!("line {number}: no command has the option `{name}`"));
        }
        if has(command, name) {
            options.push(value.map_or(format!("--{name}"), |value| format!("--{name}={value}")));
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_option_of_the_commands_that_have_it() {
        let text = "# mine\n\nretries = 5\n--quiet\n depth=inf \n";
        assert_eq!(options(text, "crawl").unwrap(), ["--retries=5", "--quiet", "--depth=inf"]);
        assert_eq!(options(text, "download").unwrap(), ["--retries=5", "--quiet"]);
        assert_eq!(options("retires = 5", "crawl").unwrap_err(), "line 1: no command has the option `retires`");
        assert!(options("\nconfig = x", "crawl").unwrap_err().starts_with("line 2"));
    }
}
