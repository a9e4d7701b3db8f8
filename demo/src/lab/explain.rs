//! What the output of a test says about its failure, in sentences for a student.

use super::cut::UNWRITTEN;

/// Why a test failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What happened, in a sentence or more.
    pub(crate) what: String,
    /// Whether the test's own assertion says so. Otherwise it is the model checker, for instance.
    pub(crate) is_of_test: bool,
}

/// The panic that made the test fail, as a sentence for a student: the last one of the test's thread; or the first, if
/// the process was aborted, because then the others came from destructors.
pub(crate) fn failure(output: &str, test: &str, is_aborted: bool) -> Option<Failure> {
    if !output.contains("test result: FAILED") && !output.contains("panicked at") {
        return None;
    }
    if output.contains("test result: ok. 1 passed") {
        return None; // a panic on purpose
    }
    let panics = panics(output);
    let unwritten = panics.iter().find(|(_, message)| message.starts_with(UNWRITTEN));
    let mut own = panics.iter().filter(|(thread, _)| *thread == test || *thread == "main");
    let own = if is_aborted { own.next() } else { own.next_back() };
    let (_, message) = unwritten.or(own).or(panics.last())?;
    Some(explained(message))
}

/// The places in the output at which a test panicked and from which it came there, the innermost first: files and lines.
pub(crate) fn places_of_panic(output: &str) -> Vec<(&str, usize)> {
    let place = |text: &str| -> Option<(usize, usize)> {
        // FILE:LINE:COLUMN, where FILE may contain colons.
        let (rest, _) = text.trim_end_matches(':').rsplit_once(':')?;
        let (file, line) = rest.rsplit_once(':')?;
        Some((file.len(), line.parse().ok()?))
    };
    let of_line = |line: &'_ str| {
        let at = line.find("panicked at ").map(|at| at + "panicked at ".len());
        let frame = line.trim_start().strip_prefix("at ").map(|rest| line.len() - rest.len());
        at.or(frame)
    };
    let found = |line| {
        let text = str::get(line, of_line(line)?..)?;
        let (end, number) = place(text)?;
        Some((&text[..end], number))
    };
    let last = output.rfind("panicked at ").and_then(|at| output[..at].rfind('\n')).map_or(0, |end| end + 1);
    output[last..].lines().filter_map(found).collect()
}

/// All panics in the output: the thread, and the message.
fn panics(output: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut lines = output.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((thread, _)) = line.split_once("panicked at ") else { continue };
        let thread = thread.split('\'').nth(1).unwrap_or_default();
        let is_end = |line: &&str| {
            line.starts_with("note: ")
                || line.starts_with("thread '")
                || line.starts_with("test result")
                || *line == "failures:"
        };
        let mut message = Vec::new();
        while let Some(line) = lines.next_if(|line| !is_end(line)) {
            message.push(line);
        }
        found.push((thread, message.join("\n").trim_end().to_owned()));
    }
    found
}

/// The message without what surrounds it, and the words of the model checker as sentences.
fn explained(message: &str) -> Failure {
    let of_seed = message.split_once("): ").filter(|_| message.starts_with("seed ")).map(|(_, rest)| rest);
    let text = of_seed.unwrap_or(message);
    let text = text.split("\nrepeat it: ").next().unwrap_or(text).trim_end();
    let compared = compared(text);
    let text = compared.as_deref().unwrap_or(text);
    let of_test = |text: &str| Failure { what: text.to_owned(), is_of_test: true };
    let of_checker = |what: &str| Failure { what: what.to_owned(), is_of_test: false };
    match text {
        text if text.starts_with(UNWRITTEN) => {
            let name = text.strip_prefix("not yet implemented: ").unwrap_or(text);
            of_test(&format!("{name} is not written yet"))
        }
        text if text.starts_with("deadlock; threads") => of_checker(
            "all threads wait, and none is left that would continue one of them: a wake was lost, or a poll did not see \
             what was written before its wake",
        ),
        text if text.starts_with("Causality violation") => of_checker(&format!(
            "a race: two threads access the same memory, and nothing orders the two accesses ({})",
            first_line(text)
        )),
        text if text.contains("Model exceeded maximum number of branches") => {
            of_checker("a thread repeats the same steps without an end")
        }
        text if text.contains("leaked") && text.len() < 200 => {
            of_checker(&format!("something was never dropped ({})", first_line(text)))
        }
        text => of_test(text),
    }
}

/// The message of a comparison; with the two values, unless it names both itself.
fn compared(text: &str) -> Option<String> {
    let (_, message) = text.strip_prefix("assertion `left ")?.split_once(" right` failed: ")?;
    let (message, values) = message.split_once("\n  left: ").unwrap_or((message, ""));
    match values.split_once("\n right: ") {
        Some((found, expected)) if !(message.contains(found) && message.contains(expected)) => {
            Some(format!("{message}: found {found}, expected {expected}"))
        }
        _ => Some(message.to_owned()),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::failure;

    #[test]
    fn the_panic_that_ended_the_test_is_found_among_others() {
        let output = "\nthread 'a_test' (12) panicked at src/a.rs:1:1:\non purpose\nnote: run with\n\n\
                      thread 'a_test' (12) panicked at src/a.rs:2:1:\nit was polled twice\nsecond line\nnote: x\n\
                      test result: FAILED. 0 passed";
        assert_eq!(failure(output, "a_test", false).unwrap().what, "it was polled twice\nsecond line");
    }

    #[test]
    fn a_hole_is_named_whatever_it_led_to() {
        let output = "thread 't' (1) panicked at a:1:1:\nnot yet implemented: lab 4, task 2: State::suspend\n\
                      thread 't' (1) panicked at b:1:1:\ncalled unwrap\ntest result: FAILED.";
        assert_eq!(failure(output, "t", false).unwrap().what, "lab 4, task 2: State::suspend is not written yet");
    }

    #[test]
    fn a_failure_of_a_seed_is_shown_without_the_seed() {
        let output = "thread 't' (1) panicked at a:1:1:\nseed 0 fails (explored at x.rs:1:2): it deadlocked\n\
                      repeat it: EXECUTOR_SEED=0 cargo test t\ntest result: FAILED.";
        assert_eq!(failure(output, "t", false).unwrap().what, "it deadlocked");
        assert!(failure("test result: ok. 1 passed; thread panicked at", "t", false).is_none());
    }

    #[test]
    fn a_comparison_is_shown_by_its_message() {
        let output = "thread 't' (1) panicked at a:1:1:\nassertion `left == right` failed: two were polled\n  left: 1\n right: 2\n\
                      test result: FAILED.";
        assert_eq!(failure(output, "t", false).unwrap().what, "two were polled: found 1, expected 2");
    }

    #[test]
    fn the_places_of_a_panic_are_found_in_its_backtrace() {
        let output = "thread 't' (1) panicked at /rustc/1/alloc/vec/mod.rs:22:13:\nindex\nstack backtrace:\n   0: a::b\n             \
                      at ./reactor/src/time/queue.rs:107:9\n";
        let places = [("/rustc/1/alloc/vec/mod.rs", 22), ("./reactor/src/time/queue.rs", 107)];
        assert_eq!(super::places_of_panic(output), places);
    }

    #[test]
    fn the_model_checker_is_translated() {
        let output = "thread 't' (1) panicked at a:1:1:\ndeadlock; threads = [(Id(0), Blocked)]\ntest result: FAILED.";
        assert!(failure(output, "t", false).unwrap().what.contains("a wake was lost"));
    }
}
