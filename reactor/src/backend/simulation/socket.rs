//! Simulated TCP: listeners, connections, and what a packet does when it arrives.
//!
//! ```text
//!   connect ── Connect ──►  a listener there?  ─ yes ─►  the other end, in its queue ── Accepted ──► connected
//!                                              ─ no ──────────────────────────────────── Reset ────► refused
//!   write ──── Data ─────►  to be read; when half a window was read ── Read ─────► room to write
//!   shutdown ─ End ──────►  the end of the stream
//!   a lost piece, a crash, a close with bytes unread ─ Reset ─► broken
//! ```
//!
//! A connection is two [`Endpoint`]s that know of each other what came in packets, and nothing else. An operation
//! that can't go on gives `WouldBlock`, as the system's do, and the arrival that changes this is reported.
//!
//! `net/tcp.rs` uses [`SimulatedSocket`], `source.rs` a [`SocketRef`].

use super::network::{Host, Network};
use super::world::{HostId, MAIN, SocketId, World, address_of};
use crate::backend::{Readiness, Token};
use crate::observer::Direction;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::time::Duration;

/// Bytes that may be on their way to a reader, or wait for it. A writer beyond them has to wait.
pub(super) const WINDOW: usize = 64 * 1024;
/// Bytes of a packet.
const SEGMENT: usize = 16 * 1024;

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

pub(super) struct Socket {
    host: HostId,
    local: SocketAddr,
    pub(super) token: Option<Token>,
    /// When the last packet arrives that is on its way to it.
    pub(super) last_arrival: Duration,
    kind: Kind,
}

enum Kind {
    /// Connections that wait to be accepted.
    Listener(VecDeque<SocketId>),
    Stream(Endpoint),
    /// A listener whose host has crashed.
    Dead,
}

/// One end of a connection.
struct Endpoint {
    remote: SocketAddr,
    remote_host: HostId,
    /// The other end; unknown until it has accepted.
    peer: Option<SocketId>,
    /// What has arrived and was not read yet.
    arrived: VecDeque<u8>,
    /// The peer will send no more, or nobody here wants to read it.
    read_closed: bool,
    write_closed: bool,
    /// Nothing goes in either direction any more.
    broken: bool,
    /// Why, until somebody was told.
    error: Option<ErrorKind>,
    /// Bytes that were written, and not read as far as is known.
    outstanding: usize,
    /// Bytes that were read, and the peer doesn't know.
    untold: usize,
    nodelay: bool,
    resets_on_close: bool,
}

impl Endpoint {
    fn new(remote: SocketAddr, remote_host: HostId, peer: Option<SocketId>) -> Endpoint {
        let (arrived, outstanding, untold, error) = Default::default();
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
            untold,
            nodelay,
            resets_on_close,
        }
    }

    fn break_off(&mut self, error: ErrorKind) {
        self.broken = true;
        self.error = Some(error);
    }

    fn is_readable(&self) -> bool {
        !self.arrived.is_empty() || self.read_closed || self.broken
    }

    fn is_writable(&self) -> bool {
        self.broken || self.write_closed || (self.peer.is_some() && self.outstanding < WINDOW)
    }
}

const ALL: Readiness = Readiness::READ.union(Readiness::WRITE).difference(Readiness::ORPHANED.union(Readiness::URGENT));

/// What packets do.
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
                if let Some(endpoint) = self.endpoint(to).filter(|endpoint| endpoint.peer.is_none()) {
                    endpoint.break_off(ErrorKind::TimedOut);
                    self.report(to, ALL);
                }
            }
        }
    }

    fn arrive_connect(&mut self, client: SocketId, source: SocketAddr, local: SocketAddr, from: HostId, host: HostId) {
        let listener = self.state(host).ports.get(&local.port()).copied();
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

    fn endpoint(&mut self, socket: SocketId) -> Option<&mut Endpoint> {
        match &mut self.sockets.get_mut(&socket)?.kind {
            Kind::Stream(endpoint) => Some(endpoint),
            _ => None,
        }
    }

    /// An endpoint that an operation is for: as long as its socket is not closed it is there.
    fn open(&mut self, socket: SocketId) -> io::Result<(HostId, &mut Endpoint)> {
        let not_connected = || io::Error::from(ErrorKind::NotConnected);
        let socket = self.sockets.get_mut(&socket).ok_or_else(not_connected)?;
        match &mut socket.kind {
            Kind::Stream(endpoint) => Ok((socket.host, endpoint)),
            _ => Err(not_connected()),
        }
    }

    fn add_socket(&mut self, host: HostId, local: SocketAddr, kind: Kind) -> SocketId {
        let id = self.number_socket();
        self.sockets.insert(id, Socket { host, local, token: None, last_arrival: Duration::ZERO, kind });
        id
    }
}

