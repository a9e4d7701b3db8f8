//! What programs do with simulated TCP: listening, connecting, accepting, reading, writing, closing.
//!
//! An operation that cannot proceed fails with `WouldBlock`, as the system's do, and the arrival that changes this is
//! reported. Used by `socket.rs`, through which programs call it, and by the crash of a host.

use super::endpoint::{BROKEN, Endpoint, Kind, Socket, WINDOW};
use super::ids::{HostId, SocketId};
use super::packet::Packet;
use super::world::World;
use crate::backend::Readiness;
use crate::readiness::Direction;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};

/// The most bytes in one packet.
const SEGMENT: usize = 16 * 1024;

impl World {
    pub(super) fn listen(&mut self, host: HostId, address: SocketAddr) -> io::Result<SocketId> {
        let (ip, own) = (address.ip(), host.address());
        if !(ip.is_unspecified() || ip.is_loopback() || ip == own) {
            return Err(ErrorKind::AddrNotAvailable.into());
        }
        let port = match address.port() {
            0 => self.free_port(host, None).ok_or(ErrorKind::AddrInUse)?,
            port if self.state(host).is_used(port) => return Err(ErrorKind::AddrInUse.into()),
            port => port,
        };
        let id = self.add_socket(host, SocketAddr::new(ip, port), Kind::Listener(VecDeque::new()));
        self.state(host).listeners.insert(port, id);
        Ok(id)
    }

    pub(super) fn connect(&mut self, host: HostId, destination: SocketAddr) -> io::Result<SocketId> {
        let to = self.host_at(destination.ip(), host).ok_or(ErrorKind::HostUnreachable)?;
        let (from_ip, to_ip) = match destination.ip() {
            ip if ip.is_unspecified() => (Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()),
            ip if ip.is_loopback() => (ip, ip),
            ip => (host.address(), ip),
        };
        let destination = SocketAddr::new(to_ip, destination.port());
        let port = self.free_port(host, Some(destination)).ok_or(ErrorKind::AddrNotAvailable)?;
        let source = SocketAddr::new(from_ip, port);
        let id = self.add_socket(host, source, Kind::Stream(Endpoint::new(destination, to, None)));
        self.state(host).connections.insert((port, destination), id);
        self.send(host, to, Packet::Connect { from: id, source, destination });
        Ok(id)
    }

    pub(super) fn accept(&mut self, listener: SocketId) -> io::Result<(SocketId, SocketAddr)> {
        let id = match self.sockets.get_mut(&listener).map(|socket| &mut socket.kind) {
            Some(Kind::Listener(queue)) => queue.pop_front().ok_or(ErrorKind::WouldBlock)?,
            _ => return Err(crashed()),
        };
        let peer = self.open(id)?.1.remote;
        Ok((id, peer))
    }

