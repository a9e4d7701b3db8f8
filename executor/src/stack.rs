//! Where a task stands when its poll goes pending: the stack of polls under each leaf, and its names.
//!
//! A task that waits is a chain of futures, and a poll of it makes that chain a stack. Whoever polls a task through
//! [`listen`] hears of every leaf that goes pending, and has the stack of that moment. To take it is cheap, as it
//! is addresses only; to give them names is not, and is done when somebody wants to read them.
//!
//! Addresses become names, files and lines by the debug information of the program: `cargo build` has it, and
//! release builds with `debug = "limited"` in their profile. Without, there are names only, and only of functions that
//! were not inlined.
//!
//! Used by `dump.rs`, which asks each task where it stands, and by `single.rs` for observers that want to know it
//! of each poll.

use reactor::leaf;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::c_void;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Waits of one task that are told; `join_all` of a thousand futures has as many.
const WAITS: usize = 16;
/// Frames of one wait.
const FRAMES: usize = 256;

/// Where a poll went pending: at which leaf, and through which futures. [`Names::chain`] says which those are.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What the leaf waits for.
    pub leaf: String,
    /// The stack of that moment.
    pub stack: Stack,
}

/// The calls that were under way at a moment, as return addresses, the innermost first. [`Names`] says which those are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stack(Box<[usize]>);

thread_local! {
    /// An address on the stack above which nothing is of the task that is being polled.
    static TOP: Cell<usize> = const { Cell::new(usize::MAX) };
    /// Through which calls a waker was cloned, if any was; none at all where that is not wanted.
    static CLONED: RefCell<Option<Option<Stack>>> = const { RefCell::new(None) };
}

impl Stack {
    /// The calls that are under way on this thread; if it polls a task that is watched, those of that task.
    ///
    /// ```
    /// use executor::dump::{Names, Stack};
    ///
    /// fn here() -> Stack {
    ///     Stack::here()
    /// }
    ///
    /// let calls = Names::default().calls(&here());
    /// if let Some(innermost) = calls.last() { // none, in a program without debug information
    ///     assert!(innermost.function.ends_with("here"));
    /// }
    /// ```
    pub fn here() -> Stack {
        let (mut addresses, top) = (Vec::new(), TOP.get());
        let take = |frame: &backtrace::Frame| {
            addresses.push(frame.ip().expose_provenance());
            frame.sp().addr() < top && addresses.len() < FRAMES
        };
        // Without that library's lock, which whoever names addresses holds for a quarter of a second: each poll would wait.
        // SAFETY: the lock is there for Windows' dbghelp; the unwinders of Unix are made for many threads.
        unsafe { backtrace::trace_unsynchronized(take) };
        Stack(addresses.into())
    }
}

/// What was heard in a poll.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) standing: Vec<Standing>,
    /// So many further leaves are not in there.
    pub(crate) left_out: usize,
}

/// Calls `poll` and hears where it stands; if the task is `asked`, also where those of its futures do that
/// would not have been polled otherwise.
///
/// With `cloned`, a leaf that does not call `leaf::pending` is found by the waker that it clones: see
/// [`waker_cloned`].
pub(crate) fn listen(asked: bool, cloned: bool, poll: impl FnOnce()) -> Heard {
    let mut heard = Heard::default();
    let marker = 0u8; // lies above all that the poll puts on the stack
    let within =
        Within { top: TOP.replace((&raw const marker).addr()), cloned: CLONED.replace(cloned.then_some(None)) };
    let mut hear = |leaf| {
        CLONED.with_borrow_mut(|cloned| cloned.iter_mut().for_each(|cloned| *cloned = None)); // that leaf's own
        match heard.standing.len() < WAITS {
            true => heard.standing.push(Standing { leaf, stack: Stack::here() }),
            false => heard.left_out += 1,
        }
    };
    match asked {
        true => leaf::listen(&mut hear, poll),
        false => leaf::overhear(&mut hear, poll),
    }
    if let Some(stack) = CLONED.take().flatten() {
        heard.standing.push(Standing { leaf: UNANNOUNCED.into(), stack });
    }
    drop(within);
    heard
}

