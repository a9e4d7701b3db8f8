//! Which certificates are accepted, and the errors for those that are not.

use super::kit::{Certificates, FUTURE, Files, PAST, SOON_AFTER, SOON_AFTER_FUTURE};
use tests::demo::Running;
use tests::faults::FaultServer;

/// Checks that a page with this certificate is refused with these messages, and saved with `--insecure`.
#[track_caller]
fn refuses(made: &Certificates, files: &Files, host: &str, cacert: Option<&str>, messages: &[&str]) {
    let (_server, port) = made.s_server(files, &[]);
    let url = format!("https://{host}:{port}/");
    let ran = made.crawl(&url, cacert, &[]).exits(3);
    let report = made.place.report();
    for message in messages {
        report.of("/").failed(None, message).attempts(0);
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
    }
    let ran = made.crawl(&url, cacert, &["--insecure"]).exits(0);
    assert_eq!(ran.stderr.matches("certificates are not verified").count(), 1, "{}", ran.stderr);
    made.place.report().of("/").is_saved();
}

#[track_caller]
fn accepts(made: &Certificates, files: &Files, hosts: &[&str], cacert: &str, options: &[&str]) {
    let (_server, port) = made.s_server(files, options);
    for host in hosts {
        made.crawl(&format!("https://{host}:{port}/"), Some(cacert), &[]).exits(0);
        made.place.report().of("/").is_saved();
    }
}

#[test]
fn a_certificate_of_a_trusted_authority_is_accepted_for_names_and_addresses() {
    let Some(made) = Certificates::new() else { return };
    accepts(&made, &made.good(), &["127.0.0.1", "localhost", "LOCALHOST"], "ca.pem", &[]);
    accepts(&made, &made.files("good"), &["127.0.0.1"], "ca.pem", &["-tls1_2"]);
    accepts(&made, &made.files("good"), &["127.0.0.1"], "ca.pem", &["-tls1_3"]);
}

#[test]
fn an_expired_certificate_is_refused_with_its_date() {
    let Some(made) = Certificates::new() else { return };
    let files = made.issue("old", "IP:127.0.0.1", PAST, SOON_AFTER);
    refuses(&made, &files, "127.0.0.1", Some("ca.pem"), &["expired on Sat, 01 Feb 2020", "127.0.0.1", "clock"]);
    // Its dates count even if the certificate itself is trusted.
    refuses(&made, &files, "127.0.0.1", Some("old.pem"), &["expired on"]);
}

#[test]
fn a_certificate_that_is_not_valid_yet_is_refused_with_its_date() {
    let Some(made) = Certificates::new() else { return };
    let files = made.issue("new", "IP:127.0.0.1", FUTURE, SOON_AFTER_FUTURE);
    refuses(&made, &files, "127.0.0.1", Some("ca.pem"), &["not valid yet", "01 Jan 2090", "clock"]);
}

#[test]
fn a_certificate_for_another_host_is_refused_with_the_hosts_it_is_for() {
    let Some(made) = Certificates::new() else { return };
    let files = made.issue("other", "DNS:a.example,DNS:b.example", PAST, FUTURE);
    refuses(&made, &files, "127.0.0.1", Some("ca.pem"), &["another host", "a.example, b.example"]);
    refuses(&made, &files, "localhost", Some("ca.pem"), &["\"localhost\"", "another host"]);
    let wildcard = made.issue("wildcard", "DNS:*.localhost", PAST, FUTURE);
    refuses(&made, &wildcard, "localhost", Some("ca.pem"), &["*.localhost"]);
}

