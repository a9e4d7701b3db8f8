//! Clients of a console cannot affect the program.

use executor::trace::{Event, Trace, TraceError};
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use tests::demo::{Place, Serving, within_after_build};
use tests::eventually;

fn serve(place: &Place) -> Serving {
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    Serving::run(command.env("EXECUTOR_CONSOLE", "console").env("EXECUTOR_TRACE_CHAINS", "off"))
}

fn connect(place: &Place) -> UnixStream {
    let stream = UnixStream::connect(place.path("console")).expect("a console is there");
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Reads until the client has all events.
fn read_all(stream: UnixStream) -> Result<Trace, TraceError> {
    let mut trace = Trace::default();
    for (number, line) in (1..).zip(BufReader::new(stream).lines()) {
        trace.add_line(&line.unwrap(), number)?;
        if trace.now.is_some() {
            break;
        }
    }
    Ok(trace)
}

/// The memory of a process, in bytes.
fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn a_hundred_clients_that_never_read_take_little_memory() {
    within_after_build(120, || {
        let place = Place::new();
        let server = serve(&place);
        // More events than the sockets hold.
        for _ in 0..1_000 {
            assert_eq!(server.get("/ring/1").status, 200);
        }
        let all = read_all(connect(&place)).unwrap().records.len();
        assert!(all > 20_000, "{all}");
        let before = Path::new("/proc").exists().then(|| memory(server.running.id()));
        let clients: Vec<_> = (0..100).map(|_| connect(&place)).collect();
        // The first clients get what the sockets hold; then no more is sent.
        for _ in 0..100 {
            assert_eq!(server.get("/ring/1").status, 200);
        }
        if let Some(before) = before {
            let grown = memory(server.running.id()).saturating_sub(before);
            assert!(grown < 64 << 20, "{grown} bytes for a hundred clients of {all} events");
        }
        drop(clients);
    });
}

#[test]
fn a_client_above_the_limit_is_refused_with_a_reason_and_idle_ones_make_room() {
    within_after_build(120, || {
        let place = Place::new();
        let server = serve(&place);
        for _ in 0..500 {
            assert_eq!(server.get("/ring/1").status, 200);
        }
        // None of them reads, and the recording does not fit into a socket.
        let lazy: Vec<_> = (0..16).map(|_| connect(&place)).collect();
        let refused = read_all(connect(&place)).unwrap_err();
        assert!(matches!(refused, TraceError::Refused(_)), "{refused}");
        assert!(refused.to_string().contains("16 clients"), "{refused}");
        let mut ends = Vec::new();
        eventually("one of them has made room", || match read_all(connect(&place)) {
            Ok(trace) => {
                ends.push(trace);
                true
            }
            Err(_) => false,
        });
        assert!(ends[0].records.iter().any(|record| record.event == Event::RunBegins));
        drop(lazy);
        let top = place.run(&["top", "--connect", "console", "--once"]);
        assert!(top.stdout.contains("running"), "{top:?}");
    });
}

#[test]
fn garbage_from_a_client_is_refused_by_the_system() {
    within_after_build(60, || {
        let place = Place::new();
        let server = serve(&place);
        let mut client = connect(&place);
        let mut first = [0];
        client.read_exact(&mut first).expect("it is served");
        let mut error = None;
        for _ in 0..1_000 {
            error = error.or(client.write_all(&[0xff; 4096]).err());
        }
        assert_eq!(error.expect("all of it was taken").kind(), ErrorKind::BrokenPipe);
        assert_eq!(server.get("/ring/1").status, 200);
        assert!(read_all(client).is_err(), "a byte is missing of what it reads all the same");
        assert!(read_all(connect(&place)).is_ok());
    });
}

#[test]
fn clients_that_connect_and_disconnect_leave_nothing_behind() {
    within_after_build(60, || {
        let place = Place::new();
        let server = serve(&place);
        let descriptors = || fs::read_dir(format!("/proc/{}/fd", server.running.id())).map_or(0, Iterator::count);
        assert!(read_all(connect(&place)).is_ok());
        let before = descriptors();
        for _ in 0..200 {
            drop(connect(&place));
        }
        eventually("all of them are closed", || read_all(connect(&place)).is_ok() && descriptors() <= before + 1);
    });
}
