#![doc = include_str!("../README.md")]
// Blocks of the chapter have attributes such as `screen=54`, which rustdoc warns about.
#![allow(rustdoc::invalid_codeblock_attributes)]

mod channel;
mod channel_suite;
mod crawler;
mod crawler_suite;

pub use channel::{Receiver, Sender};
pub use channel_suite::channel_suite;
pub use crawler::{Crawler, Failed, Report, Site};
pub use crawler_suite::crawler_suite;
