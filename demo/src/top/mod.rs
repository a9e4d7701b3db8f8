//! `demo top`: the tasks, sockets and timers of a running program or of a recording.
//!
//! | file | what it holds |
//! |---|---|
//! | `args.rs` | the options |
//! | `observed.rs` | the state of the program |
//! | `feed.rs` | its events: from a recording, or from the console of a running program |
//! | `tables.rs` | the tables, as rows of texts |
//! | `screen.rs` | the screen: which table, in what order, which row; the keys |
//! | `draw.rs` | drawing |
//! | `terminal.rs` | the loop: reads keys, draws the screen |

mod args;
pub mod draw;
mod feed;
pub mod observed;
pub mod screen;
mod tables;
mod terminal;

pub use args::TopArgs;
pub use tables::Column;

use crate::{Exit, Failure, step};
use feed::Feed;
use observed::Observed;
use screen::Screen;
use std::io::{self, IsTerminal, Write};

/// Runs `demo top`.
///
/// # Errors
/// Fails if the recording can't be read, or the program can't be reached.
pub fn run(args: &TopArgs) -> Result<Exit, Failure> {
    let feed = match (&args.connect, &args.replay) {
        (Some(path), _) => Feed::connect(path)?,
        (None, Some(path)) => Feed::still(Observed::replay(step::open(path)?, args.at)),
        (None, None) => unreachable!("the command line requires one of them"),
    };
    let screen = Screen::new(args.sort);
    match args.once || !io::stdout().is_terminal() {
        true => print(feed, &screen),
        false => terminal::run(feed, screen).map(|()| Exit::Success),
    }
}

/// Prints all tables once.
fn print(mut feed: Feed, screen: &Screen) -> Result<Exit, Failure> {
    feed.catch_up()?;
    let text = draw::plain(screen, feed.observed());
    io::stdout().lock().write_all(text.as_bytes()).map_err(Failure::Output)?;
    Ok(Exit::Success)
}
