//! Saving: a file name for each URL, and files that get it when they are complete.
//!
//! | file | what it holds |
//! |---|---|
//! | `names.rs`, `suggested.rs` | the name that follows from a URL; one that a server suggests |
//! | `hash.rs`, `checksum.rs` | SHA-256 |
//! | `parts.rs`, `part.rs` | the directory for what is not complete; one file in it |
//! | `media.rs`, `saved.rs` | the type of a body; the list of saved files, if links are converted |
//! | `body.rs`, `segmented.rs` | a body that is being received: from its beginning, or in segments |
//! | `tag.rs` | the ETag of a saved file |
//! | `store.rs` | the directory that a run saves in |

mod body;
mod checksum;
mod hash;
mod media;
mod names;
mod options;
mod part;
mod parts;
mod saved;
mod segmented;
mod store;
mod suggested;
mod tag;

pub use body::Body;
pub use hash::{hexadecimal, sha256};
pub use media::Media;
pub use names::{EXTENSIONS, Names, below_server, with_extension};
pub use options::SaveOptions;
pub use part::Part;
pub use parts::Interrupted;
pub use saved::{SavedFile, file_of_url, relative, url_of_file};
pub use segmented::{Segmented, Writer};
pub use store::{Completed, Files, SaveError, Saved, Store, identity};
pub use suggested::{file_name, safe_name, suggested_name};
pub use tag::of as kept_tag;
