//! The file of a recording while the program runs: so that there is one also of a program that is killed, crashes or
//! calls `exit`, and one can look into it before its end.
//!
//! A thread writes down what has come; when `block_on` ends, the whole recording takes its place, written as it is
//! known then. Used by `env.rs`.

use super::feed::Feed;
use super::recorder::Recorder;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// So much of what happened last is lost if the program is killed.
const PAUSE: Duration = Duration::from_millis(50);

/// A thread that writes a recording down, until this is dropped.
pub(super) struct Spool(Option<(Sender<()>, JoinHandle<io::Result<()>>)>);

impl Spool {
    /// What is not a file of its own, a terminal or a pipe, gets nothing: what is written there could not be replaced.
    pub(super) fn start(recorder: &Arc<Recorder>, path: &Path) -> Spool {
        if !path.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Spool(None);
        }
        let (stop, stopped) = channel();
        let (recorder, path) = (recorder.clone(), path.to_owned());
        let follow = move || follow(&recorder, &path, &stopped);
        let thread = thread::Builder::new().name("executor-trace".into()).spawn(follow);
        Spool(thread.ok().map(|thread| (stop, thread)))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        let Some((stop, thread)) = self.0.take() else { return };
        drop(stop);
        // What kept it from writing keeps whoever writes the whole from it, too, and he says so.
        let _failed = thread.join();
    }
}

fn follow(recorder: &Recorder, path: &Path, stopped: &Receiver<()>) -> io::Result<()> {
    loop {
        let mut feed = Feed::begin(File::create(path)?, recorder)?;
        let mut events = 0;
        // What is forgotten in the meantime is still in the file; so now and then that is begun anew.
        while events <= 2 * recorder.limit() {
            match stopped.recv_timeout(PAUSE) {
                Err(RecvTimeoutError::Timeout) => events += feed.write_new(recorder)?,
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }
}
