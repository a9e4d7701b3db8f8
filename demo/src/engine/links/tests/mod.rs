//! What a search finds in whole pages.

use super::found::{Link, LinkKind};
use super::*;

mod cuts;
mod encodings;
mod formats;
mod rewrites;

const PAGE: &str = "http://h/d/page";

#[track_caller]
fn found(kind: Kind, content_type: Option<&str>, body: impl AsRef<[u8]>) -> Found {
    find(Search::Links, kind, content_type, body.as_ref(), &Url::parse(PAGE).unwrap()).unwrap()
}

/// The links of a body, relative to its server.
#[track_caller]
fn links(kind: Kind, body: impl AsRef<[u8]>) -> Vec<String> {
    shown(found(kind, None, body))
}

fn shown(found: Found) -> Vec<String> {
    let shown = |link: Link| link.url.as_str().strip_prefix("http://h").unwrap_or(link.url.as_str()).to_owned();
    found.links.into_iter().map(shown).collect()
}

/// Checks the links of each body.
#[track_caller]
fn check(kind: Kind, cases: &[(&str, &[&str])]) {
    for (body, expected) in cases {
        assert_eq!(links(kind, body), *expected, "{body}");
    }
}

#[test]
fn html_links_are_found() {
    let html = r#"<a href="a">x</a><A HREF=' b '>y</A><img src=c srcset="d 1x, e 2x"><link href=f><a name=x>
        <script>var s = "<a href='no'>";</script><!-- <a href="no"> --><noscript><iframe src="g"></noscript>
        <meta http-equiv=Refresh content="0; URL='h'"><p style="background: url(i)"><style>p { color: url("j") }</style>
        <a href="mailto:x@y">m</a><a href="javascript:void(0)">j</a><a href="data:,x">d</a><a href="a#again">x</a>
        <a href="?&amp;">amp</a>"#;
    check(
        Kind::Html,
        &[(html, &["/d/a", "/d/b", "/d/c", "/d/d", "/d/e", "/d/f", "/d/g", "/d/h", "/d/i", "/d/j", "/d/page?&"])],
    );
}

#[test]
fn spaces_in_urls_are_removed_as_in_the_url_standard() {
    check(
        Kind::Html,
        &[
            ("<a href=' \t\n/a\x0c '>", &["/a"]),
            ("<a href='/a\nb\tc\r\nd'>", &["/abcd"]),
            ("<a href='/a b'>", &["/a%20b"]),
            ("<a href='ht\ntp://x/y'>", &["http://x/y"]),
            ("<a href='java\nscript:alert(1)'>", &[]),
            ("<a href=''>", &["/d/page"]),
            ("<a href='#top'>", &["/d/page"]),
            ("<a href>", &["/d/page"]),
            ("<img src=''><img src><script src='#x'></script>", &[]),
        ],
    );
}

#[test]
fn the_first_base_with_an_href_counts() {
    check(
        Kind::Html,
        &[
            ("<base href='/other/'><a href=a>", &["/other/a"]),
            ("<base target=x><base href='/one/'><base href='/two/'><a href=a>", &["/one/a"]),
            ("<base href='one/'><base href='two/'><a href=a>", &["/d/one/a"]),
            ("<base href='data:,x'><base href='/two/'><a href=a>", &["/d/a"]),
            ("<base href='javascript:x'><a href=a>", &["/d/a"]),
            ("<base href='http://['><a href=a>", &["/d/a"]),
            ("<base href=' http://x/ '><a href=a>", &["http://x/a"]),
            ("<base href='//x'><a href='#top'><img src=''>", &["http://x/"]),
            ("<base href='https://x/y/'><a href=../a>", &["https://x/a"]),
            ("<template><base href='/t/'></template><base href='/x/'><a href=a>", &["/x/a"]),
            ("<base href=''><base href='/two/'><a href=a>", &["/d/a"]),
            ("<a href=b><a href=/c><img src=a><base href='/x/'><img src=a><a href=b>", &["/x/b", "/c", "/d/a", "/x/a"]),
            ("<img src=a><base href='/b/'><img src=a>", &["/d/a", "/b/a"]),
        ],
    );
}

#[test]
fn only_markup_holds_links() {
    check(
        Kind::Html,
        &[
            ("<title><a href=no></title><textarea><a href=no></textarea><a href=a>", &["/d/a"]),
            ("<!-- <a href=no> --><!--><a href=a><!-- --!><a href=b>", &["/d/a", "/d/b"]),
            ("<script><!-- <script> </script> <a href=no> --></script><a href=a>", &["/d/a"]),
            ("<script>'<a href=no>'</SCRIPT x><a href=a>", &["/d/a"]),
            ("<style><a href=no></style><xmp><a href=no></xmp><a href=a>", &["/d/a"]),
            (
                "<noembed><a href=no></noembed><noframes><a href=no></noframes><iframe><a href=no></iframe><a href=a>",
                &["/d/a"],
            ),
            ("<a href=a><plaintext><a href=no></plaintext><a href=no>", &["/d/a"]),
            ("<template><a href=a></template><noscript><a href=b></noscript>", &["/d/a", "/d/b"]),
            ("<!doctype html [<a href=x>]><a href=a>", &["/d/a"]),
            ("<?php echo '<a href=a>' ?>", &[]),
            ("<![CDATA[<a href=a>]]>", &[]),
            ("<a href=a", &[]),
            ("<a href=a href=no>", &["/d/a"]),
            ("</a href=no><a/href=a>", &["/d/a"]),
            ("<a href='&#x61;&amp;b&copy=1'>", &["/d/a&b&copy=1"]),
        ],
    );
}

