//! Tests of the jar.

use super::{IN_ALL, Jar, PER_DOMAIN, read};
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use url::Url;

fn url(url: &str) -> Url {
    Url::parse(url).unwrap()
}

fn set(jar: &Jar, from: &str, cookies: &[&str]) {
    let mut headers = HeaderMap::new();
    for cookie in cookies {
        headers.append(SET_COOKIE, HeaderValue::from_bytes(cookie.as_bytes()).unwrap());
    }
    jar.store(&url(from), &headers);
}

/// The field `Cookie` of a request to `to`, after `from` has set these cookies.
#[track_caller]
fn sent(from: &str, cookies: &[&str], to: &str) -> Option<String> {
    let jar = Jar::default();
    set(&jar, from, cookies);
    jar.field(&url(to))
}

#[test]
fn the_attributes_of_a_cookie_decide_where_it_is_sent() {
    let cookie = Some("a=1".to_owned());
    for (from, attributes, to, is_sent) in [
        ("http://h/", "", "http://h/x?y", true),
        ("http://h/", "", "http://h:8080/", true),
        ("http://h/", "", "http://other/", false),
        ("http://h/", "", "http://x.h/", false),
        ("http://127.0.0.1/", "", "http://127.0.0.1:81/", true),
        ("http://[::1]/", "", "http://[::1]/x", true),
        ("http://h/a/b", "", "http://h/a/c", true),
        ("http://h/a/b", "", "http://h/c", false),
        ("http://h/a/b", "; Path=/", "http://h/c", true),
        ("http://h/", "; Path=/a", "http://h/a/b", true),
        ("http://h/", "; Path=/a", "http://h/ab", false),
        ("https://h/", "; Secure", "https://h/", true),
        ("https://h/", "; Secure", "http://h/", false),
        ("http://h/", "; Secure", "https://h/", false),
        ("https://127.0.0.1/", "; Secure", "http://127.0.0.1/", false),
        ("http://localhost/", "; Secure", "http://localhost/", false),
        ("http://h/", "; HttpOnly; SameSite=Strict", "http://h/", true),
        ("http://h/", "; Max-Age=60", "http://h/", true),
        ("http://h/", "; Max-Age=0", "http://h/", false),
        ("http://h/", "; Max-Age=-1", "http://h/", false),
        ("http://h/", "; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://h/", false),
        ("http://h/", "; Expires=Fri, 01 Jan 2100 00:00:00 GMT", "http://h/", true),
        ("http://h/", "; Expires=nonsense", "http://h/", true),
        ("http://h/", "; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", "http://h/", true),
        ("http://a.h.example/", "; Domain=other.example", "http://a.h.example/", false),
        ("http://h.example/", "; Domain=.h.example", "http://h.example/", true),
        ("http://h.example/", "; Domain=example", "http://other.example/", false),
        ("http://127.0.0.1/", "; Domain=127.0.0.1", "http://127.0.0.1/", true),
        ("http://127.0.0.1/", "; Domain=0.0.1", "http://127.0.0.1/", false),
    ] {
        let got = sent(from, &[&format!("a=1{attributes}")], to);
        assert_eq!(got, cookie.clone().filter(|_| is_sent), "{attributes} from {from} to {to}");
    }
}

#[test]
fn a_cookie_without_the_attributes_that_its_prefix_requires_is_ignored() {
    for (from, cookie, is_kept) in [
        ("https://h/", "__Secure-a=1; Secure", true),
        ("https://h/", "__Secure-a=1", false),
        ("https://h/", "__Host-a=1; Secure; Path=/", true),
        ("https://h/", "__Host-a=1; Secure", false),
        ("https://h/", "__host-a=1; Path=/", false),
        ("https://h.example/", "__Host-a=1; Secure; Path=/; Domain=h.example", false),
    ] {
        assert_eq!(sent(from, &[cookie], from).is_some(), is_kept, "{cookie}");
    }
}

