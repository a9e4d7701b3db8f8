//! Names of hosts and sockets, and the addresses of hosts. All other files of this folder use them.

use std::net::{IpAddr, Ipv4Addr};

/// Numbers hosts in the order in which they were named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct HostId(pub(super) u32);

/// The host of all code that runs on no other host.
pub(super) const MAIN: HostId = HostId(0);

/// The number of hosts for which the network 10.0.0.0/8 has addresses.
pub(super) const MOST_HOSTS: u32 = 0xff_ffff;

impl HostId {
    /// Its address: 10.0.0.1 is that of the first host.
    pub(super) fn address(self) -> IpAddr {
        Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 1)) + self.0).into()
    }

    /// The host at an address, as `from` sees it: a loopback address is `from` itself. There may be no such host yet.
    pub(super) fn at(address: IpAddr, from: HostId) -> Option<HostId> {
        match address {
            IpAddr::V4(ip) if ip.octets()[0] == 10 => (u32::from(ip) & 0xff_ffff).checked_sub(1).map(HostId),
            address => (address.is_loopback() || address.is_unspecified()).then_some(from),
        }
    }
}

/// Numbers sockets in the order in which they were made. No number is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SocketId(pub(super) u64);
