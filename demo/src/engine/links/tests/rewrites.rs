//! References are rewritten in place, and nothing else changes.

use super::*;
use proptest::prelude::*;
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

/// Notes what is to be replaced.
#[derive(Default, Clone)]
struct Notes(Rc<RefCell<Vec<Note>>>);

type Note = (Range<u64>, String);

impl Rewriter for Notes {
    /// Everything below `/saved/` is saved.
    fn target(&mut self, url: &Url) -> Target {
        match url.path().strip_prefix("/saved/") {
            Some(name) => Target::File(format!("files/{name}")),
            None => Target::Page(url.clone()),
        }
    }

    fn replace(&mut self, place: Range<u64>, with: String) {
        self.0.borrow_mut().push((place, with));
    }
}

/// A body in UTF-8 with its references rewritten.
fn rewritten(kind: Kind, body: &str) -> String {
    let notes = Notes::default();
    let encoded = Encoded::of(kind, Some("text/html; charset=utf-8"), body.as_bytes());
    rewrite(kind, encoded, &mut Cursor::new(body), &Url::parse(PAGE).unwrap(), Box::new(notes.clone())).unwrap();
    let mut replaced = notes.0.take();
    replaced.sort_by_key(|(place, _)| (place.start, place.end));
    let (mut written, mut done) = (String::new(), 0);
    for (place, with) in replaced {
        let place = place.start as usize..place.end as usize;
        assert!(done <= place.start, "{body}: {place:?} comes after {done}");
        written.push_str(&body[done..place.start]);
        written.push_str(&with);
        done = place.end;
    }
    written + &body[done..]
}

#[track_caller]
fn check_rewritten(kind: Kind, cases: &[(&str, &str)]) {
    for (body, expected) in cases {
        assert_eq!(rewritten(kind, body), *expected, "{body}");
    }
}

#[test]
fn a_link_to_a_saved_page_leads_to_its_file_and_any_other_link_to_its_url() {
    check_rewritten(
        Kind::Html,
        &[
            ("<a href=/saved/x>", "<a href=files/x>"),
            ("<a href='/saved/x'>", "<a href='files/x'>"),
            ("<a href=\" /saved/x \">", "<a href=\" files/x \">"),
            ("<a href = /saved/x#part>", "<a href = files/x#part>"),
            ("<a href='/saved/x#%20ü'>", "<a href='files/x#%20ü'>"),
            ("<a href=x>", "<a href=http://h/d/x>"),
            ("<base href='/saved/'><a href='' id='x'>", "<base href='./'><a href='files/' id='x'>"),
            ("<base href='/saved/'><a href=' ' id='x'>", "<base href='./'><a href=' files/' id='x'>"),
            ("<base href='' id='b'>", "<base href='./' id='b'>"),
            ("<a href=//other/x?a#b>", "<a href=http://other/x?a#b>"),
            ("<a href=http://other/x>", "<a href=http://other/x>"),
            ("<a href=HTTP://H/saved/x>", "<a href=files/x>"),
            ("<a href='x?a=1&amp;b=2&c=\"'>", "<a href='http://h/d/x?a=1&amp;b=2&amp;c=%22'>"),
            ("<a href=\"it's\">", "<a href=\"http://h/d/it&#39;s\">"),
            ("<a href='&#x2f;saved&sol;x&#35;y'>", "<a href='files/x&#35;y'>"),
            ("<a href='/saved/\r\nx'>y\r\n<a href='/saved/z'>", "<a href='files/x'>y\r\n<a href='files/z'>"),
            ("<a href='\n&ne;'>", "<a href='\nhttp://h/d/%E2%89%A0'>"),
            ("<a href='\r&ne;'>", "<a href='\rhttp://h/d/%E2%89%A0'>"),
            ("<a href='\r\n&ne;'>", "<a href='\r\nhttp://h/d/%E2%89%A0'>"),
            ("<a href='\r\n\r\n≠'>", "<a href='\r\n\r\nhttp://h/d/%E2%89%A0'>"),
            ("ü<a href='/saved/x'>ü", "ü<a href='files/x'>ü"),
            ("<a href=#part><a href='#'><a href><a href=''>", "<a href=#part><a href='#'><a href><a href=''>"),
            ("<a href='mailto:x'><a href='data:,x'>", "<a href='mailto:x'><a href='data:,x'>"),
        ],
    );
}

