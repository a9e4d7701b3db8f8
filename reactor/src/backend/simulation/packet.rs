//! What travels between hosts, and what it does when it arrives.
//!
//! ```text
//!   connect ── Connect ──►  a listener there?  ─ yes ─►  the other end, in its queue ── Accepted ──► connected
//!                                              ─ no ──────────────────────────────────── Reset ────► refused
//!   write ──── Data ─────►  to be read; when half a window was read ── Read ─────► room to write
//!   shutdown ─ End ──────►  the end of the stream
//!   a lost piece, a crash, a close with bytes unread ─ Reset ─► broken
//! ```
//!
//! Used by `world.rs`, which carries packets, and by `connection.rs`, which sends them.

use super::connection::{Endpoint, Kind, Socket};
use super::world::{HostId, SocketId, World};
use crate::backend::Readiness;
use std::io::ErrorKind;
use std::net::SocketAddr;

/// What travels between hosts.
pub(super) enum Packet {
    Connect {
        from: SocketId,
        source: SocketAddr,
        destination: SocketAddr,
    },
    Accepted {
        to: SocketId,
        by: SocketId,
    },
    Data {
        to: SocketId,
        from: SocketId,
        bytes: Vec<u8>,
    },
    /// So many bytes were read.
    Read {
        to: SocketId,
        count: usize,
    },
    End {
        to: SocketId,
    },
    Reset {
        to: SocketId,
    },
    /// From the socket to itself: it has waited for a connection long enough.
    GiveUp {
        to: SocketId,
    },
}

impl Packet {
    pub(super) fn to(&self) -> Option<SocketId> {
        match *self {
            Packet::Connect { .. } => None,
            Packet::Accepted { to, .. } | Packet::Data { to, .. } | Packet::Read { to, .. } => Some(to),
            Packet::End { to } | Packet::Reset { to } | Packet::GiveUp { to } => Some(to),
        }
    }

    /// Bytes of data.
    pub(super) fn size(&self) -> usize {
        match self {
            Packet::Data { bytes, .. } => bytes.len(),
            _ => 0,
        }
    }
}

/// What a broken connection is ready for: each operation fails at once.
pub(super) const ALL: Readiness =
    Readiness::READ.union(Readiness::WRITE).difference(Readiness::ORPHANED.union(Readiness::URGENT));

impl World {
    pub(super) fn arrive(&mut self, from: HostId, at: HostId, packet: Packet) {
        match packet {
            Packet::Connect { from: client, source, destination } => {
                self.arrive_connect(client, source, destination, from, at)
            }
            Packet::Accepted { to, by } => match self.endpoint(to) {
                Some(endpoint) if !endpoint.broken => {
                    endpoint.peer = Some(by);
                    self.report(to, Readiness::WRITABLE);
                }
                _ => self.send(at, from, Packet::Reset { to: by }),
            },
            Packet::Data { to, from: sender, bytes } => self.arrive_data(to, &bytes, sender, at, from),
            Packet::Read { to, count } => {
                if let Some(endpoint) = self.endpoint(to) {
                    endpoint.outstanding -= count;
                    self.report(to, Readiness::WRITABLE);
                }
            }
            Packet::End { to } => {
                if let Some(endpoint) = self.endpoint(to) {
                    endpoint.read_closed = true;
                    self.report(to, Readiness::READABLE | Readiness::READ_CLOSED);
                }
            }
            Packet::Reset { to } => self.arrive_break(to),
            Packet::GiveUp { to } => {
                if self.is_connecting(to) {
                    self.endpoint(to).into_iter().for_each(|endpoint| endpoint.break_off(ErrorKind::TimedOut));
                    self.report(to, ALL);
                }
            }
        }
    }

    fn arrive_connect(&mut self, client: SocketId, source: SocketAddr, local: SocketAddr, from: HostId, host: HostId) {
        let listener = self.state(host).listeners.get(&local.port()).copied();
        let hears = |socket: &Socket| {
            let ip = socket.local.ip();
            matches!(socket.kind, Kind::Listener(_)) && (ip.is_unspecified() || ip == local.ip())
        };
        let Some(listener) = listener.filter(|listener| self.sockets.get(listener).is_some_and(hears)) else {
            return self.send(host, from, Packet::Reset { to: client });
        };
        let id = self.add_socket(host, local, Kind::Stream(Endpoint::new(source, from, Some(client))));
        if let Some(Socket { kind: Kind::Listener(queue), .. }) = self.sockets.get_mut(&listener) {
            queue.push_back(id);
        }
        self.report(listener, Readiness::READABLE);
        self.send(host, from, Packet::Accepted { to: client, by: id });
    }

    fn arrive_data(&mut self, to: SocketId, bytes: &[u8], sender: SocketId, at: HostId, from: HostId) {
        match self.endpoint(to) {
            None => self.send(at, from, Packet::Reset { to: sender }),
            Some(endpoint) if endpoint.broken => {}
            Some(endpoint) if endpoint.read_closed => {
                self.send(at, from, Packet::Read { to: sender, count: bytes.len() })
            }
            Some(endpoint) => {
                endpoint.arrived.extend(bytes);
                self.report(to, Readiness::READABLE);
            }
        }
    }

    fn arrive_break(&mut self, to: SocketId) {
        let Some(endpoint) = self.endpoint(to).filter(|endpoint| !endpoint.broken) else { return };
        endpoint.break_off(match endpoint.peer {
            Some(_) => ErrorKind::ConnectionReset,
            None => ErrorKind::ConnectionRefused,
        });
        self.report(to, ALL);
    }
}
