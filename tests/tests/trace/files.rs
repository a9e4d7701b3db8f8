//! The destination of `EXECUTOR_TRACE`: files that several processes share, pipes, devices, and paths that cannot be
//! written. A file is a complete recording at every moment.

use executor::trace::{Event, Trace};
use rustix::process::Signal;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tests::demo::{Place, Ran, Running, Serving, executor_examples, within_after_build};
use tests::{eventually, within};

/// Starts `demo serve`, recorded to `trace`.
fn serve(place: &Place, trace: impl AsRef<Path>) -> Serving {
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    Serving::run(command.env("EXECUTOR_TRACE", trace.as_ref()).env("EXECUTOR_TRACE_CHAINS", "off"))
}

/// Runs a program that ends at once, recorded to `trace`.
fn hello(place: &Place, trace: impl AsRef<Path>) -> Ran {
    let mut command = Command::new(executor_examples().join("hello"));
    command.current_dir(place.path("")).env("EXECUTOR_TRACE", trace.as_ref()).env("EXECUTOR_TRACE_CHAINS", "off");
    Running::start(&mut command).wait().exits(0)
}

fn connections(path: &Path) -> usize {
    let trace = Trace::open(path).unwrap_or_else(|error| panic!("{error}"));
    let is_one = |event: &Event| matches!(event, Event::Spawned { name: Some(name), .. } if **name == *"connection");
    trace.records.iter().filter(|record| is_one(&record.event)).count()
}

