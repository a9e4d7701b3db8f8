//! Any body is searched without a panic, and cutting it anywhere changes nothing.

use super::*;
use proptest::prelude::*;

/// A reader that returns its bytes in pieces of these lengths, in a cycle.
struct Cut<'b> {
    bytes: &'b [u8],
    lengths: std::iter::Cycle<std::slice::Iter<'b, usize>>,
}

impl Read for Cut<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = (*self.lengths.next().unwrap()).clamp(1, buffer.len());
        let length = self.bytes.read(&mut buffer[..length])?;
        Ok(length)
    }
}

/// Bodies made of parts that mean something to one of the searches.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    const PARTS: [&[u8]; 48] = [
        b"<a href=",
        b"<img srcset=",
        b"<base href=",
        b"<style>",
        b"</style>",
        b"<script>",
        b"</script>",
        b"<svg>",
        b"</svg>",
        b"<title>",
        b"</title>",
        b"<iframe srcdoc='",
        b"<![CDATA[",
        b"]]>",
        b"<!--",
        b"-->",
        b">",
        b"/>",
        b"'",
        b"\"",
        b" ",
        b"\r",
        b"\n",
        b"\0",
        b"a",
        b"/b,",
        b"\xc3\xa9",
        b"\xe9",
        b"&amp;",
        b"&",
        b"url(",
        b")",
        b"@import ",
        b"image-set(",
        b"\\",
        b"\\69",
        b"/*",
        b"*/",
        b"{",
        b"}",
        b"<?xml-stylesheet href='",
        b"<rss>",
        b"<urlset>",
        b"<loc>",
        b"</loc>",
        b"<link>",
        b"http://h/",
        b"<meta charset=latin1>",
    ];
    let part = prop_oneof![
        8 => prop::sample::select(PARTS.to_vec()).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..4),
        1 => (0..20_000_usize).prop_map(|length| vec![b'x'; length]),
    ];
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_body_is_searched_and_cutting_it_changes_nothing(
        body in bodies(),
        lengths in prop::collection::vec(prop_oneof![1..8_usize, 1..20_000_usize], 1..8),
        charset in prop::sample::select(vec!["", "utf-8", "utf-16le", "shift_jis", "iso-2022-jp", "gb18030"]),
    ) {
        let url = Url::parse(PAGE).unwrap();
        let content_type = format!("text/html; charset={charset}");
        for kind in [Kind::Html, Kind::Css, Kind::Xml, Kind::Sitemap] {
            let whole = find(Search::LinksAndAnchors, kind, Some(&content_type), &*body, &url);
            let cut = Cut { bytes: &body, lengths: lengths.iter().cycle() };
            let cut = find(Search::LinksAndAnchors, kind, Some(&content_type), cut, &url);
            match (whole, cut) {
                (Ok(whole), Ok(cut)) => {
                    prop_assert_eq!(whole.links, cut.links);
                    prop_assert_eq!(whole.unusable, cut.unusable);
                    prop_assert_eq!(whole.anchors, cut.anchors);
                }
                (Err(_), Err(_)) => {}
                (whole, cut) => prop_assert!(false, "{:?} {:?}", whole, cut),
            }
        }
        Kind::of(Some(&content_type), false, &url, &body);
        Kind::of(None, false, &url, &body);
    }
}
