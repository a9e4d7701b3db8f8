//! A script in Lua. Redis runs it as one step: no other command comes in between.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use std::fmt::Write;

/// A script, and the digest that identifies it in Redis after the first use.
pub struct Script {
    /// The source.
    pub text: String,
    /// The argument of EVALSHA: SHA-1 in hexadecimal.
    pub digest: String,
}

impl Script {
    /// The script with this source.
    pub fn new(text: String) -> Script {
        let mut hex = String::new();
        for byte in digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref() {
            let _ = write!(hex, "{byte:02x}");
        }
        Script { text, digest: hex }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_redis() {
        // As `redis-cli script load 'return 1'` prints it.
        assert_eq!(Script::new("return 1".to_owned()).digest, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    }
}
