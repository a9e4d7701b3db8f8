//! The auto traits of every public type, as a table, so that none of them changes unnoticed.
//!
//! The table is checked when this file is compiled. A type that is added needs a line here: the test at the end
//! compares the lines with the sources.

use executor::cancel::{Deadline, Shield};
use executor::join::{AsCompleted, JoinAll, Race, Select, TryJoinAll, Wait, Waited};
use executor::task::{
    CancelOnDrop, Cancellation, CancelledBy, Canceller, Explained, Finish, Panic, Runnable, TaskError, TaskEvent,
    TaskInfo, TaskRef, TaskState,
};
use executor::{
    Builder, Either, GroupError, JoinError, JoinHandle, Named, Runtime, TaskGroup, TaskId, TaskLocal, TaskLocalScope,
    Until, dump, net, observer, sync, trace,
};
use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

/// `Send`, and not `Sync`.
type NotSync = Cell<u8>;
/// Neither `Send` nor `Sync`.
type NotSend = Rc<Cell<u8>>;
/// A future with all auto traits.
type Ready = std::future::Ready<Result<u8, u8>>;
/// A future that is not `Send`.
type Unsend = std::future::Ready<Result<NotSend, NotSend>>;
/// An operation of `Async::read_with`.
type Operation = fn(&std::fs::File) -> std::io::Result<u8>;

/// Whether a type implements a trait, as a constant.
macro_rules! implements {
    ($type:ty, $trait:path) => {{
        #[allow(dead_code)]
        struct Probe<T: ?Sized>(PhantomData<T>);
        // The inherent constant exists if the trait is implemented, and then takes precedence over the one of this
        // trait.
        #[allow(dead_code)]
        trait Otherwise {
            const YES: bool = false;
        }
        impl<T: ?Sized> Otherwise for Probe<T> {}
        #[allow(dead_code)]
        impl<T: ?Sized + $trait> Probe<T> {
            const YES: bool = true;
        }
        <Probe<$type>>::YES
    }};
}

/// Whether a column of the table is filled.
macro_rules! filled {
    (-) => {
        false
    };
    ($word:tt) => {
        true
    };
}

macro_rules! auto_traits {
    ($($type:ty => $send:tt $sync:tt $unpin:tt $unwind:tt $ref_unwind:tt;)*) => {
        $(const _: () = {
            assert!(implements!($type, Send) == filled!($send), concat!("Send: ", stringify!($type)));
            assert!(implements!($type, Sync) == filled!($sync), concat!("Sync: ", stringify!($type)));
            assert!(implements!($type, Unpin) == filled!($unpin), concat!("Unpin: ", stringify!($type)));
            assert!(implements!($type, UnwindSafe) == filled!($unwind), concat!("UnwindSafe: ", stringify!($type)));
            assert!(implements!($type, RefUnwindSafe) == filled!($ref_unwind), concat!("RefUnwindSafe: ", stringify!($type)));
        };)*

        /// The types of the table, as they are written there.
        const TYPES: &[&str] = &[$(stringify!($type)),*];
    };
}

