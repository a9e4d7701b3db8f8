//! The field `Link` of a response (RFC 8288): the URL with the relation `canonical`. Used by `receive.rs`.

use super::urls::{is_web, normalize};
use http::{HeaderMap, header};
use url::Url;

/// The first canonical URL that the fields name. It is resolved against `url`.
pub fn canonical(url: &Url, headers: &HeaderMap) -> Option<Url> {
    let fields = headers.get_all(header::LINK).iter().filter_map(|field| std::str::from_utf8(field.as_bytes()).ok());
    let mut links = fields.flat_map(|field| split(field, ','));
    links.find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let mut relations = split(parameters, ';').into_iter().filter_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("rel").then(|| value.trim().trim_matches('"'))
        });
        // Only the first `rel` counts (RFC 8288, 3.3).
        let mut words = relations.next()?.split_ascii_whitespace();
        let is_canonical = words.any(|word| word.eq_ignore_ascii_case("canonical"));
        url.join(target.trim()).ok().filter(|to| is_canonical && is_web(to)).map(normalize)
    })
}

/// Splits a field at a separator, except in `<…>` and in quotes.
fn split(field: &str, separator: char) -> Vec<&str> {
    let (mut in_url, mut in_quotes, mut is_escaped) = (false, false, false);
    let is_separator = |char: char| {
        match char {
            _ if std::mem::take(&mut is_escaped) => {}
            '\\' if in_quotes => is_escaped = true,
            '"' if !in_url => in_quotes = !in_quotes,
            '<' if !in_quotes => in_url = true,
            '>' if !in_quotes => in_url = false,
            _ => {}
        }
        char == separator && !in_url && !in_quotes
    };
    field.split(is_separator).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_url_is_found_among_the_links() {
        for (fields, expected) in [
            (&["<http://h/a>; rel=canonical"][..], Some("http://h/a")),
            (&["</a>; rel=\"canonical\""], Some("http://h/a")),
            (&["<a>;REL=Canonical;x"], Some("http://h/d/a")),
            (&["</a,b;c>; rel=\"next canonical\""], Some("http://h/a,b;c")),
            (&["</a>; rel=next, </b>; title=\"x, \\\"y\"; rel=canonical"], Some("http://h/b")),
            (&["</a>; rel=next", "</b>; rel=canonical"], Some("http://h/b")),
            (&["</a>; rel=next; rel=canonical"], None),
            (&["</a>; title=\"rel=canonical\""], None),
            (&["</a>", "a; rel=canonical", "<a; rel=canonical", ""], None),
            (&["<mailto:x>; rel=canonical"], None),
        ] {
            let headers = fields.iter().map(|field| (header::LINK, field.parse().unwrap())).collect();
            let found = canonical(&Url::parse("http://h/d/page").unwrap(), &headers);
            assert_eq!(found.as_ref().map(Url::as_str), expected, "{fields:?}");
        }
    }
}
