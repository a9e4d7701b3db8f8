//! `demo lab quiz`: questions about a recorded run. The answers come from the stepper's model, so they are those that
//! the stepper shows.
//!
//! | file | what it holds |
//! |---|---|
//! | `questions.rs` | the kinds of questions |

mod questions;

use crate::step::{self, words::Words};
use crate::{Exit, Failure};
use questions::{Question, questions};
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

/// Asks `most` questions about a recording. The exit code is 3 if an answer was wrong.
pub(crate) fn run(recording: &Path, most: usize, seed: Option<u64>) -> Result<Exit, Failure> {
    let trace = step::open(recording)?;
    let mut dice = seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
    let words = Words::new(&trace);
    let asked = questions(trace, &words, &mut dice, most);
    if asked.is_empty() {
        return Err(
            super::LabError::Other("the recording is too short for questions: it needs two tasks".into()).into()
        );
    }
    let (mut right, count) = (0, asked.len());
    let mut answers = io::stdin().lock();
    for (number, question) in asked.iter().enumerate() {
        let Some(is_right) = ask(number + 1, question, &mut answers).map_err(Failure::Output)? else {
            say!("");
            break;
        };
        right += usize::from(is_right);
    }
    say!("{right} of {count} right");
    Ok(if right == count { Exit::Success } else { Exit::SomeFailed })
}

/// Asks a question. `None` if the input has ended.
fn ask(number: usize, question: &Question, answers: &mut impl BufRead) -> io::Result<Option<bool>> {
    let wrap = textwrap::Options::new(80).subsequent_indent("   ");
    say!("{}", textwrap::fill(&format!("{number}. {}", question.text), wrap));
    for (at, option) in question.options.iter().enumerate() {
        let wrap = textwrap::Options::new(80).initial_indent("   ").subsequent_indent("      ");
        say!("{}", textwrap::fill(&format!("{}) {option}", letter(at)), wrap));
    }
    let last = letter(question.options.len() - 1);
    let answer = loop {
        print!("   answer (a to {last}): ");
        io::stdout().flush()?;
        let mut line = String::new();
        if answers.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if !io::stdin().is_terminal() {
            say!("{}", line.trim()); // the dialogue is complete in a file, too
        }
        match question
            .options
            .iter()
            .enumerate()
            .find(|(at, _)| line.trim().eq_ignore_ascii_case(&letter(*at).to_string()))
        {
            Some((at, _)) => break at,
            None => say!("   give one of the letters a to {last}"),
        }
    };
    let is_right = answer == question.answer;
    let verdict = if is_right { "right" } else { "wrong" };
    let why = format!("{verdict}: {}. {}", question.options[question.answer], question.why);
    say!("{}\n", textwrap::fill(&why, textwrap::Options::new(80).initial_indent("   ").subsequent_indent("   ")));
    Ok(Some(is_right))
}

fn letter(at: usize) -> char {
    char::from(b'a' + at as u8)
}
