//! Recordings in files.

use super::model::all_programs;
use demo::step::{Program, Sources};
use executor::trace::{Recorder, Trace};
use std::path::Path;
use tests::demo::Place;

#[test]
fn a_file_that_is_no_recording_is_refused_with_the_line() {
    let place = Place::new();
    for (text, what) in [
        ("", "the recording is empty"),
        ("{}\n", "line 1"),
        ("{\"executor_trace\":3,\"program\":\"x\",\"simulated\":false,\"dropped\":0}\n", "version 3"),
        ("{\"executor_trace\":1,\"program\":\"x\",\"simulated\":false,\"dropped\":0}\nrubbish\n", "line 2"),
        (
            "{\"executor_trace\":1,\"program\":\"x\",\"simulated\":false,\"dropped\":0}\n\
             {\"at\":0,\"event\":\"spawned\",\"task\":1,\"place\":0,\"size\":8}\n",
            "line 2 refers to a place",
        ),
    ] {
        let file = place.path("broken.jsonl");
        std::fs::write(&file, text).unwrap();
        let ran = place.run(&["step", "--replay", file.to_str().unwrap(), "--html", "x.html"]).exits(1);
        ran.says(&format!("{}: ", file.display())).says(what);
    }
    std::fs::write(place.path("run.jsonl"), "{}\n").unwrap();
    place.run(&["step", "--replay", "run.jsonl", "--lint"]).exits(1).says("demo: run.jsonl: line 1 is not a line");
    place.run(&["step", "--replay", "nowhere.jsonl"]).exits(1).says("nowhere.jsonl");
    place.run(&["step", "--source", "nowhere", "--lint"]).exits(2).says("no such directory");
    place.run(&["step"]).exits(1).says("stepping needs a terminal").says("--html");
    place.run(&["step", "no-such-program"]).exits(2).says("ping-pong");
}

#[test]
fn a_screen_is_printed_without_a_terminal() {
    let place = Place::new();
    let printed = place.run(&["step", "ping-pong", "--at", "7", "--print"]).exits(0).stdout;
    assert_eq!(printed.lines().count(), 24, "{printed}");
    assert!(printed.lines().next().unwrap().contains("event 7 of "), "{printed}");
    assert!(printed.lines().all(|line| line.chars().count() <= 80), "{printed}");
    place.run(&["step", "--print", "--live"]).exits(2).says("cannot be used with");
}

#[test]
fn a_recording_that_is_cut_short_is_read_up_to_the_cut() {
    let trace = Program::PingPong.record().unwrap();
    let mut file = Vec::new();
    trace.write(&mut file).unwrap();
    let cut = Trace::read(&file[..file.len() - 10]).unwrap();
    assert_eq!(cut.records, trace.records[..trace.records.len() - 1]);
    assert_eq!(Trace::read(&file[..file.len() - 1]).unwrap(), trace, "only the end of the line is missing");
}

#[test]
fn a_recording_is_read_as_it_was_written() {
    for program in all_programs() {
        let trace = program.record().unwrap();
        let mut file = Vec::new();
        trace.write(&mut file).unwrap();
        assert_eq!(Trace::read(&*file).unwrap(), trace);
    }
}

#[test]
fn a_simulated_program_is_recorded_the_same_each_time() {
    for program in [Program::TwoSleeps, Program::PingPong, Program::LostWake, Program::Semaphore, Program::Cancel] {
        assert_eq!(program.record().unwrap(), program.record().unwrap(), "{program:?}");
    }
}

#[test]
fn a_recording_names_the_directory_that_the_program_ran_in() {
    let here = std::env::current_dir().unwrap();
    assert_eq!(Recorder::new().trace().head.directory, here.to_str().unwrap());
}

#[test]
fn the_source_of_every_program_is_found_from_anywhere() {
    for program in all_programs() {
        let (name, text) = program.source();
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).exists(), "{name}");
        let lines = Sources::new(None).lines(name).expect("it is brought along");
        assert_eq!(lines.len(), text.lines().count());
    }
}
