//! A chapter as text for a terminal.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use textwrap::Options as Wrap;

/// Renders a chapter. Answers to questions are left out unless `with_answers`. Headings are bold if `with_style`.
pub(super) fn render(text: &str, width: usize, with_answers: bool, with_style: bool) -> String {
    let (out, paragraph, html, prefixes, lists, marker) = Default::default();
    let mut page =
        Page { out, paragraph, html, prefixes, lists, marker, width, with_answers, with_style, is_folded: false };
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        page.see(event);
    }
    if !with_answers && text.contains("<details>") {
        page.out.push_str("\nThe answers: lab read --answers\n");
    }
    page.out
}

struct Page {
    out: String,
    /// The text of the paragraph that is being read.
    paragraph: String,
    /// The block of HTML that is being read.
    html: String,
    /// What each line begins with.
    prefixes: Vec<String>,
    /// The number of the next entry of each list around, or `None` for a list without numbers.
    lists: Vec<Option<u64>>,
    /// What the first line of the paragraph begins with.
    marker: Option<String>,
    width: usize,
    with_answers: bool,
    with_style: bool,
    /// An answer is being left out.
    is_folded: bool,
}

impl Page {
    fn see(&mut self, event: Event<'_>) {
        match &event {
            // A question may have several lines, each of which is an event.
            Event::Html(line) => return self.html.push_str(line),
            Event::End(TagEnd::HtmlBlock) => {
                let html = std::mem::take(&mut self.html).replace('\n', " ");
                return html.split_inclusive("</details>").for_each(|part| self.html(part.trim()));
            }
            _ => {}
        }
        if self.is_folded {
            return;
        }
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.paragraph.push_str(&text),
            Event::Code(code) => self.paragraph.push_str(&format!("`{code}`")),
            Event::SoftBreak => self.paragraph.push(' '),
            Event::HardBreak => self.paragraph.push('\n'),
            Event::Rule => self.out.push_str(&format!("{}\n\n", "─".repeat(self.width))),
            _ => {}
        }
    }

    /// A question is `<details><summary>…</summary>`, an answer, `</details>`.
    fn html(&mut self, html: &str) {
        if let Some(question) = html.split("<summary>").nth(1).and_then(|rest| rest.split("</summary>").next()) {
            let text = plain(question);
            let options = Wrap::new(self.width).initial_indent("? ").subsequent_indent("  ");
            self.out.push_str(&format!("{}\n\n", textwrap::fill(&text, options)));
        }
        if html.contains("<details>") {
            self.is_folded = !self.with_answers;
            self.prefixes.push("    ".into());
        }
        if html.contains("</details>") {
            self.is_folded = false;
            self.prefixes.pop();
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::CodeBlock(kind) => {
                self.flush();
                let is_text = matches!(kind, CodeBlockKind::Fenced(info) if info.starts_with("text"));
                self.prefixes.push(if is_text { String::new() } else { "    ".into() });
            }
            Tag::BlockQuote(_) => self.prefixes.push("│ ".into()),
            Tag::List(first) => {
                self.flush();
                self.lists.push(first);
            }
            Tag::Item => {
                let marker = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    _ => "- ".into(),
                };
                self.prefixes.push(" ".repeat(marker.len()));
                self.marker = Some(marker);
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => {
                let text = std::mem::take(&mut self.paragraph);
                let text = if level == HeadingLevel::H1 { text.to_uppercase() } else { text };
                let text = match (self.with_style, level) {
                    (true, _) => format!("\u{1b}[1m{text}\u{1b}[0m"),
                    (false, HeadingLevel::H2) => format!("{text}\n{}", "─".repeat(text.chars().count())),
                    (false, _) => text,
                };
                self.out.push_str(&format!("{text}\n\n"));
            }
            TagEnd::Paragraph => {
                self.flush();
                self.out.push('\n');
            }
            TagEnd::CodeBlock => {
                let prefix = self.prefixes.concat();
                let text = std::mem::take(&mut self.paragraph);
                text.lines().for_each(|line| self.out.push_str(&format!("{}\n", format!("{prefix}{line}").trim_end())));
                self.prefixes.pop();
                self.out.push('\n');
            }
            TagEnd::BlockQuote(_) => _ = self.prefixes.pop(),
            TagEnd::Item => {
                self.flush();
                self.prefixes.pop();
                self.marker = None; // of an item without text
            }
            TagEnd::List(_) => {
                self.lists.pop();
                if self.lists.is_empty() {
                    self.out.push('\n');
                }
            }
            TagEnd::TableCell => self.paragraph.push_str("  "),
            TagEnd::TableRow | TagEnd::TableHead => self.flush(),
            TagEnd::Table => self.out.push('\n'),
            _ => {}
        }
    }

    /// Prints the paragraph.
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.paragraph);
        if text.trim().is_empty() {
            return;
        }
        let indent = self.prefixes.concat();
        let first = match self.marker.take() {
            Some(marker) => format!("{}{marker}", self.prefixes[..self.prefixes.len() - 1].concat()),
            None => indent.clone(),
        };
        let options = Wrap::new(self.width).initial_indent(&first).subsequent_indent(&indent);
        self.out.push_str(&format!("{}\n", textwrap::fill(text.trim_end(), options)));
    }
}

/// A summary without its tags.
fn plain(html: &str) -> String {
    html.replace("<code>", "`").replace("</code>", "`").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::render;

    const TEXT: &str = "# Title\n\nA paragraph that is longer than the line, with `code` in it.\n\n- one\n- two that is \
                        long enough to wrap\n\n```rust\nlet a = 1;\n```\n\n<details><summary>Why\nnot?</summary>\n\nBecause.\n\n</details>\n";

    #[test]
    fn a_chapter_fits_the_width_and_hides_answers() {
        let text = render(TEXT, 30, false, false);
        let expected = "TITLE\n\nA paragraph that is longer\nthan the line, with `code` in\nit.\n\n- one\n- two that is long enough to\n  wrap\n\n    let a = 1;\n\n? Why not?\n\n\nThe answers: lab read --answers\n";
        assert_eq!(text, expected);
        assert!(render(TEXT, 30, true, false).contains("? Why not?\n\n    Because.\n"));
    }
}
