//! `demo top`: the tasks, sockets and timers of a program, while it runs or as it was recorded.
//!
//! | file | what it holds |
//! |---|---|
//! | `watched.rs` | what is known of the program |
//! | `feed.rs` | where that comes from: a recording, a running program's console |
//! | `tables.rs` | the tables, as rows of texts |
//! | `screen.rs` | the screen: which table, in what order, which row |
//! | `draw.rs` | how it looks |
//! | `terminal.rs` | keys in, pictures out |

mod args;
pub mod draw;
mod feed;
pub mod screen;
mod tables;
mod terminal;
pub mod watched;

pub use args::TopArgs;
pub use tables::Column;

use crate::{Exit, Failure, step};
use feed::Feed;
use screen::Screen;
use std::io::{self, IsTerminal, Write};
use watched::Watched;

/// Does what the command line says.
///
/// # Errors
/// A recording that can't be read, a program that can't be watched.
pub fn run(args: &TopArgs) -> Result<Exit, Failure> {
    let feed = match (&args.connect, &args.replay) {
        (Some(path), _) => Feed::connect(path)?,
        (None, Some(path)) => Feed::still(Watched::replay(step::open(path)?, args.at)),
        (None, None) => unreachable!("the command line asks for one of them"),
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
    let text = draw::plain(screen, feed.watched());
    io::stdout().lock().write_all(text.as_bytes()).map_err(Failure::Output)?;
    Ok(Exit::Success)
}
