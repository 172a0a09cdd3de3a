#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# dsm: the benchmark runs, all of it. What it measures is not looked at: a machine that runs tests is
# no place for that.
set -u
# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"
: "${DVM_BUILD:?the build directory}"
exec 9< "$DVM_BUILD/config.h" && flock 9 # as the other tests with daemons: one at a time
results=$(mktemp)
trap 'rm -f "$results"' EXIT

measured() # TRANSPORT COLUMN CASE: it has figures
{
	python3 -c 'import json, sys
found = {tuple(k[:3]) for k, v in json.load(open(sys.argv[1]))["values"] if v}
sys.exit(tuple(sys.argv[2:5]) not in found)' "$results" "$@"
}

ok "it runs" timeout -k 5 150 "$(dirname "$0")/dsm" --build "$DVM_BUILD" --quick \
	--transports shm --save "$results"
for case in read-miss upgrade write-miss raw-page stream-read stream-write raw-stream fight alternate \
	hand-over round-trip lock add barrier; do
	ok "$case" measured shm dvm $case
done
for case in read-miss upgrade write-miss; do
	ok "$case, spinning" measured shm spinning $case
done
for case in stream-read invalidate; do
	ok "$case, readers own" measured shm "readers own" $case
done
for case in stream-read stream-write fight alternate; do
	ok "$case of ivy" measured shm ivy $case
done
ok "programs" python3 -c 'import json, sys
found = {tuple(k) for k, v in json.load(open(sys.argv[1]))["apps"] if v}
want = {(a, r, r) for a in ("heat", "heat_msg", "lu", "fft", "isort", "tsp", "kmeans") for r in (2, 4)}
sys.exit(not want <= found)' "$results"
tap_end
