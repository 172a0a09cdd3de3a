#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Nodes that are to be left alone: dvm drain and undrain.
# shellcheck disable=SC2016,SC2317

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

machine_up 3 # of two slots each

gate='while [ ! -e '"$work"'/$0 ]; do sleep 0.05; done'
row() # NODE: its line of dvm nodes, without addresses and ages
{
	dvm nodes | awk -v n="$1" '$1 == n { print $2, $5, $NF }'
}

job=$(detached -n 1 -H node2 sh -c "$gate" a)
ok "a node is drained" dvm drain node2 --why "new disks"
like "... what runs there goes on" "$(row node2)" "draining 1 disks"
ok "... and is what it was" job_is "$job" state running
like "... for programs, too" "$(dvm nodes --json | python3 -c '
import json, sys
for n in json.load(sys.stdin)["nodes"]:
	print(n["name"], n["state"], n["drain"] and (n["drain"]["why"], bool(n["drain"]["by"])))' | xargs -d'\n')" \
	"node1 up None*node2 up ('new disks', True)*node3 up None"
is "new jobs stay away" "$(dvm run -n 4 sh -c 'echo $DVM_NODENAME' | sort -u | xargs)" "node1 node3"
like "... though they want it" "$(dvm run -n 1 -H node2 true 2>&1)" '*node "node2" was asked for and is draining: new disks'
like "... though they take no slot" "$(dvm run --no-slots -n 1 -H node2 true 2>&1)" '*is draining: new disks'
is "who asks a job that runs there is let in" "$(dvm run --beside "$job" -n 1 -H node2 sh -c 'echo $DVM_NODENAME' 2>&1)" node2
wants=$(dvm submit -n 1 -H node2 true)
like "... or wait for it" "$(dvm why "$wants")" 'job * waits [(]impossible[)]: node "node2" was asked for and is draining: new disks'
full=$(detached -n 4 sh -c "$gate" b)
small=$(dvm submit -n 1 true)
like "a job that waits is told" "$(dvm why "$small")" "*running jobs hold 4, 1 node draining"
touch "$work/a"
ok "its last job ends: it has drained" until_ok 10 eval '[ "$(row node2)" = "drained 0 disks" ]'
like "... and there is nobody to be asked" "$(dvm run --beside "$job" -n 1 -H node2 true 2>&1)" '*is draining: new disks'

kill -9 "$(dvmd_pid node1)" "$(dvmd_pid node2)"
ok "the leader and the node are killed and come back" dvm up -q
ok "... and it is drained" until_ok 10 eval '[ "$(row node2)" = "drained 0 disks" ]'

ok "it is let in again" dvm undrain node2
is "... and what waited for it runs" "$(code_of timeout 30 dvm wait "$wants")" 0
is "... and what waited for room" "$(code_of timeout 30 dvm wait "$small")" 0
like "... without a trace" "$(row node2)" "up [01] $(dvm --version | cut -d' ' -f2)"
touch "$work/b"
ok "everything ends" dvm wait "$full"

is "a node that is not drained" "$(dvm undrain node2 2>&1)" "dvm: node node2 is not drained"
is "a node that is none" "$(dvm drain 'node[1-9]' 2>&1)" "dvm: no node is called node4"
like "... and then none is touched" "$(row node1)$(row 'node1*')" "up *"
is "a reason that would garble lists" "$(dvm drain node1 --why $'a\nb' 2>&1)" \
	"dvm: the reason of a drain has a control character"
ok "several at once" dvm drain 'node[2-3]'
both_drained() { [ "$(dvm nodes | grep -c drained)" = 2 ]; }
ok "... and both are empty" until_ok 10 both_drained
ok "what drains may leave" dvm remove node3
dvm undrain node2
is "the machine is whole" "$(dvm run hostname | wc -l)" 4

done_testing
