//! Wrong options, and a Redis that is not reachable: each error says what to do.

use super::kit::{Worker, page};
use tests::demo::{Place, free_port, within_after_build};
use tests::eventually;
use tests::faults::{FaultServer, Gate};
use tests::redis::RedisServer;

/// The error of `demo crawl` with these arguments, which ends with this code.
#[track_caller]
fn error(args: &[&str], code: i32) -> String {
    Place::new().crawl(args).exits(code).stderr
}

#[test]
fn wrong_options_are_refused() {
    within_after_build(120, || {
        let url = "http://127.0.0.1:9/";
        let frontier = format!("redis://:secret@127.0.0.1:{}/0", free_port());
        for (args, code, message) in [
            (&["--frontier", &frontier, url][..], 2, "--job <NAME>"),
            (&["--job", "test", url], 2, "--frontier <URL>"),
            (&["--lease", "5s", url], 2, "--frontier <URL>"),
            (&["--frontier", &frontier, "--job", "a b", url], 2, "letters, digits"),
            (&["--frontier", &frontier, "--job", "", url], 2, "letters, digits"),
            (&["--frontier", &frontier, "--job", "test", "--lease", "10ms", url], 2, "from 1s to 1day"),
            (&["--frontier", "http://:secret@h", "--job", "test", url], 2, "write redis://HOST"),
            (&["--frontier", &frontier, "--job", "test"], 2, "--frontier needs URLs"),
            (&["--frontier", &frontier, "--job", "test", url], 1, "--frontier: cannot connect to redis://127.0.0.1:"),
        ] {
            let error = error(args, code);
            assert!(error.contains(message) && !error.contains("secret"), "{args:?}: {error}");
        }
    });
}

#[test]
fn a_worker_with_other_options_is_refused_and_the_job_goes_on() {
    within_after_build(120, || {
        let Some(redis) = RedisServer::start() else { return };
        let gate = Gate::default();
        let opens = gate.clone();
        let server = FaultServer::start(move |visit| {
            visit.until_open(&opens);
            page(visit, 10)
        });
        let (start, other) = (server.url("/0"), server.url("/1"));
        let first = Worker::start("first", &redis, &["--depth", "5", &start]);
        eventually("the first page is in progress", || server.hits("/0") == 1);
        for (args, difference) in [
            (&["--depth", "6", &*start][..], "--depth 5, not 6"),
            (&["--depth", "5", &other], "URLs [\"http://127.0.0.1:"),
            (&["--depth", "5", &start, "--delay", "1s"], "--delay \"0ns\", not \"1s\""),
            (&["--depth", "5", &start, "--include", "x"], "--include [], not [\"x\"]"),
        ] {
            let ran = Worker::start("other", &redis, args).running.wait().exits(2);
            ran.says("the job \"test\" was created with other options").says(difference).says("choose another --job");
        }
        server.open(&gate);
        assert_eq!(first.exits(0).0.urls().len(), 10);
    });
}

#[test]
fn a_password_is_needed_and_never_printed() {
    within_after_build(120, || {
        let Some(redis) = RedisServer::with_password(Some("s3cret")) else { return };
        let server = FaultServer::start(|visit| page(visit, 5));
        let url = redis.url();
        let (address, start) = (url.replace(":s3cret@", ""), server.url("/0"));
        let wrong = url.replace("s3cret", "wr0ng");
        for (frontier, message) in [(&address, "NOAUTH"), (&wrong, "check the login")] {
            let error = error(&["--frontier", frontier, "--job", "test", &start], 1);
            assert!(error.contains(message) && !error.contains("wr0ng"), "{error}");
        }
        let place = Place::new();
        let ran = place.crawl(&["--frontier", &url, "--job", "test", "-v", &start]).exits(0);
        let again = place.crawl(&["--frontier", &url, "--job", "test", "-v", &start]).exits(0).says("is complete");
        assert!(!ran.stderr.contains("s3cret") && !again.stderr.contains("s3cret"));
    });
}

#[test]
fn a_job_that_is_removed_ends_its_workers() {
    within_after_build(120, || {
        let Some(redis) = RedisServer::start() else { return };
        let gate = Gate::default();
        let opens = gate.clone();
        let server = FaultServer::start(move |visit| {
            visit.until_open(&opens);
            page(visit, 10)
        });
        let worker = Worker::start("only", &redis, &[&server.url("/0")]);
        eventually("the first page is in progress", || server.hits("/0") == 1);
        redis.ask(&["FLUSHALL"]);
        server.open(&gate);
        worker.running.wait().exits(1).says("the job \"test\" is gone from redis://127.0.0.1:");
    });
}

#[test]
fn a_job_of_another_version_and_a_server_that_is_no_redis_are_named() {
    within_after_build(120, || {
        let Some(redis) = RedisServer::start() else { return };
        let server = FaultServer::start(|visit| page(visit, 5));
        redis.ask(&["HSET", "demo:test:meta", "status", "running", "version", "0", "settings", "{}"]);
        let worker = Worker::start("only", &redis, &[&server.url("/0")]);
        worker.running.wait().exits(1).says("another version of this program (its format is 0, not 1)");
        let frontier = format!("redis://127.0.0.1:{}", server.port());
        let error = error(&["--frontier", &frontier, "--job", "test", &server.url("/0")], 1);
        assert!(error.contains("does not speak Redis' protocol") || error.contains("broke"), "{error}");
    });
}
