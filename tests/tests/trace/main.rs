//! Recordings: the files and consoles that the environment asks for, and what is read from them.
//!
//! Alone: `cargo test -p tests --test trace`.

mod console;
mod environment;
mod files;
mod runs;
mod words;
