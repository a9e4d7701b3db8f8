//! The request and the response: every way sends the same one and parses it alike.

use socket2::{Domain, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};

/// The paths of different small pages of the built-in site.
pub fn paths(pages: usize) -> Vec<String> {
    (0..pages).map(|n| format!("/ring/{}?{n}", n % 12)).collect()
}

/// The request for a page. The server closes the connection after its response.
pub fn request(server: SocketAddr, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n").into_bytes()
}

/// The page in a complete response.
pub fn body(mut response: Vec<u8>) -> io::Result<Vec<u8>> {
    let wrong = |what: String| io::Error::new(ErrorKind::InvalidData, what);
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(&response).map_err(|error| wrong(error.to_string()))? else {
        return Err(wrong("the response ends in its head".to_owned()));
    };
    if head.code != Some(200) {
        return Err(wrong(format!("the server answered {}", head.code.unwrap_or_default())));
    }
    Ok(response.split_off(length))
}

/// Starts a connection on a non-blocking socket. The socket becomes writable when it is connected.
pub fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&server.into()) {
        Err(error) if !is_in_progress(&error) => Err(error),
        _ => Ok(socket.into()),
    }
}

fn is_in_progress(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
}
