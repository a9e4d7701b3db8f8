//! The loop of `top`: reads keys and draws the screen until it is quit.

use super::draw::draw;
use super::feed::Feed;
use super::screen::Screen;
use crate::Failure;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use std::io;
use std::time::{Duration, Instant};

/// The time between two frames.
const PERIOD: Duration = Duration::from_millis(100);

/// Shows the screen until it is quit. Restores the terminal when it returns or panics.
pub fn run(mut feed: Feed, mut screen: Screen) -> Result<(), Failure> {
    let mut terminal = ratatui::try_init().map_err(Failure::Output)?;
    let shown = show(&mut terminal, &mut feed, &mut screen);
    ratatui::restore();
    shown
}

fn show(terminal: &mut DefaultTerminal, feed: &mut Feed, screen: &mut Screen) -> Result<(), Failure> {
    loop {
        feed.update()?;
        terminal.draw(|frame| draw(frame, screen, feed.observed())).map_err(Failure::Output)?;
        let next = Instant::now() + PERIOD;
        while let Some(event) = event_before(next).map_err(Failure::Output)? {
            match event {
                Event::Key(key) if key.kind != KeyEventKind::Release => {
                    if screen.press(key, feed.observed()) {
                        return Ok(());
                    }
                    break; // draw the effect at once
                }
                Event::Resize(..) => break,
                _ => {}
            }
        }
    }
}

fn event_before(time: Instant) -> io::Result<Option<Event>> {
    let left = time.saturating_duration_since(Instant::now());
    if event::poll(left)? { event::read().map(Some) } else { Ok(None) }
}
