//! The code blocks of a chapter. Each Rust block is compiled as a test or is an excerpt of the sources; pictures are
//! screens of the stepper. The info string says what a block holds:
//!
//! ```text
//! rust,ignore source=FILE item=ITEM     an item of the sources, with its documentation
//! text screen=EVENT [wrong=NAME]        the stepper at an event of the lab's program, on a wrong solution if named
//! text steps=TEST wrong=NAME            the failing interleaving of a model
//! ```

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag};
use std::collections::BTreeMap;
use std::ops::Range;

/// A code block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) holds: Holds,
    /// Its lines, without the fences.
    pub(crate) text: Range<usize>,
    /// The number of its first line.
    pub(crate) line: usize,
}

/// What a block holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Excerpt {
        file: String,
        item: String,
    },
    Screen {
        event: usize,
        wrong: Option<String>,
    },
    Steps {
        test: String,
        wrong: String,
    },
    /// Rust that is compiled.
    Compiled,
    /// Rust that is neither compiled nor compared.
    Unchecked,
    /// Another language.
    Other,
    /// The info string can't be understood.
    Wrong(String),
}

/// The code blocks of a chapter.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (event, range) in Parser::new_ext(text, Options::empty()).into_offset_iter() {
        let Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) = event else { continue };
        let start = range.start + text[range.clone()].find('\n').map_or(0, |end| end + 1);
        let end = range.start + text[range.clone()].rfind("```").unwrap_or(range.len());
        let line = 1 + text[..range.start].matches('\n').count();
        blocks.push(Block { holds: holds(&info), text: start..end.max(start), line });
    }
    blocks
}

fn holds(info: &str) -> Holds {
    let mut words = info.split_whitespace();
    let language = words.next().unwrap_or_default();
    let values: BTreeMap<&str, &str> = words.filter_map(|word| word.split_once('=')).collect();
    let wrong = values.get("wrong").map(|name| (*name).to_owned());
    match (values.get("source"), values.get("item"), values.get("screen"), values.get("steps")) {
        (Some(file), Some(item), ..) => Holds::Excerpt { file: (*file).into(), item: item.replace('+', " ") },
        (.., Some(event), _) => match event.parse() {
            Ok(event) if event > 0 => Holds::Screen { event, wrong },
            _ => Holds::Wrong(format!("`screen={event}`: the number of an event, from 1")),
        },
        (.., Some(test)) => match wrong {
            Some(wrong) => Holds::Steps { test: (*test).into(), wrong },
            None => Holds::Wrong("`steps=` needs `wrong=`: our solution has no failing steps".into()),
        },
        (None, None, None, None) if language.split(',').next() == Some("rust") => match language.contains("ignore") {
            true => Holds::Unchecked,
            false => Holds::Compiled,
        },
        (None, None, None, None) => Holds::Other,
        _ => Holds::Wrong("`source=` and `item=` belong together".into()),
    }
}

/// The headings of every chapter, after its title.
const HEADINGS: [&str; 8] = [
    "The question",
    "Predict",
    "A wrong run",
    "Your task",
    "How it is tested",
    "Five questions",
    "What others do",
    "Further reading",
];

/// What is wrong with the form of a chapter.
pub(crate) fn problems(text: &str, title: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let first = text.lines().next().unwrap_or_default();
    if first != format!("# {title}") {
        problems.push(format!("the first line is `{first}`, not `# {title}`"));
    }
    let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    if headings != HEADINGS {
        problems.push(format!("the headings are {headings:?}, not {HEADINGS:?}"));
    }
    let others = ["### asyncio", "### Go", "### tokio"];
    for other in others.iter().filter(|other| !text.lines().any(|line| line == **other)) {
        problems.push(format!("there is no heading `{other}`"));
    }
    let questions = text.matches("<details>").count();
    if questions != 5
        || text.matches("</details>").count() != questions
        || text.matches("<summary>").count() != questions
    {
        problems.push(format!("there are {questions} folded answers, not five"));
    }
    let blocks = blocks(text);
    for block in &blocks {
        match &block.holds {
            Holds::Wrong(why) => problems.push(format!("line {}: {why}", block.line)),
            Holds::Unchecked => {
                problems.push(format!("line {}: this Rust is neither compiled nor compared", block.line))
            }
            _ => {}
        }
    }
    if !blocks.iter().any(|block| matches!(block.holds, Holds::Screen { .. } | Holds::Steps { .. })) {
        problems.push("there is no picture of a run".into());
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::{Holds, blocks, problems};

    #[test]
    fn a_block_is_known_by_its_info_string() {
        let text = "a\n\n```rust,ignore source=a.rs item=Future+for+A::poll\nx\n```\n\n```text screen=3 wrong=w\n```\n\n```rust\n```\n";
        let blocks = blocks(text);
        assert_eq!(blocks[0].holds, Holds::Excerpt { file: "a.rs".into(), item: "Future for A::poll".into() });
        assert_eq!((&text[blocks[0].text.clone()], blocks[0].line), ("x\n", 3));
        assert_eq!(blocks[1].holds, Holds::Screen { event: 3, wrong: Some("w".into()) });
        assert_eq!((&text[blocks[1].text.clone()], &blocks[2].holds), ("", &Holds::Compiled));
    }

    #[test]
    fn a_chapter_without_its_parts_has_problems() {
        let problems = problems("# Lab 1: A\n```rust,ignore\n```\n", "Lab 1: B").join("\n");
        for part in ["first line", "headings", "### Go", "folded", "neither compiled", "no picture"] {
            assert!(problems.contains(part), "{part}: {problems}");
        }
    }
}
