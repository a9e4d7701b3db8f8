//! The stepper in the terminal.
//!
//! | file | what it holds |
//! |---|---|
//! | `live.rs` | a program that runs while you step |
//! | `breakpoint.rs` | the events at which playing stops |
//! | `app.rs` | the state, and what each key does |
//! | `panes.rs`, `source.rs`, `runtime.rs` | the text of each pane |
//! | `view.rs` | the layout |

mod app;
mod breakpoint;
mod live;
mod panes;
mod runtime;
mod source;
mod view;

pub use app::App;
pub use live::Live;
pub use view::draw;

use crate::Failure;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// Shows the stepper until it is quit.
///
/// # Errors
/// Fails if standard input or output is not a terminal, or if the terminal fails.
pub fn show(mut app: App) -> Result<(), Failure> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(Failure::NoTerminal);
    }
    let mut terminal = ratatui::try_init().map_err(Failure::Output)?;
    if app.live.is_some() {
        Live::silence_panics();
    }
    let result = steps(&mut app, |app| terminal.draw(|frame| draw(frame, app)).map(drop));
    ratatui::restore();
    result.map_err(Failure::Output)
}

/// Waits a moment for a live program: most programs reach their next event at once.
fn settle(app: &mut App) {
    const PATIENCE: Duration = Duration::from_millis(100);
    let start = Instant::now();
    app.catch_up();
    while app.is_under_way() && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
        app.catch_up();
    }
}

fn steps(app: &mut App, mut draw: impl FnMut(&App) -> io::Result<()>) -> io::Result<()> {
    let mut ticked = Instant::now();
    while !app.over {
        draw(app)?;
        // A live program runs on another thread and does not report new events, so poll for them.
        let news = app.live.is_some().then_some(Duration::from_millis(10));
        let tick = app.pause().map(|pause| pause.saturating_sub(ticked.elapsed()));
        let timeout = [news, tick].into_iter().flatten().min();
        let is_input = match timeout {
            Some(timeout) => event::poll(timeout)?,
            None => true,
        };
        if is_input
            && let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
        {
            app.key(key);
            settle(app);
        }
        app.catch_up();
        if app.pause().is_some_and(|pause| ticked.elapsed() >= pause) {
            ticked = Instant::now();
            app.tick();
        }
    }
    Ok(())
}