#[test]
fn each_element_has_its_own_link_attributes() {
    check(
        Kind::Html,
        &[
            ("<area href=a><iframe src=b></iframe><frame src=c><embed src=d>", &["/d/a", "/d/b", "/d/c", "/d/d"]),
            (
                "<video src=a poster=b></video><audio src=c></audio><track src=d><source src=e srcset='f 1x'>",
                &["/d/a", "/d/b", "/d/c", "/d/d", "/d/e", "/d/f"],
            ),
            (
                "<input type=image src=a><script src=b></script><table background=c><td background=d>",
                &["/d/a", "/d/b", "/d/c", "/d/d"],
            ),
            ("<html manifest=a><body background=b><bgsound src=c><image src=d>", &["/d/a", "/d/b", "/d/c", "/d/d"]),
            ("<img src=a lowsrc=b><object data=c></object>", &["/d/a", "/d/b", "/d/c"]),
            ("<object codebase='/x/' data=c></object><a href=c>", &["/x/c", "/d/c"]),
            ("<applet codebase='/x/' code=A.class archive='a.jar, b.jar'>", &["/x/A.class", "/x/a.jar", "/x/b.jar"]),
            ("<a ping='/no' href=a><form action=no><button formaction=no><input formaction=no>", &["/d/a"]),
            ("<p href=no src=no data-src=no>", &[]),
            ("<link rel=preload as=image imagesrcset='a 1x, b 2x' href=c>", &["/d/c", "/d/a", "/d/b"]),
            ("<link rel=preload imagesrcset='a,b 1x'>", &["/d/a,b"]),
            ("<img srcset='/w_3,h_2/a.jpg 1x, /i?q=85,0&amp;f=w 2x'>", &["/w_3,h_2/a.jpg", "/i?q=85,0&f=w"]),
            ("<img srcset='data:image/gif;base64,R0lG= 1x, /b.png 2x'>", &["/b.png"]),
        ],
    );
}

#[test]
fn the_relation_of_a_link_decides_its_kind() {
    let kind = |html: &str| {
        let found = found(Kind::Html, None, html);
        found.links.first().map(|link| (link.kind, link.nofollow))
    };
    let (page, requisite) = (Some((LinkKind::Page, false)), Some((LinkKind::Requisite, false)));
    for (html, expected) in [
        ("<link rel=stylesheet href=a>", requisite),
        ("<link rel='alternate StyleSheet' href=a>", requisite),
        ("<link rel='shortcut icon' href=a>", requisite),
        ("<link rel=manifest href=a>", requisite),
        ("<link rel=modulepreload href=a>", requisite),
        ("<link rel=next href=a>", page),
        ("<link rel=alternate href=a>", page),
        ("<link href=a>", page),
        ("<link rel=dns-prefetch href=//a>", None),
        ("<link rel=preconnect href=//a>", None),
        ("<link rel='preconnect stylesheet' href=//a>", requisite),
        ("<link rel=next>", None),
        ("<a href=a>", page),
        ("<a rel='external NoFollow' href=a>", Some((LinkKind::Page, true))),
        ("<a rel=nofollow href=a><a href=a>", page),
        ("<a href=a><img src=a>", requisite),
        ("<img src=a><a href=a>", requisite),
        ("<iframe src=a>", requisite),
        ("<meta http-equiv=refresh content='0;a'>", page),
    ] {
        assert_eq!(kind(html), expected, "{html}");
    }
}

#[test]
fn nofollow_and_the_canonical_url_of_a_page_are_found() {
    let of = |html: &str| {
        let found = found(Kind::Html, None, html);
        (found.nofollow, found.canonical.map(|url| url.to_string()))
    };
    assert_eq!(of("<meta name=robots content='noindex, NoFollow'>"), (true, None));
    assert_eq!(of("<meta name=Robots content=none>"), (true, None));
    assert_eq!(of("<meta name=robots content='noindex,follow'><meta name=x content=nofollow>"), (false, None));
    assert_eq!(
        of("<link rel=canonical href='/c#x'><link rel=canonical href='/d'>"),
        (false, Some("http://h/c".into()))
    );
    assert_eq!(of("<link rel=canonical href='mailto:x'>"), (false, None));
}

