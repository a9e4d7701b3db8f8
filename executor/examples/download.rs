//! Ten downloads at once over the runtime's sockets. Each one is written from top to bottom, without a callback.
//!
//! The server is part of this program, and takes 200 ms for a page.
//!
//! ```sh
//! cargo run -p executor --example download
//! ```

use executor::net::{SocketAddr, TcpListener, TcpStream};
use executor::time::{Duration, Instant, sleep};
use executor::{block_on, spawn, try_join_all};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::io;

async fn download(address: SocketAddr, page: usize) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(format!("GET /{page} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    Ok(body.into())
}

async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        spawn(async move {
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await?; // short enough to arrive in one piece
            sleep(Duration::from_millis(200)).await;
            let path = String::from_utf8_lossy(&request[..length]).split(' ').nth(1).unwrap_or("?").to_owned();
            stream.write_all(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nthis is {path}").as_bytes()).await?;
            stream.close().await
        });
    }
}

fn main() -> io::Result<()> {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        spawn(serve(listener));

        let start = Instant::now();
        for page in try_join_all((0..10).map(|page| download(address, page))).await? {
            println!("{page}");
        }
        println!("ten pages took {} tenths of a second", start.elapsed().as_millis() / 100);
        Ok(())
    })
}
