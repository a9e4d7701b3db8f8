//! Pages beyond the plain links: sitemaps, canonical pages, requisites behind redirects, stylesheets after a 304.
//!
//! Alone: `cargo test -p tests --test crawl wider`. It needs nothing but the loopback.

use std::sync::{Arc, Mutex};
use tests::demo::Place;
use tests::faults::FaultServer;

#[track_caller]
fn requested(server: &FaultServer) -> Vec<String> {
    let mut paths: Vec<_> = server.requests().into_iter().map(|request| request.path).collect();
    paths.sort();
    paths
}

/// A site with a robots.txt, two sitemaps that it names, and one at the usual place.
fn site_with_sitemaps() -> FaultServer {
    FaultServer::start_with_robots(|visit| {
        let host = visit.header("host").unwrap().to_owned();
        let sitemap = |paths: &[&str]| -> String {
            let locations: String =
                paths.iter().map(|path| format!("<url><loc>http://{host}{path}</loc></url>")).collect();
            format!("<urlset>{locations}</urlset>")
        };
        const XML: &str = "Content-Type: text/xml\r\n";
        match visit.path.as_str() {
            "/robots.txt" => visit.answer(
                "200 OK",
                "",
                format!(
                    "Sitemap: http://{host}/maps/one.xml\nUser-agent: *\nDisallow: /secret\nsitemap: /maps/two.xml\n\
                     Sitemap: http://127.0.0.2:9/x.xml\nSitemap: http://["
                ),
            ),
            "/maps/one.xml" => visit.answer("200 OK", XML, sitemap(&["/listed", "/secret", "/docs/"])),
            "/maps/two.xml" => visit.answer(
                "200 OK",
                XML,
                format!("<sitemapindex><sitemap><loc>http://{host}/maps/three.xml</loc></sitemap></sitemapindex>"),
            ),
            "/maps/three.xml" => visit.answer("200 OK", XML, sitemap(&["/nested"])),
            "/sitemap.xml" => visit.answer("200 OK", XML, sitemap(&["/usual"])),
            _ => visit.page("a page"),
        }
    })
}

#[test]
fn the_pages_of_sitemaps_are_fetched_if_asked_for() {
    let (place, server) = (Place::new(), site_with_sitemaps());
    place.crawl(&[&server.url("/docs/")]).exits(0);
    assert_eq!(requested(&server), ["/docs/"]);
    let (place, server) = (Place::new(), site_with_sitemaps());
    let ran = place.crawl(&["--sitemaps", &server.url("/docs/")]).exits(0);
    let all = ["/docs/", "/listed", "/maps/one.xml", "/maps/three.xml", "/maps/two.xml", "/nested", "/robots.txt"];
    assert_eq!(requested(&server), [&all[..], &["/sitemap.xml", "/usual"]].concat());
    println!("{}", ran.stderr);
    // Pages outside the directory are not fetched, and depth counts from the sitemap.
    let (place, server) = (Place::new(), site_with_sitemaps());
    place.crawl(&["--sitemaps", "--no-parent", &server.url("/docs/")]).exits(0);
    assert!(!requested(&server).contains(&"/listed".to_owned()));
    let (place, server) = (Place::new(), site_with_sitemaps());
    place.crawl(&["--sitemaps", "-l", "1", &server.url("/docs/")]).exits(0);
    let requested = requested(&server);
    assert!(requested.contains(&"/listed".to_owned()) && !requested.contains(&"/nested".to_owned()), "{requested:?}");
}

#[test]
fn a_sitemap_that_is_missing_is_no_failure_unless_robots_txt_names_it() {
    let (place, server) = (
        Place::new(),
        FaultServer::start(|visit| match visit.path.as_str() {
            "/" => visit.page("a page"),
            _ => visit.answer("404 Not Found", "", ""),
        }),
    );
    place.crawl(&["--sitemaps", &server.url("/")]).exits(0);
    assert_eq!((server.hits("/sitemap.xml"), place.report().0.len()), (1, 1));
    let (place, server) = (
        Place::new(),
        FaultServer::start_with_robots(|visit| match visit.path.as_str() {
            "/" => visit.page("a page"),
            "/robots.txt" => visit.answer("200 OK", "", "Sitemap: /map.xml"),
            _ => visit.answer("404 Not Found", "", ""),
        }),
    );
    place.crawl(&["--sitemaps", &server.url("/")]).exits(3);
    assert_eq!(place.report().0.len(), 2);
}

