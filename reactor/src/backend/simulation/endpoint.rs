//! The state of simulated sockets: listeners, and the two [`Endpoint`]s of each connection.
//!
//! An endpoint knows about the other one only what came in packets. `world.rs` holds the sockets; `connection.rs` and
//! `arrival.rs` change them.

use super::ids::{HostId, SocketId};
use crate::backend::{Readiness, Token};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

/// What a broken connection is ready for: each operation fails at once.
pub(super) const BROKEN: Readiness =
    Readiness::READ.union(Readiness::WRITE).difference(Readiness::ORPHANED.union(Readiness::URGENT));

/// The most bytes that may be sent and not yet read. A writer waits for room.
pub(super) const WINDOW: usize = 64 * 1024;
pub(super) struct Socket {
    pub(super) host: HostId,
    pub(super) local: SocketAddr,
    pub(super) token: Option<Token>,
    /// When the last packet in flight to it arrives.
    pub(super) last_arrival: Duration,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    /// Connections that wait to be accepted.
    Listener(VecDeque<SocketId>),
    Stream(Endpoint),
    /// A listener whose host has crashed.
    Dead,
}

/// One end of a connection.
pub(super) struct Endpoint {
    pub(super) remote: SocketAddr,
    pub(super) remote_host: HostId,
    /// The other end; unknown until it has accepted.
    pub(super) peer: Option<SocketId>,
    /// What has arrived and was not read yet.
    pub(super) arrived: VecDeque<u8>,
    /// The peer sends no more, or this side reads no more.
    pub(super) read_closed: bool,
    pub(super) write_closed: bool,
    /// Both directions have failed.
    pub(super) broken: bool,
    /// The error that broke the connection, until an operation has returned it.
    pub(super) error: Option<ErrorKind>,
    /// Bytes that were written and, as far as is known here, not yet read.
    pub(super) outstanding: usize,
    /// Bytes that were read and not yet reported to the peer.
    pub(super) unacknowledged: usize,
    pub(super) nodelay: bool,
    pub(super) resets_on_close: bool,
}

impl Endpoint {
    pub(super) fn new(remote: SocketAddr, remote_host: HostId, peer: Option<SocketId>) -> Endpoint {
        let (arrived, outstanding, unacknowledged, error) = Default::default();
        let (read_closed, write_closed, broken, nodelay, resets_on_close) = Default::default();
        Endpoint {
            remote,
            remote_host,
            peer,
            arrived,
            read_closed,
            write_closed,
            broken,
            error,
            outstanding,
            unacknowledged,
            nodelay,
            resets_on_close,
        }
    }

    pub(super) fn break_off(&mut self, error: ErrorKind) {
        self.broken = true;
        self.error = Some(error);
    }

    pub(super) fn is_readable(&self) -> bool {
        !self.arrived.is_empty() || self.read_closed || self.broken
    }

    pub(super) fn is_writable(&self) -> bool {
        self.broken || self.write_closed || (self.peer.is_some() && self.outstanding < WINDOW)
    }
}
