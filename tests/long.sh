#!/usr/bin/env bash
# The tests that build whole crates, and therefore take minutes: crates outside of the clone that use the runtime, and the
# number of instructions that a task takes. `cargo test` skips them; .ci/run runs them.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test -p tests --locked --test docs -- --ignored outside instructions
