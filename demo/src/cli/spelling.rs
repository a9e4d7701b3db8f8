//! What a command line probably means: commands that are mistyped, and options that mean two things in other tools.

use super::Cli;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Error};

/// Short options that mean different things in wget and curl, and others that this program does not need, each with
/// what to write instead.
const MEANINGS: [(&str, &str); 25] = [
    ("-A", "is a list of suffixes in wget and the user agent in curl: write --accept-type TYPE or --user-agent TEXT"),
    (
        "-b",
        "runs in the background in wget and sends a cookie in curl: write --load-cookies FILE or --header 'Cookie: a=b'",
    ),
    ("-C", "continues a download in curl: write -c"),
    ("-D", "is a list of domains in wget and a file for headers in curl: write --include REGEX"),
    ("-d", "turns on debugging in wget and sends data in curl: write -v; this program cannot send data"),
    ("-e", "runs a .wgetrc command in wget and sets the referrer in curl: write --ignore-robots for `-e robots=off`"),
    ("-f", "makes curl fail for a status of 400 or above, as this program always does: omit it"),
    ("-H", "spans hosts in wget and adds a header in curl: write --span-hosts or --header 'Name: value'"),
    ("-I", "is a list of directories in wget and a HEAD request in curl: write --include REGEX or `demo check`"),
    ("-k", "converts links in wget and accepts any certificate in curl: write `crawl --convert-links` or --insecure"),
    ("-L", "follows redirects in curl, as this program always does: omit it"),
    ("-m", "mirrors in wget and is a time limit in curl: write -l inf -N or --max-time TIME"),
    ("-n", "is -nc or -np in wget and .netrc in curl: write --no-parent or --netrc"),
    ("-np", "is --no-parent here"),
    ("-nc", "is not needed here: a file is replaced when the new one is complete; write -N to fetch only newer files"),
    ("-nv", "is -q here"),
    (
        "-O",
        "is a file in wget and the name from the URL in curl: write --output FILE, or nothing for the name from the URL",
    ),
    ("-o", "is a log in wget and a file in curl: write --report FILE or --output FILE"),
    ("-Q", "is a quota in wget: write --max-pages N or --max-size SIZE"),
    ("-R", "is a list of suffixes in wget and keeps times in curl, as -N does here: write --exclude REGEX or -N"),
    ("-r", "follows links in wget and is a range in curl: write `demo crawl` or -c"),
    ("-S", "prints the headers in wget and errors in curl: write -v"),
    ("-T", "is a timeout in wget and an upload in curl: write --max-time TIME"),
    ("-U", "is the user agent in wget and the proxy's user in curl: write --user-agent TEXT or --proxy URL"),
    ("-w", "is a delay in wget and a format in curl: write --delay TIME or --format json"),
];

/// The error, with what to write instead if an option of another tool is the reason.
pub fn explained(error: Error) -> Error {
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else { return error };
    let meaning = MEANINGS.iter().find(|(option, _)| option == given);
    match (error.kind(), meaning) {
        (ErrorKind::UnknownArgument, Some((option, meaning))) => {
            Cli::command().error(ErrorKind::UnknownArgument, format!("`{option}` {meaning}"))
        }
        _ => error,
    }
}

/// The command that was probably meant by a word in the place of a URL.
pub fn command_like(word: &str) -> Option<String> {
    if !word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-') {
        return None;
    }
    let command = Cli::command();
    let names = command.get_subcommands().filter(|command| !command.is_hide_set()).map(clap::Command::get_name);
    let likeness = |name: &str| strsim::jaro_winkler(word, name);
    let best = names.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.7).then(|| best.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn a_mistyped_command_is_recognized() {
        for (word, meant) in [("crwl", "crawl"), ("dowload", "download"), ("chekc", "check"), ("serv", "serve")] {
            assert_eq!(command_like(word).as_deref(), Some(meant));
        }
        for word in ["example.org", "localhost", "http://crawl/", "127.0.0.1"] {
            assert_eq!(command_like(word), None, "{word}");
        }
    }

    #[test]
    fn the_error_for_an_option_of_another_tool_says_what_to_write() {
        for (option, meaning) in MEANINGS {
            for command in ["crawl", "download", "check"] {
                let error = Cli::try_parse_from(["demo", command, option, "http://x/"]).unwrap_err();
                if option.len() == 2 {
                    assert!(explained(error).to_string().contains(meaning), "{command} {option}");
                }
            }
        }
    }
}
