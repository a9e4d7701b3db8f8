//! SHA-256 in hexadecimal, for names of files.

use ring::digest::{Context, SHA256, digest};
use std::fmt::Write as _;
use std::io::{self, Read};

/// The SHA-256 of some bytes, in 64 lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(digest(&SHA256, bytes).as_ref())
}

/// The SHA-256 of all that is read. Blocks.
pub fn sha256_of(mut from: impl Read) -> io::Result<String> {
    let (mut context, mut piece) = (Context::new(&SHA256), vec![0; 128 * 1024]);
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(hexadecimal(context.finish().as_ref())),
            Ok(count) => context.update(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes in lower-case hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        let _infallible = write!(digits, "{byte:02x}");
        digits
    })
}
