#!/usr/bin/env bash
# Runs the tests with threads under ThreadSanitizer, which finds data races, with a standard library that it sees into.
#
#   tests/tsan.sh          also the tests of tasks and primitives in `tests/tests`: some minutes
#   tests/tsan.sh short    those of `executor/tests` alone
#
# It needs a nightly compiler with the component `rust-src`:
#   rustup toolchain install nightly --component rust-src
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="-Zsanitizer=thread" CARGO_TARGET_DIR=target/tsan
run() { cargo +nightly test -Zbuild-std --locked --target "$host" "$@"; }

run -p executor --test deterministic --test threads
[ "${1:-}" = short ] && exit
run -p tests --test sync
run -p tests --test tasks life:: schedule::