#[test]
fn each_kind_of_link_is_rewritten() {
    check_rewritten(
        Kind::Html,
        &[
            ("<img src=/saved/a lowsrc=/saved/b>", "<img src=files/a lowsrc=files/b>"),
            ("<img srcset='/saved/a, b 2x,/saved/c 3x'>", "<img srcset='files/a, http://h/d/b 2x,files/c 3x'>"),
            (
                "<link rel=preload href=/saved/a imagesrcset='/saved/b 2x'>",
                "<link rel=preload href=files/a imagesrcset='files/b 2x'>",
            ),
            (
                "<meta content='0; url=/saved/a' http-equiv=refresh>",
                "<meta content='0; url=files/a' http-equiv=refresh>",
            ),
            (
                r#"<meta http-equiv=refresh content="0; url='it''">"#,
                r#"<meta http-equiv=refresh content="0; url='http://h/d/it''">"#,
            ),
            ("<p style='background: url(/saved/a)'>", "<p style='background: url(files/a)'>"),
            (
                "<p style=\"background: url(&quot;/saved/a&quot;), url( b ) \">",
                "<p style=\"background: url(&quot;files/a&quot;), url(http://h/d/b) \">",
            ),
            (
                "<style>@import '/saved/a'; p { x: url(b) }</style>",
                "<style>@import 'files/a'; p { x: url(http://h/d/b) }</style>",
            ),
            ("<style>p{x:url(/saved/a)}</style", "<style>p{x:url(files/a)}</style"),
            (
                "<svg><image href=/saved/a /><use xlink:href='#x'/></svg>",
                "<svg><image href=files/a /><use xlink:href='#x'/></svg>",
            ),
            ("<svg><style>p{x:url(/saved/a)}</style></svg>", "<svg><style>p{x:url(files/a)}</style></svg>"),
            ("<svg><rect fill='url(/saved/a#b)' /></svg>", "<svg><rect fill='url(files/a#b)' /></svg>"),
            (
                "<video poster=/saved/a><source src=/saved/b></video>",
                "<video poster=files/a><source src=files/b></video>",
            ),
            ("<object data=/saved/a archive='/saved/b, c'>", "<object data=files/a archive='files/b, http://h/d/c'>"),
            ("<body background=/saved/a>", "<body background=files/a>"),
            (
                r#"<iframe srcdoc="<a href='/saved/x'>&lt;img src=&quot;y?a&amp;amp;b&quot;>"></iframe><a href=/saved/z>"#,
                r#"<iframe srcdoc="<a href='files/x'>&lt;img src=&quot;http://h/d/y?a&amp;amp;b&quot;>"></iframe><a href=files/z>"#,
            ),
            (
                "<iframe srcdoc='<iframe srcdoc=\"<a href=/saved/x>\"></iframe><style>p{x:url(/saved/y)}</style>'></iframe>",
                "<iframe srcdoc='<iframe srcdoc=\"<a href=files/x>\"></iframe><style>p{x:url(files/y)}</style>'></iframe>",
            ),
        ],
    );
}

#[test]
fn text_that_is_not_a_link_stays_unchanged() {
    for body in [
        "<script>var s = \"<a href='/saved/x'>\"</script>",
        "<!-- <a href=/saved/x> --><!doctype /saved/x>",
        "<textarea><a href=/saved/x></textarea>",
        "<a name=/saved/x title=/saved/x>/saved/x</a>",
        "<style>/* url(/saved/x) */ @namespace url(/saved/x); p::before { content: '/saved/x' }</style>",
        "<a href=/saved/x",
        "<link rel=preconnect href=/saved/x>",
        "<a download='/saved/x' ping=/saved/x>",
        "<a hreflang=/saved/x data-href=/saved/x>",
    ] {
        assert_eq!(rewritten(Kind::Html, body), body);
    }
}

