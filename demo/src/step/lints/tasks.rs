//! A task as a whole: how large it is, and whether anybody hears of its failure.

use super::{Findings, Kind, View};
use crate::step::words::earlier;
use executor::trace::{Event, How};

/// More bytes than this are a page of memory for each such task, copied when it is spawned.
const LARGE: u64 = 4096;

pub(super) fn see(view: &View<'_>, findings: &mut Findings) {
    match view.event() {
        Event::Spawned { task, size, .. } if *size > LARGE => {
            findings.add(view, view.number, Kind::LargeFuture, *task, || large_future(*size));
        }
        Event::OutputDropped { task, how: How::Panicked } => {
            findings.add(view, view.number, Kind::Unjoined, *task, || unjoined(view, *task));
        }
        _ => {}
    }
}

fn large_future(size: u64) -> String {
    format!(
        "has a future of {size} bytes, which are copied when it is spawned and kept for all its life. What is so large \
         is a value that it has across an await: put an array into a Vec, or a future that it awaits into Box::pin(…)."
    )
}

fn unjoined(view: &View<'_>, task: u64) -> String {
    let panics = earlier(view.trace, view.number).find_map(|event| match event {
        Event::Panicked { task: panicked, message } if *panicked == task => Some(message.as_deref()),
        _ => None,
    });
    let message = panics.flatten().map(|message| format!(" ({message})")).unwrap_or_default();
    format!(
        "panicked{message}, and its handle was dropped, so that the program never hears of it. Await the handle; or \
         spawn the task in a task_group, which fails when one of its tasks does."
    )
}
