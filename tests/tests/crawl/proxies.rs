//! The downloader behind a proxy: tinyproxy, squid, and proxies that refuse.
//!
//! Alone: `cargo test -p tests --test crawl proxies`. Some tests need `tinyproxy`, `squid` and `openssl`, as Debian has
//! them; they say so and pass if one is not installed.

use crate::secure::kit::Certificates;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tests::demo::{Place, Program, Ran, Running, free_port, until_it_listens};
use tests::faults::{After, FaultServer, Visit};

/// tinyproxy with these lines in its configuration.
fn tinyproxy(place: &Place, lines: &str) -> Option<(Running, u16)> {
    let tinyproxy = Program::find("tinyproxy")?;
    let port = free_port();
    let file = place.path("tinyproxy.conf");
    fs::write(&file, format!("Port {port}\nListen 127.0.0.1\nTimeout 30\nMaxClients 50\n{lines}")).unwrap();
    let mut running = Running::start(tinyproxy.command().arg("-d").arg("-c").arg(&file));
    until_it_listens(SocketAddr::from(([127, 0, 0, 1], port)), &mut running);
    Some((running, port))
}

/// squid that requires a login, and accepts any.
fn squid(place: &Place) -> Option<(Running, u16)> {
    let (squid, port) = (Program::find("squid")?, free_port());
    let helper = ["/usr/lib/squid", "/usr/libexec/squid"].map(|folder| Path::new(folder).join("basic_fake_auth"));
    let Some(helper) = helper.into_iter().find(|helper| helper.is_file()) else {
        println!("skipped: squid has no helper for logins");
        return None;
    };
    let folder = place.path("squid");
    fs::create_dir(&folder).unwrap();
    // squid drops the privileges of root.
    fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let (at, helper) = (folder.display(), helper.display());
    let config = format!(
        "http_port 127.0.0.1:{port}\npid_filename {at}/pid\ncache_log {at}/log\naccess_log none\ncache deny all\n\
        coredump_dir {at}\nshutdown_lifetime 0 seconds\nauth_param basic program {helper}\n\
        acl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all\n"
    );
    let file = folder.join("squid.conf");
    fs::write(&file, config).unwrap();
    let mut running = Running::start(squid.command().args(["-N", "-f"]).arg(&file));
    until_it_listens(SocketAddr::from(([127, 0, 0, 1], port)), &mut running);
    Some((running, port))
}

/// Crawls with these variables in the environment.
#[track_caller]
fn crawl(place: &Place, variables: &[(&str, &str)], args: &[&str]) -> Ran {
    let mut command = place.command(&["crawl", "--report", "report.jsonl", "--retries", "0"]);
    Running::start(command.args(args).envs(variables.iter().copied())).wait()
}

/// A server whose pages say which of some fields came with the request.
fn server() -> FaultServer {
    FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.links(["/a", "/b"]),
        _ => {
            let said = ["host", "via", "proxy-authorization", "authorization"].map(|name| visit.header(name).is_some());
            visit.page(format!("{said:?}"))
        }
    })
}

