//! Makes the texts of a recording safe to print: it may be untrusted, and a terminal executes control
//! sequences.

use executor::trace::{By, Event, Frame, Record, Trace};
use std::borrow::Cow;
use std::sync::Arc;

/// The text with control characters, and characters that change the direction of writing, as escapes. Line ends and
/// tabs become spaces.
///
/// ```
/// use demo::step::printable;
///
/// assert_eq!(printable("fetch\u{1b}[2J"), "fetch\\u{1b}[2J");
/// assert_eq!(printable("two\nlines"), "two lines");
/// assert_eq!(printable("日本語"), "日本語");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_control) {
        return Cow::Borrowed(text);
    }
    let shown = |char: char| match char {
        '\n' | '\t' => " ".to_owned(),
        char if is_control(char) => char.escape_unicode().to_string(),
        char => char.to_string(),
    };
    Cow::Owned(text.chars().map(shown).collect())
}

fn is_control(char: char) -> bool {
    char.is_control() || matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Makes all texts of a recording printable.
pub(crate) fn clean(trace: &mut Trace) {
    clean_string(&mut trace.head.program);
    trace.places.iter_mut().for_each(|place| clean_text(&mut place.file));
    trace.chains.iter_mut().flatten().for_each(clean_frame);
    trace.records.iter_mut().for_each(clean_record);
}

/// As [`clean`], for what the last line added.
pub(crate) fn clean_last(trace: &mut Trace) {
    clean_string(&mut trace.head.program);
    trace.places.last_mut().into_iter().for_each(|place| clean_text(&mut place.file));
    trace.chains.last_mut().into_iter().flatten().for_each(clean_frame);
    trace.records.last_mut().into_iter().for_each(clean_record);
}

fn clean_record(record: &mut Record) {
    match &mut record.event {
        Event::Spawned { name, .. } => name.iter_mut().for_each(clean_text),
        Event::HandedOver { kind, .. } => clean_text(kind),
        Event::Woken { by: By::Thread(name), .. } | Event::WakerDropped { by: By::Thread(name), .. } => {
            clean_text(name)
        }
        Event::Cancelled { by, reason, .. } => {
            if let By::Thread(name) = by {
                clean_text(name);
            }
            reason.iter_mut().for_each(clean_text);
        }
        Event::Waits { waits, .. } => waits.iter_mut().for_each(|wait| clean_text(&mut wait.leaf)),
        Event::Panicked { message, .. } => message.iter_mut().for_each(clean_text),
        _ => {}
    }
}

fn clean_frame(frame: &mut Frame) {
    clean_text(&mut frame.function);
    clean_text(&mut frame.file);
}

fn clean_text(text: &mut Arc<str>) {
    if let Cow::Owned(shown) = printable(text) {
        *text = shown.into();
    }
}

fn clean_string(text: &mut String) {
    if let Cow::Owned(shown) = printable(text) {
        *text = shown;
    }
}
