//! [`Packet`]: what travels between hosts.
//!
//! ```text
//!   connect ── Connect ──►  a listener there?  ─ yes ─►  the other end, in its queue ── Accepted ──► connected
//!                                              ─ no ──────────────────────────────────── Reset ────► refused
//!   write ──── Data ─────►  to be read; when half a window was read ── Read ─────► room to write
//!   shutdown ─ End ──────►  the end of the stream
//!   a lost packet, a crash, a close with bytes unread ─ Reset ─► broken
//! ```
//!
//! `connection.rs` sends packets, `world.rs` carries them, and `arrival.rs` holds what they do when they arrive.

use super::ids::SocketId;
use std::net::SocketAddr;

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
    /// The receiver has read this many bytes.
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
    /// From a socket to itself: its attempt to connect has timed out.
    GiveUp {
        to: SocketId,
    },
}

impl Packet {
    /// The socket that it goes to, if the sender knows it.
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
