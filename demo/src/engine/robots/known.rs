//! What is known of the robots.txt of each host.

use super::rules::Rules;
use executor::sync::Mutex;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// The rules of each host.
#[derive(Default)]
pub struct Robots {
    /// By server. A lock is held while the file is requested, so that others wait for the answer.
    known: RefCell<HashMap<String, Rc<Mutex<Known>>>>,
}

/// What is known of one host.
#[derive(Default)]
pub struct Known {
    pub rules: Option<Rules>,
    /// Number of failed requests.
    pub failures: u32,
}

impl Robots {
    /// What is known of a server.
    pub fn of(&self, server: String) -> Rc<Mutex<Known>> {
        self.known.borrow_mut().entry(server).or_default().clone()
    }
}
