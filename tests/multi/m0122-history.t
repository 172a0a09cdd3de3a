#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Accounting: dvm history, across restarts and full disks.
# shellcheck disable=SC2016,SC2317

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

machine_up 2 # of two slots each

ask() # EXPRESSION [OPTION...]: of the list of runs, r
{
	local what=$1
	shift
	dvm history --json "$@" | python3 -c 'import datetime, json, sys
when = datetime.datetime.fromisoformat
took = lambda run: (when(run["ended"]) - when(run["started"])).total_seconds()
r = json.load(sys.stdin)["runs"]
print(eval(sys.argv[1]))' "$what"
}

is "nothing has run" "$(ask 'len(r)')" 0
burn='i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done'
good=$(dvm submit -n 2 --account physics --name burner sh -c "$burn")
is "a job ends well" "$(code_of dvm wait "$good")" 0
bad=$(dvm submit sh -c 'exit 3')
dvm wait "$bad"
hung=$(dvm submit --time 1 sleep 100)
killed=$(dvm submit sh -c 'kill -SEGV $$')
dvm wait "$hung"
dvm wait "$killed"
never=$(dvm submit --hold true)
dvm cancel "$never"
dvm run true
last=$(ask 'r[-1]["job"]')
is "each is there once" "$(ask 'sorted(x["job"] for x in r) == sorted(set(x["job"] for x in r))')" True
is "how they ended" "$(ask "' '.join('%d:%s:%d:%s' % (x['job'] - $good, x['state'], x['exit_code'], x['signal']) for x in sorted(r, key=lambda x: x['job']))")" \
	"0:done:0:None 1:failed:3:None 2:timeout:124:None 3:failed:139:11 4:cancelled:143:None 5:done:0:None"
is "what it used" "$(ask 'r[0]["cpu_ns"] > 20000000 and 500000 < r[0]["memory_peak"] < 1 << 30' -j "$good")" True
is "who, what and where" "$(ask '(r[0]["account"], r[0]["name"], r[0]["ranks"], r[0]["nodes"], r[0]["command"][:5])' -j "$good")" \
	"('physics', 'burner', 2, 'node1', 'sh -c')"
is "when" "$(ask 'r[0]["submitted"] < r[0]["started"] < r[0]["ended"]' -j "$good")" True
is "... and not at all" "$(ask '(r[0]["started"], r[0]["reason"])' -j "$never")" "(None, 'cancelled')"
is "filters: account" "$(ask '[x["job"] for x in r]' --account physics)" "[$good]"
is "... state" "$(ask '[x["job"] for x in r]' --state timeout)" "[$hung]"
is "... user" "$(ask 'len(r)' --user nobody-here)" 0
is "... since" "$(ask 'len(r)' --since 1h)" 6
is "... until now" "$(ask 'len(r)' --since 2099-01-01)" 0
is "... the last ones" "$(ask '[x["job"] for x in r]' --last 1)" "[$last]"
like "for people" "$(dvm history)" "JOB  STATE *$good  done *burner*139:SEGV*"
is "from the other node, too" "$(on node2 dvm history | wc -l)" 7
first=$(dvm submit --array 1-3 true)
dvm wait $((first + 2))
until_ok 10 eval '[ "$(ask "sorted(x[\"task\"] for x in r)" -j "$first")" = "[1, 2, 3]" ]'
is "an array" "$(ask 'sorted(x["task"] for x in r)' -j "$first")" "[1, 2, 3]"
first=$(dvm submit --array 1-8 sleep 0.02)
dvm wait "$first"
until_ok 10 eval '[ "$(ask "len(r)" -j "$first")" = 8 ]'
is "how long short ones have run" "$(ask '[x["job"] for x in r if not .02 <= took(x) < 20]' -j "$first")" "[]"
like "a bad date" "$(dvm history --since never 2>&1)" "*--since never: expected*"
like "a bad state" "$(dvm history --state never 2>&1)" "*--state*"

# ---- restarts ----

dvm run -d true > /dev/null
kill -9 "$(dvmd_pid node1)"
ok "the leader is killed and comes back" dvm up -q
until_ok 10 eval '[ "$(ask "len(r)")" = 18 ]'
is "... nothing is forgotten, nothing is there twice" "$(ask 'len(r)')" 18

# ---- a full disk ----

state=$(dvm info --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["state_dir"])')
if [ -n "$lib_private" ]; then
	kill -9 "$(dvmd_pid node1)"
	cp -a "$state" "$work/state"
	mount -t tmpfs -o size=4m,mode=700 tmpfs "$state"
	cp -a "$work/state/." "$state"
	dvm up -q
	ask 'len(r)' > /dev/null
	dd if=/dev/zero of="$state/fill" bs=4k 2> /dev/null
	ok "the disk is full: a job that runs ends" until_ok 20 eval 'dvm run true || true'
	ok "... the machine lives" dvm nodes
	rm "$state/fill"
	ok "... there is room again" until_ok 20 dvm run true
	ok "... and what has run is written" until_ok 20 eval '[ "$(ask "r[-1][\"state\"]")" = done ]'
	ok "the machine halts" dvm halt
	umount -l "$state"
else
	skip "a full disk" "no mounts of our own"
fi

done_testing
