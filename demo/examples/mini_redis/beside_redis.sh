#!/bin/sh
# mini_redis beside redis-server: the same redis-benchmark against both in turns, medians and ratios.
#
#   demo/examples/mini_redis/beside_redis.sh [ROUNDS] [REQUESTS]      (7 and 200000 if not given)
#
# Without pipelining the limit is redis-benchmark, which has one thread, and needs longer for a request than
# either server. It also pays for waking a server that sleeps, so a server that finishes sooner sleeps more often
# and looks slower; that is why mini_redis stays awake for some microseconds. The processor time of the server
# for each request is shown too. Ratios above 1: mini_redis is better.
# PORT chooses redis-server's port.
set -eu

rounds=${1:-7}
requests=${2:-200000}
port=${PORT:-17379}
cd "$(dirname "$0")/../../.."
for program in redis-server redis-cli redis-benchmark; do
    command -v $program >/dev/null || { echo "$program is missing: install redis (Debian: redis-server)" >&2; exit 1; }
done
cargo build --quiet --release --package demo --example mini_redis
target=${CARGO_TARGET_DIR:-target}

work=$(mktemp -d)
touch "$work/ours.log"
ours= theirs=
trap 'kill $ours $theirs 2>/dev/null; rm -r "$work"' EXIT
trap 'exit 130' INT TERM

"$target/release/examples/mini_redis" --listen 127.0.0.1:0 >"$work/ours.log" & ours=$!
redis-server --port "$port" --bind 127.0.0.1 --dir "$work" --save '' --appendonly no --io-threads 1 >"$work/theirs.log" &
theirs=$!

# Waits until the server at a port says PONG; fails if it does not within five seconds.
until_it_answers() {
    for _ in $(seq 50); do
        [ "$(redis-cli -p "$1" ping 2>/dev/null)" = PONG ] && return
        sleep 0.1
    done
    echo "no server answers at port $1: $(cat "$2")" >&2
    exit 1
}
while ! grep -q listening "$work/ours.log"; do kill -0 $ours && sleep 0.1; done
ours_port=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' "$work/ours.log")
until_it_answers "$ours_port" "$work/ours.log"
until_it_answers "$port" "$work/theirs.log"
kill -0 $theirs || { echo "port $port is another's: choose one with PORT=…" >&2; exit 1; }

# The processor time of a process in clock ticks. Its name, which may hold spaces, ends with a bracket.
ticks() {
    sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}
hz=$(getconf CLK_TCK)

# One measurement: server, process, port, test, pipeline. Adds "server test pipeline requests/s µs" to the results.
measure() {
    before=$(ticks "$2")
    rate=$(redis-benchmark -p "$3" -t "$4" -n "$requests" -c 50 -P "$5" --csv | tail -1 | cut -d, -f2 | tr -d '"')
    after=$(ticks "$2")
    micros=$(awk "BEGIN { print ($after - $before) * 1e6 / $hz / $requests }")
    echo "$1 $4 $5 $rate $micros" >>"$work/results"
}

for pipeline in 1 16; do
    for round in $(seq "$rounds"); do
        for test in get set; do
            measure ours $ours "$ours_port" $test $pipeline
            measure theirs $theirs "$port" $test $pipeline
        done
    done
done

# The median of a column over all rounds of one measurement.
median() {
    awk -v server="$1" -v test="$2" -v pipeline="$3" -v column="$4" \
        '$1 == server && $2 == test && $3 == pipeline { print $column }' "$work/results" |
        sort -n | awk '{ value[NR] = $1 } END { print (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2 }'
}

echo "medians of $rounds rounds in turns: redis-benchmark -t get,set -n $requests -c 50 [-P 16]"
printf '%-10s %14s %14s %6s   %10s %10s %6s\n' test 'mini_redis /s' 'redis /s' ratio 'µs each' 'redis µs' ratio
for pipeline in 1 16; do
    for test in get set; do
        a=$(median ours $test $pipeline 4) b=$(median theirs $test $pipeline 4)
        c=$(median ours $test $pipeline 5) d=$(median theirs $test $pipeline 5)
        awk -v name="$test -P $pipeline" -v a="$a" -v b="$b" -v c="$c" -v d="$d" 'BEGIN {
            printf "%-10s %14.0f %14.0f %6.2f   %9.2f %10.2f %6.2f\n", name, a, b, a / b, c, d, (c > 0 ? d / c : 0) }'
    done
done
