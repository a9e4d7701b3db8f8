//! The runtime's own code behind each event: the functions that made the event, as excerpts of the sources that this
//! program is built from.
//!
//! For the stepper and the page. [`codes`] is the table from an event to functions; a test finds each of them, so that
//! a renamed function fails the test and does not leave the screen empty.

use super::source::Sources;
use executor::task::Queue;
use executor::trace::{End, Event, Record};
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// A function of the runtime, and the line in it that makes the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code {
    /// The source file.
    file: &'static File,
    /// The function, with its type or its module.
    pub function: &'static str,
    /// The beginning of its signature, which occurs once in the file.
    signature: &'static str,
    /// A text that occurs in the line to mark.
    mark: &'static str,
}

/// A source file of the runtime. Its path identifies it: comparing and hashing the text took most of the time for
/// writing a long recording as a page.
#[derive(Debug)]
struct File {
    path: &'static str,
    text: &'static str,
}

impl PartialEq for File {
    fn eq(&self, other: &File) -> bool {
        self.path == other.path
    }
}

impl Eq for File {}

impl Hash for File {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.path.hash(state);
    }
}

impl PartialOrd for File {
    fn partial_cmp(&self, other: &File) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for File {
    fn cmp(&self, other: &File) -> Ordering {
        self.path.cmp(other.path)
    }
}

/// The lines of a function with its documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The number of the first line in the file, from 1.
    pub first: usize,
    /// The lines, without their common indentation.
    pub lines: Vec<String>,
    /// The index of the line that makes the event.
    pub marked: usize,
}

macro_rules! files {
    ($($name:ident = $path:literal;)*) => {
        $(static $name: File = File { path: $path, text: include_str!(concat!("../../../", $path)) };)*
    };
}

files! {
    STATE = "executor/src/task/state.rs";
    WAKER = "executor/src/task/waker.rs";
    CELL = "executor/src/task/cell.rs";
    OBSERVED = "executor/src/task/observed.rs";
    SINGLE = "executor/src/schedule/single.rs";
    RUN_QUEUE = "executor/src/schedule/run_queue.rs";
    POOL = "executor/src/schedule/pool.rs";
    WAIT_LIST = "executor/src/sync/wait_list.rs";
    ASKING = "executor/src/watch/asking.rs";
    LOST_WAKE = "executor/src/watch/lost_wake.rs";
    SLOW = "executor/src/watch/slow.rs";
    REACTOR = "reactor/src/reactor.rs";
    SOURCE = "reactor/src/source.rs";
    READINESS = "reactor/src/readiness.rs";
    TIMERS = "reactor/src/time/timers.rs";
    TIMER_QUEUE = "reactor/src/time/queue.rs";
}

