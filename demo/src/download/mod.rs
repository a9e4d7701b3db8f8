//! `demo download`: files, each from one URL. Links in them are not followed.
//!
//! | file | what it holds |
//! |---|---|
//! | `args.rs`, `list.rs` | the options; the URLs of a file |
//! | `names.rs` | file names for a list of URLs |

mod args;
mod list;
mod names;

pub use args::DownloadArgs;

use crate::engine::{self, Names, Plan, listed, urls};
use crate::http::remove_login;
use crate::signals::Signals;
use crate::temporary::Temporary;
use crate::{Exit, Failure};
use futures_lite::FutureExt;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use url::Url;

/// Downloads the files of a list.
///
/// # Errors
/// Fails if the URLs are wrong, or if the run as a whole can't go on. Files that fail are reported and are no error.
pub async fn run(mut args: DownloadArgs, signals: Signals) -> Result<Exit, Failure> {
    if let Some(list) = &args.input {
        args.urls.extend(list::read(list)?);
    }
    let starts = urls::parse_all(&args.urls)?;
    match args.output.take() {
        None => {
            let names = names::assign(&starts);
            if args.dry_run {
                return list(&starts, |url| args.options.directory.join(&names[url]));
            }
            engine::run(args.options, plan(starts, names, args.segments), signals).await
        }
        Some(output) if output == Path::new("-") => match args.dry_run {
            true => list(&starts, |_| PathBuf::from("standard output")),
            false => print(args, starts, signals).await,
        },
        // The file gets its name by a rename, which would replace a device or a pipe.
        Some(output) if output.metadata().is_ok_and(|there| !there.is_file() && !there.is_dir()) => {
            let output = output.display();
            Err(Failure::Urls(vec![format!("`{output}` is not a regular file: write --output - and redirect it")]))
        }
        Some(output) => {
            let (directory, name) = split(&output)?;
            let [start] = starts.as_slice() else { return Err(several_to_one(&output)) };
            if args.dry_run {
                return list(&starts, |_| directory.join(&name));
            }
            let names = HashMap::from([(start.clone(), name)]);
            args.options.directory = directory;
            engine::run(args.options, plan(starts, names, args.segments), signals).await
        }
    }
}

/// Lists where these URLs would be saved.
fn list(urls: &[Url], path: impl Fn(&Url) -> PathBuf) -> Result<Exit, Failure> {
    let mut seen = HashSet::new();
    for url in urls.iter().filter(|url| seen.insert(*url)) {
        let mut shown = url.clone();
        remove_login(&mut shown);
        listed(shown.as_str(), &path(url)).map_err(Failure::Output)?;
    }
    Ok(Exit::Success)
}

/// A plan that saves each of these URLs as the file with its assigned name.
fn plan(urls: Vec<Url>, files: HashMap<Url, PathBuf>, connections: u32) -> Plan {
    let mut names = Names::default();
    files.into_iter().for_each(|(url, file)| names.name_file(urls::normalize(url), file));
    Plan { names, follow_links: false, connections, ..Plan::new(urls) }
}

/// Prints the files, in the order of the URLs. Each is complete before its first byte is printed, so a retry prints
/// nothing twice.
async fn print(mut args: DownloadArgs, starts: Vec<Url>, signals: Signals) -> Result<Exit, Failure> {
    let directory = Temporary::new()?;
    args.options.directory = directory.path().to_owned();
    let names = names::assign(&starts);
    let in_order: Vec<PathBuf> = starts.iter().map(|url| directory.path().join(&names[url])).collect();
    let exit = engine::run(args.options, plan(starts, names, args.segments), signals).await?;
    let copied = executor::spawn_blocking(move || {
        let mut out = io::stdout().lock();
        for file in in_order.iter().filter(|file| file.exists()) {
            io::copy(&mut File::open(file)?, &mut out)?;
        }
        out.flush()
    });
    let mut interrupts = signals.interrupts().map_err(Failure::Signals)?;
    match async { Ok(copied.await) }.or(async { Err(interrupts.next().await) }).await {
        Ok(copied) => copied?.map_err(Failure::Output)?,
        Err(interrupt) => {
            // The thread that prints may wait for a reader for ever, and cannot be cancelled.
            drop(directory);
            std::process::exit(interrupt.exit().code().into());
        }
    }
    Ok(exit)
}

/// The directory and the name of a file.
fn split(output: &Path) -> Result<(PathBuf, PathBuf), Failure> {
    let directory = output.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    match output.file_name() {
        Some(name) => Ok((directory.to_owned(), name.into())),
        None => Err(Failure::Urls(vec![format!("`{}` is a directory: write it with -P", output.display())])),
    }
}

fn several_to_one(output: &Path) -> Failure {
    let output = output.display();
    Failure::Urls(vec![format!(
        "--output {output} is for one URL: write -P DIR to save several, or --output - to print them"
    )])
}
