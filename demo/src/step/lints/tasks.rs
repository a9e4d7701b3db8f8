//! A task as a whole: the size of its future, and its unobserved panic.

use super::collect::{Findings, View};
use super::finding::Kind;
use crate::step::words::{count, earlier};
use executor::trace::{Event, How};

/// A future of more bytes takes more than a page of memory, and is copied when it is spawned.
const LARGE: u64 = 4096;

pub(super) fn see(view: &View<'_>, findings: &mut Findings) {
    match view.event() {
        Event::Spawned { task, size, .. } if *size > LARGE => {
            findings.add(view, view.number, Kind::LargeFuture, *task, || (None, large_future(*size)));
        }
        Event::OutputDropped { task, how: How::Panicked } => {
            findings.add(view, view.number, Kind::Unjoined, *task, || (None, unjoined(view, *task)));
        }
        _ => {}
    }
}

fn large_future(size: u64) -> String {
    format!(
        "has a future of {}, which is copied when it is spawned and kept until it completes. A value that lives across an \
         await makes it that large: put an array into a Vec, or an awaited future into Box::pin(…).",
        count(size as usize, "byte")
    )
}

fn unjoined(view: &View<'_>, task: u64) -> String {
    let panics = earlier(view.trace, view.number).find_map(|event| match event {
        Event::Panicked { task: panicked, message } if *panicked == task => Some(message.as_deref()),
        _ => None,
    });
    let message = panics.flatten().map(|message| format!(" ({message})")).unwrap_or_default();
    format!(
        "panicked{message}, and its handle was dropped: an unobserved panic. Await the handle; or spawn the task in a \
         task_group, which fails when one of its tasks does."
    )
}