auto_traits! {
    Runtime                                              => send sync unpin unwind ref_unwind;
    Builder                                              => send sync unpin -      -;
    Named                                                => send sync unpin unwind ref_unwind;
    TaskGroup<u8>                                        => send sync unpin unwind ref_unwind;
    TaskGroup<NotSync>                                   => send sync unpin unwind ref_unwind;
    TaskGroup<NotSend>                                   => -    -    unpin unwind ref_unwind;
    GroupError<u8>                                       => send sync unpin unwind ref_unwind;
    GroupError<NotSync>                                  => send -    unpin unwind -;
    GroupError<NotSend>                                  => -    -    unpin -      -;
    JoinHandle<u8>                                       => send sync unpin unwind ref_unwind;
    JoinHandle<NotSync>                                  => send sync unpin unwind ref_unwind;
    JoinHandle<NotSend>                                  => -    -    unpin unwind ref_unwind;
    CancelOnDrop<u8>                                     => send sync unpin unwind ref_unwind;
    CancelOnDrop<NotSync>                                => send sync unpin unwind ref_unwind;
    CancelOnDrop<NotSend>                                => -    -    unpin unwind ref_unwind;
    Explained<u8>                                        => send sync unpin unwind ref_unwind;
    Explained<NotSync>                                   => send sync unpin unwind ref_unwind;
    Explained<NotSend>                                   => -    -    unpin unwind ref_unwind;
    JoinError                                            => send sync unpin unwind ref_unwind;
    Panic                                                => send sync unpin unwind ref_unwind;
    TaskError                                            => send sync unpin unwind ref_unwind;
    TaskInfo                                             => send sync unpin unwind ref_unwind;
    Cancellation                                         => send sync unpin unwind ref_unwind;
    CancelledBy                                          => send sync unpin unwind ref_unwind;
    Canceller                                            => send sync unpin unwind ref_unwind;
    Runnable                                             => send -    unpin unwind ref_unwind;
    TaskRef<'static>                                     => -    -    unpin unwind ref_unwind;
    TaskEvent<'static>                                   => -    -    unpin -      -;
    executor::task::Builder                              => send sync unpin unwind ref_unwind;
    executor::CustomRuntime                              => send sync unpin unwind ref_unwind;
    executor::custom::CustomBuilder                      => send sync unpin -      -;
    executor::task::Chains                               => send sync unpin unwind ref_unwind;
    executor::task::StateWord                            => send sync unpin unwind ref_unwind;
    executor::task::Transition                           => send sync unpin unwind ref_unwind;
    executor::task::Edge                                 => send sync unpin unwind ref_unwind;
    executor::task::Queue                                => send sync unpin unwind ref_unwind;
    TaskState                                            => send sync unpin unwind ref_unwind;
    Finish                                               => send sync unpin unwind ref_unwind;
    TaskId                                               => send sync unpin unwind ref_unwind;
    TaskLocal<u8>                                        => send sync unpin unwind ref_unwind;
    TaskLocal<NotSync>                                   => send sync unpin unwind ref_unwind;
    TaskLocal<NotSend>                                   => send sync unpin unwind ref_unwind;
    TaskLocalScope<u8, Ready>                            => send sync unpin unwind ref_unwind;
    TaskLocalScope<NotSync, Ready>                       => send -    unpin unwind -;
    TaskLocalScope<NotSend, Ready>                       => -    -    unpin -      -;
    TaskLocalScope<u8, Unsend>                           => -    -    unpin -      -;
    Deadline<Ready>                                      => send sync unpin unwind ref_unwind;
    Deadline<Unsend>                                     => -    -    unpin -      -;
    Shield<Ready>                                        => send sync unpin unwind ref_unwind;
    Shield<Unsend>                                       => -    -    unpin -      -;
    Until                                                => send sync unpin unwind ref_unwind;
    Either<u8, u8>                                       => send sync unpin unwind ref_unwind;
    Either<u8, NotSend>                                  => -    -    unpin -      -;
    Waited<Ready>                                        => send sync unpin unwind ref_unwind;
    Waited<Unsend>                                       => -    -    unpin -      -;
    JoinAll<Ready>                                       => send sync unpin unwind ref_unwind;
    JoinAll<Unsend>                                      => -    -    unpin -      -;
    TryJoinAll<Ready, u8>                                => send sync unpin unwind ref_unwind;
    TryJoinAll<Unsend, NotSend>                          => -    -    unpin -      -;
    AsCompleted<Ready>                                   => send sync unpin unwind ref_unwind;
    AsCompleted<Unsend>                                  => -    -    unpin -      -;
    Race<Ready>                                          => send sync unpin unwind ref_unwind;
    Race<Unsend>                                         => -    -    unpin -      -;
    Wait<Ready>                                          => send sync unpin unwind ref_unwind;
    Wait<Unsend>                                         => -    -    unpin -      -;
    Select<Ready, Ready>                                 => send sync unpin unwind ref_unwind;
    Select<Ready, Unsend>                                => -    -    unpin -      -;
    dump::Tasks                                          => send sync unpin unwind ref_unwind;
    dump::TaskDump                                       => send sync unpin unwind ref_unwind;
    dump::Wait                                           => send sync unpin unwind ref_unwind;
    dump::AwaitChain                                       => send sync unpin unwind ref_unwind;
    dump::Stack                                          => send sync unpin unwind ref_unwind;
    dump::SourceLine                                          => send sync unpin unwind ref_unwind;
    dump::Names                                          => send sync unpin unwind ref_unwind;
    observer::WokenBy                                    => send sync unpin unwind ref_unwind;
    observer::PollEnd                                    => send sync unpin unwind ref_unwind;
    net::LookupError                                     => send sync unpin -      -;
    sync::Sender<u8>                                     => send sync unpin unwind ref_unwind;
    sync::Sender<NotSync>                                => send sync unpin unwind ref_unwind;
    sync::Sender<NotSend>                                => -    -    unpin unwind ref_unwind;
    sync::Receiver<u8>                                   => send sync unpin unwind ref_unwind;
    sync::Receiver<NotSync>                              => send sync unpin unwind ref_unwind;
    sync::Receiver<NotSend>                              => -    -    unpin unwind ref_unwind;
    sync::SendFuture<'static, u8>                        => send sync -     unwind ref_unwind;
    sync::SendFuture<'static, NotSync>                   => send sync -     unwind ref_unwind;
    sync::SendFuture<'static, NotSend>                   => -    -    -     unwind ref_unwind;
    sync::RecvFuture<'static, u8>                        => send sync -     unwind ref_unwind;
    sync::RecvFuture<'static, NotSync>                   => send sync -     unwind ref_unwind;
    sync::RecvFuture<'static, NotSend>                   => -    -    -     unwind ref_unwind;
    sync::OneshotSender<u8>                              => send sync unpin unwind ref_unwind;
    sync::OneshotSender<NotSync>                         => send sync unpin unwind ref_unwind;
    sync::OneshotSender<NotSend>                         => -    -    unpin unwind ref_unwind;
    sync::OneshotReceiver<u8>                            => send sync unpin unwind ref_unwind;
    sync::OneshotReceiver<NotSync>                       => send sync unpin unwind ref_unwind;
    sync::OneshotReceiver<NotSend>                       => -    -    unpin unwind ref_unwind;
    sync::BroadcastSender<u8>                            => send sync unpin unwind ref_unwind;
    sync::BroadcastSender<NotSync>                       => send sync unpin unwind ref_unwind;
    sync::BroadcastSender<NotSend>                       => -    -    unpin unwind ref_unwind;
    sync::BroadcastReceiver<u8>                          => send sync unpin unwind ref_unwind;
    sync::BroadcastReceiver<NotSync>                     => send sync unpin unwind ref_unwind;
    sync::BroadcastReceiver<NotSend>                     => -    -    unpin unwind ref_unwind;
    sync::WatchSender<u8>                                => send sync unpin unwind ref_unwind;
    sync::WatchSender<NotSync>                           => -    -    unpin unwind ref_unwind;
    sync::WatchSender<NotSend>                           => -    -    unpin unwind ref_unwind;
    sync::WatchReceiver<u8>                              => send sync unpin unwind ref_unwind;
    sync::WatchReceiver<NotSync>                         => -    -    unpin unwind ref_unwind;
    sync::WatchReceiver<NotSend>                         => -    -    unpin unwind ref_unwind;
    sync::SendError<u8>                                  => send sync unpin unwind ref_unwind;
    sync::SendError<NotSend>                             => -    -    unpin -      -;
    sync::TrySendError<u8>                               => send sync unpin unwind ref_unwind;
    sync::TrySendError<NotSend>                          => -    -    unpin -      -;
    sync::RecvError                                      => send sync unpin unwind ref_unwind;
    sync::TryRecvError                                   => send sync unpin unwind ref_unwind;
    sync::BroadcastError                                 => send sync unpin unwind ref_unwind;
    sync::Mutex<u8>                                      => send sync unpin unwind -;
    sync::Mutex<NotSync>                                 => send sync unpin unwind -;
    sync::Mutex<NotSend>                                 => -    -    unpin -      -;
    sync::MutexGuard<'static, u8>                        => send sync unpin -      -;
    sync::MutexGuard<'static, NotSync>                   => send -    unpin -      -;
    sync::MutexGuard<'static, NotSend>                   => -    -    unpin -      -;
    sync::OwnedMutexGuard<u8>                            => send sync unpin -      -;
    sync::OwnedMutexGuard<NotSync>                       => send -    unpin -      -;
    sync::OwnedMutexGuard<NotSend>                       => -    -    unpin -      -;
    sync::RwLock<u8>                                     => send sync unpin unwind -;
    sync::RwLock<NotSync>                                => send -    unpin unwind -;
    sync::RwLock<NotSend>                                => -    -    unpin -      -;
    sync::ReadGuard<'static, u8>                         => send sync unpin unwind ref_unwind;
    sync::ReadGuard<'static, NotSync>                    => -    -    unpin -      -;
    sync::ReadGuard<'static, NotSend>                    => -    -    unpin -      -;
    sync::WriteGuard<'static, u8>                        => send sync unpin -      -;
    sync::WriteGuard<'static, NotSync>                   => -    -    unpin -      -;
    sync::WriteGuard<'static, NotSend>                   => -    -    unpin -      -;
    sync::Semaphore                                      => send sync unpin unwind ref_unwind;
    sync::Acquire<'static>                               => send sync -     unwind ref_unwind;
    sync::Permit<'static>                                => send sync unpin unwind ref_unwind;
    sync::OwnedPermit                                    => send sync unpin unwind ref_unwind;
    sync::Event                                          => send sync unpin unwind ref_unwind;
    sync::Barrier                                        => send sync unpin unwind ref_unwind;
    sync::Condvar                                        => send sync unpin unwind ref_unwind;
    sync::Handover                                       => send sync unpin unwind ref_unwind;
    trace::Recorder                                      => send sync unpin -      -;
    trace::Trace                                         => send sync unpin unwind ref_unwind;
    trace::Head                                          => send sync unpin unwind ref_unwind;
    trace::TraceError                                    => send sync unpin -      -;
    trace::Record                                        => send sync unpin unwind ref_unwind;
    trace::Event                                         => send sync unpin unwind ref_unwind;
    trace::Waiting                                       => send sync unpin unwind ref_unwind;
    trace::By                                            => send sync unpin unwind ref_unwind;
    trace::End                                           => send sync unpin unwind ref_unwind;
    trace::How                                           => send sync unpin unwind ref_unwind;
    trace::Direction                                     => send sync unpin unwind ref_unwind;
    trace::SourcePlace                                   => send sync unpin unwind ref_unwind;
    trace::Frame                                         => send sync unpin unwind ref_unwind;
    reactor::Reactor                                     => send sync unpin unwind ref_unwind;
    reactor::Handle                                      => send sync unpin unwind ref_unwind;
    reactor::Entered                                     => -    -    unpin unwind ref_unwind;
    reactor::Hold                                        => send sync unpin unwind ref_unwind;
    reactor::budget::Entered                             => -    -    unpin unwind ref_unwind;
    reactor::budget::Deferral                            => send sync unpin unwind ref_unwind;
    reactor::budget::Take                                => send sync unpin unwind ref_unwind;
    reactor::panics::FirstPanic                          => send -    unpin -      -;
    reactor::cause::Cause                                => send sync unpin unwind ref_unwind;
    reactor::observer::SourceId                          => send sync unpin unwind ref_unwind;
    reactor::observer::TimerId                           => send sync unpin unwind ref_unwind;
    reactor::observer::ReadinessWord                     => send sync unpin unwind ref_unwind;
    reactor::observer::WheelSlot                         => send sync unpin unwind ref_unwind;
    reactor::observer::Direction                         => send sync unpin unwind ref_unwind;
    reactor::backend::Token                              => send sync unpin unwind ref_unwind;
    reactor::backend::Readiness                          => send sync unpin unwind ref_unwind;
    reactor::backend::Event                              => send sync unpin unwind ref_unwind;
    reactor::backend::Simulation                         => send sync unpin unwind ref_unwind;
    reactor::backend::Network                            => send sync unpin unwind ref_unwind;
    reactor::backend::Link                               => send sync unpin unwind ref_unwind;
    reactor::backend::Host                               => send sync unpin unwind ref_unwind;
    reactor::backend::EnteredHost                        => -    -    unpin unwind ref_unwind;
    reactor::backend::Crashed                            => send sync unpin unwind ref_unwind;
    reactor::backend::Run<Ready>                         => send sync unpin unwind ref_unwind;
    reactor::backend::Run<Unsend>                        => -    -    unpin -      -;
    reactor::io::Async<std::fs::File>                    => send sync unpin unwind ref_unwind;
    reactor::io::Ready<'static>                          => send sync unpin unwind ref_unwind;
    reactor::io::With<'static, std::fs::File, Operation> => send sync unpin unwind ref_unwind;
    reactor::net::TcpListener                            => send sync unpin unwind ref_unwind;
    reactor::net::TcpStream                              => send sync unpin unwind ref_unwind;
    reactor::net::UdpSocket                              => send sync unpin unwind ref_unwind;
    reactor::net::UnixListener                           => send sync unpin unwind ref_unwind;
    reactor::net::UnixStream                             => send sync unpin unwind ref_unwind;
    reactor::net::UnixDatagram                           => send sync unpin unwind ref_unwind;
    reactor::net::ReadHalf<reactor::net::TcpStream>      => send sync unpin unwind ref_unwind;
    reactor::net::WriteHalf<reactor::net::TcpStream>     => send sync unpin unwind ref_unwind;
    reactor::time::Sleep                                 => send sync unpin unwind ref_unwind;
    reactor::time::Interval                              => send sync unpin unwind ref_unwind;
    reactor::time::MissedTick                            => send sync unpin unwind ref_unwind;
    reactor::time::Elapsed                               => send sync unpin unwind ref_unwind;
    reactor::time::Timeout<Ready>                        => send sync unpin unwind ref_unwind;
    reactor::time::Timeout<Unsend>                       => -    -    unpin -      -;
}

