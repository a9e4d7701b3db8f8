//! The run as one page for a browser. The page needs no network.
//!
//! | file | what it holds |
//! |---|---|
//! | `page.html`, `page.css` | the page without a recording |
//! | `data.rs` | the recording, as the page embeds it |
//! | `history.js` | a fold over the events: the state at each of them |
//! | `words.js` | events, waits and times in words |
//! | `chart.js` | the lanes, on a canvas |
//! | `panes.js` | the event, the state, the source, the list |
//! | `runtime.js` | the runtime's code, and the words and queues that an event changed |
//! | `main.js` | the cursor, keys, buttons, search, findings |

mod data;

pub(super) use data::left_out;

use super::source::Sources;
use executor::trace::Trace;
use std::io::{self, BufWriter, Write};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPTS: [&str; 6] = [
    include_str!("history.js"),
    include_str!("words.js"),
    include_str!("chart.js"),
    include_str!("panes.js"),
    include_str!("runtime.js"),
    include_str!("main.js"),
];

/// Writes the page.
///
/// # Errors
/// Fails if the writer does.
pub fn write(trace: &Trace, sources: &Sources, to: impl Write) -> io::Result<()> {
    let mut to = BufWriter::new(to);
    for part in PAGE.split("{{") {
        let text = match part.split_once("}}") {
            None => part,
            Some((name, text)) => {
                match name {
                    "style" => to.write_all(STYLE.as_bytes())?,
                    "recording" => to.write_all(data::of(trace, sources)?.as_bytes())?,
                    "script" => SCRIPTS.iter().try_for_each(|script| to.write_all(script.as_bytes()))?,
                    other => unreachable!("page.html asks for `{other}`"),
                }
                text
            }
        };
        to.write_all(text.as_bytes())?;
    }
    to.flush()
}
