//! Hidden tests: a directory with a manifest and a `tests/check.rs`, which replaces the public one, or the `main.rs` of
//! the public ones.

use crate::lab::course::{Course, Lab, read};
use crate::lab::error::LabError;
use crate::lab::manifest::{Hidden, Manifest};
use std::path::Path;

/// The lab with hidden tests in place of its public ones, and the file that replaces the public one.
///
/// # Errors
/// If a file can't be read, or the manifest is wrong.
pub(super) fn with_hidden(course: &Course, lab: &Lab, dir: &Path) -> Result<(Lab, (String, String)), LabError> {
    let path = dir.join("lab.toml");
    let hidden = Hidden::parse(&read(&path)?).map_err(|why| LabError::Manifest { path: path.clone(), why })?;
    let Hidden { tests, wrongs, limits } = hidden;
    let limits = limits.unwrap_or(lab.manifest.limits);
    let manifest = Manifest { tests, wrongs, limits, ..lab.manifest.clone() };
    manifest.check().map_err(|why| LabError::Manifest { path, why })?;
    let text = read(&dir.join("tests/check.rs"))?;
    let names = ["tests/check.rs", "tests/check/main.rs"].map(|name| format!("{}/{name}", lab.path()));
    let replaced = names.into_iter().find(|name| course.root.join(name).exists());
    let replaced = replaced.ok_or_else(|| LabError::Other(format!("lab {} has no tests/check.rs", lab.number)))?;
    Ok((Lab { number: lab.number, folder: lab.folder.clone(), manifest }, (replaced, text)))
}
