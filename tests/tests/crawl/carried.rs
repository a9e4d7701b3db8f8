//! What requests carry: credentials, cookies, the linking page, fields of the user. And where these must not go.
//!
//! Alone: `cargo test -p tests --test crawl carried`. It needs nothing but the loopback.

use std::fs;
use std::sync::{Arc, Mutex};
use tests::demo::{Place, Ran};
use tests::faults::{After, FaultServer, Gate, Visit};

/// The field of each request, by path, as it came.
type Seen = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// A server with this script that records one field of each request.
fn noting(
    field: &'static str,
    script: impl Fn(&mut Visit<'_>) -> After + Send + Sync + 'static,
) -> (FaultServer, Seen) {
    let seen = Seen::default();
    let notes = seen.clone();
    let server = FaultServer::start(move |visit| {
        notes.lock().unwrap().push((visit.path.clone(), visit.header(field).map(str::to_owned)));
        script(visit)
    });
    (server, seen)
}

fn of(seen: &Seen, path: &str) -> Vec<Option<String>> {
    let seen = seen.lock().unwrap();
    seen.iter().filter(|(known, _)| known == path).map(|(_, value)| value.clone()).collect()
}

/// Checks that nothing that the run printed or saved contains a secret.
#[track_caller]
fn keeps_secret(place: &Place, ran: &Ran, secret: &str) {
    let report = fs::read_to_string(place.path("report.jsonl")).unwrap();
    assert!(!report.contains(secret) && !report.contains("@127"), "{report}");
    assert!(!ran.stderr.contains(secret) && !ran.stdout.contains(secret), "{}{}", ran.stdout, ran.stderr);
    assert!(place.names().iter().all(|name| !name.contains(secret)), "{:?}", place.names());
}

/// `user:se%cret`, decoded and encoded.
const BASIC: &str = "Basic dXNlcjpzZSVjcmV0";

#[test]
fn a_login_in_a_url_is_sent_with_each_request_to_its_origin_and_shown_nowhere() {
    let (elsewhere, there) = noting("authorization", |visit| visit.page("<a href=/more>"));
    let away = elsewhere.url("/away");
    let (server, seen) = noting("authorization", move |visit| match visit.path.as_str() {
        "/" => visit.links(["/a", "/redirect", "/broken"]),
        "/redirect" => visit.redirect("/b"),
        "/start" => visit.redirect(&away),
        "/broken" => visit.answer("500 Internal Server Error", "", ""),
        _ => visit.page(""),
    });
    let with_login = |path: &str| server.url(path).replace("http://", "http://user:se%25cret@");
    let place = Place::new();
    let ran = place.crawl(&["-v", "--retries", "0", &with_login("/"), &with_login("/start")]).exits(3);
    for path in ["/", "/a", "/redirect", "/b", "/start"] {
        assert_eq!(of(&seen, path), [Some(BASIC.to_owned())], "{path}");
    }
    assert_eq!((of(&there, "/away"), of(&there, "/more")), (vec![None], vec![None]));
    keeps_secret(&place, &ran, "cret");
}

#[test]
fn a_login_in_a_link_or_a_redirect_is_not_used() {
    let (server, seen) = noting("authorization", |visit| {
        let host = visit.header("host").unwrap().to_owned();
        match visit.path.as_str() {
            "/" => visit.links([format!("http://evil:secret@{host}/a"), format!("http://x@{host}/redirect")]),
            "/redirect" => visit.redirect(&format!("http://evil:secret@{host}/b")),
            _ => visit.page(""),
        }
    });
    let place = Place::new();
    let ran = place.crawl(&["-v", &server.url("/")]).exits(0);
    for path in ["/", "/a", "/redirect", "/b"] {
        assert_eq!(of(&seen, path), [None], "{path}");
    }
    keeps_secret(&place, &ran, "secret");
}

#[test]
fn logins_come_from_the_option_or_from_netrc() {
    let (server, seen) = noting("authorization", |visit| visit.page(""));
    let place = Place::new();
    place.crawl(&["--user", "user:se%cret", &server.url("/option")]).exits(0);
    assert_eq!(of(&seen, "/option"), [Some(BASIC.to_owned())]);
    fs::write(place.path("logins"), "default login user password \"se%cret\"").unwrap();
    place.crawl(&["--netrc-file", "logins", &server.url("/file")]).exits(0);
    assert_eq!(of(&seen, "/file"), [Some(BASIC.to_owned())]);
    fs::write(place.path(".netrc"), "machine 127.0.0.1 login user password se%cret").unwrap();
    let home = place.path("");
    for (args, sent) in [(&["--netrc"][..], Some(BASIC.to_owned())), (&[], None)] {
        let path = format!("/home{}", args.concat());
        let mut command = place.command(&["crawl", &server.url(&path)]);
        tests::demo::Running::start(command.args(args).env("HOME", &home)).wait().exits(0);
        assert_eq!(of(&seen, &path), [sent], "{args:?}");
    }
    fs::write(place.path("logins"), "machine a login b password \"secret").unwrap();
    let ran = place.crawl(&["--netrc-file", "logins", &server.url("/wrong")]).exits(2).says("logins: line 1");
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
}

#[test]
fn a_redirect_to_itself_that_sets_a_cookie_is_followed_with_the_cookie() {
    let (server, seen) = noting("cookie", |visit| match (visit.path.as_str(), visit.header("cookie")) {
        ("/", None) => visit.answer("302 Found", "Set-Cookie: seen=1; Path=/\r\nLocation: /\r\n", ""),
        ("/", Some(_)) => visit.links(["/n"]),
        ("/n", _) => visit.page(""),
        // A counter: each request has another cookie, and none gets a page.
        _ => {
            let count = visit.attempt;
            visit.answer("302 Found", &format!("Set-Cookie: c={count}\r\nLocation: /counter\r\n"), "")
        }
    });
    let place = Place::new();
    place.crawl(&[&server.url("/")]).exits(0);
    assert_eq!(of(&seen, "/"), [None, Some("seen=1".to_owned())]);
    assert_eq!(of(&seen, "/n"), [Some("seen=1".to_owned())]);
    assert_eq!(place.names(), ["index.html", "n"]);
    let place = Place::new();
    place.crawl(&["--no-cookies", &server.url("/")]).exits(3).says("a redirect loop");
    place.crawl(&["--max-redirects", "5", &server.url("/counter")]).exits(3).says("more than 5 redirects");
    assert_eq!(server.hits("/counter"), 6);
}

#[test]
fn a_page_behind_a_cookie_wall_is_reached() {
    let (server, _) = noting("cookie", |visit| match (visit.path.as_str(), visit.header("cookie")) {
        ("/", Some("a=1; b=2")) => visit.page("<p>inside"),
        ("/", Some(_)) => visit.redirect("/second"),
        ("/", None) => visit.redirect("/first"),
        ("/first", _) => visit.answer("302 Found", "Set-Cookie: a=1\r\nLocation: /\r\n", ""),
        _ => visit.answer("302 Found", "Set-Cookie: b=2\r\nLocation: /\r\n", ""),
    });
    let place = Place::new();
    place.crawl(&[&server.url("/")]).exits(0);
    assert_eq!(place.files()["index.html"], b"<p>inside");
    // A cookie that is set again and again does not make a redirect loop endless.
    let server = FaultServer::start(|visit| visit.answer("302 Found", "Set-Cookie: a=1\r\nLocation: /\r\n", ""));
    let place = Place::new();
    place.crawl(&[&server.url("/")]).exits(3).says("a redirect loop");
    assert_eq!(server.hits("/"), 2);
}

/// Several first pages are requested at once, before any of them has a cookie.
#[test]
fn first_pages_behind_the_same_cookie_wall_are_all_reached() {
    let set = "Set-Cookie: seen=1; Path=/\r\n";
    // Each redirects to itself.
    let server = FaultServer::start(move |visit| match visit.header("cookie") {
        None => visit.answer("302 Found", &format!("{set}Location: {}\r\n", visit.path), ""),
        Some(_) => visit.page("inside"),
    });
    let place = Place::new();
    place.crawl(&[&server.url("/a"), &server.url("/b"), &server.url("/c")]).exits(0);
    assert_eq!(place.names(), ["a", "b", "c"]);
    // All redirect to a page that redirects to itself.
    let server = FaultServer::start(move |visit| match (visit.path.as_str(), visit.header("cookie")) {
        (_, Some(_)) => visit.page("inside"),
        ("/wall", None) => visit.answer("302 Found", &format!("{set}Location: /wall\r\n"), ""),
        _ => visit.redirect("/wall"),
    });
    let place = Place::new();
    place.crawl(&[&server.url("/a"), &server.url("/b"), &server.url("/wall")]).exits(0);
    assert_eq!(place.files()["wall"], b"inside");
    // All redirect to one path, which redirects back to the page that led there.
    let server = FaultServer::start(move |visit| match (visit.path.as_str(), visit.header("cookie")) {
        (path, _) if path.starts_with("/wall?") => {
            let to = path.trim_start_matches("/wall?").to_owned();
            visit.answer("302 Found", &format!("{set}Location: {to}\r\n"), "")
        }
        (_, Some(_)) => visit.page("inside"),
        (path, None) => {
            let to = format!("/wall?{path}");
            visit.redirect(&to)
        }
    });
    let place = Place::new();
    place.crawl(&[&server.url("/a"), &server.url("/b")]).exits(0);
    assert_eq!(
        (place.files().get("a"), place.files().get("b")),
        (Some(&b"inside".to_vec()), Some(&b"inside".to_vec()))
    );
}

/// Without a cookie, each of two first pages redirects to the other. One of them sets the cookie.
#[test]
fn first_pages_that_lead_to_each_other_without_a_cookie_are_requested_with_it() {
    for first in ["/", "/home"] {
        let answered = Gate::default();
        let server = FaultServer::start(move |visit| match (visit.path.as_str(), visit.header("cookie")) {
            (_, Some(_)) => visit.page("inside"),
            (path, None) => {
                let is_first = path == first;
                visit.until_requested(if path == "/" { "/home" } else { "/" });
                let _in_this_order = is_first || visit.until_open(&answered);
                let after = match visit.path.as_str() {
                    "/" => visit.answer("302 Found", "Set-Cookie: seen=1; Path=/\r\nLocation: /home\r\n", ""),
                    _ => visit.redirect("/"),
                };
                visit.open(&answered);
                after
            }
        });
        let place = Place::new();
        place.crawl(&[&server.url("/"), &server.url("/home")]).exits(0).says("1 page saved");
        assert!(place.files().into_values().all(|body| body == b"inside"));
    }
}

#[test]
fn cookies_are_kept_to_their_host_and_read_from_a_file() {
    let (server, seen) = noting("cookie", |visit| {
        match visit.path.as_str() {
        "/" => visit.answer(
            "200 OK",
            "Content-Type: text/html\r\nSet-Cookie: a=1\r\nSet-Cookie: s=1; Secure\r\nSet-Cookie: d=1; Domain=0.0.1\r\n",
            "<a href=/x>",
        ),
        _ => visit.page(""),
    }
    });
    let place = Place::new();
    let other = server.url("/other").replace("127.0.0.1", "localhost");
    place.crawl(&["-x", "1", "-j", "1", &server.url("/"), &other]).exits(0);
    assert_eq!((of(&seen, "/x"), of(&seen, "/other")), (vec![Some("a=1".to_owned())], vec![None]));
    fs::write(place.path("jar"), "127.0.0.1\tFALSE\t/\tFALSE\t0\tf\t1\n").unwrap();
    place.crawl(&["--load-cookies", "jar", &server.url("/y")]).exits(0);
    assert_eq!(of(&seen, "/y"), [Some("f=1".to_owned())]);
}

#[test]
fn the_linking_page_is_named_and_its_query_stays_within_its_origin() {
    let (elsewhere, there) = noting("referer", |visit| visit.page(""));
    let away = elsewhere.url("/away");
    let (server, seen) = noting("referer", move |visit| match visit.path.as_str() {
        "/?q" => visit.links(["/a"]),
        "/a" => visit.page(""),
        _ => visit.redirect(&away),
    });
    let place = Place::new();
    place.crawl(&[&server.url("/?q")]).exits(0);
    assert_eq!((of(&seen, "/?q"), of(&seen, "/a")), (vec![None], vec![Some(server.url("/?q"))]));
    place.crawl(&["--referer", "http://given/", &server.url("/?q"), &server.url("/start")]).exits(0);
    assert_eq!(of(&seen, "/?q")[1..], [Some("http://given/".to_owned())]);
    assert_eq!(of(&there, "/away"), [Some("http://given/".to_owned())]);
}

#[test]
fn header_options_go_to_every_host_but_credentials_do_not() {
    for (field, argument, goes_away) in [
        ("x-test", "X-Test: 1", true),
        ("user-agent", "user-agent: 1", true),
        ("authorization", "Authorization: 1", false),
        ("cookie", "Cookie: 1", false),
    ] {
        let (elsewhere, there) = noting(field, |visit| visit.page(""));
        let away = elsewhere.url("/away");
        let (server, seen) = noting(field, move |visit| visit.redirect(&away));
        Place::new().crawl(&["--header", argument, &server.url("/")]).exits(0);
        assert_eq!(of(&seen, "/"), [Some("1".to_owned())], "{argument}");
        assert_eq!(of(&there, "/away") == [Some("1".to_owned())], goes_away, "{argument}");
    }
    for (args, error) in [
        (&["--header", "X: secret\r\nY: 1"][..], "--header: the value of `X` contains a line break"),
        (&["--header", "secret"], "write it as 'Name: value'"),
        (&["--user-agent", "a\r\nb"], "--user-agent"),
        (&["--header", "Content-Length: 1"], "cannot be changed"),
    ] {
        let ran = Place::new().crawl(&[args, &["http://127.0.0.1:1/"]].concat()).exits(2).says(error);
        assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    }
}

#[test]
fn an_address_family_can_be_chosen() {
    let server = FaultServer::start(|visit| visit.page(""));
    Place::new().crawl(&["-4", &server.url("/").replace("127.0.0.1", "localhost")]).exits(0);
    let place = Place::new();
    place.crawl(&["-6", "--retries", "0", &server.url("/")]).exits(3).says("it has no IPv6 address");
}
