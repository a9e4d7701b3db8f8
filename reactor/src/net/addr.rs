//! What may be given where a socket address is wanted.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// A socket address, or something that is one without asking anybody: `"127.0.0.1:80"`,
/// `("::1", 80)`, `([127, 0, 0, 1], 80)`. A name is not: looking it up blocks.
pub trait IntoSocketAddr {
    /// The address.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a string that isn't an address.
    fn into_socket_addr(self) -> io::Result<SocketAddr>;
}

macro_rules! text {
    ($($type:ty),+) => {$(
        impl IntoSocketAddr for $type {
            fn into_socket_addr(self) -> io::Result<SocketAddr> {
                self.parse().map_err(|_| not_an_address(&self))
            }
        }
    )+};
}

text!(&str, String, &String);

impl IntoSocketAddr for (&str, u16) {
    fn into_socket_addr(self) -> io::Result<SocketAddr> {
        let ip: IpAddr = self.0.parse().map_err(|_| not_an_address(self.0))?;
        Ok((ip, self.1).into())
    }
}

macro_rules! infallible {
    ($($type:ty),+) => {$(
        impl IntoSocketAddr for $type {
            fn into_socket_addr(self) -> io::Result<SocketAddr> {
                Ok(self.into())
            }
        }
    )+};
}

infallible!(
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16),
    ([u8; 4], u16),
    ([u16; 8], u16)
);

fn not_an_address(given: &str) -> io::Error {
    let message = format!(
        "`{given}` is not a socket address such as 127.0.0.1:80 or [::1]:80; \
         to connect by name use executor::net::connect((\"host\", port))"
    );
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
