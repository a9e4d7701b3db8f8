//! Certificates made by openssl, and servers that use them.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use tests::demo::{Place, Program, Ran, Running, free_port, until_it_listens};

/// A date long ago, and one that is far in the future.
pub const PAST: &str = "20200101000000Z";
pub const SOON_AFTER: &str = "20200201000000Z";
pub const FUTURE: &str = "20900101000000Z";
pub const SOON_AFTER_FUTURE: &str = "20900201000000Z";

/// What openssl makes, in a folder of its own.
pub struct Certificates {
    openssl: Program,
    /// The folder, in which the demo runs too.
    pub place: Place,
}

/// The files of a certificate and its key.
#[derive(Clone)]
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Certificates {
    /// An authority `ca`, if openssl is there.
    pub fn new() -> Option<Certificates> {
        let made = Certificates { openssl: Program::find("openssl")?, place: Place::new() };
        let config = "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\n\
            policy=p\nunique_subject=no\ncopy_extensions=copy\n[p]\ncommonName=supplied\n\
            [req]\ndistinguished_name=n\n[n]\n";
        fs::write(made.place.path("openssl.cnf"), config).unwrap();
        fs::write(made.place.path("index"), "").unwrap();
        made.self_signed("ca", "CN=An authority of these tests", &["basicConstraints=critical,CA:TRUE"]);
        Some(made)
    }

    #[track_caller]
    fn run(&self, args: &str, more: &[&str]) {
        let mut command = self.openssl.command();
        let folder = self.place.path("");
        command.args(args.split(' ')).args(more).current_dir(&folder).env("OPENSSL_CONF", folder.join("openssl.cnf"));
        Running::start(&mut command).wait().exits(0);
    }

    /// A certificate that is its own issuer.
    pub fn self_signed(&self, name: &str, subject: &str, extensions: &[&str]) -> Files {
        let subject = format!("/{subject}");
        let extensions = extensions.iter().flat_map(|extension| ["-addext", extension]);
        let more: Vec<_> = ["-subj", &subject].into_iter().chain(extensions).collect();
        let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30";
        self.run(&format!("{new} -keyout {name}.key -out {name}.pem"), &more);
        self.files(name)
    }

    /// A certificate for these hosts (`DNS:a,IP:127.0.0.1`) from the authority.
    pub fn issue(&self, name: &str, hosts: &str, from: &str, to: &str) -> Files {
        let hosts = format!("subjectAltName={hosts}");
        let subject = format!("/CN={name}");
        let new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        self.run(&format!("{new} -keyout {name}.key -out {name}.csr"), &["-subj", &subject, "-addext", &hosts]);
        let sign = "ca -batch -notext -config openssl.cnf -cert ca.pem -keyfile ca.key";
        self.run(&format!("{sign} -startdate {from} -enddate {to} -in {name}.csr -out {name}.pem"), &[]);
        self.files(name)
    }

    /// A certificate for the loopback that is valid today.
    pub fn good(&self) -> Files {
        self.issue("good", "DNS:localhost,IP:127.0.0.1,IP:::1", PAST, FUTURE)
    }

    /// The files of a certificate.
    pub fn files(&self, name: &str) -> Files {
        Files { certificate: self.place.path(&format!("{name}.pem")), key: self.place.path(&format!("{name}.key")) }
    }

    /// `openssl s_server` with a certificate. It answers each request with a page about the connection.
    pub fn s_server(&self, files: &Files, options: &[&str]) -> (Running, u16) {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = self.openssl.command();
        command.args(["s_server", "-www", "-accept", &address.to_string(), "-cert"]).arg(&files.certificate);
        command.arg("-key").arg(&files.key).args(options);
        let mut running = Running::start(&mut command);
        until_it_listens(address, &mut running);
        (running, address.port())
    }

    /// Crawls one page, with a certificate to trust or without.
    #[track_caller]
    pub fn crawl(&self, url: &str, cacert: Option<&str>, args: &[&str]) -> Ran {
        let trusted = cacert.map_or(vec![], |name| vec!["--cacert", name]);
        self.place.crawl(&[&[url, "-l", "0", "--retries", "0"], &trusted[..], args].concat())
    }
}

/// A server in Python with this script, which prints its port first.
pub fn python(script: &str, files: &Files) -> Option<(Running, u16)> {
    let python = Program::find("python3")?;
    let mut command: Command = python.command();
    command.args(["-u", "-c", script]).arg(&files.certificate).arg(&files.key);
    let mut running = Running::start(&mut command);
    tests::eventually("python prints its port", || running.stdout().contains('\n') || running.is_over());
    let port = running.stdout().lines().next().and_then(|line| line.parse().ok());
    let port = port.unwrap_or_else(|| panic!("no port: {}", running.stderr()));
    Some((running, port))
}
