#!/usr/bin/env bash
# Fuzzes the parsers of untrusted input: `tests/fuzz/` has the targets and the corpus.
#
#   tests/fuzz.sh short             a second for each target, after the build, from the same seed in every run
#   tests/fuzz.sh [long] [SECONDS]  a minute for each target, or as long as said; keeps inputs that reach new code
#   TARGETS="head url" tests/fuzz.sh
#
# libFuzzer, in the package `libfuzzer-sys`, needs a C++ compiler. It needs neither a nightly compiler nor cargo-fuzz:
# the flags below make the stable compiler count the branches of this workspace's packages. An input that fails is
# written to `target/fuzz/failed/`; add it to `tests/fuzz/corpus/TARGET/` when the bug is fixed.
set -euo pipefail
cd "$(dirname "$0")/.."

length=${1:-long} seconds=${2:-60} limit=4096 seed=0 # with 0, libFuzzer picks a random seed
[ "$length" != short ] || { seconds=1; limit=1024; seed=1; }
all=$(sed -n 's/^    ("\(.*\)", .*::.*),$/\1/p' tests/fuzz/src/lib.rs)
failed=$PWD/target/fuzz/failed
mkdir -p "$failed"

corpora=$(mktemp -d)
trap 'rm -rf "$corpora"' EXIT
# Cargo runs this in place of rustc for the packages of the workspace. Other packages are used as compiled for the
# tests.
wrapper=$PWD/target/fuzz/rustc
cat > "$wrapper" <<'RUSTC'
#!/bin/sh
exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares
RUSTC
chmod +x "$wrapper"
RUSTC_WORKSPACE_WRAPPER=$wrapper cargo build --quiet --workspace --locked --features fuzz/libfuzzer --bin fuzz
program=${CARGO_TARGET_DIR:-target}/debug/fuzz

fuzz() {
  local target=$1 kept=tests/fuzz/corpus/$1 new=$corpora/$1
  mkdir -p "$new"
  local options=(-dict=tests/fuzz/dictionary "-seed=$seed" "-max_total_time=$seconds" -timeout=10 -rss_limit_mb=1024 "-max_len=$limit")
  if ! TARGET=$target nice -n 19 "$program" "${options[@]}" "-artifact_prefix=$failed/$target-" -print_final_stats=1 \
    "$new" "$kept" > "$corpora/$target.log" 2>&1; then
    tail -n 60 "$corpora/$target.log"
    echo "$target failed: the input is in $failed"
    return 1
  fi
  echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$corpora/$target.log") inputs"
  # Keeps a minimal corpus: few short inputs that reach the same code as all of them.
  [ "$length" = short ] || TARGET=$target "$program" -set_cover_merge=1 -use_counters=0 -max_len=512 "$kept" "$new" > /dev/null 2>&1
}

pids=() result=0
reap() {
  for pid in "${pids[@]}"; do wait "$pid" || result=1; done
  pids=()
}
for target in ${TARGETS:-$all}; do
  fuzz "$target" & pids+=($!)
  [ ${#pids[@]} -lt "$(nproc)" ] || reap
done
reap
exit $result