macro_rules! codes {
    ($($name:ident = $file:ident, $function:literal, $signature:literal, $mark:literal;)*) => {
        $(const $name: Code = Code { file: &$file, function: $function, signature: $signature, mark: $mark };)*
        /// Every function in the table.
        #[cfg(test)]
        const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    NEW = STATE, "State::new", "pub(crate) fn new(", "State(AtomicU64::new(";
    WAKE = STATE, "State::wake", "pub(crate) fn wake(&self)", "fetch_or(NOTIFIED";
    WAKE_SUSPENDED = STATE, "State::wake_suspended", "pub(crate) fn wake_suspended(", "fetch_update(";
    CANCEL = STATE, "State::cancel", "pub(crate) fn cancel(&self)", "fetch_update(";
    BEGIN = STATE, "State::begin", "pub(crate) fn begin(&self)", "fetch_add(";
    SUSPEND = STATE, "State::suspend", "pub(crate) fn suspend(&self)", "fetch_and(";
    COMPLETE = STATE, "State::complete", "pub(crate) fn complete(&self", "fetch_update(";
    DROP_REFERENCE = STATE, "State::drop_reference", "pub(crate) fn drop_reference(&self)", "fetch_sub(";
    WAKER_WAKE = WAKER, "waker::wake", "unsafe fn wake(header", "state.wake()";
    WAKER_CANCEL = WAKER, "waker::cancel", "unsafe fn cancel(header", "state.cancel()";
    RUN_OBSERVED = WAKER, "waker::run_observed", "unsafe fn run_observed(", "Suspend::Woken";
    POLL = CELL, "TaskCell::poll", "unsafe fn poll(header", "state.begin()";
    POLL_FUTURE = CELL, "TaskCell::poll_future", "fn poll_future(", "catch_unwind(";
    FINISH = CELL, "TaskCell::finish", "unsafe fn finish(header", "state.complete(";
    DISCARD = CELL, "TaskCell::finish", "unsafe fn finish(header", "if detached";
    FREE = CELL, "TaskCell::free", "unsafe fn free(header", "free_with(";
    CHAINS = OBSERVED, "observed::poll_with_chains", "unsafe fn poll_with_chains(", "stack::await_chains(";
    LAST_WAKER = OBSERVED, "observed::uncount_waker", "unsafe fn uncount_waker(", "TaskEvent::LastWakerDropped";
    STRANDED = OBSERVED, "observed::uncount_waker", "unsafe fn uncount_waker(", "TaskEvent::Stranded";
    END_POLL = OBSERVED, "observed::end_poll", "unsafe fn end_poll(", "TaskEvent::PollEnds(end)";
    RUN = SINGLE, "Core::run", "pub(crate) fn run<F: Future>(", "self.pass(&root)";
    END = SINGLE, "Core::end", "fn end(&self, reactor", "self.slabs.cancel_all(";
    SPAWN = SINGLE, "Core::spawn", "pub(crate) unsafe fn spawn<F: Future>(", "self.queue.push(task)";
    SCHEDULE_HERE = SINGLE, "Single::schedule", "fn schedule(self", "core.queue.push(task)";
    SCHEDULE_INJECTED = SINGLE, "Single::schedule", "fn schedule(self", "self.injected.push(task)";
    PASS = SINGLE, "Core::pass", "fn pass<T>(", "self.queue.pop()";
    RUN_AGAIN = SINGLE, "Core::run_inside", "fn run_inside(", "self.queue.push(task)";
    TURN = SINGLE, "Core::turn", "fn turn(&self", "self.turn_reactor(reactor";
    PARK = SINGLE, "Core::park", "fn park(&self, reactor", "injected.park()";
    PUSH = RUN_QUEUE, "RunQueue::push", "pub(crate) fn push(&self, task: Runnable) {", "self.last.replace(";
    POP = RUN_QUEUE, "RunQueue::pop", "pub(crate) fn pop(&self)", "self.first.set(next)";
    INJECT = RUN_QUEUE, "InjectionQueue::push", "pub(crate) fn push(&self, task: Runnable) -> bool", "compare_exchange_weak";
    TAKE = RUN_QUEUE, "InjectionQueue::take", "pub(crate) fn take(&self", "self.head.swap(";
    POOL_QUEUE = POOL, "Pool::schedule", "fn schedule(self", "state.queue.push_back(";
    POOL_WORK = POOL, "Pool::work", "fn work(&self)", "task.run()";
    POOL_CALL = POOL, "BlockingCall::poll", "fn poll(mut self", "observer.blocking_begins(";
    HAND_OVER = WAIT_LIST, "List::hand_over", "pub(super) fn hand_over(", "HANDED_OVER";
    ASK = ASKING, "asking::ask", "fn ask<S: Monitored>(", "task.wake_up()";
    LOST = LOST_WAKE, "lost_wake::confirmed", "pub(crate) fn confirmed(", "retain";
    SLOW_POLL = SLOW, "SlowPolls::ticked", "fn ticked(", "observer.slow_poll(";
    REACTOR_TURN = REACTOR, "Reactor::turn", "pub fn turn(&mut self", "backend.wait(";
    REACTOR_DUE = REACTOR, "Reactor::turn", "pub fn turn(&mut self", "timers.take_due(";
    REACTOR_WAKE = REACTOR, "Reactor::wake", "fn wake(&mut self)", "wake.call(Cause::Source(source)";
    REACTOR_WAKE_TIMER = REACTOR, "Reactor::wake", "fn wake(&mut self)", "wake.call(Cause::Timer(timer)";
    ADD = SOURCE, "Registry::add", "pub(crate) unsafe fn add(", "registered.register(";
    REMOVE = SOURCE, "Registry::remove", "unsafe fn remove(&self", "registered.deregister(";
    NOTIFY = SOURCE, "Registry::notify", "pub(crate) fn notify(&self)", "backend.notify()";
    WAIT = READINESS, "ReadinessCell::poll_ready", "pub(crate) fn poll_ready(", ".insert(key";
    POLL_OP = READINESS, "ReadinessCell::poll_op", "pub(crate) fn poll_op<R>(", "self.clear(seen, direction.readiness()),";
    LEAVE = READINESS, "ReadinessCell::remove", "pub(crate) fn remove(&self", "entries.remove(at)";
    REPORT = READINESS, "ReadinessCell::report", "pub(crate) fn report(", "self.word.fetch_update(";
    TIMER_SET = TIMERS, "Timers::set", "pub(crate) fn set(", "queue.insert(";
    TIMER_INSERT = TIMER_QUEUE, "TimerQueue::insert", "pub(crate) fn insert(", "self.put(";
    TIMER_PUT = TIMER_QUEUE, "TimerQueue::put", "fn put(&mut self", "self.slot_of(";
    TIMER_SLOT = TIMER_QUEUE, "queue::slot_from", "pub(crate) fn slot_from(", "leading_zeros()";
    TIMER_CANCEL = TIMER_QUEUE, "TimerQueue::cancel", "pub(crate) fn cancel(", "swap_remove(";
    TIMER_ADVANCE = TIMER_QUEUE, "TimerQueue::advance", "pub(crate) fn advance(", "fired.push(";
}

/// The functions that make an event, the innermost first: the one that makes the transition, if there is a transition.
pub fn codes(record: &Record) -> &'static [Code] {
    // A recording without transitions does not name its scheduler, which is assumed to be this project's.
    let queue = record.transition.map_or(Some(Queue::Run), |transition| transition.queue);
    match &record.event {
        Event::RunBegins => &[RUN],
        Event::RunEnds => &[END],
        Event::Spawned { .. } => match queue {
            Some(_) => &[NEW, SPAWN, PUSH],
            None => &[NEW],
        },
        Event::HandedOver { .. } => &[HAND_OVER],
        Event::Woken { .. } => match queue {
            Some(Queue::Injection) => &[WAKE, WAKER_WAKE, SCHEDULE_INJECTED, INJECT],
            Some(Queue::Run) => &[WAKE, WAKER_WAKE, SCHEDULE_HERE, PUSH],
            None => &[WAKE, WAKER_WAKE],
        },
        Event::Cancelled { .. } => match queue {
            Some(Queue::Injection) => &[CANCEL, WAKER_CANCEL, SCHEDULE_INJECTED, INJECT],
            Some(Queue::Run) => &[CANCEL, WAKER_CANCEL, SCHEDULE_HERE, PUSH],
            None => &[CANCEL, WAKER_CANCEL],
        },
        Event::Asked { .. } => &[WAKE_SUSPENDED, ASK],
        Event::PollBegins { .. } => &[BEGIN, POLL, PASS, POP],
        Event::Waits { .. } => &[CHAINS],
        Event::PollEnds { end: End::PendingWoken, .. } => &[SUSPEND, RUN_OBSERVED, RUN_AGAIN, PUSH],
        Event::PollEnds { end: End::Pending, .. } => &[SUSPEND, END_POLL],
        Event::PollEnds { end: End::Finished, .. } => &[END_POLL, FINISH],
        Event::LostWake { .. } => &[LOST],
        Event::WakerDropped { .. } => &[LAST_WAKER, DROP_REFERENCE],
        Event::Stranded { .. } => &[STRANDED],
        Event::Panicked { .. } => &[POLL_FUTURE],
        Event::Finished { .. } => &[COMPLETE, FINISH],
        Event::OutputDropped { .. } => &[DISCARD],
        Event::Freed { .. } => &[DROP_REFERENCE, FREE],
        Event::SlowPoll { .. } => &[SLOW_POLL],
        Event::BlockingQueued { .. } => &[POOL_QUEUE],
        Event::BlockingBegins { .. } | Event::BlockingEnds { .. } => &[POOL_CALL, POOL_WORK],
        Event::SourceAdded { .. } => &[ADD],
        Event::SourceRemoved { .. } => &[REMOVE],
        Event::SourceWaits { .. } => &[WAIT, POLL_OP],
        Event::SourceLeft { .. } => &[LEAVE],
        Event::SourceReady { .. } => &[REPORT, REACTOR_WAKE],
        Event::TimerSet { .. } => &[TIMER_PUT, TIMER_SLOT, TIMER_INSERT, TIMER_SET],
        Event::TimerCancelled { .. } => &[TIMER_CANCEL],
        Event::TimerFired { .. } => &[TIMER_ADVANCE, REACTOR_WAKE_TIMER],
        Event::WaitBegins { timeout: Some(0) } => &[REACTOR_TURN, TURN],
        Event::WaitBegins { .. } => &[REACTOR_TURN, PARK],
        Event::WaitEnds { .. } => &[REACTOR_DUE, TAKE],
        Event::Notified => &[NOTIFY],
    }
}

