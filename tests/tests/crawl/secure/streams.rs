//! The end of a TLS connection, names in the handshake, many pages over few connections.

use super::kit::{Certificates, python};
use std::collections::BTreeMap;
use std::fs;
use tests::faults::FaultServer;
use tests::nginx::{Config, Nginx};

/// Answers by path. `…-cut` closes without a close_notify, as Python does unless `unwrap` is called.
const SERVER: &str = r#"
import socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
context.set_alpn_protocols(["h2", "http/1.1"])
def names(connection, name, context): connection.name = name
context.sni_callback = names
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
def serve(plain):
    try:
        connection = context.wrap_socket(plain, server_side=True)
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(65536)
            if not more: return
            head += more
        path = head.split(b" ")[1].decode()
        if path == "/who":
            body = f"{getattr(connection, 'name', None)} {connection.selected_alpn_protocol()}".encode()
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        elif path.startswith("/length"): connection.sendall(HEAD + b"Content-Length: 4\r\n\r\nbody")
        elif path.startswith("/half-length"): connection.sendall(HEAD + b"Content-Length: 8\r\n\r\nbody")
        elif path.startswith("/chunked"): connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
        elif path.startswith("/half-chunked"): connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n")
        elif path.startswith("/redirect"):
            connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: " + path.split("=", 1)[1].encode() + b"\r\nContent-Length: 0\r\n\r\n")
        else: connection.sendall(HEAD + b"\r\nbody")
        if path.endswith("-cut"): connection.close()
        else: connection.unwrap().close()
    except OSError: pass
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True: threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"#;

#[test]
fn a_body_is_complete_at_its_length_its_last_chunk_or_a_close_notify() {
    let Some(made) = Certificates::new() else { return };
    let Some((_server, port)) = python(SERVER, &made.good()) else { return };
    for path in ["/length", "/length-cut", "/chunked", "/chunked-cut", "/until-close"] {
        made.crawl(&format!("https://127.0.0.1:{port}{path}"), Some("ca.pem"), &[]).exits(0);
        made.place.report().of(path).is_saved();
    }
    for (path, message) in [
        ("/until-close-cut", "without a TLS close_notify, so the response may be incomplete"),
        ("/half-length-cut", "without a TLS close_notify"),
        ("/half-chunked-cut", "without a TLS close_notify"),
        ("/half-length", "incomplete"),
        ("/half-chunked", "incomplete"),
    ] {
        made.crawl(&format!("https://127.0.0.1:{port}{path}"), Some("ca.pem"), &[]).exits(3);
        made.place.report().of(path).failed(Some(200), message);
    }
}

#[test]
fn the_handshake_names_hosts_and_not_addresses_and_agrees_on_http_1_1() {
    let Some(made) = Certificates::new() else { return };
    let Some((_server, port)) = python(SERVER, &made.good()) else { return };
    for (host, said) in [("localhost", "localhost http/1.1"), ("127.0.0.1", "None http/1.1")] {
        made.crawl(&format!("https://{host}:{port}/who"), Some("ca.pem"), &["-P", host]).exits(0);
        let files = tests::demo::files_below(&made.place.path(host));
        let (_, body) = files.iter().find(|(name, _)| name.contains("/who")).expect("the page was saved");
        assert_eq!(String::from_utf8_lossy(body), said, "{host}");
    }
}

#[test]
fn a_redirect_from_https_to_http_is_followed_without_credentials_cookies_or_the_linking_page() {
    let Some(made) = Certificates::new() else { return };
    let Some((_server, port)) = python(SERVER, &made.good()) else { return };
    let server = FaultServer::start(|visit| {
        let carried = ["authorization", "cookie", "referer"].map(|name| visit.header(name).map(str::to_owned));
        visit.page(format!("{carried:?}"))
    });
    let url = format!("https://user:secret@127.0.0.1:{port}/redirect={}", server.url("/x"));
    fs::write(made.place.path("cookies"), "127.0.0.1\tFALSE\t/\tTRUE\t0\tc\tsecret\n").unwrap();
    let args = ["--referer", "https://127.0.0.1/", "--load-cookies", "cookies", "--header", "Authorization: secret"];
    let ran = made.crawl(&url, Some("ca.pem"), &args[..4]).exits(0);
    let files = made.place.files();
    let body = |files: &BTreeMap<String, Vec<u8>>| {
        files.values().map(|body| String::from_utf8_lossy(body).into_owned()).collect::<String>()
    };
    assert_eq!(body(&files), r#"[None, None, Some("https://127.0.0.1/")]"#);
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    made.crawl(&url.replace("user:secret@", ""), Some("ca.pem"), &args[4..]).exits(0);
    assert!(body(&made.place.files()).starts_with("[None, None"));
    assert!(!fs::read_to_string(made.place.path("report.jsonl")).unwrap().contains("secret"));
}

/// nginx closes a connection after 25 requests; the next one resumes the session.
#[test]
fn three_hundred_pages_take_few_connections_and_fewer_full_handshakes() {
    let Some(made) = Certificates::new() else { return };
    let files = made.good();
    let root = made.place.path("root");
    fs::create_dir(&root).unwrap();
    let pages = 300;
    let index: String = (0..pages).map(|n| format!("<a href='{n}.html'>{n}</a>\n")).collect();
    fs::write(root.join("index.html"), index).unwrap();
    (0..pages).for_each(|n| fs::write(root.join(format!("{n}.html")), format!("page {n}")).unwrap());
    let http =
        "log_format reuse '$connection $ssl_session_reused'; access_log access.log reuse; keepalive_requests 25;";
    let server = format!(
        "ssl_session_cache shared:S:1m; ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate \"{}\"; ssl_certificate_key \"{}\";",
        files.certificate.display(),
        files.key.display()
    );
    let Some(nginx) = Nginx::start(&made.place, &root, Config { http, server: &server, listen: "ssl" }) else { return };
    let args = ["--ignore-robots", "--cacert", "ca.pem", "-x", "4", &format!("https://{}/", nginx.address)];
    made.place.crawl(&args).exits(0);
    assert_eq!(made.place.report().0.iter().map(tests::demo::Line::is_saved).count(), pages + 1);
    let said = || fs::read_to_string(made.place.path("nginx/access.log")).unwrap();
    tests::eventually("nginx has logged each page", || said().lines().count() == pages + 1);
    // Each line: the number of the connection, and `r` if its session was resumed.
    let said = said();
    let connections: BTreeMap<&str, &str> = said.lines().filter_map(|line| line.split_once(' ')).collect();
    let full = connections.values().filter(|resumed| **resumed != "r").count();
    assert!((13..=40).contains(&connections.len()), "{} connections", connections.len());
    assert!(full <= 4, "{full} of {} handshakes were full ones", connections.len());
}