#[test]
fn a_self_signed_certificate_is_refused_unless_it_is_given() {
    let Some(made) = Certificates::new() else { return };
    let hosts = ["subjectAltName=IP:127.0.0.1"];
    // By default openssl makes one that could sign others.
    let authority = made.self_signed("authority", "CN=x", &hosts);
    let server = made.self_signed("server", "CN=y", &[hosts[0], "basicConstraints=critical,CA:FALSE"]);
    for (files, name) in [(authority, "authority.pem"), (server, "server.pem")] {
        refuses(&made, &files, "127.0.0.1", None, &["is self-signed", "--cacert"]);
        refuses(&made, &files, "127.0.0.1", Some("ca.pem"), &["is self-signed"]);
        accepts(&made, &files, &["127.0.0.1"], name, &[]);
        refuses(&made, &files, "localhost", Some(name), &["another host"]);
    }
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_unless_it_is_given_itself() {
    let Some(made) = Certificates::new() else { return };
    let files = made.good();
    refuses(&made, &files, "127.0.0.1", None, &["unknown authority", "--cacert"]);
    made.self_signed("stranger", "CN=stranger", &[]);
    refuses(&made, &files, "127.0.0.1", Some("stranger.pem"), &["unknown authority"]);
    accepts(&made, &files, &["127.0.0.1"], "good.pem", &[]);
    // An authority of the same name with another key.
    let twin = Certificates::new().unwrap();
    let path = twin.place.path("ca.pem");
    refuses(&made, &files, "127.0.0.1", Some(path.to_str().unwrap()), &["is not valid"]);
}

#[test]
fn a_server_that_does_not_speak_tls_is_recognized() {
    let Some(made) = Certificates::new() else { return };
    let fails = |port: u16, message: &str| {
        made.crawl(&format!("https://127.0.0.1:{port}/"), None, &["--connect-timeout", "3s"]).exits(3);
        made.place.report().of("/").failed(None, message);
    };
    // A server that sends a greeting before it has read a request.
    let speaks = |greeting: &'static [u8]| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let speaking = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            std::io::Write::write_all(&mut stream, greeting).unwrap();
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        });
        (port, speaking)
    };
    for (greeting, message) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..],
            "speaks HTTP on this port, not TLS: write http://",
        ),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "does not speak TLS on this port"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "the server refused it"),
    ] {
        let (port, speaking) = speaks(greeting);
        fails(port, message);
        speaking.join().unwrap();
    }
    // This server waits for a request that never comes.
    let server = FaultServer::start(|visit| visit.page(""));
    fails(
        server.port(),
        "the TLS handshake with \"127.0.0.1\" took longer than 3s: does the server speak TLS on this port?",
    );
}

#[test]
fn a_handshake_without_a_common_cipher_fails_with_a_clear_error() {
    let Some(made) = Certificates::new() else { return };
    let files = made.good();
    let (_server, port) = made.s_server(&files, &["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"]);
    made.crawl(&format!("https://127.0.0.1:{port}/"), Some("ca.pem"), &[]).exits(3);
    made.place.report().of("/").failed(None, "the TLS handshake with \"127.0.0.1\" failed");
}

#[test]
fn a_wrong_file_of_certificates_is_an_error_before_anything_is_fetched() {
    let Some(made) = Certificates::new() else { return };
    std::fs::write(made.place.path("empty"), "no certificate").unwrap();
    for (file, message) in [("empty", "contains no certificate"), ("missing", "No such file"), ("good.key", "")] {
        made.good();
        made.crawl("https://127.0.0.1:1/", Some(file), &[]).exits(2).says("--cacert").says(message);
    }
}

#[test]
fn a_redirect_from_http_to_https_is_followed_and_the_links_there_too() {
    let Some(made) = Certificates::new() else { return };
    let (_server, port): (Running, u16) = made.s_server(&made.good(), &[]);
    let server = FaultServer::start(move |visit| visit.redirect(&format!("https://127.0.0.1:{port}/")));
    made.crawl(&server.url("/start"), Some("ca.pem"), &[]).exits(0);
    let report = made.place.report();
    let line = report.of("/start").is_saved();
    assert_eq!(line.text("final_url"), Some(&*format!("https://127.0.0.1:{port}/")));
}
