//! Parses `.netrc`, as curl does: `machine`, `default`, `login`, `password`, quoted words, comments, `macdef`.
//! Used by `credentials.rs` and `options.rs`.
//!
//! No library is used, because the errors of such libraries quote words of the file, which may be passwords.

use std::iter::Peekable;
use std::str::Chars;

/// The entries of a file.
#[derive(Default)]
pub struct Netrc {
    entries: Vec<Entry>,
}

/// A login.
#[derive(Default)]
pub struct Entry {
    /// The host; `None` in the entry `default`.
    machine: Option<String>,
    /// The user name.
    pub login: String,
    /// The password.
    pub password: String,
}

impl Netrc {
    /// Parses a file. Unknown words are skipped.
    ///
    /// # Errors
    /// The error says what is wrong and in which line (except at the end of the file), without any value of the file.
    pub fn parse(text: &str) -> Result<Netrc, String> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines = text.lines().enumerate();
        let mut expected: Option<&'static str> = None;
        while let Some((number, line)) = lines.next() {
            let wrong = |what: &str| format!("line {}: {what}", number + 1);
            if line.trim_start().starts_with('#') {
                continue;
            }
            let mut chars = line.chars().peekable();
            while let Some(word) = word(&mut chars).map_err(wrong)? {
                if let Some(keyword) = expected.take() {
                    match (keyword, entries.last_mut()) {
                        ("machine", _) => entries.push(Entry { machine: Some(word), ..Entry::default() }),
                        ("login", Some(entry)) => entry.login = word,
                        ("password", Some(entry)) => entry.password = word,
                        ("account", _) => {}
                        (keyword, _) => return Err(wrong(&format!("`{keyword}` before any `machine`"))),
                    }
                    continue;
                }
                match word.as_str() {
                    "machine" => expected = Some("machine"),
                    "login" | "user" => expected = Some("login"),
                    "password" => expected = Some("password"),
                    "account" => expected = Some("account"),
                    "default" => entries.push(Entry::default()),
                    "macdef" => {
                        // The macro ends with an empty line.
                        lines.by_ref().find(|(_, line)| line.trim().is_empty());
                        break;
                    }
                    _ => {}
                }
            }
        }
        match expected {
            Some(keyword) => Err(format!("the file ends after `{keyword}`")),
            None => Ok(Netrc { entries }),
        }
    }

    /// The entry that names a host.
    pub fn machine(&self, host: &str) -> Option<&Entry> {
        self.machines(host).next()
    }

    /// The entry for a host, or the default one.
    pub fn find(&self, host: &str) -> Option<&Entry> {
        self.machine(host).or_else(|| self.default())
    }

    /// The entry for a user of a host.
    pub fn find_user(&self, host: &str, user: &str) -> Option<&Entry> {
        let of_user = |entry: &&Entry| entry.login == user;
        self.machines(host).find(of_user).or_else(|| self.default().filter(of_user))
    }

    fn machines<'a, 'h>(&'a self, host: &'h str) -> impl Iterator<Item = &'a Entry> + use<'a, 'h> {
        let is = move |machine: &String| machine.eq_ignore_ascii_case(host);
        self.entries.iter().filter(move |entry| entry.machine.as_ref().is_some_and(is))
    }

    fn default(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.machine.is_none())
    }
}

/// The next word of a line. In quotes, a backslash escapes the next character.
fn word(chars: &mut Peekable<Chars<'_>>) -> Result<Option<String>, &'static str> {
    while chars.next_if(|char| char.is_whitespace()).is_some() {}
    if chars.next_if_eq(&'"').is_none() {
        let mut word = String::new();
        while let Some(char) = chars.next_if(|char| !char.is_whitespace()) {
            word.push(char);
        }
        return Ok((!word.is_empty()).then_some(word));
    }
    let mut word = String::new();
    loop {
        match chars.next().ok_or("a quote is not closed")? {
            '"' => return Ok(Some(word)),
            '\\' => word.push(match chars.next().ok_or("a quote is not closed")? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                char => char,
            }),
            char => word.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, host: &str) -> Option<(String, String)> {
        let netrc = Netrc::parse(text).unwrap();
        netrc.find(host).map(|entry| (entry.login.clone(), entry.password.clone()))
    }

    #[test]
    fn a_login_is_found_in_every_form_of_a_file() {
        for text in [
            "machine h login l password p",
            "machine h\n\tlogin l\n\tpassword p\n",
            "machine\nh\nlogin\nl\npassword\np",
            "machine h password p login l",
            "machine h user l account a password p",
            "machine H login \"l\" password \"p\"",
            "# machine x\nmachine h login l password p",
            "machine x login a password b\nmachine h login l password p\ndefault login d password d",
            "default login d password d\nmachine h login l password p",
            "macdef init\nmachine h login wrong password wrong\n\nmachine h login l password p",
            "machine x login a password b\nmacdef m\n\ncd x\nmachine h login l password p",
            "machine h login l password p\r\nmachine x login a password b\r\n",
            "machine h login l password p\nmachine h login second password second",
            "machine h unknown login l password p",
        ] {
            assert_eq!(of(text, "h"), Some(("l".to_owned(), "p".to_owned())), "{text}");
        }
        assert_eq!(of("machine h login l password p", "x.h"), None);
        assert_eq!(of("machine h login l password p\ndefault login d password e", "x").unwrap().0, "d");
    }

    #[test]
    fn a_password_may_contain_separators_and_keywords() {
        for (written, password) in [
            (r#""a b""#, "a b"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            (r#""a\tb""#, "a\tb"),
            ("#a", "#a"),
            ("machine", "machine"),
            (r#"a"b"#, r#"a"b"#),
            (r#""""#, ""),
        ] {
            assert_eq!(of(&format!("machine h login l password {written}"), "h").unwrap().1, password, "{written}");
        }
    }

    #[test]
    fn an_error_says_where_it_is_and_quotes_no_value() {
        for (text, why) in [
            ("machine h\nlogin l password \"secret", "line 2: a quote is not closed"),
            ("login secret", "line 1: `login` before any `machine`"),
            ("machine h login secret password", "the file ends after `password`"),
            ("machine", "the file ends after `machine`"),
        ] {
            assert_eq!(Netrc::parse(text).err().as_deref(), Some(why));
        }
    }
}
