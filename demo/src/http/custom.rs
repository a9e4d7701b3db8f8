//! A field that the user adds to requests (`--header`). Used by `options.rs` and `outgoing.rs`.

use http::{HeaderName, HeaderValue};

/// Fields that say how the connection or the body is to be treated. The program decides that.
const RESERVED: [&str; 8] =
    ["connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// Fields that carry credentials. As in curl, they go only to the servers that the user named.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// A field that the user adds to requests, or removes from them.
pub struct CustomField {
    name: String,
    /// `None` removes the field.
    value: Option<String>,
}

impl CustomField {
    /// Parses `Name: value`, `Name:` (which removes the field) or `Name;` (which sends it empty), as in curl.
    ///
    /// # Errors
    /// The error says what is wrong and what to write, without the value, which may be a secret.
    pub fn parse(text: &str) -> Result<CustomField, String> {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => match value.trim_matches([' ', '\t']) {
                "" => (name, None),
                value => (name, Some(value)),
            },
            None => match text.strip_suffix(';') {
                Some(name) => (name, Some("")),
                None => return Err("missing colon: write it as 'Name: value'".to_owned()),
            },
        };
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(format!("`{}` is not a field name", name.escape_debug()));
        }
        if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
            return Err(format!("the header `{name}` cannot be changed: the program sets it itself"));
        }
        if !value.is_none_or(is_field_value) {
            return Err(format!("the value of `{name}` contains a line break or another control character"));
        }
        Ok(CustomField { name: name.to_owned(), value: value.map(str::to_owned) })
    }

    /// The name, as it was written.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value; `None` removes the field.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// Whether it has this name.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Whether it carries credentials.
    pub fn is_credential(&self) -> bool {
        is_credential(&self.name)
    }
}

/// Whether a field of this name carries credentials.
pub fn is_credential(name: &str) -> bool {
    CREDENTIALS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether text may be the value of a field.
pub fn is_field_value(text: &str) -> bool {
    HeaderValue::from_bytes(text.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_could_change_the_request_is_refused_without_quoting_its_value() {
        for wrong in [
            "x",
            "",
            ":",
            ": value",
            "a b: c",
            "x\r\ny: secret",
            "x: secret\r\nEvil: 1",
            "x: secret\nEvil: 1",
            "x: secret\rEvil: 1",
            "x: secret\0",
            "Content-Length: 7",
            "transfer-encoding: chunked",
            "Connection: upgrade",
        ] {
            let error = CustomField::parse(wrong).err().unwrap_or_else(|| panic!("{wrong:?} is accepted"));
            assert!(!error.contains("secret") && !error.contains('\n') || !wrong.contains(": secret"), "{error}");
        }
        for right in ["x: y", "x:y", "X-Y: \u{fc}", "x: a\tb", "x:", "x;"] {
            assert!(CustomField::parse(right).is_ok(), "{right:?}");
        }
    }
}
