#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# PVM programs on a machine of three nodes (tests/multi/pvm_nodes.c): started by hand and as a job,
# messages between hosts, hosts that leave and come, a node that dies, and what is left of all that.
# shellcheck disable=SC2016,SC2317

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

[ -x "$DVM_BUILD/tests/multi/pvm_nodes" ] || skip_all "tests/multi/pvm_nodes is not built"
[ -x "$lib_temp/bin/dvm-pvm" ] || skip_all "dvm-pvm is not built"
cp "$DVM_BUILD/tests/multi/pvm_nodes" "$lib_temp/bin/" || bail_out "no pvm_nodes"
chmod 755 "$lib_temp/bin/pvm_nodes"
pvm() { timeout -k 5 60 pvm_nodes "$@" 2>&1; }

machine_up 3

# Tasks that are told to end do so in their own time.
all_free()
{
	[ "$(dvm nodes | awk '$1 ~ /^node/ { n += $5 } END { print n + 0 }')" = 0 ]
}

talk="6 started on 3 of 3 hosts
0 echoes are wrong
6 words"
is "a program started by hand" "$(pvm talk 6)" "$talk"
ok "its tasks end, and agents take no slots" until_ok 20 all_free
is "the same as a job" "$(dvm run -q -n 1 pvm_nodes talk 6 2>&1)" "$talk"
until_ok 20 all_free
is "... on another node" "$(dvm run -q -n 1 -H node3 pvm_nodes talk 6 2>&1)" "$talk"
until_ok 20 all_free
is "a host leaves and comes back" "$(pvm hosts)" "deleted: 1
its task is told of: 1
the host is told of: 1
2 hosts
nothing starts there: 1
added: 1
news of it: 1
twice: 1
a task there: 1
it answers: 1"
is "one comes and goes and comes" "$(pvm churn 20)" \
	"20 deleted, 20 added, news of 20, 20 answers"
is "hosts by a hoster" "$(pvm hosted)" "a hoster: 0
deleted: 1
it does not want to: 0, -8
it does: 1, a host"
# Whatever a resource manager answers: a code, and no hang.
led()
{
	for how in silent empty text negative huge dies; do
		PVM_RM_PATIENCE=1 pvm managed "$how"
	done
}
is "a resource manager that is none" "$(led)" "silent: config -25, tasks -25, spawn -25: none, add -25: 0
then: 0, 3 hosts
empty: config -5, tasks -5, spawn -5: none, add -5: 0
then: 0, 3 hosts
text: config -12, tasks -12, spawn 0: none, add -12: 0
then: 0, 3 hosts
negative: config -10, tasks -10, spawn -10: none, add -10: 0
then: 0, 3 hosts
huge: config -12, tasks 0, spawn 0: none, add -12: 0
then: 0, 3 hosts
dies: config 0, tasks 0, spawn 1: a task, add 0: -29
then: 0, 3 hosts"
is "many tasks, one after the other" "$(pvm again 40)" "40 times"
is "more than a node has places, while one lives" "$(pvm keep 1200)" "1200 times
$talk"

begin timeout -k 5 90 pvm_nodes lost node3 > "$work/out"
ok "a task on a node" until_ok 20 grep -q "ready" "$work/out"
kill -9 "$(dvmd_pid node3)"
ends "the node dies" 0 "$pid" 40
is "... and the program is told" "$(cat "$work/out")" "ready 1 0
task: 1
host: 1
a word to the dead: 0
it is gone: 1"

until_ok 45 all_free
# Agents are nobody's job: they need no force.
halt_all()
{
	dvm halt
}
done_testing
