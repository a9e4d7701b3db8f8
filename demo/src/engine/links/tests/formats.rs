//! Stylesheets, XML and sitemaps.

use super::*;

#[test]
fn css_links_are_found() {
    check(
        Kind::Css,
        &[
            (
                r#"@import "a.css"; @import url(b.css); @font-face { src: url("c.woff") format("woff"), url( d.woff ) }
            /* url(no) */ .x::before { content: "url(no)" } @media print { p { background: url('e.png') } }"#,
                &["/d/a.css", "/d/b.css", "/d/c.woff", "/d/d.woff", "/d/e.png"],
            ),
            ("@import 'a' layer(x) supports(content: 'no') print;", &["/d/a"]),
            ("@import/**/\"a\";@IMPORT URL('b') layer(x);@import src('c');", &["/d/a", "/d/b", "/d/c"]),
            ("@charset 'no'; @namespace 'no'; @namespace s url(no); @namespace url('no'); p { x: url(a) }", &["/d/a"]),
            ("p { x: image-set('a' 1x type('no'), \"b\" 2x, url(c) 3x) 'no' }", &["/d/a", "/d/b", "/d/c"]),
            ("p { x: -webkit-image-set(url(a) 1x, linear-gradient('no') 2x) }", &["/d/a"]),
            (r"p { x: url(a\(1\).png); y: url('\62'); z: u\72l(c) }", &["/d/a(1).png", "/d/b", "/d/c"]),
            (r"@im\70ort 'a';", &["/d/a"]),
            ("p { x: url( 'a' ); y: url(\n\tb\n); z: url(#no); w: url(); v: url(data:,no) }", &["/d/a", "/d/b"]),
            ("p { x: url(bad bad); y: 'un\nclosed; z: url(a) }", &["/d/a"]),
            ("p { x: url(a", &["/d/a"]),
            ("} ) ] p { x: url(a) }", &["/d/a"]),
            ("<!-- @import 'a'; -->", &["/d/a"]),
        ],
    );
}

#[test]
fn css_of_any_depth_and_length_is_searched() {
    let deep = format!("{}url(a){}url(b)", "({[".repeat(200_000), "]})".repeat(200_000));
    assert_eq!(links(Kind::Css, deep), ["/d/a", "/d/b"]);
    let filler = "p { color: red; content: 'x' }\n".repeat(100_000);
    assert_eq!(links(Kind::Css, format!("{filler}p {{ x: url(a) }}{filler}@import 'b'")), ["/d/a", "/d/b"]);
    for (open, fill, close) in [
        ("x: url(data:", "A", ")"),
        ("x: url('data:", "A", "')"),
        ("x: url(\"data:", "\\\\", "\")"),
        ("x: \"", "\\\"", "\""),
        ("/*", "*", "*/"),
        ("/*", "url(no)", "*/"),
        ("", "x", ""),
        ("x: url(", "\\)", ")"),
        ("@", "import", " 'no'"),
        ("", "é", ""),
    ] {
        let css = format!("{open}{}{close};x:url(a)", fill.repeat(5_000_000 / fill.len()));
        assert_eq!(links(Kind::Css, css), ["/d/a"], "{open}{fill}{close}");
    }
}

#[test]
fn style_elements_and_attributes_are_css() {
    check(
        Kind::Html,
        &[
            ("<style>@import 'a'; /* </style><a href=b>", &["/d/a", "/d/b"]),
            ("<style type='text/css'>p { x: url(a) }</style><style type='text/x'>p { x: url(no) }</style>", &["/d/a"]),
            ("<p style='background: url(&quot;a&quot;)'><p style='image-set(\"b\" 1x)'>", &["/d/a", "/d/b"]),
            ("<style>p { x: url(a) }", &["/d/a"]),
        ],
    );
}

#[test]
fn xml_links_are_found() {
    check(Kind::Xml, &[
        ("<rss><channel><link>http://h/a</link><item><link> http://h/b\n</link><enclosure url='/c' type='x'/>
            <guid>http://h/d</guid><guid isPermaLink='false'>no</guid><comments>/e</comments></item>
            <image><url>/f</url></image></channel></rss>", &["/a", "/b", "/c", "/d", "/e", "/f"]),
        ("<feed xmlns='http://www.w3.org/2005/Atom'><link href='a' rel='self'/><entry><link href='b'/>
            <content src='c'/></entry><icon>d</icon></feed>", &["/d/a", "/d/b", "/d/c", "/d/d"]),
        ("<feed xml:base='/x/'><link href='a'/></feed>", &["/x/a"]),
        ("<rss><item><link><![CDATA[http://h/a?b&c]]></link><media:content url='b'/></item></rss>", &["/a?b&c", "/d/b"]),
        ("<rss><item><link>/a?b&amp;c&#x26;d</link></item></rss>", &["/a?b&c&d"]),
        ("<rdf:RDF xmlns:rdf='x'><item><link>/a</link></item></rdf:RDF>", &["/a"]),
        ("<?xml version='1.0'?><?xml-stylesheet type='text/xsl' href='a.xsl?b&amp;c'?><x/>", &["/d/a.xsl?b&c"]),
        ("<urlset xmlns='x'><url><loc>/a</loc><lastmod>no</lastmod><image:image><image:loc>/b</image:loc></image:image>
            <xhtml:link rel='alternate' hreflang='de' href='/c'/></url></urlset>", &["/a", "/b", "/c"]),
        ("<sitemapindex><sitemap><loc>\n /a </loc></sitemap></sitemapindex>", &["/a"]),
        ("<s:urlset xmlns:s='x'><s:url><s:loc>/a</s:loc></s:url></s:urlset>", &["/a"]),
        ("<svg xmlns='x'><image xlink:href='a'/><style>x { fill: url(b) }</style><use href='#no'/></svg>", &["/d/a", "/d/b"]),
        ("<html xmlns='x'><head><title><a href='a'/></title><link rel='stylesheet' href='b'/><script src='c'/></head>
            <body><a href='d'>x</a><img src='e'/><p style='x: url(f)'/></body></html>",
            &["/d/a", "/d/b", "/d/c", "/d/d", "/d/e", "/d/f"]),
        ("<html><base href='/x/'/><script><![CDATA[ '<a href=\"no\">' ]]></script><a href='a'/></html>", &["/x/a"]),
        ("<!-- <a href='no'/> --><!DOCTYPE x [<!ENTITY y 'z'>]><x><a href='a'/></x>", &["/d/a"]),
    ]);
}

#[test]
fn sitemaps_may_be_text_or_compressed() {
    let text = "\u{feff}http://h/a\r\n\r\n  http://h/b?c d  \nhttp://h/c";
    check(
        Kind::Sitemap,
        &[(text, &["/a", "/b?c%20d", "/c"]), ("\n<urlset><url><loc>/a</loc></url></urlset>", &["/a"]), ("", &[])],
    );
    let compress = |text: &str| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    };
    assert_eq!(links(Kind::Sitemap, compress(text)), ["/a", "/b?c%20d", "/c"]);
    assert_eq!(links(Kind::Sitemap, compress("<urlset><url><loc>/a</loc></url></urlset>")), ["/a"]);
    let mut cut = compress(text);
    cut.truncate(20);
    let url = Url::parse(PAGE).unwrap();
    assert!(find(Search::Links, Kind::Sitemap, None, &*cut, &url).is_err());
}
