//! A wait can be dropped at any moment: nothing is lost or left behind, and what it was handed goes to the next one.

mod announced;
mod conditions;
mod in_line;
mod locks;
mod messages;