#[test]
fn a_copy_of_a_page_is_removed_if_asked_for() {
    let server = || {
        FaultServer::start(|visit| match visit.path.as_str() {
            "/" => visit.links(["/page?session=1", "/print", "/lonely", "/self"]),
            "/page?session=1" => visit.page("<link rel=canonical href=/page><a href=/only-here>x</a>"),
            "/print" => {
                visit.answer("200 OK", "Content-Type: text/html\r\nLink: </moved>; rel=\"canonical\"\r\n", "print")
            }
            "/moved" => visit.redirect("/page"),
            "/lonely" => visit.page("<link rel=canonical href=/gone>"),
            "/self" => visit.page("<link rel=canonical href=/self>"),
            "/gone" => visit.answer("404 Not Found", "", ""),
            _ => visit.page("a page"),
        })
    };
    let (place, plain) = (Place::new(), server());
    place.crawl(&[&plain.url("/")]).exits(3);
    assert_eq!(place.names(), ["index.html", "lonely", "only-here", "page", "page@session=1", "print", "self"]);
    let (place, plain) = (Place::new(), server());
    let ran = place.crawl(&["--canonical", &plain.url("/")]).exits(3);
    assert_eq!(place.names(), ["index.html", "lonely", "only-here", "page", "self"], "{}", ran.stderr);
    assert!(ran.stderr.contains("removed 2 pages"), "{}", ran.stderr);
    // Links to the copies lead to the page that remains.
    let (place, plain) = (Place::new(), server());
    place.crawl(&["--canonical", "--convert-links", &plain.url("/")]).exits(3);
    let index = String::from_utf8(place.files()["index.html"].clone()).unwrap();
    assert_eq!(index.matches("href=\"page@.html\"").count(), 2, "{index}");
}

#[test]
fn an_image_that_redirects_to_another_host_belongs_to_its_page() {
    let images = FaultServer::start(|visit| visit.answer("200 OK", "Content-Type: image/png\r\n", "an image"));
    let image = images.url("/stored.png");
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.page("<img src=/image.png><a href=/page>x</a>"),
        _ => visit.redirect(&image),
    });
    let place = Place::new();
    place.crawl(&["-p", &server.url("/")]).exits(0);
    assert_eq!(images.hits("/stored.png"), 1);
    assert!(place.names().iter().any(|name| name.ends_with("stored.png")), "{:?}", place.names());
    // A page is not a requisite, and without -p neither is an image.
    let other = images.url("/other");
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.page("<a href=/page>x</a>"),
        _ => visit.redirect(&other),
    });
    Place::new().crawl(&["-p", &server.url("/")]).exits(0);
    let other = images.url("/other");
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.page("<img src=/image>"),
        _ => visit.redirect(&other),
    });
    Place::new().crawl(&[&server.url("/")]).exits(0);
    assert_eq!(images.hits("/other"), 0);
}

#[test]
fn a_stylesheet_that_has_not_changed_is_searched_as_a_stylesheet() {
    for type_of_304 in ["", "Content-Type: text/css\r\n"] {
        let changed = Arc::new(Mutex::new(false));
        let known = changed.clone();
        let server = FaultServer::start(move |visit| {
            const DATE: &str = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
            if visit.header("if-modified-since").is_some() && visit.path != "/image" {
                let fields = if visit.path == "/style" { type_of_304 } else { "" };
                return visit.answer("304 Not Modified", fields, "");
            }
            match visit.path.as_str() {
                "/" => visit.answer(
                    "200 OK",
                    &format!("{DATE}Content-Type: text/html\r\n"),
                    "<link rel=stylesheet href=/style>",
                ),
                "/style" => {
                    let css = "/* a < b */ p::after { content: 'a > b'; background: url(image) }";
                    visit.answer("200 OK", &format!("{DATE}Content-Type: text/css\r\n"), css)
                }
                _ if *known.lock().unwrap() => visit.answer("200 OK", "Content-Type: image/png\r\n", "new"),
                _ => visit.answer("200 OK", "Content-Type: image/png\r\n", "old"),
            }
        });
        let place = Place::new();
        place.crawl(&[&server.url("/")]).exits(0);
        *changed.lock().unwrap() = true;
        place.crawl(&["-N", &server.url("/")]).exits(0);
        assert_eq!(place.files()["image"], b"new", "{type_of_304:?}");
    }
}
