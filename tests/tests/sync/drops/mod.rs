//! A wait can be dropped at any moment: nothing is lost or left behind, and what was handed to it goes to the next
//! wait.

mod announced;
mod conditions;
mod in_line;
mod locks;
mod messages;
