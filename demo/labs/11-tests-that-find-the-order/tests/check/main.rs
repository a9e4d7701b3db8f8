//! The tests of lab 11: each suite must pass what is right and find what is broken. The order is that of lab.toml.

mod channels;
mod crawlers;

use channels::Fault;
use executor::sync;
use lab_11::{Crawler, Receiver, Sender, channel_suite, crawler_suite};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The message of the panic of `suite`, if it panics.
fn panic_of(suite: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(suite)).err()?;
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    Some(
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a text".to_owned()),
    )
}

/// Fails if a suite does not pass `what`, which keeps all rules.
#[track_caller]
fn passes(what: &str, suite: impl FnOnce()) {
    if let Some(message) = panic_of(suite) {
        panic!("the suite must pass {what}, which keeps all rules, and it failed it: {message}");
    }
}

/// Fails if a suite passes `what`, which breaks a rule.
#[track_caller]
fn fails(what: &str, suite: impl FnOnce()) {
    assert!(panic_of(suite).is_some(), "the suite must fail {what}, and it passed it");
}

/// The suite must find the fault, and must pass the same channel without it.
#[track_caller]
fn finds(what: &str, fault: Fault) {
    passes("the plain channel", || channel_suite(|capacity| channels::channel(capacity, None)));
    fails(&format!("a channel that {what}"), || channel_suite(|capacity| channels::channel(capacity, Some(fault))));
}

/// The same for a crawler.
#[track_caller]
fn finds_in_crawler(what: &str, fault: crawlers::Fault) {
    passes("the crawler with a task for each page", || crawler_suite(|| crawlers::Tasks(None)));
    fails(&format!("a crawler that {what}"), || crawler_suite(|| crawlers::Tasks(Some(fault))));
}

/// The executor's own channel.
#[derive(Clone)]
struct OurSender(sync::Sender<u64>);
struct OurReceiver(sync::Receiver<u64>);

impl Sender for OurSender {
    async fn send(&self, message: u64) -> Result<(), u64> {
        self.0.send(message).await.map_err(|error| error.0)
    }
}

impl Receiver for OurReceiver {
    async fn recv(&self) -> Option<u64> {
        self.0.recv().await.ok()
    }
}

#[test]
fn the_channel_suite_passes_the_channel_of_the_executor() {
    passes("the channel of the executor", || {
        channel_suite(|capacity| {
            let (tx, rx) = sync::channel(capacity);
            (OurSender(tx), OurReceiver(rx))
        });
    });
}

#[test]
fn the_channel_suite_passes_a_plain_channel() {
    passes("a plain channel that is not fair", || channel_suite(|capacity| channels::channel(capacity, None)));
}

#[test]
fn the_suite_finds_a_channel_that_delivers_the_newest_message_first() {
    finds("delivers the newest message first", Fault::NewestFirst);
}

#[test]
fn the_suite_finds_a_channel_with_too_much_room() {
    finds("has room for one message more", Fault::TooMuchRoom);
}

#[test]
fn the_suite_finds_a_channel_that_does_not_wake_at_the_end() {
    finds("does not wake the receiver when the last sender is dropped", Fault::QuietEnd);
}

#[test]
fn the_suite_finds_a_channel_that_keeps_the_first_waker() {
    finds("keeps the waker of the first poll of a receive", Fault::FirstWaker);
}

#[test]
fn the_suite_finds_a_channel_that_loses_the_message_of_a_dropped_receive() {
    finds("loses the message that a dropped receive was given", Fault::LosesGiven);
}

#[test]
fn the_suite_finds_a_channel_that_forgets_the_next_sender() {
    finds("wakes no other send if the woken one is dropped", Fault::ForgetsNext);
}

#[test]
fn the_suite_finds_a_channel_that_wakes_one_send_for_two_places() {
    finds("wakes a send only if the channel was full", Fault::WakesWhenFull);
}

#[test]
fn the_crawler_suite_passes_crawlers_that_are_right() {
    fn passes_crawler<C: Crawler>(what: &str, make: impl Fn() -> C) {
        passes(what, || crawler_suite(make));
    }
    passes_crawler("a crawler that fetches one page at a time", || crawlers::OneByOne);
    passes_crawler("a crawler with as many workers as fetches are allowed", || crawlers::Workers);
    passes_crawler("a crawler with a task for each page", || crawlers::Tasks(None));
}

#[test]
fn the_suite_finds_a_crawler_that_fetches_a_page_twice() {
    finds_in_crawler("notes a page only when it was fetched", crawlers::Fault::NotesLate);
}

#[test]
fn the_suite_finds_a_crawler_that_fetches_too_many_at_once() {
    finds_in_crawler("has one permit too many", crawlers::Fault::TooMany);
}

#[test]
fn the_suite_finds_a_crawler_that_ends_too_early() {
    finds_in_crawler("ends when no fetch is under way, before it follows the last links", crawlers::Fault::EndsEarly);
}

#[test]
fn the_suite_finds_a_crawler_that_stops_at_a_failure() {
    finds_in_crawler("ends at the first page that fails", crawlers::Fault::StopsAtFailure);
}

#[test]
fn the_suite_finds_a_crawler_that_loses_a_permit_at_each_failure() {
    finds_in_crawler("does not return the permit of a page that fails", crawlers::Fault::LosesPermit);
}

#[test]
fn the_suite_finds_a_crawler_that_goes_on_after_it_was_dropped() {
    finds_in_crawler("leaves its tasks running when it is dropped", crawlers::Fault::GoesOn);
}
