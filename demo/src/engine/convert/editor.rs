//! Rewrites a page: copies its bytes, and replaces its links.

use super::source::Source;
use super::targets::Targets;
use crate::engine::links::{Encoded, Rewriter, Target};
use crate::engine::save::{Files, Part, hexadecimal, kept_tag};
use cap_std::fs::File;
use ring::digest::{Context, SHA256};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;
use url::Url;

/// Maximum number of replacements that wait for earlier ones in the page. Within a tag they come in any order.
const WAITING: usize = 4096;
/// Number of bytes to collect before writing them. A smaller page that does not change is not written at all.
const PIECE: usize = 256 * 1024;

/// A page that is being rewritten.
pub struct Editor {
    edited: Rc<RefCell<Edited>>,
}

struct Edited {
    /// The path of the page.
    path: String,
    targets: Arc<Targets>,
    source: Source<File>,
    /// The ETag of the page, if it is kept with the file.
    tag: Option<String>,
    part: Part,
    /// Bytes that have not been written.
    piece: Vec<u8>,
    digest: Context,
    has_changed: bool,
    /// The replacements that wait, by position and then by number, because two may have the same position.
    waiting: BTreeMap<(u64, u64, u64), String>,
    number: u64,
    /// The error that ended the rewriting.
    error: Option<io::Error>,
}

impl Editor {
    /// Begins to rewrite the file `path`. Blocks.
    pub fn new(files: &Files, path: &str, encoded: Encoded, targets: Arc<Targets>) -> io::Result<Editor> {
        let (file, mut piece) = (files.parts.root.open(path)?, Vec::new());
        let edited = Edited {
            path: path.to_owned(),
            targets,
            tag: kept_tag(&file),
            source: Source::new(file, encoded, &mut piece)?,
            part: Part::new(files.parts.clone(), &format!("the links of {path}"), None),
            piece,
            digest: Context::new(&SHA256),
            has_changed: false,
            waiting: BTreeMap::new(),
            number: 0,
            error: None,
        };
        Ok(Editor { edited: Rc::new(RefCell::new(edited)) })
    }

    /// The object that receives the links of the page.
    pub fn rewriter(&self) -> Box<dyn Rewriter> {
        Box::new(Edits(self.edited.clone()))
    }

    /// Writes the rest of the page, and replaces the file if it has changed. Returns whether it has. `note` is called
    /// with the digest of the new file before it gets its name. Blocks.
    pub fn finish(self, modified: SystemTime, note: impl FnOnce(String) -> io::Result<()>) -> io::Result<bool> {
        let edited = &mut *self.edited.borrow_mut();
        edited.write_waiting(0);
        if let Some(error) = edited.error.take() {
            return Err(error);
        }
        if !edited.has_changed {
            return Ok(false); // dropping the part removes it
        }
        edited.copy(None)?;
        edited.flush()?;
        edited.tag.iter().for_each(|tag| edited.part.keep_tag(tag));
        note(hexadecimal(edited.digest.clone().finish().as_ref()))?;
        edited.part.complete(Path::new(&edited.path), Some(modified))?;
        Ok(true)
    }
}

/// Receives the links of a page.
struct Edits(Rc<RefCell<Edited>>);

impl Rewriter for Edits {
    fn target(&mut self, url: &Url) -> Target {
        let edited = self.0.borrow();
        edited.targets.of(&edited.path, url)
    }

    fn replace(&mut self, place: Range<u64>, with: String) {
        let mut edited = self.0.borrow_mut();
        edited.number += 1;
        let key = (place.start, place.end, edited.number);
        edited.waiting.insert(key, with);
        if edited.waiting.len() > WAITING {
            edited.write_waiting(WAITING / 2);
        }
    }
}

impl Edited {
    /// Writes the replacements that wait, except for the last `kept`.
    fn write_waiting(&mut self, kept: usize) {
        while self.waiting.len() > kept && self.error.is_none() {
            let Some(((start, end, _), with)) = self.waiting.pop_first() else { return };
            self.error = self.write(start..end, &with).err();
        }
    }

    fn write(&mut self, place: Range<u64>, with: &str) -> io::Result<()> {
        if place.start < self.source.position() {
            return Ok(()); // too late, these bytes were copied: the link stays as it is
        }
        self.copy(Some(place.start))?;
        let mut replaced = Vec::new();
        while self.source.read(Some(place.end), &mut replaced)? {}
        let with = self.source.encode(with);
        self.has_changed |= replaced != with;
        self.piece.extend(with);
        Ok(())
    }

    /// Copies the page up to the position `end` of its text.
    fn copy(&mut self, end: Option<u64>) -> io::Result<()> {
        while self.source.read(end, &mut self.piece)? {
            if self.piece.len() >= PIECE {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.digest.update(&self.piece);
        self.part.write(&self.piece)?;
        self.piece.clear();
        Ok(())
    }
}
