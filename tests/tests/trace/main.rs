//! Recordings: the files and consoles that environment variables set up, and their content.
//!
//! Alone: `cargo test -p tests --test trace`.

mod console;
mod environment;
mod files;
mod runs;
mod words;
