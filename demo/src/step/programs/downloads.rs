//! Ten pages are downloaded at once from a server that takes 200 ms for each: the whole takes little longer.
//!
//! The server has a runtime of its own on another thread, so the recording shows only the downloads.

use crate::http::server::serve;
use crate::site::Site;
use executor::net::{TcpListener, TcpStream};
use executor::sync::oneshot;
use executor::time::Duration;
use executor::{named, select, spawn_blocking};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::thread;

pub(super) async fn main() {
    let (send_address, address) = oneshot();
    let (stop, stopped) = oneshot::<()>();
    let server = thread::spawn(|| {
        executor::block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
            let _sent = send_address.send(listener.local_addr().expect("it is bound"));
            let site = Rc::new(Site::new(Duration::from_millis(200)));
            select(serve(listener, site), stopped).await;
        });
    });
    let server_address = address.await.expect("the server starts");
    let fetch_page = |page| named(format!("page {page}")).spawn(fetch(server_address, page));
    for page in (0..10).map(fetch_page).collect::<Vec<_>>() {
        let bytes = page.await.expect("it does not panic").expect("the server answers");
        assert!(bytes.starts_with(b"HTTP/1.1 200"));
    }
    drop(stop);
    spawn_blocking(|| server.join()).await.expect("it does not panic").expect("the server ends");
}

async fn fetch(server: SocketAddr, page: usize) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let request = format!("GET /ring/{page} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await?;
    Ok(response)
}
