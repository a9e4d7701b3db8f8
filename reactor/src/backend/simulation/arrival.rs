//! What packets do when they arrive. For the simulation's `wait`, which calls [`World::deliver_due`].

use super::endpoint::{BROKEN, Endpoint, Kind, Socket};
use super::ids::{HostId, SocketId};
use super::packet::Packet;
use super::world::World;
use crate::backend::{Event, Readiness};
use std::io::ErrorKind;
use std::net::SocketAddr;

impl World {
    /// Delivers all packets that are due, and appends what became ready since the last call. Returns whether any
    /// arrived.
    pub(super) fn deliver_due(&mut self, events: &mut Vec<Event>) -> bool {
        let mut has_arrived = false;
        while let Some(flight) = self.pop_due() {
            self.arrive(flight.from, flight.to, flight.packet);
            has_arrived = true;
        }
        self.take_ready(events);
        has_arrived
    }

    fn arrive(&mut self, from: HostId, at: HostId, packet: Packet) {
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
                    self.report(to, BROKEN);
                }
            }
        }
    }

    fn arrive_connect(&mut self, client: SocketId, source: SocketAddr, local: SocketAddr, from: HostId, host: HostId) {
        let listener = self.state(host).listeners.get(&local.port()).copied();
        let accepts = |socket: &Socket| {
            let ip = socket.local.ip();
            matches!(socket.kind, Kind::Listener(_)) && (ip.is_unspecified() || ip == local.ip())
        };
        let Some(listener) = listener.filter(|listener| self.sockets.get(listener).is_some_and(accepts)) else {
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
        self.report(to, BROKEN);
    }
}