/// What programs do.
impl World {
    fn listen(&mut self, host: HostId, address: SocketAddr) -> io::Result<SocketId> {
        let (ip, own) = (address.ip(), address_of(host));
        if !(ip.is_unspecified() || ip.is_loopback() || ip == own) {
            return Err(ErrorKind::AddrNotAvailable.into());
        }
        let port = match address.port() {
            0 => self.free_port(host).ok_or(ErrorKind::AddrInUse)?,
            port if self.state(host).ports.contains_key(&port) => return Err(ErrorKind::AddrInUse.into()),
            port => port,
        };
        let id = self.add_socket(host, SocketAddr::new(ip, port), Kind::Listener(VecDeque::new()));
        self.state(host).ports.insert(port, id);
        Ok(id)
    }

    fn connect(&mut self, host: HostId, destination: SocketAddr) -> io::Result<SocketId> {
        let to = self.host_at(destination.ip(), host).ok_or(ErrorKind::HostUnreachable)?;
        let port = self.free_port(host).ok_or(ErrorKind::AddrInUse)?;
        let (from_ip, to_ip) = match destination.ip() {
            ip if ip.is_unspecified() => (Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()),
            ip if ip.is_loopback() => (ip, ip),
            ip => (address_of(host), ip),
        };
        let (source, destination) = (SocketAddr::new(from_ip, port), SocketAddr::new(to_ip, destination.port()));
        let id = self.add_socket(host, source, Kind::Stream(Endpoint::new(destination, to, None)));
        self.state(host).ports.insert(port, id);
        self.send(host, to, Packet::Connect { from: id, source, destination });
        Ok(id)
    }

    fn accept(&mut self, listener: SocketId) -> io::Result<(SocketId, SocketAddr)> {
        let id = match self.sockets.get_mut(&listener).map(|socket| &mut socket.kind) {
            Some(Kind::Listener(queue)) => queue.pop_front().ok_or(ErrorKind::WouldBlock)?,
            _ => return Err(crashed()),
        };
        let peer = self.open(id)?.1.remote;
        Ok((id, peer))
    }

