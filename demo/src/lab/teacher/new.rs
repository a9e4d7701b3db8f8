//! `demo lab new`: creates the files of a new lab. `lab verify` fails until they are filled in.

use crate::lab::course::{Course, LABS, write};
use crate::lab::error::LabError;

/// Creates the folder of a new lab.
///
/// # Errors
/// If the name is not a short name in lower case.
pub(crate) fn new(course: &Course, name: &str) -> Result<(), LabError> {
    let is_good = !name.is_empty() && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
    if !is_good {
        return Err(LabError::Usage(format!(
            "`{name}`: a name has small letters and dashes only, such as `own-mutex`"
        )));
    }
    let number = 1 + course.labs.last().map_or(0, |lab| lab.number);
    let folder = format!("{LABS}/{number:02}-{name}");
    let title = name.replace('-', " ");
    let files = [
        ("Cargo.toml", include_str!("new/Cargo.toml.txt")),
        ("lab.toml", include_str!("new/lab.toml.txt")),
        ("README.md", include_str!("new/README.md.txt")),
        ("src/lib.rs", include_str!("new/lib.rs.txt")),
        ("tests/check.rs", include_str!("new/check.rs.txt")),
        ("examples/show.rs", include_str!("new/show.rs.txt")),
    ];
    for (file, text) in files {
        let text = text.replace("NUMBER2", &format!("{number:02}")).replace("NUMBER", &number.to_string());
        write(&course.root.join(&folder).join(file), text.replace("TITLE", &title))?;
    }
    say!("created {folder}; fill in its files, then run `lab verify {number}`");
    Ok(())
}
