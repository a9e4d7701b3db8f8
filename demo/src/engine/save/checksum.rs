//! Checksums that the user gives for a download.

use super::hash::sha256_of;
use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

/// A SHA-256 checksum, written `sha256:HEX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum(String);

impl Checksum {
    /// The checksum, of the same kind, of all bytes of `from`. Blocks.
    pub fn of_same_kind(&self, from: impl Read) -> io::Result<Checksum> {
        sha256_of(from).map(Checksum)
    }
}

impl FromStr for Checksum {
    type Err = String;

    fn from_str(text: &str) -> Result<Checksum, String> {
        let digits = match text.split_once([':', '=']) {
            Some((kind, digits)) if matches!(&*kind.to_ascii_lowercase(), "sha256" | "sha-256") => digits,
            Some((kind, _)) => return Err(format!("`{kind}` is not supported: write it as sha256:HEX")),
            None => return Err("write it as sha256:HEX".to_owned()),
        };
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(format!(
                "a SHA-256 has 64 hexadecimal digits; this value has {} bytes or contains other characters",
                digits.len()
            ));
        }
        Ok(Checksum(digits.to_ascii_lowercase()))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_checksum_is_the_one_that_sha256sum_prints() {
        let given: Checksum = OF_ABC.parse().unwrap();
        assert_eq!(given.of_same_kind(&b"abc"[..]).unwrap(), given);
        assert_eq!(OF_ABC.to_uppercase().parse(), Ok(given.clone()));
        assert_ne!(given.of_same_kind(&b"abd"[..]).unwrap(), given);
        assert_eq!(given.to_string(), OF_ABC);
    }

    #[test]
    fn the_error_for_a_wrong_checksum_says_how_to_write_it() {
        for (text, error) in [
            ("ba7816", "sha256:HEX"),
            ("md5:ba7816", "`md5` is not supported"),
            ("sha256:ba7816", "64 hexadecimal digits; this value has 6 bytes"),
            (&OF_ABC.replace("ba", "zz"), "64 hexadecimal digits"),
        ] {
            let said = text.parse::<Checksum>().unwrap_err();
            assert!(said.contains(error), "{text}: {said}");
        }
    }
}