/// The futures that async functions return have no names, so they are not in the table.
#[test]
fn futures_of_async_functions_are_send_and_sync() {
    fn check<F: Future + Send + Sync>(_: F) {}
    check(executor::yield_now());
    check(net::lookup("localhost"));
    check(net::connect(("localhost", 80)));
    check(net::TcpStream::connect("127.0.0.1:80"));
    check(net::TcpListener::bind("127.0.0.1:80"));
    let (sender, receiver) = sync::channel::<NotSync>(1);
    check(sender.send(Cell::new(1)));
    check(receiver.recv());
    let (_sender, mut receiver) = sync::broadcast::<NotSync>(1);
    check(receiver.recv());
    check(sync::Mutex::new(1).lock());
    check(sync::Semaphore::new(1).acquire());
    let lock = sync::RwLock::new(1);
    check(lock.read());
    check(lock.write());
}

#[test]
fn a_read_guard_of_a_longer_lived_type_can_be_used_as_one_of_a_shorter_lived_type() {
    fn shorten<'a, 'b>(guard: sync::ReadGuard<'a, &'static str>, _: &'b str) -> sync::ReadGuard<'a, &'b str> {
        guard
    }
    let (lock, text) = (sync::RwLock::new("static"), String::from("short"));
    let guard = lock.try_read().unwrap();
    assert_eq!(*shorten(guard, &text), "static");
}

