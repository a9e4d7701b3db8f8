//! Files of random sizes in segments, from simulated servers that answer some requests wrongly and crash now and then.
//! Each file is the same as on the server.
//!
//! Alone: `cargo test -p tests --test simulate segments`.

use clap::Parser;
use demo::download::DownloadArgs;
use demo::engine::{Plan, urls};
use demo::http::server::{Answer, Body, Handler, LocalFuture, Request, serve};
use demo::signals::Signals;
use demo::{Exit, engine};
use executor::net::TcpListener;
use executor::test::{Host, Network};
use executor::time::{Duration, sleep};
use executor::{Runtime, named};
use http::{StatusCode, header};
use std::rc::Rc;

const RUNS: u64 = 40;
/// The files of each run, each on a host of its own.
const FILES: usize = 25;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: DownloadArgs,
}

/// A server of one file.
struct Server {
    network: Network,
    file: Vec<u8>,
    /// How many of ten answers are wrong.
    wrong: u64,
}

impl Handler for Server {
    fn answer(&self, request: Request) -> LocalFuture<'_, Answer> {
        let range = request.headers.get(header::RANGE).and_then(|range| range.to_str().ok()).map(str::to_owned);
        Box::pin(async move {
            match range {
                None => answer(StatusCode::OK, "\"one\"", self.file.clone()),
                Some(range) => self.part(&range),
            }
        })
    }
}

impl Server {
    fn part(&self, range: &str) -> Answer {
        let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let first: usize = first.parse().unwrap();
        let end = last.parse().map_or(self.file.len(), |last: usize| last + 1);
        let part = |tag, first: usize, end: usize, body: &[u8]| {
            let range = format!("bytes {first}-{}/{}", end - 1, self.file.len());
            answer(StatusCode::PARTIAL_CONTENT, tag, body[first..end].to_vec()).with("content-range", range)
        };
        let other: Vec<u8> = self.file.iter().map(|byte| !byte).collect();
        if self.network.random_below(10) >= self.wrong {
            return part("\"one\"", first, end, &self.file);
        }
        match self.network.random_below(7) {
            0 => answer(StatusCode::OK, "\"one\"", self.file.clone()),
            1 => Answer::plain(StatusCode::SERVICE_UNAVAILABLE),
            2 => part("\"two\"", first, end, &other),
            3 => part("\"one\"", first.saturating_sub(1), end, &other),
            4 if first + 1 < end => part("\"one\"", first + 1, end, &other),
            5 => Answer::plain(StatusCode::PRECONDITION_FAILED),
            // A shorter range than requested is a correct answer.
            _ => part("\"one\"", first, end.min(first + 100), &self.file),
        }
    }
}

fn answer(status: StatusCode, tag: &str, body: Vec<u8>) -> Answer {
    Answer::new(status, "application/octet-stream", Body::Whole(body)).with("accept-ranges", "bytes").with("etag", tag)
}

/// Serves on the host, which first crashes this many times.
async fn keep_serving(host: Host, server: Rc<Server>, crashes: u32) {
    for number in 0..=crashes {
        let ours = server.clone();
        let serving = host.run(async move {
            let listener = TcpListener::bind("0.0.0.0:80").await.expect("the port is free on this host");
            serve(listener, ours).await
        });
        if number < crashes {
            sleep(Duration::from_millis(1 + server.network.random_below(60))).await;
            host.crash();
        }
        let _crashed = serving.await;
        sleep(Duration::from_millis(5)).await;
    }
}

async fn download(network: &Network, seed: u64) {
    let (wrong, crashes) = (network.random_below(4), if seed % 3 == 2 { 5 } else { 0 });
    let mut starts = Vec::new();
    let mut files = Vec::new();
    for number in 0..FILES {
        let host = network.host(&format!("host{number}.example"));
        let size = network.random_below(20_000) as usize;
        let file: Vec<u8> = (0..size).map(|_| network.random() as u8).collect();
        files.push(file.clone());
        let server = Rc::new(Server { network: network.clone(), file, wrong });
        named("server").spawn_local(keep_serving(host, server, crashes));
        starts.push(format!("http://host{number}.example/{number}.bin"));
    }
    let directory = tempfile::tempdir().unwrap();
    let mut options =
        Cli::parse_from(["download", "--quiet", "--retries", "1000", "--retry-connrefused", "-x", "16", "x"])
            .args
            .options;
    options.directory = directory.path().to_owned();
    let (connections, least_segment) = (1 + network.random_below(9) as u32, 1 + network.random_below(3000));
    let starts = urls::parse_all(&starts).unwrap();
    let plan = Plan { follow_links: false, connections, least_segment, ..Plan::new(starts) };
    let exit = engine::run(options, plan, Signals::None).await.unwrap();
    assert_eq!(exit, Exit::Success);
    for (number, file) in files.iter().enumerate() {
        let saved = directory.path().join(format!("host{number}.example_80/{number}.bin"));
        let saved = std::fs::read(saved).unwrap();
        let what = format!("seed {seed}: {} bytes over {connections} connections", file.len());
        assert!(saved == *file, "{what}, in segments of at least {least_segment}");
    }
    assert!(!directory.path().join(".parts").exists());
}

#[test]
fn a_thousand_files_of_random_sizes_are_saved_as_the_servers_have_them() {
    for seed in 0..RUNS {
        let runtime = Runtime::builder().deterministic(seed).build().unwrap();
        let network = runtime.network().unwrap();
        runtime.block_on(async { download(&network, seed).await });
    }
}
