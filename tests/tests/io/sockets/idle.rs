//! Invariants 6 and 7: nothing spins, and a socket that is always ready does not starve the rest.

use super::{fill, on_each, tcp_pair, unix_pair};
use executor::net::UdpSocket;
use executor::time::{Duration, sleep};
use executor::{spawn, yield_now};
use futures_lite::future::poll_fn;
use std::cell::Cell;
use std::future::Future;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use tests::strict::block_on;

#[test]
fn a_socket_that_is_always_ready_lets_the_others_run_within_128_operations() {
    on_each(|| async {
        let operations = Rc::new(Cell::new(0u32));
        let busy = executor::spawn_local({
            let operations = operations.clone();
            async move {
                let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                let to = socket.local_addr().unwrap();
                loop {
                    socket.send_to(b"x", to).await.unwrap(); // never has to wait
                    operations.set(operations.get() + 1);
                }
            }
        });
        let mut before = 0;
        for _ in 0..100 {
            yield_now().await;
            let now = operations.get();
            // Plus one that the poll before has deferred.
            assert!(now - before <= 129, "{} operations in one poll", now - before);
            before = now;
        }
        assert!(before > 1000, "it goes on: {before}");
        // A socket that is always ready delays no timer either.
        sleep(Duration::from_millis(2)).await;
        busy.cancel();
    });
}

#[test]
fn a_read_that_never_waits_yields_as_well() {
    on_each(|| async {
        let (client, server) = tcp_pair().await;
        fill(&client).await;
        let mut polls = 0;
        let mut read = 0;
        let mut all = Box::pin(async {
            while read < 1000 {
                read += server.read(&mut [0]).await.unwrap();
            }
        });
        poll_fn(|cx| {
            polls += 1;
            all.as_mut().poll(cx)
        })
        .await;
        assert!(polls >= 1000 / 128, "1000 reads in {polls} polls");
    });
}

/// The next tests run this in a process of its own, where no other test makes system calls.
#[test]
#[ignore = "the tests below run it"]
fn idle_child() {
    let mark = |name| drop(std::fs::metadata(name)); // a system call that shows in a trace
    block_on(async {
        let (_theirs, ours) = unix_pair();
        let waits = spawn(async move { ours.read(&mut [0; 8]).await });
        let own = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let woken = Arc::new(AtomicBool::new(false));
        let (begin, begun) = mpsc::channel::<Waker>();
        let waker = thread::spawn({
            let woken = woken.clone();
            move || {
                let waker = begun.recv().unwrap();
                thread::sleep(Duration::from_millis(300)); // the time over which the wait is measured
                woken.store(true, Ordering::Relaxed); // the wake orders it
                waker.wake();
            }
        });
        sleep(Duration::from_millis(20)).await; // the reports of a new socket have come
        let before = tests::processor_time().unwrap();
        begin.send(own).unwrap();
        mark("/the-wait-begins");
        poll_fn(|_| if woken.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }).await;
        mark("/the-wait-is-over");
        println!("processor time: {} ns", (tests::processor_time().unwrap() - before).as_nanos());
        mark("/the-sleep-begins");
        sleep(Duration::from_millis(300)).await;
        mark("/the-sleep-is-over");
        assert!(!waits.is_finished());
        waker.join().unwrap();
    });
}

#[test]
fn an_idle_runtime_uses_no_processor_time() {
    let child = tests::alone::test(module_path!(), "idle_child").output().unwrap();
    let text = String::from_utf8(child.stdout).unwrap();
    let nanos = text.split("processor time: ").nth(1).and_then(|rest| rest.split(' ').next());
    let nanos: u64 = nanos.unwrap_or_else(|| panic!("no measurement in {text}")).parse().unwrap();
    assert!(nanos < 5_000_000, "{nanos} ns of processor time in a wait of 300 ms");
}

/// The system calls between the two marking calls, of the thread that makes these.
fn calls_between<'a>(trace: &'a str, begin: &str, end: &str) -> Vec<&'a str> {
    let begin = trace.lines().position(|line| line.contains(begin)).expect("the begin is in the trace");
    let thread = trace.lines().nth(begin).and_then(|line| line.split(' ').next()).unwrap();
    let during = trace.lines().skip(begin + 1).take_while(|line| !line.contains(end));
    let ours = during.filter(|line| line.starts_with(thread) && !line.contains("resumed>"));
    ours.map(|line| line[thread.len()..].trim()).collect()
}

#[test]
fn an_idle_wait_is_one_system_call() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let mut strace = Command::new("strace");
    let child = tests::alone::test(module_path!(), "idle_child");
    strace.args(["-f", "-o"]).arg(&trace).arg(child.get_program()).args(child.get_args());
    match strace.output() {
        Ok(output) if output.status.success() => {}
        other => return println!("skipped: strace does not run here ({other:?})"),
    }
    let trace = std::fs::read_to_string(trace).unwrap();
    let wait = calls_between(&trace, "the-wait-begins", "the-wait-is-over");
    assert!(wait.len() == 1 && wait[0].starts_with("epoll_"), "the wait made these calls: {wait:#?}");
    let sleep = calls_between(&trace, "the-sleep-begins", "the-sleep-is-over");
    assert!(sleep.len() == 1 && sleep[0].starts_with("epoll_"), "the sleep made these calls: {sleep:#?}");
}
