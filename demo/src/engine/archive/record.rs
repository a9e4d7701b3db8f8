//! The format of a WARC record, and the file that records are appended to. Blocks.

use crate::engine::save::hexadecimal;
use flate2::Compression;
use flate2::write::GzEncoder;
use ring::digest::Digest;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::SystemTime;

/// The head of a record.
pub struct Record {
    fields: Vec<(&'static str, String)>,
}

impl Record {
    /// A record of this type, with a new ID. `content_type` is that of its block.
    pub fn new(kind: &str, content_type: &str, date: SystemTime) -> Record {
        let mut record = Record { fields: Vec::new() };
        record.set("WARC-Type", kind);
        record.set("WARC-Record-ID", new_id());
        record.set("WARC-Date", humantime::format_rfc3339_seconds(date).to_string());
        record.set("Content-Type", content_type);
        record
    }

    /// Sets a field. The value must not contain a line break.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.fields.retain(|(known, _)| *known != name);
        self.fields.push((name, value.into()));
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }

    fn head(&self, length: u64) -> String {
        let mut head = "WARC/1.1\r\n".to_owned();
        for (name, value) in &self.fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "Content-Length: {length}\r\n\r\n");
        head
    }
}

/// A new ID of a record, a random UUID (RFC 9562, version 4).
pub fn new_id() -> String {
    let id = (fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let digits = format!("{id:032x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    format!("<urn:uuid:{}>", parts.join("-"))
}

/// A digest in the form of a header field.
pub fn labelled(digest: Digest) -> String {
    format!("sha256:{}", hexadecimal(digest.as_ref()))
}

/// The file of an archive.
pub struct WarcFile {
    file: File,
    is_compressed: bool,
}

impl WarcFile {
    /// Creates the file, which must not exist.
    pub fn create(path: &Path) -> io::Result<WarcFile> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let is_compressed = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        Ok(WarcFile { file, is_compressed })
    }

    /// Appends a record whose block is these parts, and then the bytes of a file from its beginning.
    ///
    /// # Errors
    /// Fails if it can't be written. The archive then ends with the previous record.
    pub fn append(&mut self, record: &Record, parts: &[&[u8]], rest: Option<&mut cap_std::fs::File>) -> io::Result<()> {
        let start = self.file.stream_position()?;
        let written = self.write(record, parts, rest);
        if written.is_err() {
            let _of_no_use = self.file.set_len(start).and_then(|()| self.file.seek(SeekFrom::Start(start)).map(drop));
        }
        written
    }

    fn write(&self, record: &Record, parts: &[&[u8]], rest: Option<&mut cap_std::fs::File>) -> io::Result<()> {
        let mut length = parts.iter().map(|part| part.len() as u64).sum();
        let mut rest = match rest {
            Some(file) => {
                length += file.seek(SeekFrom::End(0))?;
                file.seek(SeekFrom::Start(0))?;
                Some(file)
            }
            None => None,
        };
        let mut write = |to: &mut dyn Write| {
            to.write_all(record.head(length).as_bytes())?;
            parts.iter().try_for_each(|part| to.write_all(part))?;
            if let Some(file) = rest.take() {
                io::copy(file, to)?;
            }
            to.write_all(b"\r\n\r\n")
        };
        let mut file = BufWriter::with_capacity(64 * 1024, &self.file);
        if self.is_compressed {
            let mut member = GzEncoder::new(&mut file, Compression::default());
            write(&mut member)?;
            member.finish()?;
        } else {
            write(&mut file)?;
        }
        file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::fs;
    use std::io::Read;

    fn record() -> Record {
        let mut record = Record::new("resource", "text/plain", SystemTime::UNIX_EPOCH);
        record.set("WARC-Record-ID", "<urn:uuid:x>");
        record
    }

    const EXPECTED: &str = "WARC/1.1\r\nWARC-Type: resource\r\nWARC-Date: 1970-01-01T00:00:00Z\r\n\
                            Content-Type: text/plain\r\nWARC-Record-ID: <urn:uuid:x>\r\nContent-Length: 4\r\n\r\nabcd\r\n\r\n";

    #[test]
    fn a_record_is_its_fields_and_its_block() {
        let folder = crate::temporary::Temporary::new().unwrap();
        for name in ["x.warc", "x.warc.gz"] {
            let path = folder.path().join(name);
            let mut file = WarcFile::create(&path).unwrap();
            (0..2).for_each(|_| file.append(&record(), &[b"ab", b"cd"], None).unwrap());
            assert_eq!(WarcFile::create(&path).map(drop).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            let bytes = fs::read(&path).unwrap();
            if name == "x.warc" {
                assert_eq!(String::from_utf8(bytes).unwrap(), EXPECTED.repeat(2));
                continue;
            }
            // Each record is its own gzip member.
            let half = &bytes[..bytes.len() / 2];
            let mut text = String::new();
            GzDecoder::new(half).read_to_string(&mut text).unwrap();
            assert_eq!(text, EXPECTED);
        }
    }

    #[test]
    fn ids_are_random_uuids() {
        let (one, other) = (new_id(), new_id());
        assert_ne!(one, other);
        let uuid = one.strip_prefix("<urn:uuid:").and_then(|rest| rest.strip_suffix('>')).unwrap();
        let parts: Vec<&str> = uuid.split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{uuid}");
    }

    #[test]
    fn an_error_keeps_the_earlier_records() {
        let folder = crate::temporary::Temporary::new().unwrap();
        let path = folder.path().join("x.warc");
        // The append fails after the head was written, because the rest of the block can't be read.
        let unreadable = fs::File::create(folder.path().join("rest")).unwrap();
        unreadable.set_len(2 * 1024 * 1024).unwrap();
        let mut unreadable = cap_std::fs::File::from_std(unreadable);
        let mut file = WarcFile::create(&path).unwrap();
        for number in 1..=2 {
            file.append(&record(), &[b"abcd"], None).unwrap();
            file.append(&record(), &[&[b'x'; 1024 * 1024]], Some(&mut unreadable)).unwrap_err();
            assert_eq!(fs::read_to_string(&path).unwrap(), EXPECTED.repeat(number));
        }
        let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else { return };
        let mut file = WarcFile { file: full, is_compressed: false };
        assert_eq!(file.append(&record(), &[b"abcd"], None).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
