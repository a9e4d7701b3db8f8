//! Runs a target with libFuzzer: `TARGET=head fuzz OPTIONS CORPUS`. Built and called by `tests/fuzz.sh`.

#![no_main]

use fuzz::Target;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static CHOSEN: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("TARGET").unwrap_or_default();
    let names = || fuzz::TARGETS.map(|(name, _)| name).join(", ");
    fuzz::target(&name).unwrap_or_else(|| panic!("no target `{name}`: set TARGET to one of {}", names()))
});

fuzz_target!(|bytes: &[u8]| CHOSEN(bytes));
