//! The state of a simulation: the time, the hosts, the links between them, the sockets, and the packets in flight.
//!
//! Everything that travels is a [`Packet`]. Its link decides when it arrives; only then has it any effect (see
//! `arrival.rs`). A link that is cut keeps its packets until it is healed.
//!
//! Used by the other files of this folder, under one lock.

use super::endpoint::{Endpoint, Kind, Socket};
use super::ids::{HostId, MOST_HOSTS, SocketId};
use super::link::Link;
use super::packet::Packet;
use super::random::Random;
use crate::backend::{Event, Readiness};
use crate::lock;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::task::Waker;
use std::time::{Duration, Instant};

/// What the backend and the handles to the network share.
pub(super) struct Shared {
    pub(super) start: Instant,
    world: Mutex<World>,
    pub(super) changed: Condvar,
}

impl Shared {
    pub(super) fn new(seed: u64) -> Shared {
        let world = World { random: Random::new(seed), ..World::empty() };
        Shared { start: Instant::now(), world: Mutex::new(world), changed: Condvar::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    /// Changes the world, and wakes a thread that waits on the simulated clock, so that it checks the world again.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut World) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_one();
        result
    }
}

/// The first of the ports that are assigned when a program requests port 0.
const FIRST_PORT: u16 = 49_152;

pub(super) struct World {
    pub(super) elapsed: Duration,
    pub(super) notified: bool,
    /// How much work elsewhere may still wake a task. While there is any, the clock stands still.
    pub(super) outside: isize,
    pub(super) random: Random,
    pub(super) hosts: Vec<HostState>,
    pub(super) names: HashMap<String, HostId>,
    pub(super) default_link: Link,
    /// The routes that differ from the default, by their two hosts, the lower number first.
    routes: HashMap<(HostId, HostId), Route>,
    pub(super) sockets: BTreeMap<SocketId, Socket>,
    sockets_made: u64,
    in_flight: BinaryHeap<Reverse<Flight>>,
    packets_sent: u64,
    /// What became ready since the last wait.
    ready: Vec<Event>,
    /// A host has crashed since the last `Network::take_crashed`.
    pub(super) has_crashed: bool,
}

pub(super) struct HostState {
    pub(super) name: String,
    /// The listeners by their port.
    pub(super) listeners: BTreeMap<u16, SocketId>,
    /// The connections that this host opened, by their port and destination. Connections to different destinations may
    /// share a port.
    pub(super) connections: BTreeMap<(u16, SocketAddr), SocketId>,
    next_port: u16,
    /// How often it has crashed.
    pub(super) crashes: u64,
    /// The wakers of the futures that run on it, to be called when it crashes.
    pub(super) runs: BTreeMap<u64, Waker>,
    pub(super) runs_begun: u64,
}

impl HostState {
    /// Whether a listener or a connection has this port.
    pub(super) fn is_used(&self, port: u16) -> bool {
        const LEAST: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let next = self.connections.range((port, LEAST)..).next();
        self.listeners.contains_key(&port) || next.is_some_and(|(key, _)| key.0 == port)
    }
}

/// How two hosts reach each other.
#[derive(Default)]
struct Route {
    link: Option<Link>,
    /// Until when earlier packets use up the bandwidth: from the lower host to the higher, and back.
    busy_until: [Duration; 2],
    is_cut: bool,
    /// Packets that were sent while it was cut, or were in flight when it was cut.
    held: Vec<Flight>,
}

/// A packet in flight. Ordered by the time of arrival, then by the order of sending.
pub(super) struct Flight {
    at: Duration,
    number: u64,
    pub(super) from: HostId,
    pub(super) to: HostId,
    pub(super) packet: Packet,
}

impl PartialEq for Flight {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Flight {}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Flight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl World {
    fn empty() -> World {
        let mut world = World {
            elapsed: Duration::ZERO,
            notified: false,
            outside: 0,
            random: Random::new(0),
            hosts: Vec::new(),
            names: HashMap::new(),
            default_link: Link::default(),
            routes: HashMap::new(),
            sockets: BTreeMap::new(),
            sockets_made: 0,
            in_flight: BinaryHeap::new(),
            packets_sent: 0,
            ready: Vec::new(),
            has_crashed: false,
        };
        world.host("main");
        world
    }

