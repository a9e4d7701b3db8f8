//! An exchange that is being collected for the archive.

use super::record::{Record, WarcFile, labelled};
use crate::engine::save::Files;
use crate::http::{Outgoing, Recording, Response, remove_login};
use cap_std::fs::{File, OpenOptions};
use executor::{shield, spawn_blocking};
use http::{StatusCode, header};
use ring::digest::{Context, SHA256};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::SystemTime;
use url::Url;

/// Maximum number of bytes of a body to keep in memory.
const IN_MEMORY: usize = 256 * 1024;
/// The profile of a response that says that a page has not changed.
const NOT_MODIFIED: &str = "http://netpreserve.org/warc/1.1/revisit/server-not-modified";

/// An exchange that is being collected.
pub struct Capture {
    url: Url,
    begun: SystemTime,
    request: Vec<u8>,
    status: StatusCode,
    head: Vec<u8>,
    /// The body, or only the end of it if `earlier` has the beginning.
    body: Vec<u8>,
    earlier: Option<File>,
    /// Where large bodies are collected.
    files: Arc<Files>,
    /// The digest of the head and the body.
    block: Context,
    /// The digest of the body. `None` if it has a transfer coding: the standard defines the payload without the coding,
    /// but most readers verify it with the coding.
    payload: Option<Context>,
}

impl Capture {
    /// Begins to collect the exchange of this request.
    pub fn new(url: &Url, request: &mut Outgoing<'_>, files: Arc<Files>) -> Capture {
        request.record();
        let mut url = url.clone();
        remove_login(&mut url);
        Capture {
            url,
            begun: SystemTime::now(),
            request: request.head_without_secrets(),
            status: StatusCode::OK,
            head: Vec::new(),
            body: Vec::new(),
            earlier: None,
            files,
            block: Context::new(&SHA256),
            payload: Some(Context::new(&SHA256)),
        }
    }

    /// Takes the bytes received since the last call. Call it after each piece, so that no whole body is kept in memory.
    ///
    /// # Errors
    /// Fails if it can't be written to the disk.
    pub async fn take(&mut self, response: &mut Response<'_>) -> io::Result<()> {
        self.status = response.status;
        if response.headers.contains_key(header::TRANSFER_ENCODING) {
            self.payload = None;
        }
        let Some(Recording { head, body }) = response.recording() else { return Ok(()) };
        let start = head.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.block.update(&head[start..]);
        self.head.extend(&head[start..]);
        self.block.update(body);
        self.payload.iter_mut().for_each(|payload| payload.update(body));
        self.body.append(body);
        head.clear();
        if self.body.len() < IN_MEMORY {
            return Ok(());
        }
        let (files, earlier, body) = (self.files.clone(), self.earlier.take(), std::mem::take(&mut self.body));
        let written = shield(spawn_blocking(move || {
            let mut file = earlier.map_or_else(|| temporary(&files), Ok)?;
            file.write_all(&body)?;
            io::Result::Ok((file, body))
        }));
        let (file, mut body) = written.await??;
        body.clear();
        (self.earlier, self.body) = (Some(file), body);
        Ok(())
    }

    /// Takes the rest of the body, as far as it can be received.
    ///
    /// # Errors
    /// Fails if it can't be written to the disk.
    pub async fn take_all(&mut self, response: &mut Response<'_>) -> io::Result<()> {
        while let Ok(Some(_)) = response.piece().await {
            self.take(response).await?;
        }
        Ok(())
    }

    /// Writes the records of the exchange. Blocks.
    pub fn write(mut self, to: &mut WarcFile, info: &str, cut: Option<&str>) -> io::Result<()> {
        let new = |kind: &str, message: &str| {
            let mut record = Record::new(kind, &format!("application/http; msgtype={message}"), self.begun);
            record.set("WARC-Target-URI", self.url.as_str());
            record.set("WARC-Warcinfo-ID", info);
            record
        };
        let is_revisit = self.status == StatusCode::NOT_MODIFIED;
        let mut request = new("request", "request");
        let mut response = new(if is_revisit { "revisit" } else { "response" }, "response");
        request.set("WARC-Concurrent-To", response.get("WARC-Record-ID").unwrap_or_default());
        let mut digest = Context::new(&SHA256);
        digest.update(&self.request);
        request.set("WARC-Block-Digest", labelled(digest.finish()));
        response.set("WARC-Block-Digest", labelled(self.block.finish()));
        match self.payload.take() {
            _ if is_revisit => response.set("WARC-Profile", NOT_MODIFIED),
            Some(payload) => response.set("WARC-Payload-Digest", labelled(payload.finish())),
            None => {}
        }
        if let Some(cut) = cut {
            response.set("WARC-Truncated", cut);
        }
        to.append(&request, &[&self.request], None)?;
        match &mut self.earlier {
            None => to.append(&response, &[&self.head, &self.body], None),
            Some(earlier) => {
                earlier.write_all(&self.body)?;
                to.append(&response, &[&self.head], Some(earlier))
            }
        }
    }
}

/// A file without a name. Blocks.
fn temporary(files: &Files) -> io::Result<File> {
    let (directory, name) = (&files.parts.directory, format!("archived-{:016x}", fastrand::u64(..)));
    let file = directory.open_with(&name, OpenOptions::new().read(true).write(true).create_new(true))?;
    directory.remove_file(&name)?;
    Ok(file)
}
