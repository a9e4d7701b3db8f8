#!/usr/bin/env bash
# Runs whole runtimes under Miri, which finds undefined behaviour: tasks, primitives, timers and a simulated network.
#
#   tests/miri.sh          every target and both models of aliasing: some minutes
#   tests/miri.sh short    this machine's target, once
#
# It needs a nightly compiler with the components `miri` and `rust-src`:
#   rustup toolchain install nightly --component miri,rust-src
set -euo pipefail
cd "$(dirname "$0")/.."

check() {
  local target=$1 flags=$2
  echo "== $target ${flags:-(Stacked Borrows)}"
  # Isolation is off because a recorder reads the current directory. The clock is then the real one.
  MIRIFLAGS="-Zmiri-disable-isolation $flags" \
    cargo +nightly miri test -p executor --locked --target "$target" --test deterministic --test threads
}

host=$(rustc -vV | sed -n 's/^host: //p')
check "$host" ""
[ "${1:-}" = short ] && exit
check "$host" "-Zmiri-tree-borrows"
for seed in 1 2 3; do check "$host" "-Zmiri-seed=$seed"; done
check i686-unknown-linux-gnu ""          # pointers of 32 bits
check s390x-unknown-linux-gnu ""         # the most significant byte first
check aarch64-apple-darwin ""            # another system, weaker memory