    /// Moves what has arrived into the buffers, or copies it.
    fn read(&mut self, socket: SocketId, bufs: &mut [IoSliceMut<'_>], take: bool) -> io::Result<usize> {
        let (host, endpoint) = self.open(socket)?;
        let wanted: usize = bufs.iter().map(|buf| buf.len()).sum();
        if wanted > 0 && endpoint.arrived.is_empty() {
            return match (endpoint.error.take(), endpoint.read_closed || endpoint.broken) {
                (Some(error), _) => Err(error.into()),
                (None, true) => Ok(0),
                (None, false) => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let mut count = 0;
        for buf in bufs {
            let mut left = endpoint.arrived.range(count..);
            let size = buf.len().min(left.len());
            buf[..size].iter_mut().zip(&mut left).for_each(|(to, from)| *to = *from);
            count += size;
        }
        if take {
            endpoint.arrived.drain(..count);
            endpoint.untold += count;
            // Half a window at a time: in short exchanges nobody needs to know.
            if endpoint.untold >= WINDOW / 2 {
                let count = std::mem::take(&mut endpoint.untold);
                let (to, remote) = (endpoint.peer, endpoint.remote_host);
                to.into_iter().for_each(|to| self.send(host, remote, Packet::Read { to, count }));
            }
        }
        Ok(count)
    }

    fn write(&mut self, socket: SocketId, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
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
            let chunk = &chunk[..chunk.len().min(left)];
            if !chunk.is_empty() {
                left -= chunk.len();
                self.send_data(host, remote, socket, peer, chunk);
            }
        }
        self.open(socket)?.1.outstanding += room - left;
        Ok(room - left)
    }

    /// Sends a piece, or loses it: then the connection breaks on both sides, as there is no other way for them to
    /// notice.
    fn send_data(&mut self, host: HostId, remote: HostId, from: SocketId, to: SocketId, bytes: &[u8]) {
        let loss = self.link(host, remote).loss;
        if loss > 0.0 && self.random.chance(loss) {
            self.send(host, remote, Packet::Reset { to });
            self.send(remote, host, Packet::Reset { to: from });
        } else {
            self.send(host, remote, Packet::Data { to, from, bytes: bytes.to_vec() });
        }
    }

    fn shutdown(&mut self, socket: SocketId, how: Shutdown) -> io::Result<()> {
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

    /// The end of a socket, by its owner. What it has sent still arrives, unless there is something that it has not
    /// read: then the peer gets a reset, as from the system.
    fn close(&mut self, id: SocketId) {
        let Some(Socket { host, local, kind, .. }) = self.sockets.remove(&id) else { return };
        let ports = &mut self.state(host).ports;
        if ports.get(&local.port()) == Some(&id) {
            ports.remove(&local.port());
        }
        match kind {
            Kind::Listener(queue) => queue.into_iter().for_each(|waiting| self.abandon(waiting)),
            Kind::Stream(endpoint) => self.take_leave(host, endpoint),
            Kind::Dead => {}
        }
    }

    fn take_leave(&mut self, host: HostId, endpoint: Endpoint) {
        let Some(peer) = endpoint.peer.filter(|_| !endpoint.broken) else { return };
        if endpoint.resets_on_close || !endpoint.arrived.is_empty() {
            self.send(host, endpoint.remote_host, Packet::Reset { to: peer });
        } else if !endpoint.write_closed {
            self.send(host, endpoint.remote_host, Packet::End { to: peer });
        }
    }

    /// A connection that nobody has accepted is given up.
    fn abandon(&mut self, socket: SocketId) {
        if let Some(endpoint) = self.endpoint(socket) {
            endpoint.resets_on_close = true;
        }
        self.close(socket);
    }

    /// Every socket of a host breaks, and whoever is at the other end hears of it.
    pub(super) fn break_sockets(&mut self, host: HostId) {
        let is_here = |(id, socket): (&SocketId, &Socket)| (socket.host == host).then_some(*id);
        let sockets: Vec<SocketId> = self.sockets.iter().filter_map(is_here).collect();
        self.state(host).ports.clear();
        for id in sockets {
            // One that waited to be accepted goes with its listener.
            let Some(socket) = self.sockets.get_mut(&id) else { continue };
            if let Kind::Stream(endpoint) = &mut socket.kind {
                let (peer, remote) = (endpoint.peer.filter(|_| !endpoint.broken), endpoint.remote_host);
                endpoint.arrived.clear();
                endpoint.break_off(ErrorKind::ConnectionReset);
                peer.into_iter().for_each(|to| self.send(host, remote, Packet::Reset { to }));
            } else if let Kind::Listener(queue) = std::mem::replace(&mut socket.kind, Kind::Dead) {
                queue.into_iter().for_each(|waiting| self.abandon(waiting));
            }
            self.report(id, ALL);
        }
    }

    fn is_ready(&self, socket: SocketId, direction: Direction) -> bool {
        match (self.sockets.get(&socket).map(|socket| &socket.kind), direction) {
            (Some(Kind::Stream(endpoint)), Direction::Read) => endpoint.is_readable(),
            (Some(Kind::Stream(endpoint)), Direction::Write) => endpoint.is_writable(),
            (Some(Kind::Listener(queue)), Direction::Read) => !queue.is_empty(),
            (Some(Kind::Listener(_)), Direction::Write) => false,
            (Some(Kind::Dead) | None, _) => true,
        }
    }

    fn describe(&self, id: SocketId) -> String {
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

/// A socket of the simulation, for those who may look at it but don't own it.
#[derive(Clone)]
pub(crate) struct SocketRef {
    network: Network,
    id: SocketId,
}

impl SocketRef {
    /// From now on its events have this token, or there are none.
    pub(crate) fn register(&self, token: Option<Token>) {
        self.network.change(|world| {
            if let Some(socket) = world.sockets.get_mut(&self.id) {
                socket.token = token;
            }
        });
    }

    pub(crate) fn is_ready(&self, direction: Direction) -> bool {
        self.network.change(|world| world.is_ready(self.id, direction))
    }

    pub(crate) fn describe(&self) -> String {
        self.network.change(|world| world.describe(self.id))
    }
}

/// A listener or a stream of the simulation. Dropping it closes it.
pub(crate) struct SimulatedSocket(SocketRef);

impl Drop for SimulatedSocket {
    fn drop(&mut self) {
        self.change(World::close);
    }
}

impl SimulatedSocket {
    /// A listener at an address of the present host.
    pub(crate) fn listen(network: &Network, address: SocketAddr) -> io::Result<SimulatedSocket> {
        let id = network.change(|world| world.listen(present_host(network), address))?;
        Ok(SimulatedSocket(SocketRef { network: network.clone(), id }))
    }

    /// A stream of the present host that begins to connect.
    pub(crate) fn connect(network: &Network, address: SocketAddr) -> io::Result<SimulatedSocket> {
        let id = network.change(|world| world.connect(present_host(network), address))?;
        Ok(SimulatedSocket(SocketRef { network: network.clone(), id }))
    }

    pub(crate) fn reference(&self) -> &SocketRef {
        &self.0
    }

    fn change<R>(&self, change: impl FnOnce(&mut World, SocketId) -> R) -> R {
        self.0.network.change(|world| change(world, self.0.id))
    }

    pub(crate) fn accept(&self) -> io::Result<(SimulatedSocket, SocketAddr)> {
        let (id, peer) = self.change(World::accept)?;
        Ok((SimulatedSocket(SocketRef { network: self.0.network.clone(), id }), peer))
    }

    pub(crate) fn read(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.change(|world, id| world.read(id, bufs, true))
    }

    pub(crate) fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.change(|world, id| world.read(id, &mut [IoSliceMut::new(buf)], false))
    }

    pub(crate) fn write(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.change(|world, id| world.write(id, bufs))
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.change(|world, id| world.shutdown(id, how))
    }

    /// What has kept it from connecting, or has broken it, if nobody was told so far.
    pub(crate) fn take_error(&self) -> io::Result<()> {
        self.change(|world, id| world.open(id)?.1.error.take().map_or(Ok(()), |error| Err(error.into())))
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        let local = self.change(|world, id| world.sockets.get(&id).map(|socket| socket.local));
        local.ok_or_else(|| ErrorKind::NotConnected.into())
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.change(|world, id| match world.open(id)?.1 {
            endpoint if endpoint.broken || endpoint.peer.is_none() => Err(ErrorKind::NotConnected.into()),
            endpoint => Ok(endpoint.remote),
        })
    }

    /// Kept to be asked for; nothing here waits for company.
    pub(crate) fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.change(|world, id| world.open(id).map(|(_, endpoint)| endpoint.nodelay = on))
    }

    pub(crate) fn nodelay(&self) -> io::Result<bool> {
        self.change(|world, id| world.open(id).map(|(_, endpoint)| endpoint.nodelay))
    }

    pub(crate) fn set_linger(&self, time: Option<Duration>) -> io::Result<()> {
        let resets = time == Some(Duration::ZERO);
        self.change(|world, id| world.open(id).map(|(_, endpoint)| endpoint.resets_on_close = resets))
    }
}

/// The host on which the future that is being polled runs.
fn present_host(network: &Network) -> HostId {
    Host::current().filter(|host| host.network == *network).map_or(MAIN, |host| host.id)
}
