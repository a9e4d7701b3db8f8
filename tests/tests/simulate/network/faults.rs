//! Faults: lost packets, partitions and crashes.

use super::{LATENCY, MS, WINDOW, connected, kind, link, nth, read_all, simulated, took};
use executor::net::{TcpListener, TcpStream};
use executor::test::{Crashed, Host, Link};
use executor::time::{Duration, now, sleep, timeout};
use executor::{Runtime, named, spawn, spawn_local, yield_now};
use futures_lite::future;
use futures_lite::future::pending;
use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use tests::{Counting, Log, OnDrop, poll_with};

#[test]
fn a_lost_piece_breaks_the_connection_on_both_ends() {
    simulated(|network| async move {
        let (client, server, _) = connected(&network).await;
        link(&network, Link { loss: 1.0, ..Link::default() });
        client.write(b"lost").await.unwrap();
        assert_eq!(read_all(&server).await, (vec![], Some(ErrorKind::ConnectionReset)));
        assert_eq!(read_all(&client).await, (vec![], Some(ErrorKind::ConnectionReset)));
        assert!(catch_unwind(AssertUnwindSafe(|| link(&network, Link { loss: 1.5, ..Link::default() }))).is_err());
    });
}

#[test]
fn the_loss_of_a_link_is_the_fraction_of_lost_pieces() {
    simulated(|network| async move {
        link(&network, Link { loss: 0.25, ..Link::default() });
        let host = network.host("server");
        let listener = host.run(TcpListener::bind("0.0.0.0:80")).await.unwrap().unwrap();
        let mut lost = 0;
        for _ in 0..400 {
            let (client, accepted) = future::zip(TcpStream::connect((host.address(), 80)), listener.accept()).await;
            client.unwrap().write(b"x").await.unwrap();
            lost += usize::from(accepted.unwrap().0.read(&mut [0]).await.is_err());
        }
        assert!((70..130).contains(&lost), "{lost} of 400");
    });
}

#[test]
fn what_is_sent_after_a_piece_was_lost_does_not_arrive() {
    for seed in 0..100 {
        let runtime = Runtime::builder().deterministic(seed).build().unwrap();
        let network = runtime.network().unwrap();
        runtime.block_on(async {
            let (client, server, _) = connected(&network).await;
            link(&network, Link { loss: 0.5, ..Link::default() });
            let bytes: Vec<u8> = (0..WINDOW).map(nth).collect();
            client.write(&bytes).await.unwrap(); // four pieces
            sleep(Duration::from_secs(1)).await;
            drop(client);
            let (read, _) = read_all(&server).await;
            let (rest, _) = read_all(&server).await;
            assert!(bytes.starts_with(&read) && rest.is_empty(), "{} bytes, then {}", read.len(), rest.len());
        });
    }
}

#[test]
fn nothing_arrives_during_a_partition_and_everything_arrives_after_it() {
    simulated(|network| async move {
        let (client, server, host) = connected(&network).await;
        let main = network.host("main");
        client.write(b"under way ").await.unwrap();
        network.partition(&main, &host);
        client.write(b"sent meanwhile").await.unwrap();
        let mut byte = [0; 64];
        assert!(timeout(Duration::from_secs(3600), server.read(&mut byte)).await.is_err());
        network.heal(&host, &main);
        let (read, time) = took(server.read(&mut byte)).await;
        assert_eq!((&byte[..read.unwrap()], time), (&b"under way sent meanwhile"[..], LATENCY));
        server.write(b"x").await.unwrap();
        assert_eq!(client.read(&mut byte).await.unwrap(), 1);
    });
}

#[test]
fn bytes_in_transit_take_the_latency_of_the_link_once_after_it_heals() {
    simulated(|network| async move {
        let (client, server, host) = connected(&network).await;
        let main = network.host("main");
        link(&network, Link { latency: 100 * MS, bandwidth: Some(1_000_000), ..Link::default() });
        client.write(&[1; 10_000]).await.unwrap(); // 10 ms for the bytes, and then 100 ms of latency
        sleep(MS).await;
        network.partition(&main, &host);
        link(&network, Link { bandwidth: Some(1_000_000), ..Link::default() });
        network.heal(&main, &host);
        let (read, time) = took(server.read(&mut [0; 20_000])).await;
        assert_eq!((read.unwrap(), time), (10_000, 10 * MS + LATENCY));
    });
}

#[test]
fn a_connect_into_a_partition_succeeds_when_it_heals_or_times_out() {
    simulated(|network| async move {
        let (_client, _server, host) = connected(&network).await;
        let listener = host.run(TcpListener::bind("0.0.0.0:81")).await.unwrap().unwrap();
        let main = network.host("main");
        network.partition(&main, &host);
        let healing = async {
            sleep(Duration::from_secs(5)).await;
            network.heal(&main, &host);
        };
        let ((connected, time), _) = future::zip(took(TcpStream::connect((host.address(), 81))), healing).await;
        connected.unwrap();
        assert_eq!(time, Duration::from_secs(5) + 2 * LATENCY);
        network.partition(&main, &host);
        let (failed, time) = took(TcpStream::connect((host.address(), 81))).await;
        assert_eq!((kind(failed), time), (ErrorKind::TimedOut, Duration::from_secs(127)));
        drop(listener);
    });
}

