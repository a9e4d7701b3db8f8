//! What a test arranges: hosts, the links between them, and their faults.
//!
//! Public, as `reactor::backend::Network` and, for users of the executor, `executor::test::Network`.

use super::world::{HostId, Shared, World, address_of};
use crate::Handle;
use crate::entered::{Entries, Guard};
use crate::panics::wake_all;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

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

    /// That of the reactor that is entered on this thread, if it has one.
    pub fn current() -> Option<Network> {
        Handle::current()?.network().cloned()
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
            name => self.change(|world| world.names.get(name).copied()).map(address_of),
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

/// How two hosts reach each other.
///
/// ```
/// use reactor::backend::Link;
/// use std::time::Duration;
///
/// let mobile = Link { latency: Duration::from_millis(50), bandwidth: Some(1_000_000), ..Link::default() };
/// assert_eq!(Link::default().latency, Duration::from_millis(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// The time that every packet takes. A year at most.
    pub latency: Duration,
    /// Up to so much is added, at random. A year at most.
    pub jitter: Duration,
    /// Bytes per second in each direction; no limit if there is none.
    pub bandwidth: Option<u64>,
    /// With this probability a piece of data (of up to 16 KiB) is lost, and its connection broken by that: a reset for
    /// both ends. From 0 to 1.
    pub loss: f64,
}

impl Default for Link {
    /// A millisecond, and no faults.
    fn default() -> Link {
        Link { latency: Duration::from_millis(1), jitter: Duration::ZERO, bandwidth: None, loss: 0.0 }
    }
}

impl Link {
    #[track_caller]
    fn check(&self) {
        assert!(
            (0.0..=1.0).contains(&self.loss),
            "the loss of a link is a probability, from 0 to 1, not {}",
            self.loss
        );
        assert!(self.bandwidth != Some(0), "nothing would ever arrive with no bandwidth: use Network::partition");
        // So that no clock overflows when it is added to.
        const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        let (latency, jitter) = (self.latency, self.jitter);
        assert!(
            latency <= YEAR && jitter <= YEAR,
            "a link has a latency and a jitter of up to a year, not {latency:?} and {jitter:?}: if nothing is to arrive, use \
             Network::partition"
        );
    }
}

/// A machine of a simulated network. Made by [`Network::host`].
#[derive(Clone)]
pub struct Host {
    pub(super) network: Network,
    pub(super) id: HostId,
    /// How often it had crashed before.
    crashes: u64,
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
        address_of(self.id)
    }

    /// Runs a future on this host: sockets that it makes are this host's, and so are the tasks that it spawns. When
    /// the host crashes, the future is dropped; to run another one is to start the host again.
    ///
    /// # Panics
    /// When it is polled in a runtime that does not have the host's network: its sockets would be elsewhere.
    #[track_caller]
    pub fn run<F: Future>(&self, future: F) -> Run<F> {
        let (crashes, key) = self.network.change(|world| {
            let state = world.state(self.id);
            state.runs_begun += 1;
            (state.crashes, state.runs_begun)
        });
        Run {
            future: Some(future),
            place: Place { host: Host { crashes, ..self.clone() }, key, made_at: Location::caller() },
        }
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

/// The host on which this ran has crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the simulated host has crashed")]
pub struct Crashed;

pin_project! {
    /// What runs on a host. Made by [`Host::run`].
    #[must_use = "futures do nothing until they are awaited"]
    pub struct Run<F> {
        #[pin]
        future: Option<F>,
        place: Place,
    }

    impl<F> PinnedDrop for Run<F> {
        /// Its destructors run where it has run.
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered = this.place.host.enter();
            this.future.set(None);
        }
    }
}

/// A future's place among those of its host.
struct Place {
    host: Host,
    key: u64,
    made_at: &'static Location<'static>,
}

impl<F: Future> Future for Run<F> {
    type Output = Result<F::Output, Crashed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Place { host, key, made_at } = &*this.place;
        let is_here = Handle::with_current(|reactor| reactor?.network().map(|network| *network == host.network));
        assert!(
            is_here == Some(true),
            "what runs on {host:?} (made at {made_at}) is polled in a runtime that does not have its network: await it in the runtime whose \
             network gave the host, made with Runtime::builder().deterministic(seed)"
        );
        let _entered = host.enter();
        let waker = cx.waker().clone();
        let (is_alive, replaced) = host.network.change(|world| {
            let state = world.state(host.id);
            let is_alive = state.crashes == host.crashes;
            (is_alive, if is_alive { state.runs.insert(*key, waker) } else { Some(waker) })
        });
        drop(replaced); // outside of the lock
        let future = this.future.as_mut().as_pin_mut().filter(|_| is_alive);
        let output = match future.map(|future| future.poll(cx)) {
            Some(Poll::Pending) => return Poll::Pending,
            Some(Poll::Ready(output)) => Ok(output),
            None => Err(Crashed),
        };
        this.future.set(None);
        Poll::Ready(output)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let waker = self.host.network.change(|world| world.state(self.host.id).runs.remove(&self.key));
        drop(waker); // outside of the lock
    }
}
