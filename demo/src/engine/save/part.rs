//! A file that is being written, which gets its name when it is complete. Its methods block.
//!
//! As in curl and wget, a complete file is not flushed to the disk (`fsync`): it is complete even if the program is
//! killed, but may be damaged after a power failure. Bytes that were received in segments are flushed before they are
//! noted as received, because the size of the file says nothing about them.

use super::parts::Parts;
use crate::engine::ranges::Ranges;
use crate::engine::resume::Origin;
use cap_std::fs::File;
use rustix::fs::{Timespec, Timestamps, UTIME_OMIT, futimens};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A file in the directory for parts. Dropping it before it has its name keeps it if it can be resumed, and removes it
/// otherwise.
pub struct Part {
    parts: Arc<Parts>,
    name: String,
    file: Option<File>,
    /// What it is a part of, if it can be resumed.
    origin: Option<Origin>,
    /// Whether the origin is written beside it, so that a later run can resume it.
    is_described: bool,
    /// The bytes that are in the file, if it is written in segments.
    ranges: Option<Ranges>,
}

impl Part {
    /// A part whose file is created by the first write.
    pub fn new(parts: Arc<Parts>, url: &str, origin: Option<Origin>) -> Part {
        Part { parts, name: Parts::name_of(url), file: None, origin, is_described: false, ranges: None }
    }

    /// An interrupted part, to continue it at its end.
    pub fn resume(parts: Arc<Parts>, origin: Origin) -> io::Result<Part> {
        let (mut part, _) = Part::take(parts, origin)?;
        if let Some(file) = &mut part.file {
            file.seek(SeekFrom::End(0))?;
        }
        Ok(part)
    }

    /// A part that is written in segments: an interrupted one, or one whose file is created. Returns its file too, to
    /// write at any position of it.
    pub fn in_segments(parts: Arc<Parts>, origin: Origin, is_new: bool) -> io::Result<(Part, Arc<File>)> {
        let mut part = if is_new {
            let mut part = Part::new(parts, &origin.url.clone(), Some(origin));
            part.create()?;
            part.ranges = Some(Ranges::default());
            part
        } else {
            let (mut part, received) = Part::take(parts, origin)?;
            part.ranges = Some(received);
            if let Some(file) = &part.file {
                file.sync_data()?; // its bytes are noted as received, so they must be on the disk
            }
            part
        };
        // This must precede the first write that is not at the end: from then on, the size of the file says nothing.
        part.describe()?;
        let file = part.file.as_ref().map_or(Err(ErrorKind::NotFound.into()), File::try_clone)?;
        Ok((part, Arc::new(file)))
    }

    /// Takes an interrupted part. Also returns the ranges that it has.
    fn take(parts: Arc<Parts>, origin: Origin) -> io::Result<(Part, Ranges)> {
        let name = Parts::name_of(&origin.url);
        let (file, known) = parts.take(&name)?;
        let is_described = parts.is_described(&name);
        let part = Part { parts, name, file: Some(file), origin: Some(origin), is_described, ranges: None };
        Ok((part, known.received))
    }

    /// Creates its file.
    fn create(&mut self) -> io::Result<()> {
        let name = self.name.clone();
        self.file = Some(self.parts.create(&mut self.name)?);
        if name != self.name {
            self.origin = None; // a later run would not find it
        }
        Ok(())
    }

    fn describe(&mut self) -> io::Result<()> {
        let Some(origin) = &self.origin else { return Ok(()) };
        self.parts.describe(&self.name, origin, self.ranges.as_ref())?;
        self.is_described = true;
        Ok(())
    }

    /// Makes the part not resumable, and removes its description if there is one.
    fn forget_origin(&mut self) {
        self.origin = None;
        if std::mem::take(&mut self.is_described) {
            self.parts.forget_origin(&self.name);
        }
    }

    /// Sets which bytes are in the file.
    pub fn has(&mut self, ranges: Ranges) {
        self.ranges = Some(ranges);
    }

    /// Writes down which bytes are in the file, for a run that resumes it.
    pub fn note(&mut self, ranges: Ranges) -> io::Result<()> {
        if let Some(file) = self.file.as_ref().filter(|_| self.origin.is_some()) {
            file.sync_data()?;
        }
        self.ranges = Some(ranges);
        self.describe()
    }

    /// Whether it is kept when it is dropped.
    pub fn is_resumable(&self) -> bool {
        self.origin.is_some()
    }

    /// Makes dropping the part remove it, because it is useless.
    pub fn reject(&mut self) {
        self.forget_origin();
    }

