//! Each reply of [`tests::replies`], cut at every byte and then closed or reset: thousands of pages in one crawl. Each
//! page is saved correctly or reported with a named error, and the other pages are unaffected.
//!
//! Alone: `cargo test --workspace --test simulate cut_replies`. `crawl/cut_replies.rs` does the same with real sockets.

use clap::Parser;
use demo::Exit;
use demo::crawl::CrawlArgs;
use demo::signals::Signals;
use executor::net::{TcpListener, TcpStream};
use executor::time::{Duration, now, sleep};
use executor::{Runtime, named};
use futures_lite::AsyncWriteExt;
use serde_json::Value;
use std::collections::HashMap;
use std::rc::Rc;
use tests::replies::{Reply, replies};

/// The number of good pages that are loaded meanwhile.
const GOOD: usize = 63;

/// How a reply arrives and ends.
const WAYS: [&str; 3] = ["close", "reset", "drip"];

/// The paths of all cuts: `/cut/REPLY/BYTES/WAY`.
fn paths(replies: &[Reply]) -> Vec<String> {
    let cuts = |reply: &Reply| {
        let name = reply.name;
        (0..=reply.bytes.len())
            .flat_map(move |cut| WAYS.map(|way| format!("/cut/{name}/{cut}/{way}")))
            .collect::<Vec<_>>()
    };
    replies.iter().flat_map(cuts).collect()
}

fn good(number: usize) -> String {
    format!("good page {number}\n").repeat(20 * number)
}

/// Answers one request, and closes or resets the connection.
async fn answer(mut stream: TcpStream, replies: Rc<Vec<Reply>>) {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut piece).await {
            Ok(count @ 1..) => head.extend(&piece[..count]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let page = |kind: &str, body: String| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    match parts.as_slice() {
        ["cut", name, cut, way] => {
            let reply = replies.iter().find(|reply| reply.name == *name).unwrap();
            let bytes = &reply.bytes[..cut.parse().unwrap()];
            for piece in bytes.chunks(if *way == "drip" { 1 } else { bytes.len().max(1) }) {
                if stream.write_all(piece).await.is_err() {
                    return; // the client has closed the connection
                }
            }
            if *way == "reset" {
                sleep(Duration::from_millis(20)).await; // the sent bytes arrive before the reset
                stream.set_linger(Some(Duration::ZERO)).unwrap();
            }
        }
        ["good", number] => {
            sleep(Duration::from_millis(300)).await; // cuts are served meanwhile
            let _ = stream.write_all(&page("text/plain", good(number.parse().unwrap()))).await;
        }
        _ => {
            let cuts = paths(&replies);
            let mut links: Vec<String> = (0..GOOD).map(|number| format!("/good/{number}")).collect();
            // Interleaved with the cuts, so that both are loaded at the same time.
            for (at, path) in cuts.into_iter().enumerate() {
                links.insert((2 * at).min(links.len()), path);
            }
            let html = links.iter().map(|path| format!("<a href={path}>x</a>\n")).collect();
            let _ = stream.write_all(&page("text/html", html)).await;
        }
    }
}

#[test]
fn a_reply_that_is_cut_anywhere_is_complete_or_a_named_error_and_affects_only_its_own_page() {
    tests::alone::passes(module_path!(), "crawl_all_cuts");
}

#[test]
#[ignore = "another test runs it: it prints thousands of errors"]
fn crawl_all_cuts() {
    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: CrawlArgs,
    }
    let directory = tempfile::tempdir().unwrap();
    let (saved, report) = (directory.path().join("saved"), directory.path().join("report.jsonl"));
    let options = ["crawl", "--quiet", "--retries", "0", "-j", "100", "-x", "100", "http://server/"];
    let mut args = Cli::parse_from(options).args;
    (args.options.directory, args.options.report) = (saved.clone(), Some(report.clone()));
    let replies = Rc::new(replies());
    let expected = paths(&replies).len();

    let runtime = Runtime::builder().deterministic(1).build().unwrap();
    let network = runtime.network().unwrap();
    let (exit, took) = runtime.block_on(async {
        let host = network.host("server");
        let replies = replies.clone();
        named("server").spawn_local(host.run(async move {
            let listener = TcpListener::bind("0.0.0.0:80").await.expect("the host is new");
            while let Ok((stream, _)) = listener.accept().await {
                named("connection").spawn_local(answer(stream, replies.clone()));
            }
        }));
        let start = now();
        (demo::crawl::run(args, Signals::None).await.unwrap(), now() - start)
    });

    assert_eq!(exit, Exit::SomeFailed);
    // It would take hours if the pages were loaded one after the other, with a timeout for each.
    assert!(took < Duration::from_secs(120), "it took {took:?} by the simulation's clock");
    let report = std::fs::read_to_string(report).unwrap();
    let mut records = HashMap::new();
    for line in report.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let path = record["url"].as_str().unwrap().strip_prefix("http://server").unwrap().to_owned();
        assert!(records.insert(path, record).is_none(), "twice: {line}");
    }
    let file = |record: &Value| record["path"].as_str().map(|path| std::fs::read(saved.join(path)).unwrap());
    let mut wrong = Vec::new();
    for reply in &*replies {
        for cut in 0..=reply.bytes.len() {
            for way in WAYS {
                let record = &records[&format!("/cut/{}/{cut}/{way}", reply.name)];
                let (led, error) = (record["final_url"].as_str(), record["error"].as_str());
                wrong.extend(reply.judge(cut, way == "reset", file(record).as_deref(), led, error).err());
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {expected} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    for number in 0..GOOD {
        let record = &records[&format!("/good/{number}")];
        assert_eq!(file(record).map(String::from_utf8), Some(Ok(good(number))), "{record}");
    }
}
