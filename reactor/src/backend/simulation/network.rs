//! What a test arranges: hosts, the links between them, and their faults.
//!
//! Public, as `reactor::backend::Network` and, for users of the executor, `executor::test::Network`.

use super::ids::HostId;
use super::link::Link;
use super::world::{Shared, World};
use crate::entered::{Entries, Guard};
use crate::panics::wake_all;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// A simulated network: a handle on it, cheap to clone.
///
/// On a reactor that has one, `TcpListener` and `TcpStream` live in it. What runs on no other host runs on the one
/// named `main`, at 10.0.0.1. Nothing takes time but what links are said to take: see [`Link`].
///
/// ```
/// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
/// # use kit::drive_simulated;
/// use reactor::backend::{Link, Network};
/// use reactor::net::{TcpListener, TcpStream};
/// use reactor::time::{Duration, now};
/// use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
///
/// drive_simulated(async {
///     let network = Network::current().unwrap();
///     let (server, main) = (network.host("server"), network.host("main"));
///     network.set_link(&server, &main, Link { latency: Duration::from_millis(5), ..Link::default() });
///     let serving = server.run(async {
///         let (mut stream, _) = TcpListener::bind("0.0.0.0:80").await?.accept().await?;
///         stream.write_all(b"hello").await
///     });
///     let client = async {
///         let start = now();
///         let mut stream = TcpStream::connect((server.address(), 80)).await?;
///         let mut text = String::new();
///         stream.read_to_string(&mut text).await?;
///         assert_eq!((&*text, now() - start), ("hello", Duration::from_millis(10)));
///         std::io::Result::Ok(())
///     };
///     let (served, received) = future::zip(serving, client).await;
///     received.unwrap();
///     served.unwrap().unwrap();
/// });
/// ```
#[derive(Clone)]
pub struct Network(Arc<Shared>);

impl PartialEq for Network {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Network {
    pub(super) fn of(shared: &Arc<Shared>) -> Network {
        Network(shared.clone())
    }

    pub(super) fn change<R>(&self, change: impl FnOnce(&mut World) -> R) -> R {
        self.0.change(change)
    }

    /// The host of this name. The first call with a name makes it, at the next address: 10.0.0.2, 10.0.0.3 and so on.
    ///
    /// # Panics
    /// When there are 16 million; and on a name that a resolver would not ask for: `localhost`, or an address.
    #[track_caller]
    pub fn host(&self, name: &str) -> Host {
        assert!(
            name != "localhost" && name.parse::<IpAddr>().is_err(),
            "a host can't be named `{name}`, which stands for an address already: give it a name of its own; its address is \
             the next one of the network"
        );
        let (id, crashes) = self.change(|world| {
            let id = world.host(name);
            (id, world.state(id).crashes)
        });
        Host { network: self.clone(), id, crashes }
    }

    /// The address of a host by its name, as a resolver gives it; `localhost` is the one that asks.
    pub fn lookup(&self, name: &str) -> Option<IpAddr> {
        match name {
            "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
            name => self.change(|world| world.names.get(name).copied()).map(HostId::address),
        }
    }

    /// How hosts reach each other of which nothing else was said.
    ///
    /// # Panics
    /// On a [`Link`] that can't be.
    pub fn set_default_link(&self, link: Link) {
        link.check();
        self.change(|world| world.default_link = link);
    }

    /// How two hosts reach each other, in both directions, from now on.
    ///
    /// # Panics
    /// On a [`Link`] that can't be, and on a host of another network.
    #[track_caller]
    pub fn set_link(&self, a: &Host, b: &Host, link: Link) {
        link.check();
        let (a, b) = self.own(a, b);
        self.change(|world| world.set_link(a, b, link));
    }

    /// Cuts the network between two hosts: from now on, nothing arrives. Who connects waits, for 127 seconds at
    /// most, as on Linux.
    ///
    /// # Panics
    /// On a host and itself, and on a host of another network.
    #[track_caller]
    pub fn partition(&self, a: &Host, b: &Host) {
        let (a, b) = self.own(a, b);
        assert!(a != b, "a host can't be cut off from itself: give two");
        self.change(|world| world.cut(a, b));
    }

