//! The crawl that a command begins or continues in a file (`--state`).

use crate::Failure;
use crate::engine::{Crawl, DIRECTORY, Options, ScopeOptions, State, urls};
use clap::Parser;
use std::path::{Path, PathBuf};
use url::Url;

/// The options that a crawl keeps.
#[derive(Parser)]
#[command(no_binary_name = true)]
struct KeptOptions {
    #[command(flatten)]
    scope: ScopeOptions,
    #[arg(long = "directory-prefix", default_value = DIRECTORY)]
    directory: PathBuf,
}

/// Opens the file of a crawl, or creates it. Without URLs, takes the first pages and the options from the file.
///
/// # Errors
/// Fails if the file cannot be used, or if it is the crawl of another command.
pub async fn open(
    path: PathBuf,
    starts: &mut Vec<Url>,
    scope: &mut ScopeOptions,
    options: &mut Options,
) -> Result<State, Failure> {
    let mut given = Crawl { starts: Vec::new(), options: scope.arguments() };
    for start in starts.iter().map(|url| urls::normalize(url.clone())) {
        if !given.starts.contains(&start) {
            given.starts.push(start);
        }
    }
    if options.directory != Path::new(DIRECTORY) {
        given.options.push(format!("--directory-prefix={}", options.directory.display()));
    }
    let (state, crawl) = State::open(path, given.clone()).await?;
    if starts.is_empty() {
        *starts = crawl.starts;
    }
    if given.options != crawl.options {
        let kept = KeptOptions::try_parse_from(&crawl.options).map_err(|error| state.damaged(error.to_string()))?;
        *scope = ScopeOptions { max_pages: scope.max_pages, ..kept.scope };
        options.directory = kept.directory;
    }
    Ok(state)
}