#[test]
fn messages_that_are_not_sync_are_cloned_by_one_receiver_at_a_time() {
    let (sender, receiver) = sync::broadcast::<NotSync>(4);
    let receivers: Vec<_> = (0..4).map(|_| sender.subscribe()).chain([receiver]).collect();
    sender.send(Cell::new(7)).unwrap();
    let threads = receivers.into_iter().map(|mut receiver| {
        std::thread::spawn(move || executor::block_on(async { receiver.recv().await.unwrap().get() }))
    });
    threads.collect::<Vec<_>>().into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), 7));
}

/// The names of the public types in a source file, without the hidden ones, which are for macros.
fn public_types(source: &str) -> Vec<&str> {
    let mut types = Vec::new();
    let mut is_hidden = false;
    for line in source.lines().map(str::trim_start) {
        let declared = ["pub struct ", "pub enum ", "pub union "].iter().find_map(|start| line.strip_prefix(start));
        match declared.and_then(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()) {
            Some(name) if !is_hidden => types.push(name),
            Some(_) => {}
            None if line.starts_with("#[") || line.starts_with("///") => {
                is_hidden |= line.starts_with("#[doc(hidden)]");
                continue;
            }
            None => {}
        }
        is_hidden = false;
    }
    types
}

#[test]
fn every_public_type_is_in_the_table() {
    // The types of these files are exported under another name.
    const RENAMED: [(&str, &str); 3] = [("oneshot", "Oneshot"), ("broadcast", "Broadcast"), ("watch", "Watch")];
    let in_table = |name: &str| {
        TYPES.iter().any(|row| {
            let row = row.split('<').next().unwrap_or(row).trim();
            row.rsplit("::").next().is_some_and(|last| last.trim() == name)
        })
    };
    let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders = vec![workspace.join("executor/src"), workspace.join("reactor/src")];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let file = path.file_stem().unwrap().to_string_lossy().into_owned();
            let is_channel = path.components().any(|part| part.as_os_str() == "sync");
            let prefix = RENAMED.iter().find(|(name, _)| is_channel && *name == file).map_or("", |(_, prefix)| prefix);
            for name in public_types(&std::fs::read_to_string(&path).unwrap()) {
                let name = format!("{prefix}{name}");
                assert!(in_table(&name), "{name} of {} is not in the table", path.display());
                found += 1;
            }
        }
    }
    assert!(found > 100, "{found} types were found");
}