#[test]
fn a_connect_that_succeeds_in_time_does_not_time_out() {
    simulated(|network| async move {
        let (main, server) = (network.host("main"), network.host("server"));
        let listener = server.run(TcpListener::bind("0.0.0.0:80")).await.unwrap().unwrap();
        network.partition(&main, &server);
        let connecting = spawn(TcpStream::connect((server.address(), 80)));
        sleep(Duration::from_secs(60)).await;
        network.heal(&main, &server);
        let client = connecting.await.unwrap().unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        sleep(Duration::from_secs(100)).await;
        accepted.write(b"still here").await.unwrap();
        assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 10);
    });
}

#[test]
fn a_run_that_is_dropped_leaves_no_waker() {
    simulated(|network| async move {
        let counting = Counting::new();
        let mut run = Box::pin(network.host("a").run(pending::<()>()));
        assert!(poll_with(&counting.waker(), &mut run).is_pending());
        assert_eq!(counting.wakers(1), 1);
        drop(run);
        assert_eq!(counting.wakers(1), 0);
    });
}

#[test]
fn a_connect_whose_answer_is_cut_off_times_out_too() {
    simulated(|network| async move {
        let (main, server) = (network.host("main"), network.host("server"));
        let listener = server.run(TcpListener::bind("0.0.0.0:80")).await.unwrap().unwrap();
        for port in [80, 81] {
            let connecting = spawn(TcpStream::connect((server.address(), port)));
            sleep(LATENCY + LATENCY / 2).await; // the request has arrived, and its answer is in transit
            network.partition(&main, &server);
            let (connected, time) = took(connecting).await;
            assert_eq!((kind(connected.unwrap()), time), (ErrorKind::TimedOut, Duration::from_secs(127)));
            network.heal(&main, &server);
        }
        // The accepting end gets the reset when the network has healed.
        let (accepted, _) = listener.accept().await.unwrap();
        assert_eq!(kind(accepted.read(&mut [0; 8]).await), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_crash_ends_everything_on_a_host_and_the_host_can_be_started_again() {
    simulated(|network| async move {
        let host = network.host("server");
        let log: Rc<RefCell<Vec<&str>>> = Rc::default();
        let gone = |what| {
            let log = log.clone();
            OnDrop::new(move || log.borrow_mut().push(what))
        };
        let (first, inner) = (gone("run"), gone("spawned"));
        let running = spawn_local(host.run(async move {
            let _first = first;
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            named("connection").spawn_local(async move {
                let _inner = inner;
                executor::shield(async { stream.read(&mut [0; 8]).await.map(drop) }).await
            });
            pending::<()>().await
        }));
        let client = TcpStream::connect((host.address(), 80)).await.unwrap();
        sleep(MS).await;
        assert!(log.borrow().is_empty());
        let before = now();
        host.crash();
        assert_eq!(running.await.unwrap(), Err(Crashed));
        yield_now().await;
        assert_eq!((log.borrow().len(), now()), (2, before), "{log:?}");
        assert_eq!(kind(client.read(&mut [0; 8]).await), ErrorKind::ConnectionReset);
        assert_eq!(now() - before, LATENCY);
        assert_eq!(kind(TcpStream::connect((host.address(), 80)).await), ErrorKind::ConnectionRefused);

        let again = spawn_local(host.run(async { TcpListener::bind("0.0.0.0:80").await.unwrap().accept().await }));
        yield_now().await;
        TcpStream::connect((host.address(), 80)).await.unwrap();
        assert!(again.await.unwrap().is_ok_and(|accepted| accepted.is_ok()));
    });
}

#[test]
fn a_task_that_crashes_its_own_host_does_not_continue() {
    simulated(|network| async move {
        let host = network.host("a");
        let went_on = Rc::new(Cell::new(false));
        let seen = went_on.clone();
        let task = host.run(async move {
            Host::current().unwrap().crash();
            yield_now().await;
            seen.set(true);
        });
        assert_eq!((task.await, went_on.get()), (Err(Crashed), false));
        assert!(Host::current().is_none());
    });
}

#[test]
fn tasks_started_after_a_crash_continue_and_tasks_spawned_before_do_not() {
    simulated(|network| async move {
        let host = network.host("a");
        let went_on = Rc::new(Cell::new(false));
        let seen = went_on.clone();
        let crashing = host.run(async {
            Host::current().unwrap().crash();
            spawn_local(async move {
                yield_now().await;
                seen.set(true);
            });
        });
        crashing.await.unwrap();
        assert!(host.run(async { spawn_local(yield_now()).await }).await.unwrap().is_ok()); // in the poll of the crash
        assert!(!went_on.get());
    });
    // Between two runs.
    let runtime = Runtime::builder().deterministic(0).build().unwrap();
    let host = runtime.network().unwrap().host("a");
    host.crash();
    assert!(runtime.block_on(host.run(async { spawn_local(yield_now()).await })).unwrap().is_ok());
}

/// A waker that crashes a host.
struct Crashes(Host);

impl Wake for Crashes {
    fn wake(self: Arc<Self>) {
        self.0.crash();
    }
}

#[test]
fn a_crash_outside_of_any_task_ends_a_task_that_is_about_to_run() {
    simulated(|network| async move {
        let (host, went_on) = (network.host("a"), Rc::new(Cell::new(false)));
        let seen = went_on.clone();
        let spawning = host.run(async {
            spawn_local(async move {
                sleep(MS).await;
                seen.set(true);
            });
            yield_now().await;
            yield_now().await; // by now the task sleeps
        });
        spawning.await.unwrap();
        let mut crash = Box::pin(sleep(MS));
        assert!(poll_with(&Waker::from(Arc::new(Crashes(host))), &mut crash).is_pending());
        sleep(2 * MS).await;
        assert!(!went_on.get());
    });
}

#[test]
fn the_seed_also_orders_the_tasks_that_a_crash_cancels() {
    /// The order of two tasks: the crash of a host cancels one, and a timer of the same time wakes the other.
    fn order(seed: u64) -> Vec<&'static str> {
        let runtime = Runtime::builder().deterministic(seed).build().unwrap();
        let host = runtime.network().unwrap().host("a");
        let log = Log::new();
        runtime.block_on(async {
            let (cancelled, woken) = (log.clone(), log.clone());
            let on_host = host.run(async move {
                spawn_local(async move {
                    let _destructor = OnDrop::new(|| cancelled.push("cancelled"));
                    pending::<()>().await;
                });
            });
            on_host.await.unwrap();
            spawn_local(async move {
                sleep(MS).await;
                woken.push("woken");
            });
            yield_now().await;
            let mut crash = Box::pin(sleep(MS));
            assert!(poll_with(&Waker::from(Arc::new(Crashes(host))), &mut crash).is_pending());
            sleep(2 * MS).await;
        });
        log.take()
    }
    let orders: Vec<_> = (0..20).map(order).collect();
    assert!(orders.contains(&vec!["cancelled", "woken"]), "{orders:?}");
    assert!(orders.contains(&vec!["woken", "cancelled"]), "{orders:?}");
    assert_eq!(orders, (0..20).map(order).collect::<Vec<_>>());
}

#[test]
fn a_destructor_starts_nothing_on_a_host_that_has_crashed() {
    simulated(|network| async move {
        let (host, went_on) = (network.host("a"), Rc::new(Cell::new(false)));
        let seen = went_on.clone();
        let spawns = OnDrop::new(move || {
            spawn_local(async move {
                yield_now().await;
                seen.set(true);
            });
        });
        let run = spawn_local(host.run(async move {
            let _spawns = spawns;
            pending::<()>().await
        }));
        yield_now().await;
        host.crash();
        assert_eq!(run.await.unwrap(), Err(Crashed));
        sleep(MS).await;
        assert!(!went_on.get());
    });
}

#[test]
fn the_destructors_of_a_dropped_run_are_on_its_host() {
    simulated(|network| async move {
        let seen: Rc<RefCell<Option<Host>>> = Rc::default();
        let (host, sees) = (network.host("a"), seen.clone());
        let destructor = OnDrop::new(move || *sees.borrow_mut() = Host::current());
        let run = host.run(async move {
            let _destructor = destructor;
            pending::<()>().await
        });
        assert!(timeout(MS, run).await.is_err());
        assert_eq!((seen.take(), Host::current()), (Some(host), None));
    });
}

#[test]
fn a_task_without_a_host_has_none_when_a_task_dump_on_a_host_polls_it() {
    simulated(|network| async move {
        let hosts = Rc::new(RefCell::new(Vec::new()));
        let seen = hosts.clone();
        let _waits = spawn_local(future::poll_fn(move |_| {
            seen.borrow_mut().push(Host::current());
            Poll::<()>::Pending
        }));
        yield_now().await;
        network.host("a").run(async { executor::tasks() }).await.unwrap(); // polls all tasks for their await chains
        assert_eq!(*hosts.borrow(), [None, None]);
    });
}

#[test]
fn a_socket_that_outlives_its_crashed_host_is_broken() {
    simulated(|network| async move {
        let (client, server, host) = connected(&network).await;
        client.write(b"arrives, and goes with the machine").await.unwrap();
        sleep(LATENCY).await;
        let bind = || async { host.run(TcpListener::bind("0.0.0.0:81")).await.unwrap() };
        let listener = Rc::new(bind().await.unwrap());
        let held = listener.clone();
        let accepting = spawn_local(async move { held.accept().await.map(drop) });
        yield_now().await;
        host.crash();
        assert_eq!(kind(server.read(&mut [0; 8]).await), ErrorKind::ConnectionReset);
        assert!(accepting.await.unwrap().unwrap_err().to_string().contains("crashed"));
        let _new = bind().await.unwrap();
        drop(listener); // it no longer has the port
        assert_eq!(kind(bind().await), ErrorKind::AddrInUse);
    });
}
