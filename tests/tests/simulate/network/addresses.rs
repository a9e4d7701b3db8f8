//! Names, addresses and ports.

use super::{LATENCY, kind, refusal, simulated, took};
use executor::net::{TcpListener, TcpStream, connect, lookup};
use executor::test::{Host, Link};
use executor::time::Duration;
use executor::{Runtime, spawn_blocking, spawn_local};
use futures_lite::future;
use std::io::ErrorKind;

#[test]
fn hosts_have_names_and_addresses_and_ports_are_assigned_in_order() {
    simulated(|network| async move {
        let (a, b) = (network.host("a.example"), network.host("b.example"));
        assert_eq!((a.address().to_string(), b.address().to_string()), ("10.0.0.2".into(), "10.0.0.3".into()));
        assert!(network.host("a.example") == a && a != b);
        assert_eq!(lookup("b.example").await.unwrap(), [(b.address(), 0).into()]);
        assert_eq!(lookup("localhost").await.unwrap()[0].to_string(), "127.0.0.1:0");
        for name in ["localhost", "10.0.0.9", "::1"] {
            let said = refusal(|| _ = network.host(name));
            assert!(said.contains(&format!("can't be named \"{name}\"")), "{said}");
        }
        let error = lookup("c.example").await.unwrap_err();
        assert!(error.get_ref().unwrap().is::<executor::net::LookupError>());

        let listener = a.run(TcpListener::bind("10.0.0.2:0")).await.unwrap().unwrap();
        assert_eq!(listener.local_addr().unwrap().to_string(), "10.0.0.2:49152");
        let calling = b.run(async { connect(("a.example", 49152)).await });
        let (stream, accepted) = future::zip(calling, listener.accept()).await;
        assert_eq!(stream.unwrap().unwrap().local_addr().unwrap().to_string(), "10.0.0.3:49152");
        assert_eq!(accepted.unwrap().1.to_string(), "10.0.0.3:49152");
    });
}

#[test]
fn a_host_of_another_network_is_refused() {
    let other = Runtime::builder().deterministic(0).build().unwrap().network().unwrap();
    let foreign = other.host("elsewhere");
    simulated(|network| async move {
        let main = network.host("main");
        let own = network.host("elsewhere"); // with the same name and number
        for said in [
            refusal(|| network.set_link(&main, &foreign, Link::default())),
            refusal(|| network.partition(&foreign, &main)),
            refusal(|| network.heal(&main, &foreign)),
        ] {
            assert!(said.starts_with("Host(\"elsewhere\", 10.0.0.2) belongs to another network"), "{said}");
        }
        network.partition(&main, &own);
        let runs = spawn_local(foreign.run(TcpListener::bind("0.0.0.0:80")));
        let error = runs.await.unwrap_err().to_string();
        assert!(error.contains("does not have its network"), "{error}");
        TcpListener::bind("0.0.0.0:80").await.unwrap();
    });
    let host = other.host("elsewhere");
    let said = refusal(|| executor::block_on(host.run(async {})).unwrap());
    assert!(said.contains("deterministic"), "{said}");
}

#[test]
fn a_runtime_inside_a_blocking_call_is_on_no_host_of_the_outer_runtime() {
    simulated(|network| async move {
        let inner = || simulated(|_| async { Host::current() });
        let seen = network.host("a").run(async { (Host::current(), spawn_blocking(inner).await.unwrap()) });
        assert_eq!(seen.await, Ok((Some(network.host("a")), None)));
    });
}

#[test]
fn each_host_has_a_loopback_of_its_own() {
    simulated(|network| async move {
        let host = network.host("a");
        let inside = host.run(async {
            let listener = TcpListener::bind("127.0.0.1:80").await.unwrap();
            let (client, accepted) = future::zip(TcpStream::connect("127.0.0.1:80"), listener.accept()).await;
            assert!(client.unwrap().local_addr().unwrap().ip().is_loopback());
            drop(accepted);
            listener
        });
        let (listener, time) = took(inside).await;
        assert_eq!(time, Duration::ZERO);
        for address in ["127.0.0.1:80", "10.0.0.2:80"] {
            assert_eq!(kind(TcpStream::connect(address).await), ErrorKind::ConnectionRefused);
        }
        drop(listener);
    });
}

#[test]
fn an_address_that_cannot_be_bound_or_reached_is_an_error() {
    simulated(|network| async move {
        let host = network.host("a");
        let (refused, time) = took(TcpStream::connect((host.address(), 80))).await;
        assert_eq!((kind(refused), time), (ErrorKind::ConnectionRefused, 2 * LATENCY));
        assert_eq!(kind(TcpStream::connect("10.9.9.9:80").await), ErrorKind::HostUnreachable);
        assert_eq!(kind(TcpStream::connect("192.0.2.1:80").await), ErrorKind::HostUnreachable);
        assert_eq!(kind(TcpListener::bind((host.address(), 80)).await), ErrorKind::AddrNotAvailable);
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        assert_eq!(kind(TcpListener::bind("127.0.0.1:80").await), ErrorKind::AddrInUse);
        drop(listener);
        TcpListener::bind("127.0.0.1:80").await.unwrap();
    });
}

#[test]
fn a_dropped_listener_resets_the_connections_in_its_queue() {
    simulated(|network| async move {
        let host = network.host("a");
        let listener = host.run(TcpListener::bind("0.0.0.0:80")).await.unwrap().unwrap();
        let client = TcpStream::connect((host.address(), 80)).await.unwrap();
        drop(listener);
        assert_eq!(kind(client.read(&mut [0; 8]).await), ErrorKind::ConnectionReset);
        drop(client);
        assert!(format!("{network:?}").ends_with(", 0 sockets)"), "{network:?}");
    });
}
