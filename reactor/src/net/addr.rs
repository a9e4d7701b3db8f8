//! [`IntoSocketAddr`]: arguments that stand for a socket address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// A socket address, or a value that converts to one without a look-up: `"127.0.0.1:80"`, `("::1", 80)`,
/// `([127, 0, 0, 1], 80)`. A host name does not: looking it up blocks.
///
/// ```
/// use reactor::net::{IntoSocketAddr, SocketAddr};
///
/// let address: SocketAddr = "127.0.0.1:80".into_socket_addr().unwrap();
/// assert_eq!(("127.0.0.1", 80).into_socket_addr().unwrap(), address);
/// assert_eq!(([127, 0, 0, 1], 80).into_socket_addr().unwrap(), address);
/// assert!("localhost:80".into_socket_addr().unwrap_err().to_string().contains("executor::net::connect"));
/// ```
pub trait IntoSocketAddr {
    /// The address.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a string that isn't an address.
    fn into_socket_addr(self) -> io::Result<SocketAddr>;
}

macro_rules! accept {
    ($($type:ty => |$given:ident| $address:expr,)+) => {$(
        impl IntoSocketAddr for $type {
            fn into_socket_addr(self) -> io::Result<SocketAddr> {
                let $given = self;
                $address
            }
        }
    )+};
}

accept! {
    SocketAddr => |address| Ok(address),
    SocketAddrV4 => |address| Ok(address.into()),
    SocketAddrV6 => |address| Ok(address.into()),
    (IpAddr, u16) => |address| Ok(address.into()),
    (Ipv4Addr, u16) => |address| Ok(address.into()),
    (Ipv6Addr, u16) => |address| Ok(address.into()),
    ([u8; 4], u16) => |address| Ok(address.into()),
    ([u16; 8], u16) => |address| Ok(address.into()),
    (&str, u16) => |pair| Ok((pair.0.parse::<IpAddr>().map_err(|_| not_an_address(pair.0))?, pair.1).into()),
    &str => |text| text.parse().map_err(|_| not_an_address(text)),
    &String => |text| text.as_str().into_socket_addr(),
    String => |text| text.as_str().into_socket_addr(),
}

fn not_an_address(given: &str) -> io::Error {
    let message = format!(
        "`{given}` is not a socket address such as 127.0.0.1:80 or [::1]:80; \
         to connect by name use executor::net::connect((\"host\", port))"
    );
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