fn named(place: &Place) -> Vec<String> {
    let files = fs::read_dir(place.path("")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<_> = files.collect();
    files.sort();
    files
}

#[test]
fn processes_that_record_into_one_file_at_once_all_keep_their_recordings() {
    within_after_build(120, || {
        let place = Place::new();
        let servers: Vec<_> = (0..3).map(|_| serve(&place, "run.jsonl")).collect();
        let beside = |server: &Serving| place.path(&format!("run.jsonl-{}", server.running.id()));
        let paths = [place.path("run.jsonl"), beside(&servers[1]), beside(&servers[2])];
        for (number, server) in servers.iter().enumerate() {
            (0..=number).for_each(|_| assert_eq!(server.get("/ring/1").status, 200));
        }
        for (number, path) in paths.iter().enumerate() {
            eventually("each has its own connections", || connections(path) == number + 1);
        }
        // Killed or interrupted: each file stays as it was.
        servers[0].running.signal(Signal::KILL);
        servers[1].running.signal(Signal::INT);
        let mut servers = servers;
        eventually("they end", || servers[..2].iter_mut().all(|server| server.running.is_over()));
        for (number, path) in paths.iter().enumerate() {
            assert_eq!(connections(path), number + 1);
        }
        // The file of a process that has ended is free.
        hello(&place, "run.jsonl");
        assert_eq!((connections(&paths[0]), connections(&paths[1]), connections(&paths[2])), (0, 2, 3));
        assert_eq!(named(&place).len(), 3, "{:?}", named(&place));
    });
}

#[test]
fn many_processes_that_begin_at_once_lose_no_recording() {
    let place = Place::new();
    executor_examples();
    within(120, move || {
        let start = |_| {
            let mut command = Command::new(executor_examples().join("hello"));
            command.current_dir(place.path("")).env("EXECUTOR_TRACE", "run.jsonl");
            Running::start(&mut command)
        };
        let running: Vec<_> = (0..12).map(start).collect();
        let mut pids: Vec<_> = running.iter().map(|running| running.id().to_string()).collect();
        running.into_iter().for_each(|running| drop(running.wait().exits(0)));
        // Some began when an earlier one had ended. Each file is a complete recording, and there are no others.
        for name in named(&place) {
            assert!(Trace::open(place.path(&name)).is_ok_and(|trace| !trace.records.is_empty()), "{name}");
            let suffix = name.strip_prefix("run.jsonl").unwrap().trim_start_matches('-');
            assert!(suffix.is_empty() || pids.contains(&suffix.to_owned()), "{name}");
            pids.retain(|pid| pid != suffix);
        }
        assert!(place.path("run.jsonl").exists());
    });
}

#[test]
fn a_file_is_whole_whenever_its_program_is_killed() {
    within_after_build(120, || {
        let place = Place::new();
        let file = place.path("run.jsonl");
        let mut states = [0; 2];
        for round in 0..20 {
            let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
            let mut running = Running::start(command.env("EXECUTOR_TRACE", "run.jsonl"));
            // Killed a little later each time; the file is complete whenever it is read.
            let killed_at = Instant::now() + Duration::from_millis(5 * round);
            loop {
                if let Ok(text) = fs::read_to_string(&file) {
                    let trace = Trace::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
                    assert!(text.ends_with('\n'), "a line is cut: {text}");
                    states[usize::from(!trace.records.is_empty())] += 1;
                }
                if Instant::now() >= killed_at {
                    break;
                }
            }
            running.signal(Signal::KILL);
            eventually("it ends", || running.is_over());
            if file.exists() {
                Trace::open(&file).unwrap();
            }
        }
        assert!(states.iter().sum::<u32>() > 0);
    });
}

#[test]
fn each_process_of_ways_has_a_file_that_can_be_read() {
    let place = Place::new();
    let args = ["ways", "--pages", "3", "--delay", "1ms", "--way", "processes", "--way", "coroutines"];
    Running::start(place.command(&args).env("EXECUTOR_TRACE", "ways.jsonl")).wait().exits(0);
    let names = named(&place);
    assert!(names.len() >= 2, "the server's, and that of the coroutines: {names:?}");
    let recorded =
        names.iter().map(|name| Trace::open(place.path(name)).unwrap_or_else(|error| panic!("{name}: {error}")));
    assert!(recorded.filter(|trace| !trace.records.is_empty()).count() >= 2);
}

#[test]
fn a_link_stays_and_its_target_is_written_even_if_that_does_not_exist_yet() {
    let place = Place::new();
    fs::create_dir(place.path("there")).unwrap();
    std::os::unix::fs::symlink("there/real.jsonl", place.path("link.jsonl")).unwrap();
    for _ in 0..2 {
        hello(&place, "link.jsonl");
        assert!(fs::symlink_metadata(place.path("link.jsonl")).unwrap().is_symlink());
        assert!(!Trace::open(place.path("there/real.jsonl")).unwrap().records.is_empty());
        fs::write(place.path("there/real.jsonl"), "something else").unwrap();
    }
}

#[test]
fn a_destination_that_is_no_file_is_refused_and_the_program_continues() {
    let place = Place::new();
    fs::create_dir(place.path("folder")).unwrap();
    let _socket = UnixListener::bind(place.path("socket")).unwrap();
    fs::write(place.path("file"), "").unwrap();
    for (path, why) in [
        ("folder", "it is a directory"),
        ("socket", "it is a socket"),
        ("file/run.jsonl", "Not a directory"),
        ("no/such/run.jsonl", "No such file or directory"),
        ("/dev/random", "it is a device and not a terminal"),
    ] {
        let ran = hello(&place, path);
        assert!(ran.stdout.contains("1 + 2 = 3"), "{ran:?}");
        assert_eq!(ran.stderr.matches("EXECUTOR_TRACE").count(), 1, "once: {}", ran.stderr);
        ran.says(&format!("executor: EXECUTOR_TRACE={path}: {why}"))
            .says("give a path that this program can write to; the program continues without a recording");
    }
    assert_eq!(named(&place), ["file", "folder", "socket"]);
}

fn pipe(place: &Place) -> PathBuf {
    let path = place.path("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
    path
}

#[test]
fn a_pipe_that_no_program_reads_is_refused_at_once() {
    let place = Place::new();
    let path = pipe(&place);
    hello(&place, path).says("it is a pipe, and no program reads from it: start the reader first");
}

#[test]
fn a_reader_of_a_pipe_gets_all_of_it_once() {
    let place = Place::new();
    let path = pipe(&place);
    let reader = std::thread::spawn({
        let path = path.clone();
        move || {
            let mut text = String::new();
            File::open(path).unwrap().read_to_string(&mut text).unwrap();
            text
        }
    });
    // Until there is a reader, the pipe is refused.
    let mut ran = hello(&place, &path);
    eventually("the reader is there", || {
        if ran.stderr.contains("no program reads") {
            ran = hello(&place, &path);
        }
        ran.stderr.is_empty()
    });
    let text = reader.join().unwrap();
    assert_eq!(text.matches("executor_trace").count(), 1, "{text}");
    let trace = Trace::read(text.as_bytes()).unwrap();
    assert_eq!(trace.records.last().map(|record| &record.event), Some(&Event::Freed { task: 1 }));
}

#[test]
fn a_reader_that_does_not_read_delays_neither_the_program_nor_its_end() {
    within_after_build(120, || {
        let place = Place::new();
        let path = pipe(&place);
        // Reads nothing, and stays connected.
        let reader = File::options().read(true).write(true).open(&path).unwrap();
        let mut server = serve(&place, &path);
        for _ in 0..300 {
            assert_eq!(server.get("/ring/1").status, 200);
        }
        server.running.signal(Signal::INT);
        eventually("an interrupt ends it", || server.running.is_over());
        eventually("it says so, once", || {
            server.running.stderr().matches("its reader has stopped reading").count() == 1
        });
        drop(reader);
    });
}

#[test]
fn a_reader_that_disconnects_is_reported_once() {
    within_after_build(60, || {
        let place = Place::new();
        let path = pipe(&place);
        let reader = File::options().read(true).write(true).open(&path).unwrap();
        let mut server = serve(&place, &path);
        drop(reader);
        assert_eq!(server.get("/ring/1").status, 200);
        server.running.until_it_says("Broken pipe");
        assert_eq!(server.get("/ring/1").status, 200);
        server.running.signal(Signal::INT);
        eventually("it ends", || server.running.is_over());
        assert_eq!(server.running.stderr().matches("executor:").count(), 1, "{}", server.running.stderr());
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_reported_immediately_and_only_once() {
    within_after_build(60, || {
        let place = Place::new();
        let mut server = serve(&place, "/dev/full");
        server.running.until_it_says("executor: EXECUTOR_TRACE=/dev/full: No space left on device");
        for _ in 0..10 {
            assert_eq!(server.get("/ring/1").status, 200);
        }
        server.running.signal(Signal::INT);
        eventually("it ends", || server.running.is_over());
        assert_eq!(server.running.stderr().matches("executor:").count(), 1, "{}", server.running.stderr());
    });
}

#[test]
fn a_file_that_another_program_puts_there_meanwhile_is_left_unchanged() {
    within_after_build(60, || {
        let place = Place::new();
        let mut server = serve(&place, "run.jsonl");
        eventually("it is begun", || connections(&place.path("run.jsonl")) == 0);
        let mut precious = File::create(place.path("new")).unwrap();
        precious.write_all(b"precious").unwrap();
        fs::rename(place.path("new"), place.path("run.jsonl")).unwrap();
        server.running.signal(Signal::INT);
        eventually("it ends", || server.running.is_over());
        assert_eq!(fs::read_to_string(place.path("run.jsonl")).unwrap(), "precious");
        assert!(
            server.running.stderr().contains("another program has replaced the file"),
            "{}",
            server.running.stderr()
        );
    });
}
