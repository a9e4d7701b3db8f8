//! One crawl in several processes, on the simulated network, with a real Redis: every page is saved once and none is lost,
//! whatever breaks; and the workers together are polite.
//!
//! Alone: `cargo test -p tests --test simulate shared`. It needs `redis-server`, and is skipped where that is not
//! installed. The thousand seeds: `cargo test --release -p tests --test simulate shared -- --include-ignored`.

mod politeness;
mod redis;
mod seeds;

use clap::Parser;
use demo::crawl::CrawlArgs;
use std::path::Path;

/// The arguments of a worker of the job `test`, which saves and reports below `folder`.
fn worker(folder: &Path, args: &[&str]) -> CrawlArgs {
    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: CrawlArgs,
    }
    let shared = ["crawl", "--quiet", "--frontier", "redis://redis", "--job", "test", "--depth", "inf"];
    let mut args = Cli::parse_from([&shared[..], args].concat()).args;
    args.options.directory = folder.join("saved");
    args.options.report = Some(folder.join("report.jsonl"));
    args
}
