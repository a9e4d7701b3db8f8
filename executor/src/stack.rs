//! Await chains: the stack of calls at each leaf that returns `Poll::Pending`, and the names of its functions.
//!
//! A suspended task is a chain of futures. While the task is polled, that chain is a stack of calls. [`await_chains`]
//! polls a task and captures the stack at every leaf that is about to return `Poll::Pending`. Capturing is cheap,
//! because a stack is only addresses. Resolving addresses to names is slow, so it happens only when a stack is printed
//! or written.
//!
//! Names, files and lines come from the program's debug information: a debug build has it, and a release build has it
//! with `debug = "limited"` in its profile. Without debug information there are only the names of functions that were
//! not inlined.
//!
//! Used by `watch/dump.rs` for task dumps, and by `task/observed.rs` for observers that want the await chains of each
//! poll.

use reactor::leaf;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::c_void;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The maximum number of await chains per poll; `join_all` of a thousand futures has a thousand.
const CHAINS: usize = 16;
/// The maximum number of frames per stack.
const FRAMES: usize = 256;

/// A leaf at which a poll returned `Poll::Pending`, and the stack under it. [`Names::chain`] names the futures on it.
#[derive(Clone, Debug)]
pub struct AwaitChain {
    /// What the leaf waits for.
    pub leaf: String,
    /// The stack of calls when the leaf reported that.
    pub stack: Stack,
}

/// The calls that were in progress at some moment, as return addresses, innermost first. [`Names`] resolves them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stack(Box<[usize]>);

thread_local! {
    /// The frames of the task that is being polled lie below this address. `usize::MAX` outside of such a poll.
    static TOP: Cell<usize> = const { Cell::new(usize::MAX) };
    /// The calls in progress when the polled task's waker was first cloned since the poll began or a leaf was last
    /// reported. `None` unless the poll captures them; `Some(None)` if there was no such clone.
    static CLONED: RefCell<Option<Option<Stack>>> = const { RefCell::new(None) };
}

impl Stack {
    /// Captures the calls in progress on this thread; while the thread polls an observed task, only those of that task.
    ///
    /// ```
    /// use executor::dump::{Names, Stack};
    ///
    /// fn here() -> Stack {
    ///     Stack::here()
    /// }
    ///
    /// let calls = Names::default().calls(&here());
    /// if let Some(innermost) = calls.last() { // empty in a program without debug information
    ///     assert!(innermost.function.ends_with("here"));
    /// }
    /// ```
    pub fn here() -> Stack {
        let (mut addresses, top) = (Vec::new(), TOP.get());
        let take = |frame: &backtrace::Frame| {
            addresses.push(frame.ip().expose_provenance());
            frame.sp().addr() < top && addresses.len() < FRAMES
        };
        // Does not take the library's lock. A thread that resolves names holds it for up to a quarter of a second, and
        // every poll would wait for that.
        // SAFETY: the lock protects Windows' dbghelp; the unwinders of Unix may be used from several threads at once.
        unsafe { backtrace::trace_unsynchronized(take) };
        Stack(addresses.into())
    }
}

/// The await chains of a poll.
#[derive(Default)]
pub(crate) struct AwaitChains {
    pub(crate) chains: Vec<AwaitChain>,
    /// The number of further leaves, beyond the limit.
    pub(crate) left_out: usize,
}

/// Calls `poll` and returns its await chains. With `asked`, combinators also poll children that they would not have
/// polled otherwise, so that those report their leaves too.
///
/// With `cloned`, a leaf that does not call `leaf::pending` is found by the waker that it clones: see
/// [`waker_cloned`].
pub(crate) fn await_chains(asked: bool, cloned: bool, poll: impl FnOnce()) -> AwaitChains {
    let mut found = AwaitChains::default();
    let marker = 0u8; // lies above everything that the poll puts on the stack
    let restore =
        Restore { top: TOP.replace((&raw const marker).addr()), cloned: CLONED.replace(cloned.then_some(None)) };
    let mut add = |leaf| {
        CLONED.with_borrow_mut(|cloned| cloned.iter_mut().for_each(|cloned| *cloned = None)); // cloned by this leaf
        match found.chains.len() < CHAINS {
            true => found.chains.push(AwaitChain { leaf, stack: Stack::here() }),
            false => found.left_out += 1,
        }
    };
    match asked {
        true => leaf::listen(&mut add, poll),
        false => leaf::listen_passively(&mut add, poll),
    }
    if let Some(stack) = CLONED.take().flatten() {
        found.chains.push(AwaitChain { leaf: UNANNOUNCED.into(), stack });
    }
    drop(restore);
    found
}

/// Restores the previous values, whether the poll returns or unwinds.
struct Restore {
    top: usize,
    cloned: Option<Option<Stack>>,
}

impl Drop for Restore {
    fn drop(&mut self) {
        TOP.set(self.top);
        CLONED.set(self.cloned.take());
    }
}

/// The description of a leaf that does not report what it waits for.
const UNANNOUNCED: &str = "an unnamed leaf future, which does not call executor::leaf::pending";

/// Notes that a waker of the task that is polled on this thread was cloned, as a leaf does before it returns
/// `Poll::Pending`. If the poll captures clones and [`CLONED`] has none yet, stores the calls in progress there: if no
/// leaf reports itself afterwards, they lead to the leaf that stored the clone.
pub(crate) fn waker_cloned() {
    let is_wanted = CLONED.with_borrow(|cloned| *cloned == Some(None));
    if is_wanted {
        CLONED.set(Some(Some(Stack::here())));
    }
}

