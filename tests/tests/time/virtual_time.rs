//! On a virtual clock time is exact: each wait takes exactly its duration, to the nanosecond.

use executor::net::{TcpListener, TcpStream};
use executor::time::{Duration, Elapsed, Instant, MissedTick, interval, interval_at, now, sleep, sleep_until, timeout};
use executor::{Runtime, deadline, race, spawn, spawn_blocking, spawn_local, time_left, yield_now};
use futures_lite::StreamExt;
use futures_lite::future::pending;
use proptest::prelude::any;
use proptest::test_runner::{Config, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use reactor::Reactor;
use reactor::backend::{Link, Simulation};
use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::task::Waker;
use tests::{Log, poll_with, waker_fn};

const NANO: Duration = Duration::from_nanos(1);

/// Runs a future on both kinds of runtimes with a virtual clock.
fn on_virtual_clocks<F: Future<Output = ()>>(future: impl Fn() -> F) {
    Runtime::builder().virtual_clock().build().unwrap().block_on(future());
    Runtime::builder().deterministic(3).build().unwrap().block_on(future());
}

/// Returns how long a future takes.
async fn time_of<F: Future>(future: F) -> Duration {
    let start = now();
    future.await;
    now() - start
}

#[test]
fn a_sleep_takes_exactly_its_duration() {
    on_virtual_clocks(|| async {
        let nanos = [1, 2, 63, 64, 65, 100_000, 249_999, 250_000, 250_001, 333_333, 51_592_000, 999_999_999, 1 << 40];
        for time in nanos.map(Duration::from_nanos) {
            assert_eq!(time_of(sleep(time)).await, time);
            assert_eq!(time_of(sleep_until(now() + time)).await, time);
        }
        assert_eq!(time_of(sleep(Duration::ZERO)).await, Duration::ZERO);
    });
}

#[test]
fn the_times_of_sleeps_add_up() {
    on_virtual_clocks(|| async {
        let start = now();
        for _ in 0..1_000 {
            sleep(Duration::from_micros(100)).await;
        }
        assert_eq!(now() - start, Duration::from_millis(100));
    });
}

#[test]
fn timeouts_and_deadlines_end_on_time() {
    on_virtual_clocks(|| async {
        for time in [1, 7, 100_001, 1_000_000_007].map(Duration::from_nanos) {
            let start = now();
            assert_eq!(timeout(time, pending::<()>()).await, Err(Elapsed));
            assert_eq!(now() - start, time);
            assert_eq!(timeout(time + NANO, sleep(time)).await, Ok(()), "a nanosecond is left");
            assert_eq!(timeout(time, sleep(time + NANO)).await, Err(Elapsed), "a nanosecond is missing");
            assert_eq!(deadline(time, async { time_left() }).await.unwrap(), Some(time));
            let start = now();
            assert!(deadline(time, pending::<()>()).await.is_err());
            assert_eq!(now() - start, time);
        }
    });
}

#[test]
fn intervals_tick_on_time() {
    on_virtual_clocks(|| async {
        for missed in [MissedTick::Burst, MissedTick::Delay, MissedTick::Skip] {
            let period = Duration::from_nanos(333_333);
            let (start, mut ticks) = (now(), interval(period).missed(missed));
            for n in 0..100 {
                assert_eq!(ticks.next().await, Some(start + n * period));
                assert_eq!(now(), start + n * period, "{missed:?}");
            }
        }
        let (start, mut ticks) = (now(), interval_at(now() + NANO, NANO));
        for n in 1..50 {
            assert_eq!(ticks.next().await, Some(start + n * NANO));
            assert_eq!(now(), start + n * NANO);
        }
    });
}

#[test]
fn timers_fire_by_deadline_and_those_of_the_same_nanosecond_in_the_order_of_setting() {
    on_virtual_clocks(|| async {
        let (start, order) = (now(), Rc::new(RefCell::new(Vec::new())));
        let tasks: Vec<_> = [250_001, 3, 249_999, 250_000, 3, 1, 2]
            .into_iter()
            .map(|nanos| {
                let order = order.clone();
                spawn_local(async move {
                    sleep(Duration::from_nanos(nanos)).await;
                    order.borrow_mut().push((nanos, now() - start));
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let expected = [1, 2, 3, 3, 249_999, 250_000, 250_001].map(|nanos| (nanos, Duration::from_nanos(nanos)));
        assert_eq!(*order.borrow(), expected);
    });
}

#[test]
fn a_race_between_sleeps_that_differ_by_a_nanosecond_has_the_right_winner() {
    on_virtual_clocks(|| async {
        let base = Duration::from_micros(1_234_567);
        for first in 0..3 {
            let times = [0, 1, 2].map(|n| base + NANO * ((n + 3 - first) % 3));
            assert_eq!(race(times.map(sleep)).await.0, first as usize);
        }
    });
}

#[test]
fn bytes_arrive_on_time_over_the_simulated_network() {
    Runtime::builder().deterministic(1).build().unwrap().block_on(async {
        let latency = Duration::from_nanos(1_234_567);
        let network = reactor::Handle::current().unwrap().network().unwrap().clone();
        network.set_default_link(Link { latency, jitter: Duration::ZERO, bandwidth: Some(1_000_000), loss: 0.0 });
        let server = network.host("server");
        let address = (server.address(), 80);
        let ran = spawn_local({
            let server = server.clone();
            async move {
                server
                    .run(async move {
                        let (stream, _) = TcpListener::bind(address).await.unwrap().accept().await.unwrap();
                        let mut buf = [0; 100];
                        loop {
                            match stream.read(&mut buf).await.unwrap() {
                                0 => return,
                                read => assert_eq!(stream.write(&buf[..read]).await.unwrap(), read),
                            }
                        }
                    })
                    .await
            }
        });
        yield_now().await;
        let stream = TcpStream::connect(address).await.unwrap();
        for pause in [1, 100_000, 250_001] {
            sleep(Duration::from_nanos(pause)).await; // timers and packets share one clock
            let start = now();
            assert_eq!(stream.write(&[1; 100]).await.unwrap(), 100);
            let mut buf = [0; 100];
            assert_eq!(stream.read(&mut buf).await.unwrap(), 100);
            let there_and_back = now() - start;
            let start = now();
            assert_eq!(stream.write(&[1; 100]).await.unwrap(), 100);
            let in_time = timeout(there_and_back, stream.read(&mut buf)).await;
            assert!(in_time.is_ok_and(|read| read.is_ok_and(|read| read == 100)), "the same takes as long again");
            assert_eq!(now() - start, there_and_back);
            assert_eq!(stream.write(&[1; 100]).await.unwrap(), 100);
            assert!(timeout(there_and_back - NANO, stream.read(&mut buf)).await.is_err(), "came a nanosecond early");
            assert_eq!(time_of(stream.read(&mut buf)).await, NANO);
        }
        drop(stream);
        ran.await.unwrap().unwrap();
    });
}

#[test]
fn blocking_calls_take_no_virtual_time_and_delay_no_sleep() {
    on_virtual_clocks(|| async {
        let start = now();
        let call = spawn_blocking(|| 7);
        let sleeps = spawn(sleep(Duration::from_nanos(12_345)));
        assert_eq!(call.await.unwrap(), 7);
        assert_eq!(now(), start);
        sleeps.await.unwrap();
        assert_eq!(now() - start, Duration::from_nanos(12_345));
    });
}

#[test]
fn sleeps_of_centuries_are_exact() {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    on_virtual_clocks(|| async {
        for _ in 0..3 {
            assert_eq!(time_of(sleep(CENTURY - NANO)).await, CENTURY - NANO);
            assert_eq!(time_of(sleep(NANO)).await, NANO);
        }
    });
}

#[test]
fn the_timer_queue_of_a_virtual_clock_behaves_like_a_sorted_list_to_the_nanosecond() {
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    let times = proptest::collection::vec((0..58u32, any::<u64>(), any::<bool>()), 1..60);
    let outcome = TestRunner::new(config).run(&times, |times| {
        let mut reactor = Reactor::with(Box::new(Simulation::new()), None);
        let _entered = reactor.handle().enter();
        let (start, fired) = (now(), Log::new());
        let mut timers = Vec::new();
        for (number, (bits, value, turn)) in times.into_iter().enumerate() {
            let deadline = now() + Duration::from_nanos(value % (1 << bits));
            let mut timer = sleep_until(deadline);
            let log = fired.clone();
            if poll_with(&waker_fn(move || log.push((number, now()))), &mut timer).is_pending() {
                timers.push((deadline, number, timer));
            }
            if turn {
                reactor.turn(Some(Duration::from_nanos(value % (1 << (bits / 2))))).unwrap();
            }
        }
        while fired.len() < timers.len() {
            let turned = reactor.turn(None);
            prop_assert!(turned.is_ok());
        }
        timers.sort_by_key(|(deadline, number, _)| (*deadline, *number));
        let expected: Vec<(usize, Instant)> = timers.iter().map(|(at, number, _)| (*number, *at)).collect();
        prop_assert_eq!(fired.take(), expected);
        for (.., timer) in &mut timers {
            prop_assert!(poll_with(Waker::noop(), timer).is_ready());
        }
        prop_assert!(now() >= start);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn on_the_systems_clock_a_sleep_is_never_early() {
    executor::block_on(async {
        for micros in [1, 100, 249, 251, 1_000, 5_333] {
            let time = Duration::from_micros(micros);
            let mut least = Duration::MAX;
            for _ in 0..20 {
                least = least.min(time_of(sleep(time)).await);
            }
            assert!(least >= time, "{time:?} took {least:?}");
        }
    });
}
