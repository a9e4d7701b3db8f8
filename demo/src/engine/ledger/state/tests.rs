//! Tests of the file and its format, and of the order in which changes reach it, on a simulated clock.

use super::*;
use crate::engine::frontier::{Limits, Purpose};
use crate::engine::output::Record;
use crate::temporary::Temporary;
use executor::Runtime;
use flate2::read::GzDecoder;
use redb::{Database, TableDefinition};
use std::future::Future;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;
use std::{fs, mem};

const LIMITS: Limits = Limits { jobs: 64, per_host: Some(64), delay: Duration::ZERO, max_pages: None, robots: false };

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn begun() -> Crawl {
    Crawl { starts: vec![url("http://h/")], options: Vec::new() }
}

fn continued() -> Crawl {
    Crawl { starts: Vec::new(), options: Vec::new() }
}

/// Runs on a simulated clock, where blocking calls take no time.
fn simulated<T>(test: impl Future<Output = T>) -> T {
    Runtime::builder().deterministic(1).build().unwrap().block_on(test)
}

/// A frontier with the pages of the file, and the rest of its content.
async fn restored(state: &State) -> (Frontier, Vec<Restored>) {
    let (frontier, mut rest) = (Frontier::new(LIMITS), Vec::new());
    state.restore(&frontier, &mut |restored| rest.push(restored)).await.unwrap();
    (frontier, rest)
}

/// The paths of the pages of a file that are queued, and of those that are done.
fn content(state: &State) -> (Vec<String>, Vec<String>) {
    let path = |text: &str| url(text).path().to_owned();
    let queued = state.file.queued(0).unwrap().iter().map(|page| path(&page.url)).collect();
    (queued, state.file.done(0).unwrap().iter().map(|(_, done)| path(&done.record.url)).collect())
}

fn done(path: &str, redirects: &[&str], may_pass: bool) -> Done {
    let record = Record { url: format!("http://h{path}"), ..Record::default() };
    Done { record, redirects: redirects.iter().map(|path| url(&format!("http://h{path}"))).collect(), may_pass }
}

fn link(state: &State, frontier: &Frontier, path: &str) {
    let to = url(&format!("http://h{path}"));
    if !state.has_seen(frontier, &to) {
        state.link(frontier, Purpose::Page, to, 1, "http://h/");
    }
}

#[test]
fn a_done_page_is_in_the_file_within_a_second_and_all_pages_are_at_the_end() {
    let directory = Temporary::new().unwrap();
    simulated(async {
        let (state, _) = State::open(directory.path().join("state"), begun()).await.unwrap();
        let (frontier, _) = restored(&state).await;
        let state = Rc::new(state);
        let running = state.clone();
        let writer = executor::spawn_local(async move { running.run().await });
        for number in 0..5 {
            let claim = frontier.next().await.unwrap();
            let path = claim.job.url.path().to_owned();
            link(&state, &frontier, &format!("/{number}"));
            state.done(&claim.job, &done(&path, &[], false));
            assert!(!content(&state).1.contains(&path), "it is written in a batch");
            sleep(Duration::from_millis(999)).await;
            assert_eq!(content(&state).1.last(), Some(&path));
            assert_eq!(content(&state).0, [format!("/{number}")]);
        }
        let claim = frontier.next().await.unwrap();
        state.done(&claim.job, &done("/4", &[], false));
        writer.cancel();
        assert!(writer.await.is_err());
        state.write().await.unwrap();
        assert_eq!(content(&state), (vec![], ["/", "/0", "/1", "/2", "/3", "/4"].map(String::from).into()));
    });
}

#[test]
fn an_interval_without_changes_writes_nothing() {
    let directory = Temporary::new().unwrap();
    let path = directory.path().join("state");
    simulated(async {
        let (state, _) = State::open(path.clone(), begun()).await.unwrap();
        let before = fs::read(&path).unwrap();
        let over = executor::time::timeout(Duration::from_secs(1000), state.run()).await;
        assert!(over.is_err());
        assert!(fs::read(&path).unwrap() == before);
    });
}

