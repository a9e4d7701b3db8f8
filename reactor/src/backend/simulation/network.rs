//! [`Network`] and [`Host`]: what a test arranges, and the faults that it causes.
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

/// A handle to a simulated network. Cheap to clone.
///
/// On a reactor that has one, `TcpListener` and `TcpStream` live in it. Code that runs on no other host runs on the
/// host named "main", at 10.0.0.1. Only links take time: see [`Link`].
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

    /// The host of this name. The first call with a name adds it, at the next address: 10.0.0.2, 10.0.0.3 and so on.
    ///
    /// # Panics
    /// When there are 16 million hosts; and on a name that is an address already: `localhost`, or an IP address.
    #[track_caller]
    pub fn host(&self, name: &str) -> Host {
        assert!(
            name != "localhost" && name.parse::<IpAddr>().is_err(),
            "a host can't be named \"{name}\", which already stands for an address: choose another name; the network \
             assigns the address"
        );
        let (id, crashes) = self.change(|world| {
            let id = world.host(name);
            (id, world.state(id).crashes)
        });
        Host { network: self.clone(), id, crashes }
    }

    /// The address of a host by its name, as a resolver gives it. `localhost` is the loopback address.
    pub fn lookup(&self, name: &str) -> Option<IpAddr> {
        match name {
            "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
            name => self.change(|world| world.names.get(name).copied()).map(HostId::address),
        }
    }

    /// Sets the link between all hosts that have none of their own.
    ///
    /// # Panics
    /// On an impossible [`Link`].
    pub fn set_default_link(&self, link: Link) {
        link.check();
        self.change(|world| world.default_link = link);
    }

    /// Sets the link between two hosts, in both directions.
    ///
    /// # Panics
    /// On an impossible [`Link`], and on a host of another network.
    #[track_caller]
    pub fn set_link(&self, a: &Host, b: &Host, link: Link) {
        link.check();
        let (a, b) = self.own(a, b);
        self.change(|world| world.set_link(a, b, link));
    }

    /// Cuts the network between two hosts: from now on, nothing arrives. An attempt to connect times out after 127
    /// seconds, as on Linux.
    ///
    /// # Panics
    /// On a host and itself, and on a host of another network.
    #[track_caller]
    pub fn partition(&self, a: &Host, b: &Host) {
        let (a, b) = self.own(a, b);
        assert!(a != b, "a host cannot be cut off from itself: pass two different hosts");
        self.change(|world| world.cut(a, b));
    }

    /// Ends a [`partition`](Network::partition): packets that were sent during it, or were in flight at its beginning,
    /// are sent now.
    ///
    /// # Panics
    /// On a host of another network.
    #[track_caller]
    pub fn heal(&self, a: &Host, b: &Host) {
        let (a, b) = self.own(a, b);
        self.change(|world| world.heal(a, b));
    }

    /// The numbers of two hosts of this network.
    #[track_caller]
    fn own(&self, a: &Host, b: &Host) -> (HostId, HostId) {
        for host in [a, b] {
            assert!(
                host.network == *self,
                "{host:?} belongs to another network: get it from network.host(…) of this one"
            );
        }
        (a.id, b.id)
    }

    /// A random number, from the generator that makes all choices of the simulation.
    pub fn random(&self) -> u64 {
        self.change(|world| world.random.next())
    }

    /// A random number below `limit`, from the same generator; 0 if `limit` is 0.
    pub fn random_below(&self, limit: u64) -> u64 {
        self.change(|world| world.random.below(limit))
    }

    /// Whether a host has crashed since the last call. For executors, which then end the tasks whose host
    /// [has crashed](Host::has_crashed).
    pub fn take_crashed(&self) -> bool {
        self.change(|world| std::mem::take(&mut world.has_crashed))
    }

    /// Whether no packet is in flight, so that nothing becomes ready unless a program sends something.
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
    /// How often the host had crashed when this handle was made.
    pub(super) crashes: u64,
}

thread_local! {
    /// `None` is entered around code that runs on no host, inside the poll of a host's task.
    static ENTERED: Entries<Option<Host>> = const { Entries::new() };
}

impl Host {
    /// The host on which the future that is being polled on this thread runs, if it was given to [`run`](Host::run).
    pub fn current() -> Option<Host> {
        ENTERED.with(|entered| entered.with_current(|host| host.cloned().flatten()))
    }

    /// Makes this the current host of the thread until the guard is dropped. For executors.
    pub fn enter(&self) -> EnteredHost {
        EnteredHost { _guard: Entries::enter(&ENTERED, Some(self.clone())) }
    }

    /// Leaves the thread without a current host until the guard is dropped. For executors, whose tasks need not all
    /// belong to a host.
    pub fn leave() -> EnteredHost {
        EnteredHost { _guard: Entries::enter(&ENTERED, None) }
    }

    /// Whether the host has crashed since [`Network::host`] returned this handle. For a handle from
    /// [`current`](Host::current): since the future that is being polled was given to [`run`](Host::run).
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

    /// Ends everything on this host at once. Its connections are reset and its listeners closed. The futures given to
    /// [`run`](Host::run) are dropped, with the tasks that they have spawned, before the clock moves.
    ///
    /// The host "main" also runs code that was not passed to `run`. That code loses its sockets and continues.
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
        write!(f, "Host(\"{}\", {})", self.name(), self.address())
    }
}

/// While it lives, a host is current on this thread. Made by [`Host::enter`].
#[must_use = "the host is current only as long as this guard lives"]
pub struct EnteredHost {
    _guard: Guard<Option<Host>>,
}
