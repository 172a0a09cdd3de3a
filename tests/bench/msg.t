#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# msg: the benchmark runs, on one host and between two. What it measures is not looked at: a
# machine that runs tests is no place for that.
set -u
# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"
: "${DVM_BUILD:?the build directory}"
exec 9< "$DVM_BUILD/config.h" && flock 9 # as the other tests with daemons: one at a time
msg=$(dirname "$0")/msg
results=$(mktemp)
trap 'rm -f "$results"' EXIT

measured() # CASE SYSTEM: it has figures
{
	python3 -c 'import json, sys
rows = [r for r in json.load(open(sys.argv[1]))["rows"] if r["case"] == sys.argv[2]]
sys.exit(not any(sys.argv[3] in r["systems"] for r in rows))' "$results" "$1" "$2"
}

left_out() # NAME: why
{
	python3 -c 'import json, sys
print(json.load(open(sys.argv[1]))["left_out"].get(sys.argv[2], ""))' "$results" "$1"
}

# Probes may disagree all the time on a busy machine: several samples, and several tries.
bench() # OPTION...
{
	local try
	for try in 1 2 3 4; do
		timeout -k 5 100 "$msg" --build "$DVM_BUILD" --rounds 2 --samples $((4 * try)) --json \
			"$@" > "$results" || return
		measured lat8 dvm && measured bw1m dvm && measured barrier-4 dvm && return
	done
	: # those that lack will be named
}

ok "libdvm and the machine" bench --systems dvm,limit,socket \
	--only 'lat8,bw1m,memcpy1m,barrier-4,mem-2,net-lat8'
for case in lat8 bw1m barrier-4 mem-2; do
	ok "$case is measured" measured $case dvm
done
for case in lat8 memcpy1m; do
	ok "$case of the machine" measured $case limit
done
why=$(left_out 'net-*')
if [ -z "$why" ]; then
	ok "between two hosts" measured net-lat8 dvm
	ok "... and a socket" measured net-lat8 socket
else
	skip "between two hosts" "$why"
fi
like "a case that is none" "$("$msg" --only lat9 2>&1)" "msg: no case is called lat9; there are: lat8 *"
like "its list" "$("$msg" --list)" "lat8 *8 B latency*net-rate8 *socket *"
tap_end
