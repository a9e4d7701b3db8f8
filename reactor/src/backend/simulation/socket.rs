//! Simulated sockets as the rest of the crate has them: `net/tcp_socket.rs` owns a [`SimulatedSocket`], `source.rs` looks
//! at one through a [`SocketRef`].

use super::ids::{HostId, MAIN, SocketId};
use super::network::{Host, Network};
use super::world::World;
use crate::backend::Token;
use crate::observer::Direction;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

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