/// `/a` redirects to `/b`, to which `/c` links. Whatever happens to `/a`, the link of `/c` is not lost.
#[test]
fn a_link_to_the_target_of_a_redirect_of_a_page_in_progress_is_kept_until_that_page_is_done() {
    let directory = Temporary::new().unwrap();
    simulated(async {
        for (name, is_killed, may_pass) in [("done", false, false), ("killed", true, false), ("failed", false, true)] {
            let path = directory.path().join(name);
            let (state, _) = State::open(path.clone(), begun()).await.unwrap();
            let (frontier, _) = restored(&state).await;
            let first = frontier.next().await.unwrap();
            ["/a", "/c"].iter().for_each(|path| link(&state, &frontier, path));
            state.done(&first.job, &done("/", &[], false));
            let (a, c) = (frontier.next().await.unwrap(), frontier.next().await.unwrap());
            assert!(state.see(&frontier, &url("http://h/b")));
            ["/b", "/b", "/a"].iter().for_each(|path| link(&state, &frontier, path));
            state.done(&c.job, &done("/c", &[], false));
            if !is_killed {
                state.done(&a.job, &done("/a", &["/b"], may_pass));
            }
            state.write().await.unwrap();
            drop(state);
            let (state, _) = State::open(path, continued()).await.unwrap();
            let (frontier, _) = restored(&state).await;
            drop((first, a, c));
            let expected: &[&str] = match (is_killed, may_pass) {
                (true, _) => &["/a", "/b"],
                (_, true) => &["/b", "/a"], // what failed comes last
                _ => &[],
            };
            let mut queued = Vec::new();
            while let Some(claim) = frontier.next().await {
                queued.push(claim.job.url.path().to_owned());
            }
            assert_eq!(queued, expected, "{name}");
            assert!(!frontier.see(&url("http://h/b")), "{name}: it was seen");
        }
    });
}

#[test]
fn a_page_that_is_fetched_again_from_its_beginning_leaves_no_target_behind() {
    let directory = Temporary::new().unwrap();
    simulated(async {
        let (state, _) = State::open(directory.path().join("state"), begun()).await.unwrap();
        let (frontier, _) = restored(&state).await;
        let first = frontier.next().await.unwrap();
        for _ in 0..2 {
            assert!(state.see(&frontier, &url("http://h/b")));
            link(&state, &frontier, "/b");
            state.forget(&frontier, &[url("http://h/b")]);
        }
        assert!(state.see(&frontier, &url("http://h/b")));
        link(&state, &frontier, "/b");
        state.done(&first.job, &done("/", &["/b"], false));
        state.write().await.unwrap();
        assert_eq!(content(&state), (vec![], vec!["/".to_owned()]));
    });
}

#[test]
fn skipped_links_forbidden_pages_and_the_scope_are_kept() {
    let directory = Temporary::new().unwrap();
    let path = directory.path().join("state");
    let reasons = [Skipped::OtherHost, Skipped::Scheme("mailto".to_owned()), Skipped::Robots];
    simulated(async {
        let (state, _) = State::open(path.clone(), begun()).await.unwrap();
        let (frontier, _) = restored(&state).await;
        reasons.iter().zip(1..).for_each(|(reason, hash)| state.skip_link(reason, hash));
        state.skip_link(&Skipped::RobotsUnreadable, 9);
        state.extend_scope(&url("http://other/"));
        ["/private", "/unreadable"].iter().for_each(|path| link(&state, &frontier, path));
        let _first = frontier.next().await.unwrap();
        for reason in [Skipped::Robots, Skipped::RobotsUnreadable] {
            let claim = frontier.next().await.unwrap();
            state.skip(&claim.job, &reason);
        }
        state.write().await.unwrap();
        assert_eq!(content(&state).0, ["/", "/unreadable"]);
        drop(state);
        let (state, _) = State::open(path.clone(), continued()).await.unwrap();
        let (frontier, rest) = restored(&state).await;
        assert!(!frontier.see(&url("http://h/private")));
        let mut kept = Vec::new();
        for restored in rest {
            match restored {
                Restored::Scope(to) => assert_eq!(to.as_str(), "http://other/"),
                Restored::SkippedLink(hash, reason) => kept.push((reason, hash)),
                Restored::Done(done) => panic!("{done:?} is not done"),
            }
        }
        assert_eq!(kept, reasons.iter().cloned().zip(1..).collect::<Vec<_>>());
    });
}

