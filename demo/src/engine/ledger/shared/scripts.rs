//! The scripts that change a job, each as one step of Redis. `scripts/prelude.lua` describes the keys.

use crate::redis::Script;

/// The number of the format of the keys. A job of another version is not joined.
pub const VERSION: &str = "1";

/// The scripts, each with its common beginning.
pub struct Scripts {
    pub open: Script,
    pub add: Script,
    pub lease: Script,
    pub done: Script,
    pub renew: Script,
    pub release: Script,
    pub see: Script,
    pub turn: Script,
    pub slow: Script,
}

impl Scripts {
    pub fn new() -> Scripts {
        const PRELUDE: &str = include_str!("scripts/prelude.lua");
        const EXISTS: &str = include_str!("scripts/exists.lua");
        let script = |text| Script::new(format!("{PRELUDE}\n{EXISTS}\n{text}"));
        Scripts {
            open: Script::new(format!("{PRELUDE}\n{}", include_str!("scripts/open.lua"))),
            add: script(include_str!("scripts/add.lua")),
            lease: script(include_str!("scripts/lease.lua")),
            done: script(include_str!("scripts/done.lua")),
            renew: script(include_str!("scripts/renew.lua")),
            release: script(include_str!("scripts/release.lua")),
            see: script(include_str!("scripts/see.lua")),
            turn: script(include_str!("scripts/turn.lua")),
            slow: script(include_str!("scripts/slow.lua")),
        }
    }
}
