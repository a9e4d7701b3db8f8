//! The replies of [`tests::replies`], cut and then closed or reset, over real sockets. `simulate/cut_replies.rs` cuts
//! them at every byte; this test makes only some of the cuts, because each needs a connection and a thread.

use tests::demo::Place;
use tests::faults::{After, FaultServer};
use tests::replies::replies;

/// The number of bytes between two cuts. Cuts near the end are added.
const STEP: usize = 9;

#[test]
fn replies_cut_over_real_sockets_give_the_right_result_or_a_clear_error() {
    let replies = replies();
    let mut cuts = Vec::new();
    for reply in &replies {
        let length = reply.bytes.len();
        for cut in (0..length).step_by(STEP).chain([reply.whole - 1, reply.whole, length]) {
            cuts.extend([false, true].map(|reset| (reply.clone(), cut, reset)));
        }
    }
    let path = |cut: usize| format!("/cut/{cut}");
    let (links, served) = ((0..cuts.len()).map(path).collect::<Vec<_>>(), cuts.clone());
    let server = FaultServer::start(move |visit| match visit.path.strip_prefix("/cut/") {
        Some(number) => {
            let (reply, cut, reset) = &served[number.parse::<usize>().unwrap()];
            visit.send(&reply.bytes[..*cut]);
            if *reset {
                return visit.reset();
            }
            After::Close
        }
        None if visit.path == "/" => visit.links(links.iter().map(String::as_str).chain(["/good/0"])),
        None => visit.page("a good page"),
    });
    let place = Place::new();
    let ran = place.crawl(&[&server.url("/"), "--retries", "0", "--quiet"]).exits(3);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    let (report, files) = (place.report(), place.files());
    let mut wrong = Vec::new();
    for (number, (reply, cut, reset)) in cuts.iter().enumerate() {
        let line = report.of(&path(number));
        let saved = line.text("path").map(|_| files[path(number).trim_start_matches('/')].as_slice());
        let (led, error) = (line.text("final_url"), line.text("error"));
        // A reset may discard bytes that were sent before it and were not read yet.
        let reset_won =
            *reset && saved.is_none() && error.is_some_and(|e| e.contains("broke") || e.contains("without"));
        if !reset_won {
            wrong.extend(reply.judge(*cut, *reset, saved, led, error).err());
        }
    }
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), cuts.len(), wrong.join("\n"));
    report.of("/good/0").is_saved();
    place.has_no_parts();
}