/// A proxy with this script. `visit.path` is the whole target of the request.
fn proxy(script: impl Fn(&mut Visit<'_>) -> After + Send + Sync + 'static) -> FaultServer {
    FaultServer::start(script)
}

#[test]
fn pages_come_through_tinyproxy() {
    let (place, server) = (Place::new(), server());
    let Some((_proxy, port)) = tinyproxy(&place, "") else { return };
    let (url, name) = (server.url("/"), format!("http://127.0.0.1:{port}"));
    for (variables, args) in [
        (&[][..], &["--proxy", &*name, &*url][..]),
        (&[("http_proxy", &*name)], &[&*url]),
        (&[("all_proxy", &*name)], &[&*url]),
    ] {
        crawl(&place, variables, &[args, &["--ignore-robots"]].concat()).exits(0);
        let files = place.files();
        assert_eq!(files["a"], b"[true, true, false, false]", "it came with `Via`: {variables:?}");
    }
    for (variables, args) in [
        (&[("HTTP_PROXY", &*name)][..], &[&*url][..]),
        (&[("https_proxy", &*name)], &[&*url]),
        (&[("http_proxy", &*name), ("no_proxy", "127.0.0.0/8")], &[&*url]),
        (&[("http_proxy", &*name)], &["--no-proxy", &*url]),
        (&[("http_proxy", "")], &[&*url]),
    ] {
        crawl(&place, variables, args).exits(0);
        assert_eq!(place.files()["a"], b"[true, false, false, false]", "it came without: {variables:?} {args:?}");
    }
}

#[test]
fn tls_goes_through_a_tunnel_of_tinyproxy() {
    let Some(made) = Certificates::new() else { return };
    let Some((_proxy, port)) = tinyproxy(&made.place, "BasicAuth us p.ss\n") else { return };
    let (_server, target) = made.s_server(&made.good(), &[]);
    let url = format!("https://127.0.0.1:{target}/");
    let name = format!("http://us:p%2Ess@127.0.0.1:{port}");
    let args = ["--cacert", "ca.pem", &*url];
    crawl(&made.place, &[("HTTPS_PROXY", &name)], &args).exits(0);
    made.place.report().of("/").is_saved();
    // The certificate is the server's, not the proxy's.
    crawl(&made.place, &[("https_proxy", &name)], &[&url]).exits(3).says("unknown authority");
    let ran = crawl(&made.place, &[("https_proxy", &name.replace("us:", "us:wrong"))], &args).exits(3);
    made.place.report().of("/").failed(None, &format!("the proxy \"127.0.0.1:{port}\" does not accept the user name"));
    assert!(!ran.stderr.contains("p.ss") && !ran.stderr.contains("p%2Ess"), "{}", ran.stderr);
    let without = format!("127.0.0.1:{port}");
    crawl(&made.place, &[("https_proxy", &without)], &args).exits(3);
    let message =
        format!("the proxy \"{without}\" requires credentials (407): give them as --proxy http://USER:PASSWORD@");
    made.place.report().of("/").failed(None, &message);
}

#[test]
fn pages_and_tunnels_come_through_squid_with_a_login() {
    let (Some(made), server) = (Certificates::new(), server()) else { return };
    let Some((_proxy, port)) = squid(&made.place) else { return };
    let (_server, target) = made.s_server(&made.good(), &[]);
    let (tls, plain) = (format!("https://127.0.0.1:{target}/"), server.url("/"));
    let (with, without) = (format!("http://u:p@127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    crawl(&made.place, &[], &["--proxy", &with, "--ignore-robots", &plain]).exits(0);
    assert_eq!(made.place.files()["a"], b"[true, true, false, false]", "it came with `Via`");
    crawl(&made.place, &[], &["--proxy", &with, "--cacert", "ca.pem", &tls]).exits(0);
    for (url, status) in [(&plain, Some(407)), (&tls, None)] {
        crawl(&made.place, &[], &["--proxy", &without, "--cacert", "ca.pem", url]).exits(3);
        made.place.report().of("/").failed(status, "requires credentials (407)");
    }
}

#[test]
fn a_proxy_gets_the_whole_url_and_its_own_credentials_and_keeps_its_connection() {
    let place = Place::new();
    let proxy = proxy(|visit| {
        let expected = [Some("Basic dTpw"), None, Some("one.example")];
        let got = ["proxy-authorization", "authorization", "host"].map(|name| visit.header(name));
        assert_eq!(got, expected);
        match visit.path.as_str() {
            "http://one.example/" => visit.links(["/a", "/b?c"]),
            "http://one.example/a" | "http://one.example/b?c" => visit.page(""),
            other => panic!("{other}"),
        }
    });
    let name = format!("u:p@127.0.0.1:{}", proxy.port());
    place.crawl(&["--ignore-robots", "-x", "1", "--proxy", &name, "http://one.example/"]).exits(0);
    assert_eq!((proxy.requests().len(), proxy.connections()), (3, 1));
    assert!(!fs::read_to_string(place.path("report.jsonl")).unwrap().contains("u:p"));
}

#[test]
fn the_error_for_a_refusal_by_a_proxy_names_the_proxy() {
    for (status, message) in [
        ("403 Forbidden", "refused to connect to \"x.example:443\": 403 Forbidden"),
        ("502 Bad Gateway", "refused to connect to \"x.example:443\": 502 Bad Gateway"),
        ("407 Proxy Authentication Required", "requires credentials (407)"),
        ("nonsense", "did not connect to \"x.example:443\""),
    ] {
        let place = Place::new();
        let proxy = proxy(move |visit| {
            assert_eq!(visit.path, "x.example:443");
            visit.answer(status, "", "no")
        });
        let name = format!("127.0.0.1:{}", proxy.port());
        place.crawl(&["--retries", "0", "--proxy", &name, "https://x.example/"]).exits(3);
        place.report().of("/").failed(None, message).failed(None, &format!("the proxy \"{name}\""));
    }
    let place = Place::new();
    let proxy = proxy(|visit| visit.answer("407 Proxy Authentication Required", "", "no"));
    let name = format!("127.0.0.1:{}", proxy.port());
    place.crawl(&["--retries", "0", "--proxy", &name, "http://x.example/"]).exits(3);
    place.report().of("/").failed(Some(407), "requires credentials (407): give them as --proxy");
}

#[test]
fn a_proxy_that_is_not_there_or_closes_is_named() {
    let place = Place::new();
    let name = format!("127.0.0.1:{}", free_port());
    for url in ["http://x.example/", "https://x.example/"] {
        place.crawl(&["--retries", "0", "--proxy", &name, url]).exits(3);
        place.report().of("/").failed(None, &format!("cannot connect to the proxy \"{name}\""));
    }
    let proxy = proxy(|_| After::Close);
    let name = format!("127.0.0.1:{}", proxy.port());
    place.crawl(&["--retries", "0", "--proxy", &name, "https://x.example/"]).exits(3);
    place.report().of("/").failed(None, &format!("the proxy \"{name}\" did not connect to \"x.example:443\""));
}

#[test]
fn a_wrong_proxy_ends_the_run_and_its_password_is_not_printed() {
    let place = Place::new();
    let wrong = "socks5://u:secret@h:1080";
    let ran = place.crawl(&["--proxy", wrong, "http://x.example/"]).exits(2).says("--proxy");
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    let ran = crawl(&place, &[("http_proxy", wrong)], &["http://x.example/"]).exits(2).says("http_proxy");
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
}

#[test]
fn the_built_in_site_needs_no_proxy() {
    let place = Place::new();
    crawl(&place, &[("http_proxy", "127.0.0.1:1")], &["--max-pages", "1"]).exits(0);
}
