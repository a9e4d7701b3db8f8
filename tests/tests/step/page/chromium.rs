//! The Chromium of this test binary, and its DevTools protocol: JSON on two pipes, each message ended by a zero.
//!
//! Starting Chromium takes longer than most tests use it. So tests that run at the same time share one process, in
//! which each has a window with storage of its own. `browser.rs` drives these windows and is the only user of this
//! file.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use tests::demo::Program;

/// A Chromium without a screen. Killed when dropped.
pub struct Chromium {
    child: Child,
    calls: Mutex<Calls>,
    receivers: Arc<Mutex<Receivers>>,
    _profile: tempfile::TempDir,
}

/// The pipe to Chromium, and the number of calls so far, which is the ID of the last one.
struct Calls {
    pipe: ChildStdin,
    count: u64,
}

/// What receives the messages of Chromium.
#[derive(Default)]
struct Receivers {
    replies: HashMap<u64, Sender<Value>>,
    events: HashMap<String, Sender<Value>>,
}

impl Chromium {
    /// Returns the Chromium that other tests use at the moment, or starts one. `None` if it is not installed.
    pub fn shared() -> Option<Arc<Chromium>> {
        static SHARED: Mutex<Weak<Chromium>> = Mutex::new(Weak::new());
        let mut shared = lock(&SHARED);
        if let Some(chromium) = shared.upgrade() {
            return Some(chromium);
        }
        let chromium = Arc::new(Chromium::start()?);
        *shared = Arc::downgrade(&chromium);
        Some(chromium)
    }

    fn start() -> Option<Chromium> {
        let chromium = Program::find("chromium")?.command();
        let profile = tempfile::tempdir().expect("there is room for a folder");
        let mut shell = Command::new("sh");
        // Chromium reads calls from descriptor 3 and writes messages to descriptor 4.
        shell.args(["-c", "exec \"$@\" 3<&0 4>&1 >/dev/null 2>&1", "sh"]).arg(chromium.get_program());
        shell.args(["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run"]);
        shell.arg(format!("--user-data-dir={}", profile.path().display()));
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("there is a shell");
        let pipe = child.stdin.take().expect("it is piped");
        let messages = BufReader::new(child.stdout.take().expect("it is piped"));
        let receivers = Arc::<Mutex<Receivers>>::default();
        thread::spawn({
            let receivers = receivers.clone();
            move || dispatch(messages, &receivers)
        });
        Some(Chromium { child, calls: Mutex::new(Calls { pipe, count: 0 }), receivers, _profile: profile })
    }

    /// Calls a method of the protocol in a session, or in none, and returns its result.
    ///
    /// # Panics
    /// If the result is an error, or if Chromium has ended.
    #[track_caller]
    pub fn call(&self, session: Option<&str>, method: &str, params: Value) -> Value {
        let (sender, reply) = channel();
        let mut calls = lock(&self.calls);
        calls.count += 1;
        let mut call = json!({ "id": calls.count, "method": method, "params": params });
        if let Some(session) = session {
            call["sessionId"] = session.into();
        }
        lock(&self.receivers).replies.insert(calls.count, sender);
        calls.pipe.write_all(format!("{call}\0").as_bytes()).expect("Chromium has not ended");
        drop(calls);
        let mut reply: Value = reply.recv().expect("Chromium has not ended");
        assert!(reply["error"].is_null(), "{method}: {}", reply["error"]);
        reply["result"].take()
    }

    /// Returns the receiver of a session's events from now on. When a call returns, the receiver has all events that
    /// Chromium sent before the reply.
    pub fn events(&self, session: &str) -> Receiver<Value> {
        let (sender, events) = channel();
        lock(&self.receivers).events.insert(session.to_owned(), sender);
        events
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _has_ended_already = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends each message to its receiver, until Chromium ends. Then drops the senders, so that no receiver keeps waiting.
fn dispatch(mut messages: BufReader<ChildStdout>, receivers: &Mutex<Receivers>) {
    let mut bytes = Vec::new();
    while messages.read_until(0, &mut bytes).is_ok() && bytes.pop() == Some(0) {
        let message: Value = serde_json::from_slice(&bytes).expect("Chromium writes JSON");
        let mut receivers = lock(receivers);
        let receiver = match message["id"].as_u64() {
            Some(call) => receivers.replies.remove(&call),
            None => message["sessionId"].as_str().and_then(|session| receivers.events.get(session)).cloned(),
        };
        let _has_test_ended = receiver.map(|receiver| receiver.send(message));
        bytes.clear();
    }
    *lock(receivers) = Receivers::default();
}

/// Locks a mutex even if a test panicked while it held the lock: no test leaves the data half written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
