//! The ETag of a saved file, kept with the file in an extended attribute, so that a later run can ask whether the file
//! is still current. It moves and vanishes with the file. Where a file system has no extended attributes, there is no
//! ETag, and the later run fetches the file again.

use cap_std::fs::File;
use std::io;

/// The longest ETag that is kept, in bytes. File systems limit the sum of a file's attributes, ext4 to 4 KiB.
const LONGEST: usize = 1024;

/// Keeps the ETag with a file.
///
/// # Errors
/// Fails if the file system does not keep it.
pub fn keep(file: &File, tag: &str) -> io::Result<()> {
    let length = file.metadata()?.len();
    match tag.len() <= LONGEST && tag.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        true => attribute::set(file, format!("{length} {tag}").as_bytes()),
        false => Ok(()),
    }
}

/// The ETag of a file. `None` if the size of the file has changed since its ETag was stored.
pub fn of(file: &File) -> Option<String> {
    let mut value = vec![0; LONGEST + 32];
    let length = attribute::get(file, &mut value).ok()?;
    value.truncate(length);
    let value = String::from_utf8(value).ok()?;
    let (length, tag) = value.split_once(' ')?;
    (length.parse() == Ok(file.metadata().ok()?.len())).then(|| tag.to_owned())
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
mod attribute {
    use cap_std::fs::File;
    use rustix::fs::{XattrFlags, fgetxattr, fsetxattr};
    use std::io;

    const NAME: &str = "user.demo.etag";

    pub fn set(file: &File, value: &[u8]) -> io::Result<()> {
        Ok(fsetxattr(file, NAME, value, XattrFlags::empty())?)
    }

    pub fn get(file: &File, value: &mut [u8]) -> io::Result<usize> {
        Ok(fgetxattr(file, NAME, value)?)
    }
}

/// rustix has no extended attributes on other systems.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
mod attribute {
    use cap_std::fs::File;
    use std::io;

    pub fn set(_: &File, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn get(_: &File, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