#[test]
fn references_that_cannot_be_fetched_are_reported_with_their_reasons() {
    let html = "<a href='mailto:x@y'><a href='MAILTO:x@y'><a href='javascript:x'><a href='http://['><a href='data:,x'>
        <a href='mailto:x@y'><img src='about:blank'><a href='ftp://x/'><a href='blob:http://x/y'>";
    let scheme = |scheme: &str| Unusable::Scheme(scheme.to_owned());
    let expected = [
        (scheme("mailto"), "mailto:x@y"),
        (scheme("mailto"), "mailto:x@y"),
        (scheme("javascript"), "javascript:x"),
        (Unusable::Invalid, "http://["),
        (scheme("about"), "about:blank"),
        (scheme("ftp"), "ftp://x/"),
        (scheme("blob"), "blob:http://x/y"),
    ];
    let unusable = found(Kind::Html, None, html).unusable;
    assert_eq!(unusable, expected.map(|(why, reference)| (why, reference.to_owned())));
    let long = format!("<a href='/{}'><a href='/{}'><img src='data:{0}'>", "x".repeat(70_000), "y".repeat(2_000_000));
    let unusable = found(Kind::Html, None, long).unusable;
    assert!(unusable.iter().all(|(why, _)| *why == Unusable::TooLong), "{unusable:?}");
    assert_eq!(unusable.len(), 2);
}

#[test]
fn a_srcdoc_is_searched_as_a_separate_page() {
    check(
        Kind::Html,
        &[
            ("<iframe srcdoc='<a href=a>'></iframe><a href=b>", &["/d/a", "/d/b"]),
            (
                "<base href=/x/><iframe srcdoc='<a href=a><base href=/y/><a href=b>'></iframe><a href=c>",
                &["/x/a", "/y/b", "/x/c"],
            ),
            ("<iframe srcdoc=\"&lt;iframe srcdoc='&amp;lt;a href=a>'>\"></iframe><a href=b>", &["/d/a", "/d/b"]),
            ("<iframe srcdoc='<title>'></iframe><a href=b>", &["/d/b"]),
        ],
    );
}

#[test]
fn svg_within_html_is_read_as_svg() {
    check(
        Kind::Html,
        &[
            (
                "<svg><image href=a /><use xlink:href='b#x'/><a href=c></a><a xlink:href=d></a></svg>",
                &["/d/a", "/d/b", "/d/c", "/d/d"],
            ),
            (
                "<svg><title><a href=a></a></title><style><a href=b></style></svg><title><a href=no></title>",
                &["/d/a", "/d/b"],
            ),
            ("<svg><style><![CDATA[ x { fill: url(a) } ]]></style></svg>", &["/d/a"]),
            ("<svg><style>x { fill: url(a) }</style><rect fill='url(b#c)' mask='url(#d)'/></svg>", &["/d/a", "/d/b"]),
            (
                "<svg><foreignObject><title><a href=no></title><a href=a></a></foreignObject><title><a href=b>",
                &["/d/a", "/d/b"],
            ),
            ("<svg><p><title><a href=no></title>", &[]),
            ("<svg/><title><a href=no></title>", &[]),
            ("<math><mi><title><a href=no></title></mi><title><a href=a></title></math>", &["/d/a"]),
            ("<svg><script href=a /><a href=b>", &["/d/a", "/d/b"]),
            ("<rect href=no><p xlink:href=no>", &[]),
        ],
    );
}

#[test]
fn links_after_megabytes_are_found() {
    let fill = "<p>filler filler filler filler</p>\n";
    let page = format!("<html>{}<a href=a>{}<a href=b>", fill.repeat(300_000), "x".repeat(9_000_000));
    assert_eq!(links(Kind::Html, page), ["/d/a", "/d/b"]);
}

#[test]
fn many_links_and_attributes_take_linear_time() {
    use std::fmt::Write;
    let mut page = String::from("<a");
    (0..200_000).for_each(|_| page.push_str(" href=x fill=y"));
    page.push('>');
    (0..100_000).for_each(|n| write!(page, "<a href=/{n}>").unwrap());
    page.push_str(&"<svg>".repeat(100_000));
    assert_eq!(links(Kind::Html, page).len(), 100_001);
}

#[test]
fn anchors_and_fragments_are_found_if_searched_for() {
    let html = "<p id=a><a name=b><p name=no><a href='#a'><a href='x#Ä'><a href='x#y'><a href='x#y'><svg id='é'>";
    let url = Url::parse(PAGE).unwrap();
    let with = find(Search::LinksAndAnchors, Kind::Html, None, html.as_bytes(), &url).unwrap();
    assert_eq!(with.anchors.into_iter().collect::<Vec<_>>(), ["a", "b", "é"]);
    let links: Vec<_> = with.links.iter().map(|link| (link.url.path(), link.fragment.as_deref())).collect();
    assert_eq!(links, [("/d/page", Some("a")), ("/d/x", Some("%C3%84")), ("/d/x", Some("y"))]);
    let without = find(Search::Links, Kind::Html, None, html.as_bytes(), &url).unwrap();
    assert!(without.anchors.is_empty() && without.links.iter().all(|link| link.fragment.is_none()));
    assert_eq!(without.links.len(), 2);
}