    /// Appends bytes. The first call also writes the description, if there is an origin, so that a later run can resume
    /// the part.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.create()?;
        }
        if !self.is_described {
            self.describe()?;
        }
        self.append(bytes)
    }

    /// Appends the last bytes. If nothing was written before, the part is complete after this call. Its description is
    /// not written then, because writing it takes as long as everything else.
    pub fn write_last(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.create()?;
        }
        self.append(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
    }

    /// The number of bytes that are in the file.
    pub fn length(&self) -> io::Result<u64> {
        self.file.as_ref().map_or(Ok(0), |file| Ok(file.metadata()?.len()))
    }

    /// Reads it from the beginning.
    pub fn read(&self) -> io::Result<File> {
        self.parts.directory.open(&self.name)
    }

    /// Stores the ETag with the file, if the file system allows it.
    pub fn keep_tag(&self, tag: &str) {
        if let Some(file) = &self.file {
            let _fetched_again_then = super::tag::keep(file, tag);
        }
    }

    /// Gives the file its name, and the time of its last change if that is known.
    ///
    /// # Errors
    /// If something is in the way, the error names it.
    pub fn complete(&mut self, to: &Path, modified: Option<SystemTime>) -> io::Result<()> {
        if let (Some(file), Some(modified)) = (&self.file, modified.and_then(timestamp)) {
            let omitted = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
            let _the_time_of_the_download =
                futimens(file, &Timestamps { last_access: omitted, last_modification: modified });
        }
        let renamed = match self.rename(to) {
            Err(error) if error.kind() == ErrorKind::NotFound => self.make_parents(to).and_then(|()| self.rename(to)),
            renamed => renamed,
        };
        renamed.map_err(|error| self.explain(to, error))?;
        self.file = None;
        self.forget_origin();
        Ok(())
    }

    fn rename(&self, to: &Path) -> io::Result<()> {
        self.parts.directory.rename(&self.name, &self.parts.root, to)
    }

    fn make_parents(&self, to: &Path) -> io::Result<()> {
        let parents: Vec<&Path> = to.ancestors().skip(1).filter(|parent| *parent != Path::new("")).collect();
        for parent in parents.into_iter().rev() {
            match self.parts.root.create_dir(parent) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Names what is in the way of a file, if something is.
    fn explain(&self, to: &Path, error: io::Error) -> io::Error {
        let is_there = |path: &Path, directory: bool| {
            let metadata = self.parts.root.symlink_metadata(path);
            metadata.is_ok_and(|there| if directory { there.is_dir() } else { there.is_file() })
        };
        let found =
            if is_there(to, true) { Some(to) } else { to.ancestors().skip(1).find(|path| is_there(path, false)) };
        let Some(found) = found else { return error };
        let (is, needed) = if found == to { ("directory", "file") } else { ("file", "directory") };
        let message = format!(
            "`{}` is a {is}, and `{}` needs a {needed} there: move it away, or choose another directory with -P",
            found.display(),
            to.display()
        );
        io::Error::new(error.kind(), message)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.file.is_none() {
            return;
        }
        let in_segments = self.ranges.is_some();
        // The ranges stay until it is described: without them, a later run would take the whole file for received.
        let received = self.ranges.clone().unwrap_or_else(|| Ranges::from(0..self.length().unwrap_or(0)));
        self.file = None;
        if received.count() > 0 && !self.is_described {
            let _if_this_fails_only_this_run_can_resume_it = self.describe();
        }
        match self.origin.take() {
            Some(origin) if received.count() > 0 => self.parts.keep(&self.name, origin, received, in_segments),
            _ => {
                self.forget_origin();
                let _left_for_the_next_run = self.parts.directory.remove_file(&self.name);
            }
        }
    }
}

fn timestamp(time: SystemTime) -> Option<Timespec> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(Timespec { tv_sec: since.as_secs().try_into().ok()?, tv_nsec: since.subsec_nanos().into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temporary::Temporary;
    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    #[test]
    fn a_part_in_segments_that_is_described_late_is_described_with_its_ranges() {
        let place = Temporary::new().unwrap();
        let root = Arc::new(Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap());
        let parts = Arc::new(Parts::open(root, false).unwrap());
        let origin = Origin { url: "http://h/x".to_owned(), validator: "\"a\"".to_owned(), total: Some(20) };
        let (mut part, _) = Part::in_segments(parts.clone(), origin, true).unwrap();
        part.append(&[0; 20]).unwrap();
        part.has(Ranges::from(10..20));
        (part.is_described, part.name) = (false, "late".to_owned()); // as if there had been no room for it
        drop(part);
        let description = parts.directory.read_to_string("late.json").unwrap();
        assert!(description.contains(r#""ranges":[[10,20]]"#), "{description}");
    }
}