    /// The host of this name, which is added if there is none.
    pub(super) fn host(&mut self, name: &str) -> HostId {
        if let Some(known) = self.names.get(name) {
            return *known;
        }
        let id = HostId(self.hosts.len() as u32);
        assert!(id.0 < MOST_HOSTS, "a simulated network has addresses for 16 million hosts, and all are in use");
        let (listeners, connections, crashes, runs, runs_begun) = Default::default();
        let (name_here, next_port) = (name.to_owned(), FIRST_PORT);
        self.hosts.push(HostState { name: name_here, listeners, connections, next_port, crashes, runs, runs_begun });
        self.names.insert(name.to_owned(), id);
        id
    }

    pub(super) fn state(&mut self, host: HostId) -> &mut HostState {
        &mut self.hosts[host.0 as usize]
    }

    /// The host at an address, as `from` sees it.
    pub(super) fn host_at(&self, address: IpAddr, from: HostId) -> Option<HostId> {
        HostId::at(address, from).filter(|host| (host.0 as usize) < self.hosts.len())
    }

    pub(super) fn endpoint(&mut self, socket: SocketId) -> Option<&mut Endpoint> {
        match &mut self.sockets.get_mut(&socket)?.kind {
            Kind::Stream(endpoint) => Some(endpoint),
            _ => None,
        }
    }

    /// Whether it has begun to connect and has no answer yet.
    pub(super) fn is_connecting(&mut self, socket: SocketId) -> bool {
        self.endpoint(socket).is_some_and(|endpoint| endpoint.peer.is_none() && !endpoint.broken)
    }

    /// The endpoint of an operation, and its host. An error if the socket is not a stream.
    pub(super) fn open(&mut self, socket: SocketId) -> io::Result<(HostId, &mut Endpoint)> {
        let not_connected = || io::Error::from(ErrorKind::NotConnected);
        let socket = self.sockets.get_mut(&socket).ok_or_else(not_connected)?;
        match &mut socket.kind {
            Kind::Stream(endpoint) => Ok((socket.host, endpoint)),
            _ => Err(not_connected()),
        }
    }

    pub(super) fn add_socket(&mut self, host: HostId, local: SocketAddr, kind: Kind) -> SocketId {
        self.sockets_made += 1;
        let id = SocketId(self.sockets_made);
        self.sockets.insert(id, Socket { host, local, token: None, last_arrival: Duration::ZERO, kind });
        id
    }
    /// A free port for a listener, or for a connection to `to`: the next one in turn.
    pub(super) fn free_port(&mut self, host: HostId, to: Option<SocketAddr>) -> Option<u16> {
        let state = self.state(host);
        for _ in FIRST_PORT..=u16::MAX {
            let port = state.next_port;
            state.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
            let is_taken = match to {
                None => state.is_used(port),
                Some(to) => state.listeners.contains_key(&port) || state.connections.contains_key(&(port, to)),
            };
            if !is_taken {
                return Some(port);
            }
        }
        None
    }

    fn route(&mut self, a: HostId, b: HostId) -> &mut Route {
        self.routes.entry((a.min(b), a.max(b))).or_default()
    }

    pub(super) fn link(&mut self, a: HostId, b: HostId) -> Link {
        const LOOPBACK: Link = Link { latency: Duration::ZERO, jitter: Duration::ZERO, bandwidth: None, loss: 0.0 };
        let default = if a == b { LOOPBACK } else { self.default_link };
        self.route(a, b).link.unwrap_or(default)
    }

    pub(super) fn set_link(&mut self, a: HostId, b: HostId, link: Link) {
        self.route(a, b).link = Some(link);
    }

    /// Sends a packet, or holds it if the route is cut.
    pub(super) fn send(&mut self, from: HostId, to: HostId, packet: Packet) {
        self.packets_sent += 1;
        let flight = Flight { at: Duration::ZERO, number: self.packets_sent, from, to, packet };
        match self.route(from, to).is_cut {
            true => self.hold(flight),
            false => self.launch(flight),
        }
    }