#[test]
fn a_base_is_rewritten_with_all_links_that_depend_on_it() {
    check_rewritten(
        Kind::Html,
        &[
            (
                "<a href=a>x</a><base href='/saved/'><a href=a#b><a href=../c><a href=#x>",
                "<a href=files/a>x</a><base href='./'><a href=files/a#b><a href=http://h/c><a href=files/#x>",
            ),
            ("<base target=_top><a href=#x>", "<base target=_top><a href=#x>"),
            ("<base href=/saved/ target=y><img src=a>", "<base href=./ target=y><img src=files/a>"),
            ("<base href='data:,'><a href=/saved/a>", "<base href='data:,'><a href=files/a>"),
            (
                "<template><base href=/saved/></template><a href=a>",
                "<template><base href=/saved/></template><a href=http://h/d/a>",
            ),
            ("<object codebase=/saved/ data=a>", "<object codebase=./ data=files/a>"),
        ],
    );
    check_rewritten(
        Kind::Xml,
        &[("<svg xml:base='/saved/'><a href='a'/></svg>", "<svg xml:base='./'><a href='files/a'/></svg>")],
    );
}

#[test]
fn integrity_and_crossorigin_of_saved_files_are_disabled() {
    check_rewritten(
        Kind::Html,
        &[
            (
                "<script src=/saved/a integrity='sha256-x' crossorigin></script>",
                "<script src=files/a data-integrity='sha256-x' data-crossorigin></script>",
            ),
            (
                "<script integrity=sha256-x src=http://other/a crossorigin=anonymous>",
                "<script integrity=sha256-x src=http://other/a crossorigin=anonymous>",
            ),
        ],
    );
}

#[test]
fn css_is_rewritten_in_its_syntax() {
    check_rewritten(
        Kind::Css,
        &[
            ("@import \"/saved/a\" screen;", "@import \"files/a\" screen;"),
            ("@import url( '/saved/a' );", "@import url( 'files/a' );"),
            ("a{b:url(/saved/a)}", "a{b:url(files/a)}"),
            ("a{b:URL(\n/saved/a\n)}c{d:url(/saved/e#f)}", "a{b:URL(files/a)}c{d:url(files/e#f)}"),
            ("a{b:url(/sav\\65 d/a)}", "a{b:url(files/a)}"),
            ("a{b:url('x(1).png?a&b')}", "a{b:url('http://h/d/x\\0000281\\000029.png?a\\000026b')}"),
            ("a{b:image-set('/saved/a' 1x, \"/saved/b\" 2x)}", "a{b:image-set('files/a' 1x, \"files/b\" 2x)}"),
            ("a{b:url(#x)}", "a{b:url(#x)}"),
            ("a{b:url(/saved/a", "a{b:url(files/a"),
            ("@import '/saved/a", "@import 'files/a"),
            ("/* ü */a{b:url(/saved/a)}", "/* ü */a{b:url(files/a)}"),
            ("a{b:url(data:,x)}c{b:url(/saved/a)}", "a{b:url(data:,x)}c{b:url(files/a)}"),
        ],
    );
}

#[test]
fn places_in_a_long_stylesheet_are_right() {
    for filler in ["x".repeat(3 << 20), "ü".repeat(100_000), "\u{20ac} ".repeat(50_000)] {
        let before = format!("/* {filler} */a{{b:url(data:,{filler})}}c{{b:url(/saved/a)}}");
        assert!(rewritten(Kind::Css, &before) == before.replace("/saved/", "files/"));
        let page = format!("<style>{before}</style>{filler}<a href=/saved/x>");
        assert!(rewritten(Kind::Html, &page) == page.replace("/saved/", "files/"));
    }
}

