//! What a task waits for, as described by its leaf future.
//!
//! A leaf future registers a waker and returns `Pending`. Right before that it calls [`pending`], which only reads a
//! thread-local unless a listener is set with [`listen`]. An executor sets one to find the await chains of its tasks,
//! or to show each poll to an observer. All leaf futures of the runtime call it, and yours can too.

use std::cell::Cell;
use std::ptr::NonNull;

type Listener<'a> = dyn FnMut(String) + 'a;

thread_local! {
    static LISTENER: Cell<Option<NonNull<Listener<'static>>>> = const { Cell::new(None) };
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Where the source of this crate is, so that await chains can leave its functions out.
#[doc(hidden)]
pub const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

/// Reports what a leaf future that is about to return `Pending` waits for. The closure is called only if there is a
/// listener.
///
/// ```
/// use std::{future::poll_fn, pin::pin, task::{Context, Poll, Waker}};
///
/// let mut future = pin!(poll_fn(|_| -> Poll<()> {
///     reactor::leaf::pending(|| "the next full moon".into());
///     Poll::Pending
/// }));
/// let mut leaves = Vec::new();
/// reactor::leaf::listen(&mut |what| leaves.push(what), || {
///     let _pending = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
/// });
/// assert_eq!(leaves, ["the next full moon"]);
/// # use std::future::Future;
/// ```
#[inline]
pub fn pending(what: impl FnOnce() -> String) {
    if LISTENER.get().is_some() {
        call_listener(what());
    }
}

/// Whether the listener needs every leaf: true inside [`listen`], false inside [`listen_passively`]. If so, a future
/// that polls only those of its children that were woken polls all of them, so that each reports what it waits for.
#[inline]
pub fn is_asked() -> bool {
    ASKED.get()
}

/// Calls `poll`, and `listener` for every leaf future that returns `Pending` in it. While it runs, [`is_asked`] is
/// true.
pub fn listen<R>(listener: &mut dyn FnMut(String), poll: impl FnOnce() -> R) -> R {
    set_listener(listener, true, poll)
}

/// Like [`listen`], for the leaves that are polled anyway: [`is_asked`] is false.
pub fn listen_passively<R>(listener: &mut dyn FnMut(String), poll: impl FnOnce() -> R) -> R {
    set_listener(listener, false, poll)
}

fn set_listener<R>(listener: &mut dyn FnMut(String), asked: bool, poll: impl FnOnce() -> R) -> R {
    // SAFETY: only the lifetime changes; `Reset` removes the pointer before this call returns or unwinds.
    let listener: NonNull<Listener<'static>> = unsafe { std::mem::transmute(NonNull::from(listener)) };
    let _reset = Reset(LISTENER.replace(Some(listener)), ASKED.replace(asked));
    poll()
}

/// Calls the listener. Leaves that are polled inside of that call are not reported.
fn call_listener(what: String) {
    let listener = LISTENER.take();
    let _reset = Reset(listener, ASKED.get());
    if let Some(mut listener) = listener {
        // SAFETY: it lives as long as `set_listener` is on the stack below. No other call of it is in progress, because
        // it is not in `LISTENER` during the call.
        unsafe { listener.as_mut()(what) };
    }
}

/// Restores a listener, whether the call returns or unwinds.
struct Reset(Option<NonNull<Listener<'static>>>, bool);

impl Drop for Reset {
    fn drop(&mut self) {
        LISTENER.set(self.0);
        ASKED.set(self.1);
    }
}