#[test]
fn plain_http_does_not_replace_a_secure_cookie() {
    let jar = Jar::default();
    set(&jar, "https://h/", &["a=secure; Secure; Path=/", "b=1"]);
    set(&jar, "http://h/", &["a=evil; Path=/", "b=2"]);
    assert_eq!(jar.field(&url("https://h/")).as_deref(), Some("a=secure; b=2"));
    assert_eq!(jar.field(&url("http://h/")).as_deref(), Some("b=2"));
}

#[test]
fn cookies_are_sent_in_a_fixed_order_and_can_be_replaced_and_removed() {
    let jar = Jar::default();
    set(&jar, "http://h/a/", &["z=1; Path=/", "y=1; Path=/", "x=1; Path=/a"]);
    assert_eq!(jar.field(&url("http://h/a/b")).as_deref(), Some("x=1; y=1; z=1"));
    set(&jar, "http://h/", &["y=2; Path=/"]);
    assert_eq!(jar.field(&url("http://h/")).as_deref(), Some("y=2; z=1"));
    set(&jar, "http://h/", &["y=; Path=/; Max-Age=0"]);
    assert_eq!(jar.field(&url("http://h/")).as_deref(), Some("z=1"));
}

#[test]
fn cookies_above_the_limits_are_ignored_and_known_ones_can_still_change() {
    assert_eq!(sent("http://h/", &[&format!("a={}", "x".repeat(5000))], "http://h/"), None);
    let jar = Jar::default();
    for n in 0..PER_DOMAIN + 10 {
        set(&jar, "http://h/", &[&format!("c{n}=1")]);
    }
    let count = || jar.stores.borrow().values().map(|store| store.iter_unexpired().count()).sum::<usize>();
    assert_eq!(count(), PER_DOMAIN);
    set(&jar, "http://h/", &["c0=2"]);
    assert!(jar.field(&url("http://h/")).unwrap().starts_with("c0=2; "));
    for n in 0..IN_ALL {
        set(&jar, &format!("http://h{n}/"), &["a=1"]);
    }
    assert_eq!(count(), IN_ALL);
    let jar = Jar::default();
    for n in 0..10 {
        set(&jar, "http://h/", &[&format!("c{n}={}", "x".repeat(3000))]);
    }
    assert_eq!(jar.field(&url("http://h/")).unwrap().len(), 2 * 3003 + 2);
}

#[test]
fn a_file_of_cookies_is_read() {
    let jar = Jar::default();
    let file = "# Netscape HTTP Cookie File\n\n\
        h\tFALSE\t/\tFALSE\t0\tsession\t1\n\
        h\tFALSE\t/\tFALSE\t4102444800\tlasting\t2\n\
        h\tFALSE\t/\tFALSE\t1\texpired\t3\n\
        #HttpOnly_h\tFALSE\t/a\tTRUE\t4102444800.5\tsecure\t4\n\
        h\tFALSE\t/\tFALSE\t0\tempty\n";
    read(file, &jar).unwrap();
    assert_eq!(jar.field(&url("http://h/a")).as_deref(), Some("empty=; lasting=2; session=1"));
    assert_eq!(jar.field(&url("https://h/a")).as_deref(), Some("secure=4; empty=; lasting=2; session=1"));
    for (line, why) in [
        ("h FALSE / FALSE 0 name secret", "seven fields"),
        ("h\tFALSE\t/\tFALSE\tsoon\tname\tsecret", "not a time"),
        ("h h\tFALSE\t/\tFALSE\t0\tname\tsecret", "not a domain"),
        ("h\tFALSE\t/\tFALSE\t0\tname\tsecret\tx", "more than seven"),
    ] {
        let error = read(&format!("# a comment\n{line}"), &Jar::default()).unwrap_err();
        assert!(error.starts_with("line 2: ") && error.contains(why) && !error.contains("secret"), "{error}");
    }
}