    fn launch(&mut self, mut flight: Flight) {
        let (link, now) = (self.link(flight.from, flight.to), self.elapsed);
        let jitter = Duration::from_nanos(self.random.below(link.jitter.as_nanos() as u64 + 1));
        let (from, to) = (flight.from, flight.to);
        let mut sent_at = now;
        if let Some(bandwidth) = link.bandwidth {
            let nanos = flight.packet.size() as u128 * 1_000_000_000 / u128::from(bandwidth);
            let busy_until = &mut self.route(from, to).busy_until[usize::from(from > to)];
            *busy_until = now.max(*busy_until) + Duration::from_nanos(nanos as u64);
            sent_at = *busy_until;
        }
        flight.at = sent_at + link.latency + jitter;
        // Packets to one socket do not overtake each other.
        if let Some(socket) = flight.packet.to().and_then(|to| self.sockets.get_mut(&to)) {
            flight.at = flight.at.max(socket.last_arrival);
            socket.last_arrival = flight.at;
        }
        self.in_flight.push(Reverse(flight));
    }

    fn hold(&mut self, flight: Flight) {
        match flight.packet {
            Packet::Connect { from, .. } => self.give_up_later(flight.from, from),
            Packet::Accepted { to, .. } | Packet::Reset { to } if self.is_connecting(to) => {
                self.give_up_later(flight.to, to)
            }
            _ => {}
        }
        self.route(flight.from, flight.to).held.push(flight);
    }

    /// Schedules the timeout of an attempt to connect, after as long as Linux takes for six retries without an answer.
    fn give_up_later(&mut self, host: HostId, socket: SocketId) {
        const PATIENCE: Duration = Duration::from_secs(127);
        self.packets_sent += 1;
        let (at, packet) = (self.elapsed + PATIENCE, Packet::GiveUp { to: socket });
        self.in_flight.push(Reverse(Flight { at, number: self.packets_sent, from: host, to: host, packet }));
    }

    /// From now on, nothing arrives between these two. Packets in flight are held as if they had not been sent: they
    /// take their time when the route is healed, and no other packet waits for the time that they would have taken.
    pub(super) fn cut(&mut self, a: HostId, b: HostId) {
        let route = self.route(a, b);
        if std::mem::replace(&mut route.is_cut, true) {
            return;
        }
        route.busy_until = Default::default();
        let is_between =
            |flight: &Flight| (flight.from.min(flight.to), flight.from.max(flight.to)) == (a.min(b), a.max(b));
        let in_flight = std::mem::take(&mut self.in_flight).into_sorted_vec();
        for Reverse(flight) in in_flight.into_iter().rev() {
            if !is_between(&flight) {
                self.in_flight.push(Reverse(flight));
                continue;
            }
            if let Some(socket) = flight.packet.to().and_then(|to| self.sockets.get_mut(&to)) {
                socket.last_arrival = Duration::ZERO; // all packets to it come from the one other host
            }
            self.hold(flight);
        }
    }

    /// Sends the packets that were held.
    pub(super) fn heal(&mut self, a: HostId, b: HostId) {
        let route = self.route(a, b);
        route.is_cut = false;
        for flight in std::mem::take(&mut route.held) {
            self.launch(flight);
        }
    }

    /// When the next packet arrives.
    pub(super) fn next_arrival(&self) -> Option<Duration> {
        self.in_flight.peek().map(|Reverse(flight)| flight.at)
    }

    /// Whether nothing will happen unless a program sends something.
    pub(super) fn is_quiet(&self) -> bool {
        self.in_flight.is_empty() && self.ready.is_empty()
    }

    /// Removes the next packet that is due.
    pub(super) fn pop_due(&mut self) -> Option<Flight> {
        self.next_arrival().filter(|at| *at <= self.elapsed)?;
        self.in_flight.pop().map(|Reverse(flight)| flight)
    }

    /// Appends what became ready since the last call.
    pub(super) fn take_ready(&mut self, events: &mut Vec<Event>) {
        events.append(&mut self.ready);
    }

    /// A socket became ready. A socket that is not registered needs no event: its first operation is tried without one.
    pub(super) fn report(&mut self, socket: SocketId, readiness: Readiness) {
        let token = self.sockets.get(&socket).and_then(|socket| socket.token);
        self.ready.extend(token.map(|token| Event { token, readiness }));
    }
}
