//! What a task waits for, said by the leaf that makes it wait.
//!
//! A leaf is a future that returns `Pending` on its own account: it has left the waker with somebody. Right
//! before it does it calls [`pending`], which is one look at a thread-local unless somebody [`listen`]s: an
//! executor that is asked where its tasks stand, or that shows each poll to a recorder. Everything that waits
//! in the runtime announces itself; so can a leaf of yours.

use std::cell::Cell;
use std::ptr::NonNull;

type Listener<'a> = dyn FnMut(String) + 'a;

thread_local! {
    static LISTENER: Cell<Option<NonNull<Listener<'static>>>> = const { Cell::new(None) };
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Where the source of this crate is: what stands there on a stack is of no concern to who looks for tasks.
#[doc(hidden)]
pub const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

/// Says what the leaf waits for that is about to return `Pending`. The closure is called only if somebody
/// wants to know.
///
/// ```
/// use std::{future::poll_fn, pin::pin, task::{Context, Poll, Waker}};
///
/// let mut waits = pin!(poll_fn(|_| -> Poll<()> {
///     reactor::leaf::pending(|| "the end of the world".into());
///     Poll::Pending
/// }));
/// let mut heard = Vec::new();
/// reactor::leaf::listen(&mut |what| heard.push(what), || {
///     let _pending = waits.as_mut().poll(&mut Context::from_waker(Waker::noop()));
/// });
/// assert_eq!(heard, ["the end of the world"]);
/// # use std::future::Future;
/// ```
#[inline]
pub fn pending(what: impl FnOnce() -> String) {
    if LISTENER.get().is_some() {
        tell(what());
    }
}

/// Whether somebody wants to hear of everything that is waited for. Futures that poll only those of their
/// children that were woken poll all of them then, so that each can say where it stands.
#[inline]
pub fn is_asked() -> bool {
    ASKED.get()
}

/// Calls `poll`, and `listener` for every leaf that goes pending in it on this thread.
pub fn listen<R>(listener: &mut dyn FnMut(String), poll: impl FnOnce() -> R) -> R {
    hear(listener, true, poll)
}

/// As [`listen`], but does not change what is polled: children that a future does not poll are not reported.
pub fn listen_passively<R>(listener: &mut dyn FnMut(String), poll: impl FnOnce() -> R) -> R {
    hear(listener, false, poll)
}

fn hear<R>(listener: &mut dyn FnMut(String), asked: bool, poll: impl FnOnce() -> R) -> R {
    // SAFETY: only the lifetime is changed; `Reset` takes the pointer back before this call is left.
    let listener: NonNull<Listener<'static>> = unsafe { std::mem::transmute(NonNull::from(listener)) };
    let _reset = Reset(LISTENER.replace(Some(listener)), ASKED.replace(asked));
    poll()
}

/// Calls the listener, who does not hear himself.
fn tell(what: String) {
    let listener = LISTENER.take();
    let _reset = Reset(listener, ASKED.get());
    if let Some(mut listener) = listener {
        // SAFETY: it is there as long as `listen` is on the stack below, and not being called: it was
        // taken out for the time of the call.
        unsafe { listener.as_mut()(what) };
    }
}

/// Puts a listener back, whether the call returns or unwinds.
struct Reset(Option<NonNull<Listener<'static>>>, bool);

impl Drop for Reset {
    fn drop(&mut self) {
        LISTENER.set(self.0);
        ASKED.set(self.1);
    }
}
