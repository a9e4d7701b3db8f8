//! Parses the values of options. Used by the files that define options.

use bytesize::ByteSize;
use std::time::Duration;

/// A number of bytes, such as `64M`.
pub fn size(text: &str) -> Result<ByteSize, String> {
    text.parse().map_err(|_| "write it as 64M (million bytes), 500k or 1Gi (2³⁰)".to_owned())
}

/// A duration, such as `30s`. It is never zero.
pub fn time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be at least 1ms".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(format!("{error}: write it as 500ms, 3s or 2m")),
    }
}

/// Parses a link depth.
///
/// # Errors
/// Fails if it is neither a number nor `inf`.
pub fn depth(text: &str) -> Result<u32, String> {
    match text {
        "inf" => Ok(u32::MAX),
        number => number.parse().map_err(|_| "write a number, or `inf` for no limit".to_owned()),
    }
}
