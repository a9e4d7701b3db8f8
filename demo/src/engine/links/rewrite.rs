//! Rewrites the references of a body in place. `collect.rs` passes each one on to a [`Rewrite`], which asks a
//! [`Rewriter`] for its target, and determines what to write at which place. Used by `mod.rs`.

use super::places::Places;
use std::fmt::Write;
use std::ops::Range;
use url::{Position, Url};

/// Where a reference will lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To a file: a relative URL without a fragment.
    File(String),
    /// To a page that is not saved.
    Page(Url),
    /// Where it already leads.
    Unchanged,
}

/// Decides where references lead, and writes them.
pub trait Rewriter {
    /// Where a reference to this URL will lead.
    fn target(&mut self, url: &Url) -> Target;

    /// Replaces these bytes of the body by `with`, which is ASCII. Positions are those in the body as UTF-8, without
    /// its byte order mark. Calls come roughly in the order of the positions.
    fn replace(&mut self, place: Range<u64>, with: String);
}

/// A reference that may be rewritten.
pub struct Reference<'r> {
    /// The URL that it refers to.
    pub url: Url,
    /// Its fragment with `#`, if the place of the reference includes it.
    pub fragment: &'r str,
    /// Whether it begins with `http:` or `https:`, so that it can stay as it is.
    pub is_absolute: bool,
    /// How it is written.
    pub syntax: Syntax,
}

/// The context of a reference, which decides how characters in it are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// In an attribute.
    Attribute,
    /// In an attribute, perhaps in quotes.
    Refresh,
    /// In CSS.
    Style,
}

/// A rewrite in progress.
#[derive(Default)]
pub struct Rewrite {
    /// `None` to find only the base of a page.
    rewriter: Option<Box<dyn Rewriter>>,
    /// The base of links to pages, wherever `<base>` is in the page.
    pub base_of_pages: Option<Url>,
    /// The nested texts that are being read, the outermost first: the places of each one's bytes in the text around
    /// it, and whether it is the value of an attribute.
    nested: Vec<(Places, bool)>,
    has_base: bool,
    /// The number of references that lead to files.
    files: u64,
}

impl Rewrite {
    /// A rewrite of a page with this `<base>`.
    pub fn new(rewriter: Box<dyn Rewriter>, base_of_pages: Option<Url>) -> Rewrite {
        let has_base = base_of_pages.is_some();
        Rewrite { rewriter: Some(rewriter), base_of_pages, has_base, ..Rewrite::default() }
    }

    /// Whether nothing is rewritten.
    pub fn is_idle(&self) -> bool {
        self.rewriter.is_none()
    }

    /// Whether the page has a base, so that a fragment alone does not mean the page itself.
    pub fn has_base(&self) -> bool {
        self.has_base
    }

    /// The base of links to pages. `None` in a nested text, where it does not apply.
    pub fn base_of_pages(&self) -> Option<&Url> {
        self.base_of_pages.as_ref().filter(|_| self.nested.is_empty())
    }

    /// The number of references that lead to files so far.
    pub fn files(&self) -> u64 {
        self.files
    }

    /// Begins a text inside the current one. `is_attribute` says that it is the value of an attribute.
    pub fn enter(&mut self, places: Places, is_attribute: bool) {
        self.nested.push((places, is_attribute));
    }

    /// Ends the text that was entered last.
    pub fn leave(&mut self) {
        self.nested.pop();
    }

    /// Rewrites a reference.
    pub fn reference(&mut self, place: Range<u64>, reference: &Reference<'_>) {
        let Some(rewriter) = &mut self.rewriter else { return };
        let target = match rewriter.target(&reference.url) {
            Target::File(file) => {
                self.files += 1;
                file
            }
            Target::Page(_) if reference.is_absolute => return,
            Target::Page(url) => url[..Position::AfterQuery].to_owned(),
            Target::Unchanged => return,
        };
        let written = match reference.syntax {
            Syntax::Style => in_style(&format!("{target}{}", reference.fragment)),
            Syntax::Refresh => self.in_attribute(&target.replace('\'', "%27")),
            Syntax::Attribute => self.in_attribute(&target),
        };
        self.replace(place, written);
    }

    /// Rewrites the base of the page: everything is relative to its file now.
    pub fn base(&mut self, place: Range<u64>) {
        self.has_base = true;
        self.replace(place, "./".to_owned());
    }

    /// Renames the attribute whose name begins at `place`, so that it has no effect when the file is opened.
    pub fn disable(&mut self, place: u64) {
        self.replace(place..place, "data-".to_owned());
    }

    fn replace(&mut self, place: Range<u64>, with: String) {
        let outer = |place: Range<u64>, nested: &(Places, bool)| nested.0.of(place);
        let place = self.nested.iter().rev().try_fold(place, outer);
        if let (Some(place), Some(rewriter)) = (place, &mut self.rewriter) {
            rewriter.replace(place, with);
        }
    }

    /// Escapes a URL for the value of an attribute, which may itself be nested in attributes.
    fn in_attribute(&self, url: &str) -> String {
        let levels = 1 + self.nested.iter().filter(|(_, is_attribute)| *is_attribute).count();
        (0..levels).fold(url.to_owned(), |text, _| text.replace('&', "&amp;").replace('\'', "&#39;"))
    }
}

/// Escapes a URL for CSS, with or without quotes, perhaps in an attribute: the characters that have a meaning in one of
/// these, and those that the encoding of the page may lack.
fn in_style(url: &str) -> String {
    let mut written = String::with_capacity(url.len());
    for char in url.chars() {
        match char {
            '&' | '\'' | '"' | '(' | ')' | '<' | '>' | '\\' | '\0'..=' ' | '\x7f'.. => {
                let _ = write!(written, "\\{:06x}", u32::from(char));
            }
            _ => written.push(char),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_with_a_meaning_in_css_or_html_are_escaped() {
        assert_eq!(in_style("http://h/a(1)?x='&y#ü"), r"http://h/a\0000281\000029?x=\000027\000026y#\0000fc");
        let mut rewrite = Rewrite::default();
        assert_eq!(rewrite.in_attribute("/?a='1'&b"), "/?a=&#39;1&#39;&amp;b");
        rewrite.enter(Places::default(), true);
        assert_eq!(rewrite.in_attribute("/?a&b'"), "/?a&amp;amp;b&amp;#39;");
        rewrite.enter(Places::default(), false);
        assert_eq!(rewrite.in_attribute("/?a&b"), "/?a&amp;amp;b");
    }
}
