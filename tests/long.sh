#!/usr/bin/env bash
# The tests that take longest: those that build crates outside of the clone, which use the runtime, and trees of labs;
# the number of instructions that a task takes; and the largest models. `cargo test` skips them; .ci/run runs them.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test -p tests --locked --test docs --test lab -- --ignored outside instructions built
# Unoptimized, these models take twice as long, and the others are not worth the time that the optimization takes.
cargo test --workspace --locked --test loom --config 'profile.dev.package.models.opt-level=3' -- --ignored
