#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Two hosts become one machine by a token, and run parallel jobs: messages between kernels, input
# and output, users, limits.
# Each single-quoted script is for a host's shell.
# shellcheck disable=SC2016

# shellcheck source=tests/rig/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/rig/machine.sh
. "$(dirname "$0")/machine.sh"

# A graph on whose ranking all agree: everybody points at v0, v1 and at one of a hundred.
mkdir -p "$lib_temp/overlay/srv"
awk 'BEGIN { for (i = 2; i < 3000; i++) print "v" i, "v0\nv" i, "v1\nv" i, "v" i % 100
	print "v1 v0" }' > "$lib_temp/overlay/srv/edges"

rig_start 2 --mem 512M --overlay "$lib_temp/overlay"

# --- one machine -----------------------------------------------------------------------------

ok "a machine is founded on the network card" found_machine
like "... and has one node" "$(on host1 dvm nodes)" "*host1*up*10.77.0.1*"

ok "another machine, for its token" on host2 dvm up -M other --interface eth0
stranger=$(on host2 dvm token -M other -q)
ok "... ends" on host2 dvm halt -M other
join_with() # TOKEN
{
	on host2 dvm join 10.77.0.1 --timeout 20s --token "$1" 2>&1
}
like "a token of another machine is refused" "$(join_with "$stranger"; echo "exit $?")" "dvm: *exit 1"
token=$(new_token)
like "a damaged token is refused" "$(join_with "${token%??}aa"; echo "exit $?")" \
	"dvm: *token*exit 1"
like "a good token lets a host in" "$(join_with "$token"; echo "exit $?")" "host2 *joined*exit 0"
like "... and is not taken from a member" "$(join_with "$token"; echo "exit $?")" "dvm: *exit 1"
ok "the host leaves" on host2 dvm leave
ok "... and is forgotten" until_ok 10 all_see "host1=up" host1
like "... its token has been used" "$(join_with "$token"; echo "exit $?")" "dvm: *exit 1"
ok "... a new one from a file is good" join_machine host2
ok "both hosts see both up" until_ok 20 all_see "host1=up host2=up" host1 host2

version=$(on host1 dvm --version | grep -o '[0-9][0-9.]*')
like "nodes have address, memory and version" "$(on host1 dvm nodes | grep ^host2)" \
	"host2*10.77.0.2 * 1 * 4?? MiB *$version"
like "the doctor finds nothing wrong" "$(on host2 dvm doctor; echo "exit $?")" "*0 failed, *exit 0"
is "... and warns of nothing but guests' needs" "$(on host2 dvm doctor | grep '^warning' | grep -v ': guests')" ""

# --- parallel jobs ---------------------------------------------------------------------------

is "ranks say hello to each other across kernels" "$(on host1 dvm run -n 2 $examples/hello | sort)" \
	"hello from rank 0 of 2 on node 0 (host1)
hello from rank 1 of 2 on node 1 (host2)"
like "a token goes round, started from the other host" \
	"$(on host2 dvm run -q -n 3 --oversubscribe $examples/ring 20 100000)" "20 rounds of 100000 bytes over 3 ranks: *"
ranking=$(on host1 dvm run -q -n 4 -N 2 --oversubscribe $examples/pagerank -k 2 /srv/edges)
like "the main job ranks a graph" "$ranking" "*graph: 3000 vertices*1  *v0*2  *v1*ranks: 4, nodes: 2*good"
like "... which is on record on both hosts" "$(on host2 dvm jobs -a)" "*4  host?1-2?*root*0*pagerank*"

is "input goes to rank 0, output comes back, with the exit code" \
	"$(printf 'some\ntext\n' | feed host2 dvm run -n 2 -H host1,host2 sh -c 'cat; exit $((7 - DVM_RANK * 7))' 2> /dev/null
	echo "exit $?")" $'some\ntext\nexit 7'
head -c 3000000 /dev/urandom > "$lib_temp/noise"
feed host2 dvm run -n 1 -H host1 --output raw cat < "$lib_temp/noise" > "$lib_temp/noise.back"
ok "three megabytes of noise pass from host to host and back" cmp "$lib_temp/noise" "$lib_temp/noise.back"
is "death by a signal on the other host" \
	"$(code_of on host1 dvm run -n 2 sh -c '[ $DVM_RANK = 0 ] && exec sleep 4321; kill -SEGV $$')" 139
ok "... ends the ranks that live" nothing_runs 'sleep 4321' host1 host2
like "a program that is not there, named with its node" \
	"$(on host1 dvm run -n 2 no-such-program 2>&1; echo "exit $?")" "*host*no-such-program*exit 127"

# --- users -----------------------------------------------------------------------------------

is "an ordinary user is one on all hosts" \
	"$(on -u user host1 dvm run -n 2 sh -c 'echo $DVM_NODENAME $(id -u) $(id -G) $(pwd)' | sort)" \
	$'host1 1000 1000 /home/user\nhost2 1000 1000 /home/user'
on -u user host1 dvm run -n 2 "$examples/hello" > "$lib_temp/hello"
is "... whose ranks talk to each other" "$(wc -l < "$lib_temp/hello")" 2
job=$(on host1 dvm run -d -n 2 sleep 4321)
like "... and may not end root's job" "$(on -u user host2 dvm cancel "$job" 2>&1; echo "exit $?")" \
	"dvm: *belongs to root*exit 1"
like "... nor the machine" "$(on -u user host2 dvm halt --force 2>&1; echo "exit $?")" "dvm: *owner*exit 1"
like "... nor let hosts in" "$(on -u user host1 dvm token 2>&1; echo "exit $?")" "dvm: *owner*exit 1"
like "root's job runs" "$(job_field host2 "$job" state)" "running*"
ok "root ends it" on host2 dvm cancel "$job"
ok "... and its ranks" until_ok 10 nothing_runs 'sleep 4321' host1 host2

# --- control groups --------------------------------------------------------------------------

groups_of_ranks()
{
	on -u user host1 dvm run -n 2 sh -c 'echo $DVM_NODENAME $(cut -d: -f3 /proc/self/cgroup)' | sort
}
like "ranks are in a control group of their job" "$(groups_of_ranks)" \
	"host1 /dvm/*/job-*/ranks*host2 /dvm/*/job-*/ranks"
# In the background, in a session of its own, without the job's environment: the group has it still.
is "a process that runs away" "$(code_of on -u user host1 dvm run -n 2 \
	sh -c 'env -i setsid sleep 4322 < /dev/null > /dev/null 2>&1 &')" 0
ok "... ends with the job" until_ok 10 nothing_runs 'sleep 4322' host1 host2
eats_200m='dd if=/dev/zero of=/dev/null bs=200M count=1 2> /dev/null'
is "memory within the limit of a rank" "$(code_of on host1 dvm run -n 2 --mem-per-rank 300M sh -c "$eats_200m")" 0
like "a rank is held to its part of a processor" \
	"$(on host1 dvm run -n 1 --cpu-limit 0.25 --cpu-shares 50 sh -c \
	'd=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup); cat $d/cpu.max $d/cpu.weight')" "25000 100000*50"
is "... and beyond it" "$(code_of on host1 dvm run -n 2 --mem-per-rank 64M sh -c "exec $eats_200m")" 137
ok "jobs have left nothing behind" until_ok 10 no_litter all

# --- the end ---------------------------------------------------------------------------------

ok "the machine ends" on host2 dvm halt
ok "... on all hosts" until_ok 10 nothing_runs 'dvm' host1 host2
ok "the kernels have nothing to complain about" kernels_are_calm

done_testing
