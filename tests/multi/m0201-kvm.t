#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Guests are placed on nodes that can run them; what a node has may come and go. Without KVM here, as
# far as guests are refused.
# shellcheck disable=SC2317

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

payload=$DVM_BUILD/tests/guest/payload.elf
lib_program dvm-vmm
export DVM_CONFIG=$work/dvm.conf
kvm_device() { echo "kvm_device: $1" > "$DVM_CONFIG"; }
start() # NAME OPTION...
{
	dvm guest start "$1" --kernel "$payload" --append wait --mem 16M "${@:2}" 2>&1
}
kvm_is() # NODE VALUE: as JSON has it, as the leader sees it
{
	[ "$(dvm nodes --json | python3 -c 'import json, sys
for n in json.load(sys.stdin)["nodes"]:
	if n["name"] == sys.argv[1]: print(json.dumps([n["kvm"], n["kvm_why"]]))' "$1")" = "$2" ]
}
lacks='[false, "'$work'/kvm: No such file or directory"]'

kvm_device "$work/kvm"
machine_up 2
ok "a node says that it has no KVM" until_ok 10 kvm_is node1 "$lacks"
ok "... each of them" until_ok 10 kvm_is node2 "$lacks"
like "... as a list shows" "$(dvm nodes)" "*VERSION *KVM*node1* no*node2* no*"
like "no guest is started" "$(start one)" \
	"dvm: no node can run guests (node1: $work/kvm: No such file or directory, and 1 more)"
like "... nor where it is wanted" "$(start one --host node2)" \
	"dvm: node \"node2\" was asked for and cannot run guests: $work/kvm: No such file or directory"
is "... and none is there" "$(dvm guest list --all | wc -l)" 1
is "other jobs do not mind" "$(dvm run -n 2 --map-by node hostname | wc -l)" 2

vmm=$lib_temp/bin/dvm-vmm
if ! why=$("$vmm" --kernel "$payload" --append hello --mem 16M 2>&1 < /dev/null); then
	skip "a node that has it" "${why##*dvm-vmm: }"
	done_testing
fi

kvm_device /dev/kvm
kill -9 "$(dvmd_pid node2)"
dvm up -q
ok "a node that is started again has it" until_ok 20 kvm_is node2 '[true, null]'
like "... and a guest goes there, past one that has room" "$(start one)" "guest one runs on node2 (job *)"
like "over two nodes there is none" "$(start two --hosts 2)" \
	"dvm: 2 nodes that can run guests asked, 1 can (not node1: $work/kvm: No such file or directory)"
ln -s /dev/kvm "$work/kvm"
ok "one that appears is noticed" until_ok 40 kvm_is node1 '[true, null]'
like "... and used" "$(start two)" "guest two runs on node1 (job *)"
rm "$work/kvm"
ok "one that has gone, too" until_ok 40 kvm_is node1 "$lacks"
ok "... and what runs there goes on" dvm guest stat two
ok "... until it is stopped" sh -c 'dvm guest stop two && timeout 20 dvm guest wait two'
dvm guest kill one
done_testing