/// A line of the source and the function that it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLine {
    /// The function, with its path.
    pub function: String,
    /// The file; empty if the program has no debug information.
    pub file: PathBuf,
    /// The line; 0 if it is not known.
    pub line: u32,
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.function),
            line => write!(f, "{} at {}:{line}", self.function, self.file.display()),
        }
    }
}

/// Resolves the addresses of stacks to names and caches them: thousands of tasks are suspended at the same few
/// addresses.
#[derive(Debug, Default)]
pub struct Names {
    /// The lines of each address, each with whether its function is the poll of a future.
    resolved: HashMap<usize, Arc<[(SourceLine, bool)]>>,
}

impl Names {
    /// The futures on the stack, each awaiting the next, outermost first.
    pub fn chain(&mut self, stack: &Stack) -> Vec<SourceLine> {
        self.all(stack).filter_map(|(line, is_future)| is_future.then_some(line)).collect()
    }

    /// The program's functions on the stack, futures or not, outermost first.
    pub fn calls(&mut self, stack: &Stack) -> Vec<SourceLine> {
        self.all(stack).map(|(line, _)| line).collect()
    }

    fn all(&mut self, stack: &Stack) -> impl Iterator<Item = (SourceLine, bool)> {
        stack.0.iter().rev().flat_map(|address| self.lines(*address).to_vec())
    }

    /// The functions at an address, outermost first, each with whether it is the poll of a future. There are several
    /// where functions were inlined.
    fn lines(&mut self, address: usize) -> Arc<[(SourceLine, bool)]> {
        if let Some(lines) = self.resolved.get(&address) {
            return lines.clone();
        }
        let mut lines = Vec::new();
        backtrace::resolve(std::ptr::with_exposed_provenance_mut::<c_void>(address), |symbol| {
            let function = symbol.name().map(|name| format!("{name:#}"));
            let (file, line) = (symbol.filename(), symbol.lineno().unwrap_or(0));
            let function = function.and_then(|function| own_function(&function, file));
            lines.extend(function.map(|(function, is_future)| {
                (SourceLine { function, file: file.map(shortened).unwrap_or_default(), line }, is_future)
            }));
        });
        lines.reverse();
        let lines: Arc<[(SourceLine, bool)]> = lines.into();
        self.resolved.insert(address, lines.clone());
        lines
    }
}

/// Returns the path of a file as the compiler writes it in a `Location`: relative to this workspace or to the current
/// directory if the file is below it.
fn shortened(file: &Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let short = workspace.into_iter().chain(here.as_deref()).find_map(|base| file.strip_prefix(base).ok());
    short.unwrap_or(file).into()
}

/// Returns the name to show for a function, and whether it is the poll of a future: of an async fn or block, or of a
/// hand-written one. `None` if the function belongs to a library or to the runtime and not to the program.
fn own_function(function: &str, file: Option<&Path>) -> Option<(String, bool)> {
    const RUNTIME: [&str; 2] = [concat!(env!("CARGO_MANIFEST_DIR"), "/src"), leaf::SOURCE];
    const LIBRARIES: [&str; 5] = ["core::", "alloc::", "std::", "executor::", "reactor::"];
    let is_hidden = match file {
        Some(file) => {
            let is_library = |part: Component<'_>| part.as_os_str() == "registry" || part.as_os_str() == "rustc";
            let is_foreign = file.extension().is_none_or(|extension| extension != "rs");
            is_foreign || file.components().any(is_library) || RUNTIME.iter().any(|runtime| file.starts_with(runtime))
        }
        None => {
            let function = function.trim_start_matches('<');
            function.starts_with("__") || LIBRARIES.iter().any(|library| function.starts_with(library))
        }
    };
    if is_hidden {
        return None;
    }
    // With line tables only, an inlined async fn or block has no other name than this.
    if let Some(kind) = function.strip_prefix("{async_").and_then(|rest| rest.split('#').next()) {
        return Some((format!("an async {kind}"), true));
    }
    let is_async = function.contains("{{closure}}") || function.contains("::{closure#");
    let is_future = function.ends_with("::poll") || function.ends_with("::poll_next");
    let parts = function.split("::").filter(|part| !part.starts_with("{{closure}}") && !part.starts_with("{closure#"));
    Some((parts.collect::<Vec<_>>().join("::"), is_async || is_future))
}

#[cfg(test)]
mod tests {
    use super::{Stack, await_chains};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn a_stack_is_captured_while_another_thread_resolves_names() {
        let (captured, result) = channel();
        let mut in_time = None;
        // The library's lock is held in this closure, as it is while names are resolved.
        backtrace::trace(|_| {
            let captured = captured.clone();
            std::thread::spawn(move || captured.send(Stack::here()));
            in_time = Some(result.recv_timeout(Duration::from_secs(10)).is_ok());
            false
        });
        assert_eq!(in_time, Some(true));
    }

    #[test]
    fn after_a_poll_a_stack_has_all_frames_again() {
        let depth = || Stack::here().0.len();
        let before = depth();
        await_chains(false, false, || assert!(depth() < before));
        assert_eq!(depth(), before);
    }
}