/// Puts back what was there before, whether the poll returns or unwinds.
struct Within {
    top: usize,
    cloned: Option<Option<Stack>>,
}

impl Drop for Within {
    fn drop(&mut self) {
        TOP.set(self.top);
        CLONED.set(self.cloned.take());
    }
}

/// What a leaf waits for that does not say it.
const UNANNOUNCED: &str = "something that does not call executor::leaf::pending to say what";

/// A waker of the task that is polled on this thread was cloned, which is what a leaf does before it returns
/// `Pending`. Notes the calls, if that is wanted: should no leaf be announced after it, they lead to the one that
/// stored the clone.
pub(crate) fn waker_cloned() {
    let is_wanted = CLONED.with_borrow(|cloned| *cloned == Some(None));
    if is_wanted {
        CLONED.set(Some(Some(Stack::here())));
    }
}

/// A place in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The function, with its path.
    pub function: String,
    /// The file; empty where the program has no debug information.
    pub file: PathBuf,
    /// The line, or 0.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.function),
            line => write!(f, "{} at {}:{line}", self.function, self.file.display()),
        }
    }
}

/// The names of addresses. Thousands of tasks stand at the same few.
#[derive(Debug, Default)]
pub struct Names {
    known: HashMap<usize, Arc<[(Place, bool)]>>,
}

impl Names {
    /// The futures that await each other there, the outermost first.
    pub fn chain(&mut self, stack: &Stack) -> Vec<Place> {
        self.all(stack).filter_map(|(place, is_future)| is_future.then_some(place)).collect()
    }

    /// The functions of the program that call each other there, futures or not, the outermost first.
    pub fn calls(&mut self, stack: &Stack) -> Vec<Place> {
        self.all(stack).map(|(place, _)| place).collect()
    }

    fn all(&mut self, stack: &Stack) -> impl Iterator<Item = (Place, bool)> {
        stack.0.iter().rev().flat_map(|address| self.places(*address).to_vec())
    }

    /// What was inlined at an address is several functions; the outermost comes first. Each with whether it is
    /// the poll of a future.
    fn places(&mut self, address: usize) -> Arc<[(Place, bool)]> {
        if let Some(places) = self.known.get(&address) {
            return places.clone();
        }
        let mut places = Vec::new();
        backtrace::resolve(std::ptr::with_exposed_provenance_mut::<c_void>(address), |symbol| {
            let function = symbol.name().map(|name| format!("{name:#}"));
            let (file, line) = (symbol.filename(), symbol.lineno().unwrap_or(0));
            let function = function.and_then(|function| told(&function, file));
            places.extend(function.map(|(function, is_future)| {
                (Place { function, file: file.map(shortened).unwrap_or_default(), line }, is_future)
            }));
        });
        places.reverse();
        let places: Arc<[(Place, bool)]> = places.into();
        self.known.insert(address, places.clone());
        places
    }
}

/// A file as the compiler names it in a `Location`: relative to the workspace, if it is in this one or in
/// the present directory.
fn shortened(file: &Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let short = workspace.into_iter().chain(here.as_deref()).find_map(|base| file.strip_prefix(base).ok());
    short.unwrap_or(file).into()
}

/// The name of a function as it is told, if it is the program's own and not a library's or the runtime's; and whether it
/// is the poll of a future: an async fn or block, or one written by hand.
fn told(function: &str, file: Option<&Path>) -> Option<(String, bool)> {
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
    // Where the debug information is but lines, that is all there is of what was inlined.
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
    use super::{Stack, listen};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn a_stack_is_taken_while_another_thread_gives_names() {
        let (taken, took) = channel();
        let mut in_time = None;
        // In here the library's lock is held, as it is while names are given.
        backtrace::trace(|_| {
            let taken = taken.clone();
            std::thread::spawn(move || taken.send(Stack::here()));
            in_time = Some(took.recv_timeout(Duration::from_secs(10)).is_ok());
            false
        });
        assert_eq!(in_time, Some(true));
    }

    #[test]
    fn after_a_poll_a_stack_is_whole_again() {
        let depth = || Stack::here().0.len();
        let before = depth();
        listen(false, false, || assert!(depth() < before));
        assert_eq!(depth(), before);
    }
}
