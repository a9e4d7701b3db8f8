//! Simulated sockets as handles: `net/tcp_socket.rs` owns a [`SimulatedSocket`], and a source keeps its
//! [`BackendSocket`].

use super::ids::{HostId, MAIN, SocketId};
use super::network::{Host, Network};
use super::world::World;
use crate::backend::{BackendSocket, Registrable, Token};
use crate::readiness::Direction;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// A socket of the simulation, for code that uses the socket but does not own it.
struct SocketRef {
    network: Network,
    id: SocketId,
}

impl SocketRef {
    fn change<R>(&self, change: impl FnOnce(&mut World, SocketId) -> R) -> R {
        self.network.change(|world| change(world, self.id))
    }
}

impl BackendSocket for SocketRef {
    fn register(&self, token: Option<Token>) {
        self.change(|world, id| {
            if let Some(socket) = world.sockets.get_mut(&id) {
                socket.token = token;
            }
        });
    }

    fn is_ready(&self, direction: Direction) -> bool {
        self.change(|world, id| world.is_ready(id, direction))
    }

    fn describe(&self) -> String {
        self.change(|world, id| world.describe(id))
    }
}

/// A listener or a stream of the simulation. Dropping it closes it.
pub(crate) struct SimulatedSocket(Arc<SocketRef>);

impl Drop for SimulatedSocket {
    fn drop(&mut self) {
        self.change(World::close);
    }
}

impl SimulatedSocket {
    fn new(network: &Network, id: SocketId) -> SimulatedSocket {
        SimulatedSocket(Arc::new(SocketRef { network: network.clone(), id }))
    }

    /// A listener at an address of the current host.
    pub(crate) fn listen(network: &Network, address: SocketAddr) -> io::Result<SimulatedSocket> {
        let id = network.change(|world| world.listen(current_host(network), address))?;
        Ok(SimulatedSocket::new(network, id))
    }

    /// A stream of the current host that begins to connect.
    pub(crate) fn connect(network: &Network, address: SocketAddr) -> io::Result<SimulatedSocket> {
        let id = network.change(|world| world.connect(current_host(network), address))?;
        Ok(SimulatedSocket::new(network, id))
    }

    /// What to register as its source.
    pub(crate) fn registrable(&self) -> Registrable {
        Registrable::Socket(self.0.clone())
    }

    fn change<R>(&self, change: impl FnOnce(&mut World, SocketId) -> R) -> R {
        self.0.change(change)
    }

    pub(crate) fn accept(&self) -> io::Result<(SimulatedSocket, SocketAddr)> {
        let (id, peer) = self.change(World::accept)?;
        Ok((SimulatedSocket::new(&self.0.network, id), peer))
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

    /// What has kept it from connecting or has broken it, unless an operation has returned that error already.
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

    /// Kept only to be read back: no write is delayed here.
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
fn current_host(network: &Network) -> HostId {
    Host::current().filter(|host| host.network == *network).map_or(MAIN, |host| host.id)
}
