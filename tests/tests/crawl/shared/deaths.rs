//! Workers that are killed, stalled or interrupted, and a Redis that is restarted.

use super::kit::{Worker, all, each_is_saved_once, hits, page};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::demo::within_after_build;
use tests::eventually;
use tests::faults::{FaultServer, Gate};
use tests::redis::RedisServer;

const PAGES: usize = 150;

#[test]
fn no_page_is_lost_or_saved_twice_although_a_worker_is_killed_and_redis_is_restarted() {
    within_after_build(120, || {
        let Some(mut redis) = RedisServer::start() else { return };
        let (killed, restarted, never) = (Gate::default(), Gate::default(), Gate::default());
        let (others, victims) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let gates = (killed.clone(), restarted.clone(), never);
        let counts = (others.clone(), victims.clone());
        let server = FaultServer::start(move |visit| {
            let (killed, restarted, never) = &gates;
            if visit.header("user-agent") == Some("victim") {
                // Its sixth request and those after it get no answer.
                if counts.1.fetch_add(1, Ordering::SeqCst) >= 5 {
                    visit.until_open(never);
                }
            } else {
                // The others leave pages for the victim, and for the time after the restart.
                let number = counts.0.fetch_add(1, Ordering::SeqCst);
                if number >= 20 {
                    visit.until_open(killed);
                }
                if number >= 60 {
                    visit.until_open(restarted);
                }
            }
            page(visit, PAGES)
        });
        let start = server.url("/0");
        let args = ["--lease", "1s", "-x", "4", &start];
        let victim = Worker::start("victim", &redis, &args);
        let mut workers = ["first", "second"].map(|name| Worker::start(name, &redis, &args));

        eventually("the victim is in the middle of pages", || victims.load(Ordering::SeqCst) >= 6);
        victim.running.signal(Signal::KILL);
        server.open(&killed);
        eventually("60 pages", || others.load(Ordering::SeqCst) > 60);
        redis.kill();
        workers.iter_mut().for_each(|worker| worker.running.until_it_says("trying again for 5m"));
        redis.run();
        server.open(&restarted);

        let mut saved = victim.place.files().len();
        let reports = workers.map(|worker| {
            let (report, place) = worker.exits(0);
            each_is_saved_once(&report, &all(PAGES));
            saved += place.files().len();
            report.0.iter().map(|line| line.0.to_string()).collect::<Vec<_>>()
        });
        assert_eq!(reports[0], reports[1], "both have the report of the whole job");
        assert!((PAGES..=PAGES + 4).contains(&saved), "{saved} files of {PAGES} pages");
        let again: Vec<_> = hits(&server).into_iter().filter(|(_, hits)| *hits > 1).collect();
        assert!(again.len() <= 4 && again.iter().all(|(_, hits)| *hits == 2), "more than the victim's: {again:?}");
    });
}

#[test]
fn a_worker_that_stood_still_for_longer_than_its_lease_records_nothing_twice() {
    within_after_build(120, || {
        let Some(redis) = RedisServer::start() else { return };
        let (gate, count) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
        let (opens, counts) = (gate.clone(), count.clone());
        let server = FaultServer::start(move |visit| {
            if visit.header("user-agent") == Some("still") && counts.fetch_add(1, Ordering::SeqCst) >= 5 {
                visit.until_open(&opens);
            }
            page(visit, 30)
        });
        let args = ["--lease", "1s", "-x", "2", &server.url("/0")];
        let mut still = Worker::start("still", &redis, &args);
        eventually("two pages are in progress", || count.load(Ordering::SeqCst) >= 7);
        still.running.signal(Signal::STOP);
        let (report, _) = Worker::start("other", &redis, &args).exits(0);
        each_is_saved_once(&report, &all(30));
        server.open(&gate);
        still.running.signal(Signal::CONT);
        still.running.until_it_says("discarded, because its lease expired");
        let (late, _) = still.exits(0);
        each_is_saved_once(&late, &all(30));
    });
}

#[test]
fn an_interrupted_worker_returns_its_pages_at_once() {
    within_after_build(120, || {
        let Some(redis) = RedisServer::start() else { return };
        let (never, count) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
        let counts = count.clone();
        let server = FaultServer::start(move |visit| {
            if visit.header("user-agent") == Some("interrupted") && counts.fetch_add(1, Ordering::SeqCst) >= 5 {
                visit.until_open(&never);
            }
            page(visit, 30)
        });
        let args = ["--lease", "1h", "-x", "3", &server.url("/0")];
        let mut interrupted = Worker::start("interrupted", &redis, &args);
        eventually("three pages are in progress", || count.load(Ordering::SeqCst) >= 8);
        interrupted.running.signal(Signal::INT);
        interrupted.running.until_it_says("press Ctrl-C again");
        interrupted.running.signal(Signal::INT);
        let (report, _) = interrupted.exits(130);
        assert_eq!(report.urls().len(), 5, "the report has what was done until then");
        assert_eq!(redis.number(&["ZCARD", "demo:test:leases"]), 0);
        let (report, _) = Worker::start("other", &redis, &args).exits(0);
        each_is_saved_once(&report, &all(30));
        assert_eq!(server.requests().iter().map(|request| &request.path).collect::<BTreeSet<_>>().len(), 30);
    });
}

#[test]
fn a_page_that_takes_longer_than_a_lease_stays_with_its_worker() {
    within_after_build(120, || {
        let Some(redis) = RedisServer::start() else { return };
        let gate = Gate::default();
        let opens = gate.clone();
        let server = FaultServer::start(move |visit| {
            if visit.path == "/1" {
                visit.until_open(&opens);
            }
            page(visit, 10)
        });
        let args = ["--lease", "1s", &server.url("/0")];
        let workers = ["first", "second"].map(|name| Worker::start(name, &redis, &args));
        let clock = || match redis.ask(&["TIME"]) {
            tests::redis::Reply::Array(time) => format!("{:?}", time[0]),
            reply => panic!("{reply:?}"),
        };
        eventually("the slow page is in progress", || server.hits("/1") == 1);
        let mut seconds = BTreeSet::new();
        eventually("three seconds of Redis' clock", || seconds.insert(clock()) && seconds.len() > 3);
        server.open(&gate);
        for worker in workers {
            each_is_saved_once(&worker.exits(0).0, &all(10));
        }
        assert_eq!(server.hits("/1"), 1);
    });
}
