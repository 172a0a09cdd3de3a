#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# PVM over two kernels: the console's hosts, tasks started by hand and by the machine, messages both
# ways, groups, a host that is cut off and comes back, and a halt that leaves nothing.
# shellcheck disable=SC2317

# shellcheck source=tests/rig/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/rig/machine.sh
. "$(dirname "$0")/machine.sh"

build=${DVM_BUILD:-$lib_dir/../../build}
mkdir -p "$lib_temp/overlay/srv"
for program in tests/multi/pvm_nodes tests/pvm/group; do
	[ -x "$build/$program" ] || skip_all "$program is not built"
	cp "$build/$program" "$lib_temp/overlay/srv/"
done

rig_start 2 --mem 512M --overlay "$lib_temp/overlay"
ok "a machine is founded" found_machine -s 2
ok "host2 joins" join_machine host2 -s 2

console() # HOST LINE...: as a user types them
{
	local host=$1
	shift
	printf '%s\n' "$@" | feed "$host" dvm-pvm-console --no-rc 2>&1
}

hosts() # HOST: those of the virtual machine as it sees them
{
	console "$1" conf | awk '$3 == "LINUX64" { print $1 }' | sort | xargs
}

sees() # HOST HOSTS
{
	[ "$(hosts "$1")" = "$2" ]
}

talk="4 started on 2 of 2 hosts
0 echoes are wrong
4 words"

# ---- both there ----

ok "all hosts are its hosts" until_ok 20 sees host1 "host1 host2"
is "... also seen from the other one" "$(hosts host2)" "host1 host2"
is "started by hand: all lengths, both ways" "$(on host1 /srv/pvm_nodes talk 4 2>&1)" "$talk"
is "as a job on the other host" \
	"$(on host1 dvm run -q -n 1 -H host2 /srv/pvm_nodes talk 4 2>&1)" "$talk"
is "groups over both" "$(on host2 /srv/group 2>&1 | sed -E 's/\bt[0-9a-f]{5,8}\b/tid/g')" \
	"$(cat "$lib_dir/../pvm/group.expect")"
is "a host leaves by a program and comes back" "$(on host1 /srv/pvm_nodes hosts 2>&1 | tail -n 4)" "news of it: 1
twice: 1
a task there: 1
it answers: 1"
like "... and by the console" "$(console host1 'delete host2' conf)" "*host2  deleted*1 host,*"
like "... and comes back by it" "$(console host1 'add host2' conf)" "*1 successful*2 hosts,*"

# ---- one is cut off ----

"$lib_dir/rig" run -T 60 host1 /srv/pvm_nodes lost host2 > "$lib_temp/out" 2> /dev/null &
client=$!
ok "a task on host2" until_ok 20 grep -q '^ready 1' "$lib_temp/out"
ok "host2 is cut off" rig cut host2
wait $client
is "... its end and its host's are told" "$(cat "$lib_temp/out")" "ready 1 0
task: 1
host: 1
a word to the dead: 0
it is gone: 1"
is "... the virtual machine goes on" "$(hosts host1)" host1
ok "the cable is back" rig mend host2
ok "... and the host" until_ok 30 sees host1 "host1 host2"
ok "... without the tasks it had" until_ok 20 nothing_runs 'pvm_nodes' host2
is "... and does its part" "$(on host2 /srv/pvm_nodes talk 4 2>&1)" "$talk"

# ---- the end ----

console host1 'spawn -4 /bin/sleep 1000' > /dev/null
slept() { rig run all pgrep -fa 'sleep 1000' | grep -c sleep; }
both_sleep() { [ "$(slept)" = 4 ]; }
ok "tasks on both" until_ok 10 both_sleep
console host2 halt > /dev/null
ok "a halt ends them all" until_ok 10 nothing_runs 'sleep 1000' host1 host2
ok "... and PVM" until_ok 10 nothing_runs 'dvm-pvm' host1 host2
ok "... and leaves nothing" until_ok 10 no_litter host1,host2
ok "the kernels have nothing to complain about" kernels_are_calm

done_testing
