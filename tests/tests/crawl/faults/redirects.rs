//! Redirects.

use super::{GOOD, meet};
use tests::demo::Place;
use tests::faults::{FaultServer, Visit};

#[test]
fn a_circle_of_redirects_ends_at_the_first_url_seen_twice() {
    let met = meet(&[], |visit| match visit.path.as_str() {
        "/bad" => visit.redirect("/worse"),
        "/worse" => visit.redirect("/worst"),
        _ => visit.redirect("/bad"),
    });
    let met = met.fails(302, "a redirect loop", 3);
    for path in ["/bad", "/worse", "/worst"] {
        assert_eq!(met.server.hits(path), 1, "requests of {path}");
    }
    meet(&[], |visit| visit.redirect("/bad")).fails(302, "a redirect loop", 1);
    meet(&[], |visit| visit.redirect("bad#again")).fails(302, "a redirect loop", 1);
}

/// Each page of a circle may be linked as well. No page of the circle is saved, so the run fails: an exit
/// code of 0 means that all pages were saved.
#[test]
fn a_circle_of_redirects_is_a_failure_even_if_each_of_its_pages_is_linked() {
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.links(["/a", "/b"]),
        "/a" => visit.redirect("/b"),
        _ => visit.redirect("/a"),
    });
    let place = Place::new();
    place.crawl(&[&server.url("/")]).exits(3).says("redirect loop");
}

#[test]
fn redirects_without_an_end_stop_at_a_limit() {
    let endless = |visit: &mut Visit<'_>| {
        let n: u32 = visit.path.trim_start_matches("/bad").parse().unwrap_or(0);
        visit.redirect(&format!("/bad{}", n + 1))
    };
    meet(&["--max-redirects", "4"], endless).fails(302, "more than 4 redirects", 5);
    meet(&["--max-redirects", "0"], endless).fails(302, "more than 0 redirects", 1);
}

#[test]
fn a_redirect_to_anything_but_http_is_refused() {
    for (to, named) in [
        ("file:///etc/passwd", "file:///etc/passwd"),
        ("FILE:/etc/passwd", "file:///etc/passwd"),
        ("ftp://127.0.0.1/", "ftp://127.0.0.1/"),
        ("data:text/html,x", "data:"),
        ("javascript:alert(1)", "javascript:"),
    ] {
        meet(&[], move |visit| visit.redirect(to)).fails(302, named, 1);
    }
}

#[test]
fn a_redirect_to_an_invalid_url_is_an_error() {
    for to in ["http://", "http://[::1", "http://a b/", "//:80:80/"] {
        meet(&[], move |visit| visit.redirect(to)).fails(302, "not a valid URL", 1);
    }
}

#[test]
fn a_302_without_a_location_is_reported_as_it_is() {
    let met = meet(&[], |visit| visit.answer("302 Found", "", "<p>nowhere to go"));
    met.others_are_well(0);
    met.bad().attempts(1);
    assert_eq!(met.bad().number("status"), Some(302));
    assert_eq!((met.bad().text("error"), met.bad().text("final_url"), met.bad().text("path")), (None, None, None));
}

/// A `Location` in UTF-8 is not valid HTTP, but it is common, and browsers and curl follow it.
#[test]
fn a_location_that_is_not_ascii_is_followed() {
    let met = meet(&[], |visit| match visit.path.as_str() {
        "/bad" => visit.redirect("/schön"),
        "/sch%C3%B6n" => visit.page(GOOD),
        _ => visit.answer("404 Not Found", "", ""),
    });
    met.others_are_well(0);
    met.bad().is_saved();
    assert!(met.bad().text("final_url").is_some_and(|url| url.ends_with("/sch%C3%B6n")), "{:?}", met.bad());
}

#[test]
fn a_redirect_to_another_host_is_followed_from_a_start_page_and_not_from_other_pages() {
    let elsewhere = FaultServer::start(|visit| visit.page("<p>elsewhere"));
    let (to, away) = (elsewhere.url("/"), elsewhere.url("/away"));
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/start" => visit.redirect(&to),
        "/other" => visit.links(["/leads-out"]),
        _ => visit.redirect(&away),
    });
    let place = Place::new();
    place.crawl(&[&server.url("/start")]).exits(0);
    assert_eq!(elsewhere.hits("/"), 1);
    let place = Place::new();
    place.crawl(&[&server.url("/other")]).exits(0);
    assert_eq!(elsewhere.hits("/away"), 0);
    assert_eq!(place.names(), ["other"]);
}
