//! The client on tokio, hyper and rustls: fetches a list of URLs of one server, each into a file, on one thread.
//!
//! The minimal client for this task: no retries, no limits, no names other than the last segment.

use super::server::file_name;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Runs it: `LIST CONNECTIONS [AUTHORITY]`.
pub fn run(args: &[String]) {
    let urls: Vec<String> = fs::read_to_string(&args[0]).expect("a list").lines().rev().map(str::to_owned).collect();
    let connections: usize = args[1].parse().expect("a number of connections");
    let tls = args.get(2).map(|authority| connector(authority).expect("a certificate"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let urls = Rc::new(RefCell::new(urls));
    LocalSet::new().block_on(&runtime, async {
        let start = |_| tokio::task::spawn_local(fetch_all(urls.clone(), tls.clone()));
        let workers: Vec<_> = (0..connections).map(start).collect();
        for worker in workers {
            worker.await.expect("no panic").expect("no error");
        }
    });
}

fn connector(authority: &str) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority)? {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// One worker: one connection, which reconnects if the server closes it.
async fn fetch_all(urls: Rc<RefCell<Vec<String>>>, tls: Option<TlsConnector>) -> Result<()> {
    let mut connection = None;
    loop {
        let Some(url) = urls.borrow_mut().pop() else { return Ok(()) };
        let (_, rest) = url.split_once("://").ok_or("no URL")?;
        let (host, path) = rest.split_once('/').ok_or("no path")?;
        let mut sender = match connection.take() {
            Some(sender) => sender,
            None => connect(host, tls.as_ref()).await?,
        };
        sender.ready().await?;
        let request = Request::get(format!("/{path}")).header(HOST, host).body(Empty::new())?;
        let mut response = sender.send_request(request).await?;
        let mut file = File::create(file_name(&url))?;
        while let Some(frame) = response.frame().await {
            if let Ok(data) = frame?.into_data() {
                file.write_all(&data)?;
            }
        }
        connection = Some(sender).filter(|sender| !sender.is_closed());
    }
}

async fn connect(host: &str, tls: Option<&TlsConnector>) -> Result<SendRequest<Empty<Bytes>>> {
    let stream = TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    match tls {
        None => start(TokioIo::new(stream)).await,
        Some(tls) => {
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            let name = ServerName::try_from(name.to_owned())?;
            start(TokioIo::new(tls.connect(name, stream).await?)).await
        }
    }
}

async fn start<S>(stream: S) -> Result<SendRequest<Empty<Bytes>>>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
{
    let (sender, connection) = handshake(stream).await?;
    tokio::task::spawn_local(connection);
    Ok(sender)
}