    /// Ends a [`partition`](Network::partition): what was sent meanwhile, or was under way at its beginning, now
    /// goes on its way.
    ///
    /// # Panics
    /// On a host of another network.
    #[track_caller]
    pub fn heal(&self, a: &Host, b: &Host) {
        let (a, b) = self.own(a, b);
        self.change(|world| world.heal(a, b));
    }

    /// The numbers of two hosts, which have a meaning in their own network only.
    #[track_caller]
    fn own(&self, a: &Host, b: &Host) -> (HostId, HostId) {
        for host in [a, b] {
            assert!(
                host.network == *self,
                "{host:?} is one of another network: use the one that network.host(…) gives"
            );
        }
        (a.id, b.id)
    }

    /// A number from the generator that all choices of the simulation come from.
    pub fn random(&self) -> u64 {
        self.change(|world| world.random.next())
    }

    /// A number below `limit`, from the same generator; 0 if that is 0.
    pub fn random_below(&self, limit: u64) -> u64 {
        self.change(|world| world.random.below(limit))
    }

    /// Whether a host has crashed since this was asked last. For executors, which then end the tasks whose host
    /// [has crashed](Host::has_crashed).
    pub fn take_crashed(&self) -> bool {
        self.change(|world| std::mem::take(&mut world.has_crashed))
    }

    /// Whether nothing is under way, so that nothing will become ready unless somebody sends something.
    pub(crate) fn is_quiet(&self) -> bool {
        self.0.lock().is_quiet()
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let world = self.0.lock();
        write!(f, "Network({} hosts, {} sockets)", world.hosts.len(), world.sockets.len())
    }
}

/// A machine of a simulated network. Made by [`Network::host`].
#[derive(Clone)]
pub struct Host {
    pub(super) network: Network,
    pub(super) id: HostId,
    /// How often it had crashed before.
    pub(super) crashes: u64,
}

thread_local! {
    /// `None` is entered by what runs on no host, in the task of a host.
    static ENTERED: Entries<Option<Host>> = const { Entries::new() };
}

impl Host {
    /// The host on which the future runs that is being polled on this thread, if it is one of [`run`](Host::run).
    pub fn current() -> Option<Host> {
        ENTERED.with(|entered| entered.with_current(|host| host.cloned().flatten()))
    }

    /// Makes it the current one on this thread, until the guard goes. For executors.
    pub fn enter(&self) -> EnteredHost {
        EnteredHost { _guard: Entries::enter(&ENTERED, Some(self.clone())) }
    }

    /// Until the guard goes, no host is current on this thread. For executors: not each task is one of a host.
    pub fn leave() -> EnteredHost {
        EnteredHost { _guard: Entries::enter(&ENTERED, None) }
    }

    /// Whether it has crashed since [`Network::host`] gave this handle; if [`current`](Host::current) did, since the
    /// future that is being polled was given to [`run`](Host::run).
    ///
    /// ```
    /// use reactor::{Reactor, backend::Simulation};
    ///
    /// let reactor = Reactor::with(Box::new(Simulation::with_network(17)), None);
    /// let network = reactor.handle().network().unwrap().clone();
    /// let server = network.host("server");
    /// server.crash();
    /// assert!(server.has_crashed());
    /// assert!(!network.host("server").has_crashed()); // it may run again
    /// ```
    pub fn has_crashed(&self) -> bool {
        self.network.change(|world| world.state(self.id).crashes != self.crashes)
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.network.change(|world| world.state(self.id).name.clone())
    }

    /// Its address.
    pub fn address(&self) -> IpAddr {
        self.id.address()
    }

    /// Ends all that runs on it at once. Its connections are reset, its listeners gone, and the futures given to
    /// [`run`](Host::run) are dropped, with the tasks that they have spawned, before time goes on.
    ///
    /// On the host `main` there is more than what was given to its `run`: that loses its sockets, and goes on.
    pub fn crash(&self) {
        let wakers = self.network.change(|world| {
            world.break_sockets(self.id);
            world.has_crashed = true;
            let state = world.state(self.id);
            state.crashes += 1;
            std::mem::take(&mut state.runs)
        });
        wake_all(wakers.into_values());
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.network == other.network
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host(`{}`, {})", self.name(), self.address())
    }
}

/// While it lives, a host is current on this thread. Made by [`Host::enter`].
#[must_use = "the host is current only as long as this guard lives"]
pub struct EnteredHost {
    _guard: Guard<Option<Host>>,
}