    /// Moves what has arrived into the buffers, or copies it if `take` is false.
    pub(super) fn read(&mut self, socket: SocketId, bufs: &mut [IoSliceMut<'_>], take: bool) -> io::Result<usize> {
        let (host, endpoint) = self.open(socket)?;
        let wanted: usize = bufs.iter().map(|buf| buf.len()).sum();
        if wanted > 0 && endpoint.arrived.is_empty() {
            return match (endpoint.error.take(), endpoint.read_closed || endpoint.broken) {
                (Some(error), _) => Err(error.into()),
                (None, true) => Ok(0),
                (None, false) => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let arrived = &*endpoint.arrived.make_contiguous();
        let mut left = arrived;
        for buf in bufs {
            let size = buf.len().min(left.len());
            buf[..size].copy_from_slice(&left[..size]);
            left = &left[size..];
        }
        let count = arrived.len() - left.len();
        if take {
            endpoint.arrived.drain(..count);
            endpoint.unacknowledged += count;
            // Half a window at a time, so that short exchanges need no such packet.
            if endpoint.unacknowledged >= WINDOW / 2 {
                let count = std::mem::take(&mut endpoint.unacknowledged);
                let (to, remote) = (endpoint.peer, endpoint.remote_host);
                to.into_iter().for_each(|to| self.send(host, remote, Packet::Read { to, count }));
            }
        }
        Ok(count)
    }

    pub(super) fn write(&mut self, socket: SocketId, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let (host, endpoint) = self.open(socket)?;
        if let Some(error) = endpoint.error.take() {
            return Err(error.into());
        }
        if endpoint.broken || endpoint.write_closed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let Some(peer) = endpoint.peer else { return Err(ErrorKind::WouldBlock.into()) };
        let (room, remote) = (WINDOW - endpoint.outstanding, endpoint.remote_host);
        let mut bytes = bufs.iter().flat_map(|buf| buf.chunks(SEGMENT)).peekable();
        if room == 0 && bytes.peek().is_some() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut left = room;
        for chunk in bytes {
            if left == 0 {
                break;
            }
            let chunk = &chunk[..chunk.len().min(left)];
            left -= chunk.len();
            self.send_data(host, remote, socket, peer, chunk);
        }
        self.open(socket)?.1.outstanding += room - left;
        Ok(room - left)
    }

    /// Sends a packet of data, or loses it. A loss breaks the connection on both sides, because without retransmission
    /// nothing else would reveal it.
    fn send_data(&mut self, host: HostId, remote: HostId, from: SocketId, to: SocketId, bytes: &[u8]) {
        let loss = self.link(host, remote).loss;
        if loss > 0.0 && self.random.chance(loss) {
            self.send(host, remote, Packet::Reset { to });
            self.send(remote, host, Packet::Reset { to: from });
        } else {
            self.send(host, remote, Packet::Data { to, from, bytes: bytes.to_vec() });
        }
    }

    pub(super) fn shutdown(&mut self, socket: SocketId, how: Shutdown) -> io::Result<()> {
        let (host, endpoint) = self.open(socket)?;
        let Some(peer) = endpoint.peer.filter(|_| !endpoint.broken) else { return Err(ErrorKind::NotConnected.into()) };
        let remote = endpoint.remote_host;
        if how != Shutdown::Write {
            endpoint.read_closed = true;
        }
        let ends = how != Shutdown::Read && !std::mem::replace(&mut endpoint.write_closed, true);
        if how != Shutdown::Write {
            self.report(socket, Readiness::READABLE | Readiness::READ_CLOSED);
        }
        if ends {
            self.report(socket, Readiness::WRITABLE | Readiness::WRITE_CLOSED);
            self.send(host, remote, Packet::End { to: peer });
        }
        Ok(())
    }

    /// Closes a socket for its owner. What it has sent still arrives. If it has unread bytes, the peer gets a reset, as
    /// it does from a socket of the system.
    pub(super) fn close(&mut self, id: SocketId) {
        let Some(Socket { host, local, kind, .. }) = self.sockets.remove(&id) else { return };
        let state = self.state(host);
        match kind {
            Kind::Listener(queue) => {
                state.listeners.remove(&local.port());
                queue.into_iter().for_each(|waiting| self.abandon(waiting));
            }
            Kind::Stream(endpoint) => {
                // After a crash another connection may have the port; and an accepted connection has no entry.
                let key = (local.port(), endpoint.remote);
                if state.connections.get(&key) == Some(&id) {
                    state.connections.remove(&key);
                }
                self.send_farewell(host, endpoint);
            }
            Kind::Dead => {}
        }
    }

    fn send_farewell(&mut self, host: HostId, endpoint: Endpoint) {
        let Some(peer) = endpoint.peer.filter(|_| !endpoint.broken) else { return };
        if endpoint.resets_on_close || !endpoint.arrived.is_empty() {
            self.send(host, endpoint.remote_host, Packet::Reset { to: peer });
        } else if !endpoint.write_closed {
            self.send(host, endpoint.remote_host, Packet::End { to: peer });
        }
    }

    /// Resets a connection that waits to be accepted.
    fn abandon(&mut self, socket: SocketId) {
        if let Some(endpoint) = self.endpoint(socket) {
            endpoint.resets_on_close = true;
        }
        self.close(socket);
    }

    /// Breaks every socket of a host. The other ends get a reset.
    pub(super) fn break_sockets(&mut self, host: HostId) {
        let is_here = |(id, socket): (&SocketId, &Socket)| (socket.host == host).then_some(*id);
        let sockets: Vec<SocketId> = self.sockets.iter().filter_map(is_here).collect();
        let state = self.state(host);
        state.listeners.clear();
        state.connections.clear();
        for id in sockets {
            // A connection that waited to be accepted was removed with its listener.
            let Some(socket) = self.sockets.get_mut(&id) else { continue };
            if let Kind::Stream(endpoint) = &mut socket.kind {
                let (peer, remote) = (endpoint.peer.filter(|_| !endpoint.broken), endpoint.remote_host);
                endpoint.arrived.clear();
                endpoint.break_off(ErrorKind::ConnectionReset);
                peer.into_iter().for_each(|to| self.send(host, remote, Packet::Reset { to }));
            } else if let Kind::Listener(queue) = std::mem::replace(&mut socket.kind, Kind::Dead) {
                queue.into_iter().for_each(|waiting| self.abandon(waiting));
            }
            self.report(id, BROKEN);
        }
    }

    pub(super) fn is_ready(&self, socket: SocketId, direction: Direction) -> bool {
        match (self.sockets.get(&socket).map(|socket| &socket.kind), direction) {
            (Some(Kind::Stream(endpoint)), Direction::Read) => endpoint.is_readable(),
            (Some(Kind::Stream(endpoint)), Direction::Write) => endpoint.is_writable(),
            (Some(Kind::Listener(queue)), Direction::Read) => !queue.is_empty(),
            (Some(Kind::Listener(_)), Direction::Write) => false,
            (Some(Kind::Dead) | None, _) => true,
        }
    }

    pub(super) fn describe(&self, id: SocketId) -> String {
        let Some(socket) = self.sockets.get(&id) else { return "a simulated socket that is closed".into() };
        match &socket.kind {
            Kind::Stream(endpoint) => format!("the socket to {}", endpoint.remote),
            _ => format!("the listener at {}", socket.local),
        }
    }
}

fn crashed() -> io::Error {
    io::Error::other("the simulated host of this listener has crashed")
}
