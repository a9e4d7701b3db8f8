//! The recording as it grows, for whoever connects to a Unix socket: `demo top --connect` is one who does.
//!
//! A client is sent the lines of the recording's file, from the oldest that there is. The threads in here belong to no
//! runtime: they also work while it hangs, which is when one wants to look.

use super::feed::Feed;
use super::recorder::Recorder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Nobody sees more than so many pictures a second.
const PAUSE: Duration = Duration::from_millis(20);

/// A socket that shows a recording; while it lives.
pub(super) struct Console {
    path: PathBuf,
    recorder: Arc<Recorder>,
}

impl Console {
    /// Opens the socket, in place of one that nobody listens at any more.
    pub(super) fn open(path: PathBuf, recorder: Arc<Recorder>) -> io::Result<Console> {
        let listener = match UnixListener::bind(&path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && is_abandoned(&path) => {
                std::fs::remove_file(&path)?;
                UnixListener::bind(&path)?
            }
            bound => bound?,
        };
        let shown = recorder.clone();
        let serve = move || serve(&listener, &shown);
        thread::Builder::new().name("executor-console".into()).spawn(serve)?;
        Ok(Console { path, recorder })
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.recorder.close();
        // The listener finds the recording closed when somebody comes; so somebody does.
        drop(UnixStream::connect(&self.path));
        let _gone_already = std::fs::remove_file(&self.path);
    }
}

/// Whether it is a socket, and none that anybody listens at.
fn is_abandoned(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    is_socket && UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn serve(listener: &UnixListener, recorder: &Arc<Recorder>) {
    for client in listener.incoming() {
        if recorder.is_closed() {
            return;
        }
        // Out of file descriptors, most likely: it goes on waiting, and so would this loop without a pause.
        let Ok(client) = client else {
            thread::sleep(PAUSE);
            continue;
        };
        let recorder = recorder.clone();
        let show = move || show(client, &recorder);
        // A client that can't be served is one that sees the connection end.
        let _refused = thread::Builder::new().name("executor-console".into()).spawn(show);
    }
}

/// Sends all that there is, and all that comes, until the client goes or the recording ends.
fn show(client: UnixStream, recorder: &Recorder) -> io::Result<()> {
    let mut feed = Feed::begin(client, recorder)?;
    while feed.write_next(recorder)? {
        // What comes meanwhile is sent in one go, and the program is not held up to wake this thread for each event.
        thread::sleep(PAUSE);
    }
    Ok(())
}
