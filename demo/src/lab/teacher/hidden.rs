//! Hidden tests: a directory with a manifest and a `tests/check.rs`, which replaces the public one.

use crate::lab::course::{Lab, read};
use crate::lab::error::LabError;
use crate::lab::manifest::{Hidden, Manifest};
use std::path::Path;

/// The lab with hidden tests in place of its public ones, and the file that replaces the public one.
///
/// # Errors
/// If a file can't be read, or the manifest is wrong.
pub(super) fn with_hidden(lab: &Lab, dir: &Path) -> Result<(Lab, (String, String)), LabError> {
    let path = dir.join("lab.toml");
    let hidden = Hidden::parse(&read(&path)?).map_err(|why| LabError::Manifest { path: path.clone(), why })?;
    let Hidden { tests, wrongs, limits } = hidden;
    let limits = limits.unwrap_or(lab.manifest.limits);
    let manifest = Manifest { tests, wrongs, limits, ..lab.manifest.clone() };
    manifest.check().map_err(|why| LabError::Manifest { path, why })?;
    let text = read(&dir.join("tests/check.rs"))?;
    let replaced = format!("{}/tests/check.rs", lab.path());
    Ok((Lab { number: lab.number, folder: lab.folder.clone(), manifest }, (replaced, text)))
}
