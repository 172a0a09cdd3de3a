#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Who is up: a dead node is known everywhere in time, and nobody is declared dead who is not.
# shellcheck disable=SC2317

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

milliseconds()
{
	echo $(($(date +%s%N) / 1000000))
}

# When a node was declared dead, as another one's log has it.
died_at() # NODE SEEN-BY
{
	local line
	line=$(grep "node $1 is dead" "$(run_dir "$2")/dvmd.log" | tail -n 1)
	echo $(($(date -d "${line%% *}" +%s%N) / 1000000))
}

# Passes when all LIST say that NODE is down, and have found out within LIMIT ms of now. Asking them
# takes longer on a busy machine, so their logs tell the time; and they may have to wait for a core.
known_by() # NAME NODE LIMIT LIST
{
	local name=$1 node=$2 limit=$3 killed seen took=0 out
	killed=$(milliseconds)
	for seen in $4; do
		out=$(until_ok 60 is_state "$node" down "$seen") || break
		took=$(($(died_at "$node" "$seen") - killed))
		[ $took -le $((2 * limit)) ] || break
	done
	[ -z "$out" ] && [ $took -le $((2 * limit)) ]
	report $? "$name" || diag "after $took ms: $seen says: $out"
}

# What has been declared dead so far, by anybody.
deaths()
{
	grep -ho 'node [a-z0-9]* is dead' "$DVM_RUN_BASE/$DVM_MACHINE"/*/dvmd.log | sort -u
}

seen_up() # COUNT LIST: by each of the list
{
	local seen up
	for seen in $2; do
		up=$(on "$seen" dvm nodes --json | grep -c '"state": "up"')
		[ "$up" -eq "$1" ] || { echo "$seen sees $up"; return 1; }
	done
}

# ---- as it comes: 10 s ----

machine_up 8
all=$(echo node{1..8})
ok "eight nodes are up for each" until_ok 10 seen_up 8 "$all"

busy=()
for ((i = 0; i < 2 * $(nproc); i++)); do
	timeout 15 sh -c 'while :; do :; done' &
	busy+=($!)
done
jobs=0 failed=0
while alive "${busy[0]}"; do # the machine is used meanwhile
	dvm run -q -n 8 -N 8 true || failed=$((failed + 1))
	jobs=$((jobs + 1))
done
wait "${busy[@]}"
is "all cores busy for 15 s: nobody is declared dead" "$(deaths)" ""
is "... and jobs run" "$failed of $jobs" "0 of $jobs"
ok "... of which there were some" [ "$jobs" -ge 3 ]

kill -9 "$(dvmd_pid node5)"
known_by "a dead node is known everywhere within 10 s" node5 10000 "${all/node5 /}"
like "... and was called so" "$(deaths)" "*node node5 is dead*"
ok "the others run jobs" dvm run -n 7 -N 7 true
ok "the machine halts" dvm halt

# ---- tuned: 3 s ----

DVM_MACHINE=${DVM_MACHINE}t
echo 'failure_timeout: 3s' > "$work/dvm.conf"
machine_up 4 --config "$work/dvm.conf"
all=$(echo node{1..4})
ok "four nodes with another limit" until_ok 5 seen_up 4 "$all"

before=$(deaths)
for i in 1 2 3; do # a fifth of the limit, some times
	kill -STOP "$(dvmd_pid node3)"
	sleep 0.5
	kill -CONT "$(dvmd_pid node3)"
	ok "a pause of half a second, $i" until_ok 3 seen_up 4 "$all"
done
is "... kills nobody" "$(deaths)" "$before"

kill -9 "$(dvmd_pid node2)"
known_by "a dead node is known everywhere within 3 s" node2 3000 "node1 node3 node4"
ok "it comes back" dvm up -q
ok "... for everybody" until_ok 5 seen_up 4 "$all"
kill -STOP "$(dvmd_pid node4)"
known_by "a node that stands still is dead as well" node4 3000 "node1 node2 node3"
kill -CONT "$(dvmd_pid node4)"
ok "... and alive when it goes on" until_ok 10 seen_up 4 "$all"
kill -9 "$(dvmd_pid node1)"
known_by "a dead leader, too" node1 3000 "node2 node3 node4"
ok "... comes back" dvm up -q
ok "... for everybody" until_ok 5 seen_up 4 "$all"
ok "... and jobs run" dvm run -n 4 -N 4 true

done_testing
