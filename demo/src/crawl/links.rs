//! Finds the links of a page: in HTML (`html5gum` reads the tags) and in CSS (`cssparser`).
//!
//! It follows the same tags and attributes as `wget -r`, so the two find the same pages.

use super::urls::normalize;
use cssparser::{ParseError, Parser, Token as Css};
use html5gum::emitters::default::DefaultEmitter;
use html5gum::{StartTag, Token, Tokenizer};
use url::Url;

/// A kind of body that can be searched for links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Html,
    Css,
}

impl Kind {
    /// The kind for a media type.
    pub fn of(content_type: Option<&str>) -> Option<Kind> {
        let essence = content_type?.split(';').next()?.trim().to_ascii_lowercase();
        match essence.as_str() {
            "text/html" | "application/xhtml+xml" => Some(Kind::Html),
            "text/css" => Some(Kind::Css),
            _ => None,
        }
    }
}

/// The links in the body of `url`, each once, in order of appearance.
pub fn extract(kind: Kind, body: &[u8], url: &Url) -> Vec<Url> {
    let mut found = Found { base: url.clone(), links: Vec::new() };
    match kind {
        Kind::Html => found.html(body),
        Kind::Css => found.css(&String::from_utf8_lossy(body)),
    }
    let mut seen = std::collections::HashSet::new();
    found.links.retain(|link| seen.insert(link.clone()));
    found.links
}

struct Found {
    base: Url,
    links: Vec<Url>,
}

/// Attributes that hold a URL, by tag.
const URLS: [(&[u8], &[&[u8]]); 19] = [
    (b"a", &[b"href"]),
    (b"area", &[b"href"]),
    (b"audio", &[b"src"]),
    (b"body", &[b"background"]),
    (b"embed", &[b"href", b"src"]),
    (b"frame", &[b"src"]),
    (b"iframe", &[b"src"]),
    (b"img", &[b"src", b"lowsrc"]),
    (b"input", &[b"src"]),
    (b"layer", &[b"src"]),
    (b"link", &[b"href"]),
    (b"object", &[b"data"]),
    (b"script", &[b"src"]),
    (b"source", &[b"src"]),
    (b"table", &[b"background"]),
    (b"td", &[b"background"]),
    (b"th", &[b"background"]),
    (b"track", &[b"src"]),
    (b"video", &[b"src", b"poster"]),
];

impl Found {
    fn add(&mut self, reference: &str) {
        let reference = reference.trim_matches(|c: char| c.is_ascii_whitespace());
        if let Ok(url) = self.base.join(reference)
            && url.has_host()
        {
            self.links.push(normalize(url));
        }
    }

    fn html(&mut self, html: &[u8]) {
        let mut emitter = DefaultEmitter::default();
        emitter.naively_switch_states(true); // a `<` in a script is not a tag
        // The name of the tag before the text.
        let mut inside: Vec<u8> = Vec::new();
        for Ok(token) in Tokenizer::new_with_emitter(html, emitter) {
            match token {
                Token::StartTag(tag) => {
                    self.tag(&tag);
                    inside = tag.name.0.clone();
                }
                Token::EndTag(_) => inside.clear(),
                Token::String(text) if inside == b"style" => self.css(&String::from_utf8_lossy(&text)),
                // The tokenizer treats it as text, as a browser with scripts does. Without scripts it is HTML.
                Token::String(text) if inside == b"noscript" => self.html(&text),
                _ => {}
            }
        }
    }

    fn tag(&mut self, tag: &StartTag<()>) {
        let name: &[u8] = &tag.name;
        let attribute = |name: &[u8]| tag.attributes.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
        if name == b"base"
            && let Some(base) = attribute(b"href").and_then(|href| self.base.join(href.trim()).ok())
        {
            self.base = base;
        }
        for attribute in
            URLS.iter().filter(|(tag, _)| *tag == name).flat_map(|(_, names)| names.iter()).filter_map(|n| attribute(n))
        {
            self.add(&attribute);
        }
        if matches!(name, b"img" | b"source")
            && let Some(candidates) = attribute(b"srcset")
        {
            candidates
                .split(',')
                .filter_map(|candidate| candidate.split_ascii_whitespace().next())
                .for_each(|url| self.add(url));
        }
        if name == b"meta" && attribute(b"http-equiv").is_some_and(|value| value.eq_ignore_ascii_case("refresh")) {
            self.refresh(&attribute(b"content").unwrap_or_default());
        }
        if let Some(style) = attribute(b"style") {
            self.css(&style);
        }
    }

    /// `5; url=next.html`
    fn refresh(&mut self, content: &str) {
        let Some((_, target)) = content.split_once(';') else { return };
        let target = target.trim_start();
        if let Some(prefix) = target.get(..4)
            && prefix.eq_ignore_ascii_case("url=")
        {
            self.add(target[4..].trim_matches(['\'', '"']));
        }
    }

    fn css(&mut self, css: &str) {
        self.rules(&mut Parser::new(css));
    }

    fn rules(&mut self, css: &mut Parser<'_>) {
        let mut import = false;
        while let Ok(token) = css.next().cloned() {
            match &token {
                Css::UnquotedUrl(url) => self.add(url),
                Css::QuotedString(url) if import => self.add(url),
                Css::Function(name) if name.eq_ignore_ascii_case("url") => {
                    let quoted = css.parse_nested_block(|inner| Ok::<_, ParseError<()>>(inner.expect_string_cloned()?));
                    quoted.into_iter().for_each(|url| self.add(&url));
                }
                Css::Function(_) | Css::ParenthesisBlock | Css::SquareBracketBlock | Css::CurlyBracketBlock => {
                    let _ = css.parse_nested_block(|inner| {
                        self.rules(inner);
                        Ok::<_, ParseError<()>>(())
                    });
                }
                _ => {}
            }
            import = matches!(&token, Css::AtKeyword(name) if name.eq_ignore_ascii_case("import"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(kind: Kind, body: &str) -> Vec<String> {
        let url = Url::parse("http://h/d/page").unwrap();
        extract(kind, body.as_bytes(), &url).into_iter().map(|url| url.path().to_owned()).collect()
    }

    #[test]
    fn html_links_are_found() {
        let html = r#"<a href="a">x</a><A HREF=' b '>y</A><img src=c srcset="d 1x, e 2x"><link href=f><a name=x>
            <script>var s = "<a href='no'>";</script><!-- <a href="no"> --><noscript><iframe src="g"></noscript>
            <meta http-equiv=Refresh content="0; URL='h'"><p style="background: url(i)"><style>p { color: url("j") }</style>
            <a href="mailto:x@y">m</a><a href="javascript:void(0)">j</a><a href="data:,x">d</a><a href="a#again">x</a>
            <a href="?&amp;">amp</a>"#;
        let found = links(Kind::Html, html);
        assert_eq!(found, ["/d/a", "/d/b", "/d/c", "/d/d", "/d/e", "/d/f", "/d/g", "/d/h", "/d/i", "/d/j", "/d/page"]);
    }

    #[test]
    fn a_base_changes_what_links_mean() {
        assert_eq!(links(Kind::Html, r#"<base href="/other/"><a href="a">"#), ["/other/a"]);
    }

    #[test]
    fn css_links_are_found() {
        let css = r#"@import "a.css"; @import url(b.css); @font-face { src: url("c.woff") format("woff"), url( d.woff ) }
            /* url(no) */ .x::before { content: "url(no)" } @media print { p { background: url('e.png') } }"#;
        assert_eq!(links(Kind::Css, css), ["/d/a.css", "/d/b.css", "/d/c.woff", "/d/d.woff", "/d/e.png"]);
    }
}
