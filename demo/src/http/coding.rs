//! The codings of a body: those that are supported, and those that a response has. Used by `framing.rs` and `body.rs`.

use super::error::Error;
use http::{HeaderMap, header};

/// The codings that a request accepts: the value of `Accept-Encoding`.
pub const ACCEPTED: &str = "gzip, deflate, br, zstd";

/// Maximum number of codings of one body. curl has the same limit; most bodies have one coding or none.
const STACK_LIMIT: usize = 5;

/// A coding that `decode/` can undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// The zlib format (RFC 1950) or, as some servers send, bare deflate data (RFC 1951).
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// The coding of this name (RFC 9110, 8.4.1 and 18.6). Names are compared without case.
    pub fn named(name: &str) -> Option<Coding> {
        let names = [
            ("gzip", Coding::Gzip),
            ("x-gzip", Coding::Gzip),
            ("deflate", Coding::Deflate),
            ("br", Coding::Brotli),
            ("zstd", Coding::Zstd),
        ];
        names.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, coding)| coding)
    }

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
        }
    }
}

/// The codings of a response's body, in the order in which they were applied: those of the content, then those of the
/// transfer, which the framing knows.
///
/// # Errors
/// [`Error::UnknownContentCoding`] names a coding that can't be undone; [`Error::TooManyCodings`].
pub fn codings(target: &str, headers: &HeaderMap, transfer: &[Coding]) -> Result<Vec<Coding>, Error> {
    let mut codings = content_codings(target, headers)?;
    codings.extend(transfer);
    match codings.len() {
        0..=STACK_LIMIT => Ok(codings),
        _ => Err(Error::TooManyCodings(STACK_LIMIT)),
    }
}

fn content_codings(target: &str, headers: &HeaderMap) -> Result<Vec<Coding>, Error> {
    let mut codings = Vec::new();
    for field in headers.get_all(header::CONTENT_ENCODING) {
        let field = String::from_utf8_lossy(field.as_bytes());
        for name in field.split(',').map(str::trim).filter(|name| !is_no_coding(name)) {
            codings.push(Coding::named(name).ok_or_else(|| Error::UnknownContentCoding(name.to_owned()))?);
        }
    }
    if let [coding] = codings.as_slice()
        && is_coded_file(target, headers, *coding)
    {
        codings.clear();
    }
    Ok(codings)
}

/// Whether a name means no coding. Some servers put the character encoding here; browsers ignore that.
fn is_no_coding(name: &str) -> bool {
    let none = ["", "identity", "none"].iter().any(|known| known.eq_ignore_ascii_case(name));
    none || encoding_rs::Encoding::for_label(name.as_bytes()).is_some()
}

/// Whether the coding is the format of the file itself, which is then saved as it is.
///
/// Servers that know `.gz` as a coding label such a file both ways, or only with the coding. Firefox ignores the coding
/// if the media type says the same (`ClearBogusContentEncodingIfNeeded` in `nsHttpChannel.cpp`), and keeps `.gz` and
/// `.tgz` files coded when it saves them (`nonDecodableExtensions` in `nsExternalHelperAppService.cpp`), as wget does.
fn is_coded_file(target: &str, headers: &HeaderMap, coding: Coding) -> bool {
    let (types, extensions): (&[&str], &[&str]) = match coding {
        Coding::Gzip => (&["application/gzip", "application/x-gzip", "application/x-gunzip"], &["gz", "tgz"]),
        Coding::Brotli => (&["application/brotli", "application/x-brotli"], &["br"]),
        Coding::Zstd => (&["application/zstd"], &["zst"]),
        Coding::Deflate => (&[], &[]),
    };
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|field| field.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let extension = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, end)| end);
    let is_one_of = |known: &[&str], name: &str| known.iter().any(|known| known.eq_ignore_ascii_case(name));
    is_one_of(types, media_type) || is_one_of(extensions, extension)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Coding::{Brotli, Deflate, Gzip, Zstd};

    fn of(path: &str, fields: &[(&'static str, &'static str)]) -> Result<Vec<Coding>, Error> {
        let fields = fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        codings(path, &fields.collect(), &[])
    }

    #[test]
    fn codings_are_read_in_order_and_without_case() {
        for (field, expected) in [
            ("gzip", &[Gzip][..]),
            ("GZip", &[Gzip]),
            ("x-gzip", &[Gzip]),
            ("deflate,br ,  zstd", &[Deflate, Brotli, Zstd]),
            ("", &[]),
            (", ,gzip,", &[Gzip]),
            ("identity, gzip", &[Gzip]),
            ("UTF-8", &[]),
            ("iso-8859-1", &[]),
            ("none", &[]),
        ] {
            assert_eq!(of("/", &[("content-encoding", field)]).unwrap(), expected, "{field:?}");
        }
        let two = [("content-encoding", "gzip"), ("content-encoding", "br")];
        assert_eq!(of("/", &two).unwrap(), [Gzip, Brotli]);
    }

    #[test]
    fn an_unsupported_coding_is_an_error_that_names_it() {
        for field in ["compress", "gzip, sdch", "x", "gzip;q=1", "gzip br"] {
            let error = of("/", &[("content-encoding", field)]).unwrap_err();
            assert!(matches!(&error, Error::UnknownContentCoding(name) if field.contains(&**name)), "{error:?}");
        }
    }

    #[test]
    fn the_number_of_codings_is_limited() {
        let four = [(header::CONTENT_ENCODING, "br,br,br,br".parse().unwrap())].into_iter().collect();
        assert_eq!(codings("/", &four, &[Gzip]).unwrap(), [Brotli, Brotli, Brotli, Brotli, Gzip]);
        assert!(matches!(codings("/", &four, &[Gzip, Gzip]), Err(Error::TooManyCodings(5))));
    }

    #[test]
    fn a_file_whose_format_is_the_coding_stays_coded() {
        for (path, media_type, coding) in [
            ("/a", "application/gzip", "gzip"),
            ("/a", "application/x-gzip; x=y", "x-gzip"),
            ("/a.tar.gz", "application/x-tar", "gzip"),
            ("/a.TGZ?q", "text/plain", "gzip"),
            ("/a", "application/zstd", "zstd"),
            ("/a.br", "text/css", "br"),
        ] {
            let fields = [("content-type", media_type), ("content-encoding", coding)];
            assert_eq!(of(path, &fields).unwrap(), [], "{path} {media_type}");
        }
        for (path, media_type, coding) in [
            ("/a.tar", "application/x-tar", "gzip"),
            ("/gz", "text/html", "gzip"),
            ("/a.gz/b", "text/html", "gzip"),
            ("/?f=a.gz", "text/html", "gzip"),
            ("/a.gz", "application/gzip", "br"),
            ("/a", "application/gzip", "gzip, gzip"),
        ] {
            let fields = [("content-type", media_type), ("content-encoding", coding)];
            assert_ne!(of(path, &fields).unwrap(), [], "{path} {media_type}");
        }
    }
}
