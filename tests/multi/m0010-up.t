#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A machine comes, grows, shrinks and goes, and leaves nothing.
# shellcheck disable=SC2317

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

names() # [SEEN-BY]: of all nodes
{
	on "${1:-node1}" dvm nodes --json | python3 -c 'import json, sys
print(*(n["name"] for n in json.load(sys.stdin)["nodes"]))'
}

is_names() # EXPECTED [SEEN-BY]
{
	local got
	got=$(names "${2:-node1}")
	[ "$got" = "$1" ] || { echo "$got"; return 1; }
}

# ---- up and down ----

like "no machine, no nodes" "$(dvm nodes 2>&1)" "dvm: machine $DVM_MACHINE does not run here*dvm up*"
is "... and the exit code says so" "$(code_of dvm nodes)" 1
like "a machine of four nodes" "$(dvm up -n 4 2>&1)" "machine $DVM_MACHINE: 4 nodes, * slots, up in *"
is "the table names them" "$(names)" "node1 node2 node3 node4"
is "all are up" "$(dvm nodes | awk 'NR > 1 && $2 == "up"' | wc -l)" 4
is "JSON is JSON" "$(dvm nodes --json | python3 -c 'import json, sys
d = json.load(sys.stdin)
print(d["machine"], len(d["nodes"]), sum(n["leader"] for n in d["nodes"]))')" "$DVM_MACHINE 4 1"
for node in node2 node3 node4; do
	ok "$node knows the same nodes" until_ok 5 is_names "node1 node2 node3 node4" $node
done
like "a second up says so" "$(dvm up -n 4 2>&1)" "*already up (4 nodes)*"
is "... and is content" "$(code_of dvm up -n 4)" 0
is "... but not if it wanted another size" "$(code_of dvm up -n 3)" 1
ok "doctor finds nothing wrong" dvm doctor
like "a daemon that is missing is named" "$(on node9 dvm nodes 2>&1)" "dvm: *node9*"

# ---- more, fewer ----

ok "one more node" dvm add -q
ok "... is known" is_names "node1 node2 node3 node4 node5"
is "... and takes ranks" "$(dvm run -H node5 -n 1 printenv DVM_NODE > /dev/null; echo $?)" 0
job=$(detached -H node5 -n 1 sleep 60)
like "a node with a job is not removed" "$(dvm remove node5 2>&1)" "dvm: 1 job runs on node5*--force*"
is "... nor with an exit code of 0" "$(code_of dvm remove node5)" 1
ok "... unless forced" dvm remove --force node5
ok "... which ends its job" until_ok 10 job_is "$job" state "done"
ok "... and its daemon" until_ok 10 no_process "*dvmd*--name node5 *"
ok "... and takes it off the list" until_ok 5 is_names "node1 node2 node3 node4"
like "a node that is unknown" "$(dvm remove node7 2>&1)" "dvm: *node7*"
ok "an idle node goes at once" dvm remove node4
ok "... for the others, too" until_ok 5 is_names "node1 node2 node3" node3

# ---- joining ----

where=$(on node1 dvm info --json | python3 -c 'import json, sys
i = json.load(sys.stdin)
print("%s:%s" % (i["address"], i["port"]))')
subnet=${where%.*}

join() # NAME TOKEN LAST
{
	DVM_STATE_BASE=$work/joined limit=20 dvm join "$where" --token "$2" --name "$1" \
		--interface "$subnet.$3" --timeout 10s
}

token() # [OPTION...]
{
	on node1 dvm token -q "$@"
}

token=$(token)
ok "a node joins with a token" join extra "$token" 77
ok "... and is up" until_ok 5 is_state extra up
ok "... and runs ranks" dvm run -H extra -n 1 true
out=$(join again "$token" 78 2>&1)
like "a token serves once" "$? $out" "1 *refused*"
out=$(join again "$(tr 'A-Za-z' 'N-ZA-Mn-za-m' <<< "$token")" 78 2>&1)
like "a wrong token" "$? $out" "1 *token*"
out=$(join again "${token:0:20}" 78 2>&1)
like "a damaged token" "$? $out" "[12] *token*"
is "... and none of them leaves anything" \
	"$(find "$work/joined" "$(run_dir again)" -path '*again*' 2> /dev/null)" ""
token=$(token --lifetime 1s)
ok "a token of a second ends" until_ok 10 sh -c \
	"! DVM_STATE_BASE=$work/joined dvm join '$where' --token '$token' --name late --interface $subnet.79 --timeout 5s ||
	 { dvm remove late; false; }"
token=$(token --uses 2)
ok "a token of two uses: one" join two1 "$token" 80
ok "... two" join two2 "$token" 81
not_ok "... and no more" join two3 "$token" 82
like "a name that is taken" "$(join extra "$(token)" 83 2>&1)" "*extra*"
ok "a node goes by its own wish" on two2 dvm remove two2
ok "... and is forgotten" until_ok 5 is_names "extra node1 node2 node3 two1"
ok "what was removed" dvm remove extra
ok "... is gone" until_ok 10 no_process "*dvmd*--name extra *"
ok "... and comes back with a new token" join extra "$(token)" 77
ok "... for everybody" until_ok 5 is_names "extra node1 node2 node3 two1" node3

# ---- what died comes back ----

kill -9 "$(dvmd_pid node2)"
ok "up starts again what was killed" dvm up -n 3
ok "... and it is up" until_ok 10 is_state node2 up
ok "... in its own eyes, too" until_ok 10 is_state node2 up node2
ok "... and runs ranks" dvm run -H node2 -n 1 true

# ---- two machines ----

ok "a second machine on this host" dvm -M "${DVM_MACHINE}b" up -n 2
is "... has its own nodes" "$(dvm -M "${DVM_MACHINE}b" nodes | awk 'NR > 1' | wc -l)" 2
is "... and ranks" "$(dvm -M "${DVM_MACHINE}b" run -n 2 echo b)" $'b\nb'
ok "... and goes alone" dvm -M "${DVM_MACHINE}b" halt
ok "... while the first stays" dvm run -n 3 true

# ---- an ordinary user ----

as_user()
{
	setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$work/user" \
		DVM_RUN_BASE="$work/user/run" DVM_STATE_BASE="$work/user/state" \
		DVM_MACHINE="${DVM_MACHINE}u" "$@"
}

if [ "$(id -u)" -eq 0 ] && setpriv --reuid=65534 --regid=65534 --clear-groups true 2> /dev/null; then
	install -d -o 65534 -g 65534 "$work/user"
	ok "an ordinary user's machine" as_user timeout 30 dvm up -n 2
	is "... runs ranks as the user" "$(cd / && as_user timeout 30 dvm run -n 1 id -u)" 65534
	ok "... and halts" as_user timeout 30 dvm halt
	is "... without a trace" "$(find "$work/user" -type f ! -name .lock)" ""
else
	skip "an ordinary user's machine" "not root"
fi

job=$(detached -n 2 sleep 60)
like "a machine with a job does not halt" "$(dvm halt 2>&1)" "dvm: *job*$job*"
is "... and still runs" "$(job_value "$job" state)" running

done_testing
