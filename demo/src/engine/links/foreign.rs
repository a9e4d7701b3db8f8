//! Where in an HTML page the elements are SVG or MathML. There, `<style>` and `<title>` hold markup rather than text,
//! and CDATA sections exist. Used by `html.rs`.
//!
//! The HTML standard decides this while it builds a tree. Without a tree, this file tracks the open elements that
//! matter: `<svg>` and `<math>`, and the elements inside them whose content is HTML again.

/// The deepest nesting that is followed.
const DEEPEST: usize = 256;

/// The open elements that change the language.
#[derive(Debug, Default)]
pub struct Languages {
    open: Vec<Open>,
}

#[derive(Debug, PartialEq, Eq)]
enum Open {
    Svg,
    Math,
    /// An element of SVG or MathML whose content is HTML.
    Html(Box<[u8]>),
}

impl Languages {
    /// Whether the current element is not HTML.
    pub fn is_foreign(&self) -> bool {
        matches!(self.open.last(), Some(Open::Svg | Open::Math))
    }

    /// A start tag. Returns whether its element is not HTML.
    #[inline]
    pub fn start(&mut self, name: &[u8], is_self_closing: bool) -> bool {
        if self.open.is_empty() && !matches!(name, b"svg" | b"math") {
            return false;
        }
        self.nested(name, is_self_closing)
    }

    fn nested(&mut self, name: &[u8], is_self_closing: bool) -> bool {
        if self.is_foreign() && BREAKOUT.contains(&name) {
            // Such a tag ends all SVG and MathML that it is in.
            while self.is_foreign() {
                self.open.pop();
            }
            return false;
        }
        let opened = match (name, self.open.last()) {
            (b"svg", _) => Open::Svg,
            (b"math", _) => Open::Math,
            (b"foreignobject" | b"desc" | b"title", Some(Open::Svg)) => Open::Html(name.into()),
            (b"mi" | b"mo" | b"mn" | b"ms" | b"mtext" | b"annotation-xml", Some(Open::Math)) => Open::Html(name.into()),
            _ => return self.is_foreign(),
        };
        if !is_self_closing && self.open.len() < DEEPEST {
            self.open.push(opened);
        }
        true
    }

    /// An end tag.
    pub fn end(&mut self, name: &[u8]) {
        let is_end = match self.open.last() {
            Some(Open::Svg) => name == b"svg",
            Some(Open::Math) => name == b"math",
            Some(Open::Html(open)) => **open == *name,
            None => false,
        };
        if is_end {
            self.open.pop();
        }
    }
}

/// HTML elements that are never inside of SVG or MathML.
const BREAKOUT: [&[u8]; 44] = [
    b"b",
    b"big",
    b"blockquote",
    b"body",
    b"br",
    b"center",
    b"code",
    b"dd",
    b"div",
    b"dl",
    b"dt",
    b"em",
    b"embed",
    b"h1",
    b"h2",
    b"h3",
    b"h4",
    b"h5",
    b"h6",
    b"head",
    b"hr",
    b"i",
    b"img",
    b"li",
    b"listing",
    b"menu",
    b"meta",
    b"nobr",
    b"ol",
    b"p",
    b"pre",
    b"ruby",
    b"s",
    b"small",
    b"span",
    b"strong",
    b"strike",
    b"sub",
    b"sup",
    b"table",
    b"tt",
    b"u",
    b"ul",
    b"var",
];