impl Code {
    /// The path of the file, from the top of the workspace.
    pub fn path(&self) -> &'static str {
        self.file.path
    }

    /// The name of the file.
    pub fn file(&self) -> &'static str {
        self.file.path.rsplit('/').next().unwrap_or(self.file.path)
    }

    /// The function, or why it was not found. If the directory that was passed with `--source` contains the file, the
    /// function is read from there, because the program probably ran on that runtime. Its body may be a student's: if
    /// the line to mark is not in it, the signature is marked.
    ///
    /// # Errors
    /// If its signature does not occur exactly once in its file, or if the line to mark is not in our function.
    pub fn excerpt(&self, sources: &Sources) -> Result<Excerpt, String> {
        match sources.chosen(self.file.path) {
            Some(lines) => self.excerpt_of(&lines.iter().map(String::as_str).collect::<Vec<_>>(), Some(0)),
            None => self.excerpt_of(&self.file.text.lines().collect::<Vec<_>>(), None),
        }
    }

    fn excerpt_of(&self, lines: &[&str], or_marked: Option<usize>) -> Result<Excerpt, String> {
        let is_it = |line: &&str| line.trim_start().starts_with(self.signature);
        let mut found =
            lines.iter().enumerate().filter(|(_, line)| is_it(line) || line.contains(&format!(") {}", self.signature)));
        let (Some((at, signature)), None) = (found.next(), found.next()) else {
            return Err(format!("`{}` is not in {} exactly once", self.signature, self.file.path));
        };
        let indent = signature.len() - signature.trim_start().len();
        let is_about_it = |line: &&&str| line.trim_start().starts_with("///") || line.trim_start().starts_with("#[");
        let first = at - lines[..at].iter().rev().take_while(is_about_it).count();
        // The sources are formatted: a function ends with the brace below its signature.
        let end = lines[at..].iter().position(|line| line.trim_end() == format!("{:indent$}}}", ""));
        let end = at + end.ok_or_else(|| format!("`{}` has no end", self.signature))?;
        let marked = lines[at..=end].iter().position(|line| line.contains(self.mark));
        let marked = marked.or(or_marked).ok_or_else(|| format!("`{}` is not in {}", self.mark, self.function))?;
        let marked = marked + (at - first);
        let lines = lines[first..=end].iter().map(|line| line.get(indent..).unwrap_or_default().to_owned()).collect();
        Ok(Excerpt { first: first + 1, lines, marked })
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, Sources};
    use executor::task::Edge;

    #[test]
    fn each_function_of_the_table_is_found_in_the_sources() {
        let sources = Sources::new(None);
        let wrong: Vec<_> = ALL.iter().filter_map(|code| code.excerpt(&sources).err()).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn the_functions_of_a_runtime_that_was_named_are_shown_and_not_ours() {
        let place = std::env::temp_dir().join(format!("demo-runtime-{}", std::process::id()));
        let file = place.join(super::STATE.path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "impl State {\n    pub(crate) fn begin(&self) -> Begin {\n        todo!()\n    }\n}\n")
            .unwrap();
        let excerpt = super::BEGIN.excerpt(&Sources::new(Some(place.clone())));
        std::fs::remove_dir_all(place).unwrap();
        let excerpt = excerpt.unwrap();
        assert_eq!((excerpt.first, excerpt.marked, &*excerpt.lines[1]), (2, 0, "    todo!()"));
    }

    #[test]
    fn the_table_has_the_function_of_each_edge() {
        for edge in Edge::ALL {
            let function = format!("State::{edge}");
            assert!(ALL.iter().any(|code| code.function == function), "{function}");
        }
    }
}