#[test]
fn invalid_utf_8_moves_no_place() {
    for garbage in [&b"\xff"[..], b"\xc3", b"\xe2\x82", b"\xc3\xc3\xa9\xe2\x82\xac\x80"] {
        for before in [&b"/*"[..], b"a{b:url(data:,"] {
            for length in [1, 3000, 70_000] {
                let rest = if before == b"/*" { &b"*/a{b:url(/saved/a)}"[..] } else { b")}a{b:url(/saved/a)}" };
                let css = [before, &garbage.repeat(length), rest].concat();
                let notes = Notes::default();
                let encoded = Encoded::of(Kind::Css, None, &css);
                let url = Url::parse(PAGE).unwrap();
                rewrite(Kind::Css, encoded, &mut Cursor::new(&css), &url, Box::new(notes.clone())).unwrap();
                let (place, with) = notes.0.take().pop().unwrap();
                let replaced = &css[place.start as usize..place.end as usize];
                assert_eq!((replaced, &*with), (&b"/saved/a"[..], "files/a"), "{garbage:?} {length}");
            }
        }
    }
}

#[test]
fn a_character_cut_by_the_end_of_a_buffer_is_replaced_with_its_link() {
    for before in 65_500..65_540 {
        let css = format!("{}a{{b:url(/saved/€)}}", " ".repeat(before));
        assert!(rewritten(Kind::Css, &css).ends_with(" a{b:url(files/%E2%82%AC)}"), "{before}");
    }
}

#[test]
fn xml_is_rewritten_except_feeds_and_sitemaps() {
    check_rewritten(
        Kind::Xml,
        &[
            (
                "<?xml version='1.0'?><?xml-stylesheet type='text/css' href='/saved/a?b&amp;c'?><svg><a href='/saved/x'/></svg>",
                "<?xml version='1.0'?><?xml-stylesheet type='text/css' href='files/a'?><svg><a href='files/x'/></svg>",
            ),
            (
                "<svg><style><![CDATA[a{b:url(/saved/x)}]]></style></svg>",
                "<svg><style><![CDATA[a{b:url(files/x)}]]></style></svg>",
            ),
            ("<svg><style>a&gt;c{b:url(/saved/x)}</style></svg>", "<svg><style>a&gt;c{b:url(files/x)}</style></svg>"),
            ("<html><a href='y?a&amp;b'/></html>", "<html><a href='http://h/d/y?a&amp;b'/></html>"),
        ],
    );
    for feed in [
        "<feed><link href='/saved/x'/><entry xml:base='/saved/'/></feed>",
        "<rss><link>/saved/x</link><enclosure url='/saved/x'/></rss>",
        "<urlset><loc>/saved/x</loc></urlset>",
    ] {
        assert_eq!(rewritten(Kind::Xml, feed), feed);
    }
}

proptest! {
    /// Whatever a page contains, its links lead to the same pages after it is rewritten.
    #[test]
    fn a_rewritten_page_keeps_its_links(
        parts in proptest::collection::vec(prop_oneof![
            Just("<a href=\""), Just("<a href='"), Just("<a href="), Just("<img src="), Just("<img srcset=\""),
            Just("<p style=\"x:url("), Just("<p style='x:url("), Just("<style>"), Just("</style>"), Just("x:url("),
            Just("@import '"), Just("<iframe srcdoc=\""), Just("<iframe srcdoc='"), Just("</iframe>"), Just("&quot;"),
            Just("&amp;"), Just("&#39;"), Just("&lt;"), Just("&ne;"), Just("&"), Just("&x"), Just("\""), Just("'"),
            Just(">"), Just("<"), Just(" "), Just("\r\n"), Just("\n"), Just("\0"), Just("ü"), Just(")"), Just("("), Just("\\"),
            Just("/saved/a"), Just("b?c&d"), Just("#e"), Just(","), Just("<svg>"), Just("</svg>"), Just("<![CDATA["),
            Just("]]>"), Just("<!--"), Just("-->"), Just("<script>"), Just("</script>"), Just("data:,x"), Just("http://o/x"),
        ], 0..24)
    ) {
        let body = parts.concat();
        let before = links(Kind::Html, &body);
        let written = rewritten(Kind::Html, &body);
        let file = |link: String| match link.strip_prefix("/saved/") {
            Some(name) => format!("/d/files/{}", name.split('?').next().unwrap_or_default()),
            None => link,
        };
        let mut expected: Vec<_> = before.into_iter().map(file).collect();
        let mut after = links(Kind::Html, &written);
        expected.sort();
        after.sort();
        prop_assert_eq!(after, expected, "{:?} became {:?}", body, written);
    }
}
