//! Files on this machine, which other programs or earlier runs wrote. The first byte chooses the kind.

use demo::cli::options_of_file;
use demo::engine::parsers::Origin;
use demo::http::parsers::{Jar, Netrc, read_cookies};
use url::Url;

/// A sidecar of a part, options, logins or cookies.
pub fn files(bytes: &[u8]) {
    let Some((kind, file)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => sidecar(file),
        1 => options(&String::from_utf8_lossy(file)),
        2 => logins(&String::from_utf8_lossy(file)),
        _ => cookies(&String::from_utf8_lossy(file)),
    }
}

/// Fields of a request that come from a sidecar are valid.
fn sidecar(file: &[u8]) {
    let Some(origin) = Origin::parse(file) else { return };
    let fields = origin.fields(5, None);
    assert!(fields.iter().all(|(_, value)| !value.contains(char::is_control)), "{fields:?}");
}

/// Options become long options only.
fn options(file: &str) {
    match options_of_file(file, "crawl") {
        Ok(options) => assert!(options.iter().all(|option| option.starts_with("--")), "{options:?}"),
        Err(why) => assert!(why.starts_with("line "), "{why}"),
    }
}

/// Errors quote nothing from the file, because it may contain a password.
fn logins(file: &str) {
    match Netrc::parse(file) {
        Ok(logins) => drop(logins.find("h.example").map(|login| login.login.len())),
        Err(why) => assert!(why.starts_with("line ") || why.starts_with("the file ends"), "{why}"),
    }
}

/// Cookies are sent as valid fields.
fn cookies(file: &str) {
    let jar = Jar::default();
    let read = read_cookies(file, &jar);
    assert!(read.is_ok() || read.is_err_and(|why| why.starts_with("line ")));
    let url = Url::parse("http://h.example/").expect("it is valid");
    assert!(jar.field(&url).is_none_or(|field| !field.contains(char::is_control)));
}
