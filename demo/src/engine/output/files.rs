//! The bars of `demo download`: one for each file in progress, as far as they fit on the screen.

use super::speed::Speed;
use super::terminal;
use bytesize::ByteSize;
use executor::time::{Duration, Instant};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;

/// Rows that the bars leave free: the line below them, and what was printed before.
const FREE: usize = 4;
/// The maximum number of columns of a name, on a wide and on a narrow terminal.
const NAME: usize = 20;
const SHORT_NAME: usize = 16;
/// The minimum number of columns of a wide terminal.
const WIDE: usize = 64;

/// A file in progress.
#[derive(Clone, Debug)]
pub struct File {
    pub name: String,
    /// Bytes received so far.
    pub received: u64,
    /// Bytes of the whole file, if that is known.
    pub total: Option<u64>,
}

/// The bars, by the number of the file.
#[derive(Default)]
pub struct Bars {
    bars: BTreeMap<u64, Bar>,
}

struct Bar {
    bar: ProgressBar,
    speed: Speed,
    /// What its style depends on: whether the terminal is wide, and whether the total is known.
    style: Option<(bool, bool)>,
}

impl Bars {
    /// Updates the bars, above the row `below`. Returns the number of files without a bar.
    pub fn show<'a>(
        &mut self,
        screen: &MultiProgress,
        below: &ProgressBar,
        files: impl Iterator<Item = (&'a u64, &'a File)> + Clone,
        now: Instant,
    ) -> usize {
        let (width, height) = terminal::size();
        let room = height.saturating_sub(FREE).max(1);
        let is_over = |known: &u64| !files.clone().any(|(file, _)| file == known);
        let over: Vec<u64> = self.bars.keys().filter(|known| is_over(known)).copied().collect();
        over.into_iter().for_each(|file| self.remove(screen, file));
        while self.bars.len() > room
            && let Some(last) = self.bars.keys().next_back().copied()
        {
            self.remove(screen, last);
        }
        for (number, file) in files.clone() {
            if !self.bars.contains_key(number) && self.bars.len() < room {
                let bar = screen.insert_before(below, ProgressBar::no_length());
                self.bars.insert(*number, Bar { bar, speed: Speed::default(), style: None });
            }
            if let Some(bar) = self.bars.get_mut(number) {
                bar.show(file, width >= WIDE, now);
            }
        }
        files.count() - self.bars.len()
    }

    /// Removes all bars.
    pub fn clear(&mut self, screen: &MultiProgress) {
        self.bars.keys().copied().collect::<Vec<_>>().into_iter().for_each(|file| self.remove(screen, file));
    }

    /// Removes the bar of a file.
    pub fn remove(&mut self, screen: &MultiProgress, file: u64) {
        if let Some(Bar { bar, .. }) = self.bars.remove(&file) {
            bar.finish_and_clear();
            screen.remove(&bar);
        }
    }
}

impl Bar {
    fn show(&mut self, file: &File, is_wide: bool, now: Instant) {
        let style = (is_wide, file.total.is_some());
        if self.style.replace(style) != Some(style) {
            self.bar.set_style(self::style(is_wide, file.total.is_some()));
            self.bar.set_prefix(shortened(&file.name, if is_wide { NAME } else { SHORT_NAME }));
        }
        match file.total {
            Some(total) => self.bar.set_length(total),
            None => self.bar.unset_length(),
        }
        self.speed.update(file.received, now);
        let speed = format!("{}/s", ByteSize::b(self.speed.bytes_per_second() as u64));
        let left = file.total.and_then(|total| self.speed.time_for(total.saturating_sub(file.received)));
        let left = left.map(clock).unwrap_or_default();
        let received = ByteSize::b(file.received).to_string();
        self.bar.set_message(match is_wide {
            true => format!("{received:>10} {speed:>12} {left:>7}"),
            false => format!("{speed:>12}"),
        });
        self.bar.set_position(file.received);
    }
}

fn style(is_wide: bool, has_total: bool) -> ProgressStyle {
    let template = match (is_wide, has_total) {
        (true, true) => "{prefix:20} {wide_bar:.cyan} {percent:>3}% {msg}",
        (false, true) => "{prefix:16} {wide_bar:.cyan} {percent:>3}% {msg}",
        (true, false) => "{prefix:20} {spinner:.cyan} {msg}",
        (false, false) => "{prefix:16} {spinner:.cyan} {msg}",
    };
    ProgressStyle::with_template(template).expect("the template is right").progress_chars("━╸─")
}

/// A time in a few characters, such as `1:02:03`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// A name in at most `columns`, with its beginning and its end.
pub fn shortened(name: &str, columns: usize) -> String {
    use textwrap::core::display_width;
    if display_width(name) <= columns {
        return name.to_owned();
    }
    let (mut begin, mut end) = (String::new(), String::new());
    let (mut front, mut back) = (name.chars(), name.chars().rev());
    loop {
        let taken = display_width(&begin) + display_width(&end) + 1;
        let next = if begin.len() <= end.len() { front.next() } else { back.next() };
        let Some(next) = next else { break };
        if taken + display_width(next.encode_utf8(&mut [0; 4])) > columns {
            break;
        }
        if begin.len() <= end.len() { begin.push(next) } else { end.insert(0, next) }
    }
    format!("{begin}…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_its_beginning_and_its_end() {
        assert_eq!([61, 3723].map(|seconds| clock(Duration::from_secs(seconds))), ["1:01", "1:02:03"]);
        assert_eq!(shortened("short.iso", 24), "short.iso");
        let name = shortened("a-very-long-name-of-a-file-1.2.3.tar.gz", 24);
        assert_eq!(name, "a-very-long-….2.3.tar.gz");
        let wide = shortened("ファイルファイルファイルファイル", 16);
        assert!(textwrap::core::display_width(&wide) <= 16, "{wide}");
    }
}