#[test]
fn more_pages_than_are_read_at_once_are_restored_in_order() {
    let directory = Temporary::new().unwrap();
    let path = directory.path().join("state");
    simulated(async {
        let (state, _) = State::open(path.clone(), begun()).await.unwrap();
        let (frontier, _) = restored(&state).await;
        (0..4500).for_each(|number| link(&state, &frontier, &format!("/{number}")));
        for _ in 0..2101 {
            let claim = frontier.next().await.unwrap();
            state.done(&claim.job, &done(claim.job.url.path(), &[], false));
        }
        state.write().await.unwrap();
        drop(state);
        let (state, _) = State::open(path.clone(), continued()).await.unwrap();
        let (frontier, rest) = restored(&state).await;
        assert_eq!((rest.len(), frontier.queued()), (2101, 2400));
        for number in 2100..4500 {
            let claim = frontier.next().await.unwrap();
            assert_eq!(claim.job.url.path(), format!("/{number}"));
            assert_eq!((claim.job.depth, claim.job.number), (1, number + 1));
        }
        assert_eq!(frontier.add(url("http://h/new"), 1, None), Some(4501), "numbers go on");
    });
}

// ---- the format ----

/// A file of format 1: a crawl of the built-in site that was stopped after six pages.
const FORMAT_1: &[u8] = include_bytes!("format-1.redb.gz");

fn unpacked(path: &Path) {
    let mut bytes = Vec::new();
    GzDecoder::new(FORMAT_1).read_to_end(&mut bytes).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_file_that_an_earlier_version_wrote_is_continued() {
    let directory = Temporary::new().unwrap();
    let path = directory.path().join("state");
    unpacked(&path);
    simulated(async {
        let (state, crawl) = State::open(path.clone(), continued()).await.unwrap();
        assert_eq!(crawl.starts, [url("http://127.0.0.1:18431/")]);
        let (frontier, rest) = restored(&state).await;
        let done =
            rest.iter().filter(|restored| matches!(restored, Restored::Done(done) if done.record.status == Some(200)));
        assert_eq!((done.count(), frontier.queued()), (6, 28));
    });
}

fn refused(path: &Path) -> StateError {
    StateFile::open(path, &begun()).map(mem::drop).expect_err("the file cannot be used")
}

#[test]
fn other_formats_and_other_databases_are_refused() {
    let directory = Temporary::new().unwrap();
    let text: TableDefinition<'_, &str, &str> = TableDefinition::new("crawl");
    let numbers: TableDefinition<'_, u64, u64> = TableDefinition::new("crawl");
    let other: TableDefinition<'_, u64, u64> = TableDefinition::new("other");
    let path = |name: &str| directory.path().join(name);
    let fill = |name: &str, fill: &dyn Fn(&redb::WriteTransaction)| {
        let database = Database::create(path(name)).unwrap();
        let transaction = database.begin_write().unwrap();
        fill(&transaction);
        transaction.commit().unwrap();
    };
    fill("newer", &|transaction| _ = transaction.open_table(text).unwrap().insert("format", "2").unwrap());
    fill("without a format", &|transaction| _ = transaction.open_table(text).unwrap().insert("x", "1").unwrap());
    fill("of another type", &|transaction| _ = transaction.open_table(numbers).unwrap().insert(1, 1).unwrap());
    fill("of another program", &|transaction| _ = transaction.open_table(other).unwrap().insert(1, 1).unwrap());
    fill("without its crawl", &|transaction| _ = transaction.open_table(text).unwrap().insert("format", "1").unwrap());
    fill("empty", &|_| {});
    let error = refused(&path("newer"));
    assert_eq!(error, StateError::OtherFormat("2".to_owned()));
    assert!(error.to_string().contains("continue the crawl with that version"), "{error}");
    for name in ["without a format", "of another type", "of another program", "without its crawl", "empty"] {
        assert_eq!(refused(&path(name)), StateError::NotAState, "{name}");
    }
}
