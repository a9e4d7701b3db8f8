//! `--warc FILE`: an archive of all requests and responses, as they went over the network (WARC/1.1, ISO 28500). Used by
//! `exchange.rs`, `receive.rs` and `robots/`.
//!
//! A response is collected while it is received, in memory or in a file without a name, because its length and digests
//! precede it in the archive. Then its records are appended at once. After an error, a partly written record is
//! removed, so the archive stays readable unless the process is killed in the middle of a record. Bodies keep all their
//! codings. Credentials and cookies are removed from requests.
//!
//! | file | what it holds |
//! |---|---|
//! | `record.rs` | the format of a record; the file |
//! | `capture.rs` | an exchange that is being collected |

mod capture;
mod record;

pub use capture::Capture;

use super::save::Files;
use crate::Failure;
use crate::http::{Outgoing, Response};
use executor::sync::Mutex;
use executor::{shield, spawn_blocking};
use record::{Record, WarcFile};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use url::Url;

/// An archive that is being written.
pub struct Archive {
    path: PathBuf,
    /// `None` after an error: the archive then ends with the last whole record.
    file: Mutex<Option<WarcFile>>,
    /// The ID of the record that describes the archive.
    info: String,
    files: Arc<Files>,
}

impl Archive {
    /// Creates the archive. If its name ends with `.gz`, each record is compressed. `files` is where large bodies are
    /// collected.
    ///
    /// # Errors
    /// Fails if the file exists, or can't be created or written.
    pub async fn create(path: &Path, files: Arc<Files>) -> Result<Archive, Failure> {
        let (owned, info) = (path.to_owned(), record::new_id());
        let id = info.clone();
        let created = spawn_blocking(move || {
            let mut file = WarcFile::create(&owned)?;
            let fields = format!(
                "software: demo/{}\r\nformat: WARC File Format 1.1\r\nconformsTo: \
                 http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/\r\n",
                env!("CARGO_PKG_VERSION")
            );
            let name = owned.file_name().unwrap_or_default().to_string_lossy();
            let mut info = Record::new("warcinfo", "application/warc-fields", SystemTime::now());
            info.set("WARC-Record-ID", id);
            info.set("WARC-Filename", name.replace(char::is_control, "?"));
            file.append(&info, &[fields.as_bytes()], None)?;
            io::Result::Ok(file)
        });
        let file = created.await?.map_err(|source| Failure::Archive { path: path.to_owned(), source })?;
        Ok(Archive { path: path.to_owned(), file: Mutex::new(Some(file)), info, files })
    }

    /// Begins to collect the exchange of this request.
    pub fn capture(&self, url: &Url, request: &mut Outgoing<'_>) -> Capture {
        Capture::new(url, request, self.files.clone())
    }

    /// Appends an exchange: what was collected of it, and what the response still holds. `cut` is the reason if the
    /// response is not complete.
    ///
    /// # Errors
    /// Fails if it can't be written.
    ///
    /// # Cancel safety
    /// If it is dropped before it begins to write, the exchange is missing from the archive.
    pub async fn append(
        &self,
        mut capture: Capture,
        response: &mut Response<'_>,
        cut: &'static str,
    ) -> Result<(), Failure> {
        let failure = |source| Failure::Archive { path: self.path.clone(), source };
        capture.take(response).await.map_err(failure)?;
        let (info, cut) = (self.info.clone(), (!response.is_complete()).then_some(cut));
        let mut slot = self.file.lock().await;
        let Some(mut file) = slot.take() else { return Ok(()) };
        let written = shield(spawn_blocking(move || {
            capture.write(&mut file, &info, cut)?;
            io::Result::Ok(file)
        }));
        *slot = Some(written.await?.map_err(failure)?);
        Ok(())
    }
}
