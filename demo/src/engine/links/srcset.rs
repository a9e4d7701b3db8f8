//! The URLs of a `srcset` or `imagesrcset`, as the HTML standard parses them ("parse a srcset attribute"). Used by
//! `attributes.rs`.

/// The URLs of the candidates, in order.
///
/// A comma inside a URL belongs to it. Only one at the end of a URL, or after its descriptors, separates candidates.
pub fn urls(srcset: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = srcset;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|byte| !is_space(*byte) && *byte != b',')?;
        rest = &rest[start..];
        let end = rest.iter().position(|byte| is_space(*byte)).unwrap_or(rest.len());
        let (url, after) = rest.split_at(end);
        let trimmed = url.iter().rposition(|byte| *byte != b',').map_or(0, |last| last + 1);
        rest = if trimmed < url.len() { after } else { behind_descriptors(after) };
        Some(&url[..trimmed])
    })
}

/// The text after the comma that ends the descriptors of a candidate. A comma in parentheses does not end them.
fn behind_descriptors(text: &[u8]) -> &[u8] {
    let mut in_parentheses = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'(' => in_parentheses = true,
            b')' => in_parentheses = false,
            b',' if !in_parentheses => return &text[at + 1..],
            _ => {}
        }
    }
    &[]
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_separated_by_the_rules_of_the_grammar() {
        for (srcset, expected) in [
            ("", &[][..]),
            (" , ,", &[]),
            ("a", &["a"]),
            ("a, b", &["a", "b"]),
            ("a,b", &["a,b"]),
            ("a,, b", &["a", "b"]),
            ("a 1x,b 2x", &["a", "b"]),
            ("\n a\t100w ,\n b 200w", &["a", "b"]),
            ("/w_300,h_200/a.jpg 1x, /img?q=85,0 2x", &["/w_300,h_200/a.jpg", "/img?q=85,0"]),
            ("data:image/gif;base64,R0lG= 1x, /b.png 2x", &["data:image/gif;base64,R0lG=", "/b.png"]),
            ("a foo(1,2), b", &["a", "b"]),
            ("a foo(1,2", &["a"]),
            (",a", &["a"]),
        ] {
            let found: Vec<_> = urls(srcset.as_bytes()).map(|url| std::str::from_utf8(url).unwrap()).collect();
            assert_eq!(found, expected, "{srcset:?}");
        }
    }
}
