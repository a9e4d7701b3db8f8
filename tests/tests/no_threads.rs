//! A binary of its own, which a user without privileges can run: the system gives no thread for a blocking call.
//!
//! Each case runs in a process of its own, as a user without privileges and with `prlimit --nproc=1`: the limit does
//! not apply to root. Where that is not possible, the tests print so and check nothing.

use executor::time::{Duration, now, sleep};
use executor::{JoinError, Runtime, block_on, net, spawn_blocking};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::{env, fs, io};
use tests::OnDrop;
use tests::demo::{Ran, Running, copy_program, demo};

/// Runs a program without the right to a second thread, in a folder that it may write to. Returns `None` if that is not
/// possible here.
fn run_without_threads(program: &Path, args: &[&str]) -> Option<Ran> {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let limited = |program: &Path| {
        // The soft limit alone: a test may raise it for a while.
        let limit = ["--nproc=1:64"];
        let mut command = match rustix::process::geteuid().is_root() {
            false => Command::new("prlimit"),
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "prlimit"]);
                command
            }
        };
        command.args(limit).arg(program).current_dir(folder.path());
        command
    };
    if !limited(Path::new("true")).output().is_ok_and(|ran| ran.status.success()) {
        eprintln!("skipped: no process can be run as another user with prlimit here");
        return None;
    }
    // That user may not be able to read the program where it was built.
    let copy = folder.path().join("program");
    copy_program(program, &copy);
    Some(Running::start(limited(&copy).args(args)).wait())
}

/// Runs a test of this file that is ignored otherwise.
#[track_caller]
fn passes_without_threads(test: &str) {
    let this = env::current_exe().unwrap();
    let args = [test, "--exact", "--ignored", "--nocapture", "--test-threads=1"];
    if let Some(ran) = run_without_threads(&this, &args) {
        assert!(ran.stdout.contains("1 passed"), "{}{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn a_call_without_a_thread_gives_an_error_and_time_goes_on() {
    passes_without_threads("child_calls");
}

#[test]
#[ignore = "another test runs it without threads"]
fn child_calls() {
    let was_made = Arc::new(AtomicBool::new(false));
    let (was_dropped, made) = (Arc::new(AtomicBool::new(false)), was_made.clone());
    let dropped = was_dropped.clone();
    Runtime::builder().virtual_clock().build().unwrap().block_on(async move {
        let held = OnDrop::new(move || dropped.store(true, Ordering::Relaxed));
        let call = spawn_blocking(move || {
            let _held = held;
            made.store(true, Ordering::Relaxed);
        });
        assert!(was_dropped.load(Ordering::Relaxed), "what the call holds is dropped");
        assert!(call.is_finished());
        let error = call.await.unwrap_err();
        assert!(error.to_string().contains("no thread could be started for a blocking call"), "{error}");
        let error = io::Error::from(error);
        assert!(error.to_string().starts_with("no thread could be started"), "{error}");

        drop(spawn_blocking(|| ())); // not joined
        assert_eq!(executor::tasks().len(), 1, "no call is left");
        let start = now();
        sleep(Duration::from_secs(1)).await; // would last for ever if the clock waited for a call
        assert_eq!(now() - start, Duration::from_secs(1));
    });
    assert!(!was_made.load(Ordering::Relaxed));
    // The same if the runtime ends before the task is polled.
    let mut kept = None;
    block_on(async { kept = Some(spawn_blocking(|| ())) });
    assert!(matches!(block_on(kept.unwrap()), Err(JoinError::Panicked(panic)) if panic.is_io_error()));
}

#[test]
fn a_look_up_without_a_thread_gives_an_error() {
    passes_without_threads("child_looks_up");
}

#[test]
#[ignore = "another test runs it without threads"]
fn child_looks_up() {
    block_on(async {
        for error in [net::lookup("localhost").await.unwrap_err(), net::connect(("localhost", 80)).await.unwrap_err()] {
            assert!(error.get_ref().is_some_and(|inner| inner.is::<net::LookupError>()), "{error:?}");
            let message = error.to_string();
            assert!(message.starts_with("cannot look up \"localhost\": no thread could be started"), "{message}");
        }
        assert!(net::lookup("127.0.0.1").await.is_ok(), "an address needs no thread");
    });
}

#[test]
fn a_call_waits_for_a_thread_of_the_pool_when_no_further_one_can_be_started() {
    passes_without_threads("child_waits");
}

#[test]
#[ignore = "another test runs it without threads"]
fn child_waits() {
    let limit = |threads| {
        let hard = getrlimit(Resource::Nproc).maximum;
        setrlimit(Resource::Nproc, Rlimit { current: Some(threads), maximum: hard }).unwrap();
    };
    block_on(async {
        let (go, gone) = channel::<()>();
        limit(64);
        let first = spawn_blocking(move || gone.recv().is_err());
        limit(1);
        let second = spawn_blocking(|| 2);
        executor::yield_now().await;
        assert!(!second.is_finished());
        drop(go);
        assert!(first.await.unwrap());
        assert_eq!(second.await.unwrap(), 2);
    });
}

#[test]
fn the_crawler_says_that_no_thread_could_be_started() {
    let ran = run_without_threads(demo(), &["crawl", "http://127.0.0.1:9/", "-P", "pages"]);
    if let Some(ran) = ran {
        ran.exits(1).says("demo: no thread could be started for a blocking call").says("ulimit -u");
    }
}
