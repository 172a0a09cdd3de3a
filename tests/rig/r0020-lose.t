#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Four hosts, and what becomes of the machine and its jobs when daemons are killed, a host loses its
# current and another one its cable.
# Each single-quoted script is for a host's shell.
# shellcheck disable=SC2016,SC2317

# shellcheck source=tests/rig/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/rig/machine.sh
. "$(dirname "$0")/machine.sh"

mkdir -p "$lib_temp/overlay/srv"
awk 'BEGIN { for (i = 2; i < 1000; i++) print "v" i, "v0\nv" i, "v1\nv" i, "v" i % 100
	print "v1 v0" }' > "$lib_temp/overlay/srv/edges"

rig_start 4 --mem 512M --disk 64 --overlay "$lib_temp/overlay"
all_up="host1=up host2=up host3=up host4=up"

ok "a machine is founded" found_machine
for host in host2 host3 host4; do ok "$host joins" join_machine $host; done
ok "all see all" until_ok 20 all_see "$all_up" host1 host2 host3 host4
like "the main job runs on all four" "$(on host4 dvm run -n 4 $examples/pagerank -k 2 /srv/edges)" \
	"*1  *v0*2  *v1*ranks: 4, nodes: 4*good"

# --- a job that is watched -------------------------------------------------------------------

# Each rank counts until it may stop.
counting='i=0; until [ -e /tmp/stop ]; do echo "$DVM_NODENAME $((i += 1))"; usleep 50000; done
	echo "$DVM_NODENAME end"'

# True if each of these hosts has been heard since the last call that was true.
heard() # HOST...
{
	local host n
	declare -A counts
	for host in "$@"; do
		n=$(grep -c "^$host " "$lib_temp/out")
		[ "$n" -gt "${before[$host]:-0}" ] || return
		counts[$host]=$n
	done
	for host in "$@"; do before[$host]=${counts[$host]}; done
}

# Starts the counting job in the background, from one host on some, and waits until all have
# counted: sets client to its process here, and watched to the hosts.
start_job() # FROM HOST...
{
	local from=$1 hosts
	shift
	watched=("$@")
	hosts=$(IFS=,; echo "$*")
	declare -gA before=()
	rig run all rm -f /tmp/stop > /dev/null 2>&1
	# Not by a function: a subshell of ours would take the signal.
	"$lib_dir/rig" run -T 200 "$from" dvm run -H "$hosts" -n $# sh -c "$counting" \
		> "$lib_temp/out" 2> "$lib_temp/err" &
	client=$!
	wait_heard 30
}

# Like until_ok, in this shell.
wait_heard() # SECONDS
{
	local end=$((SECONDS + $1))
	until heard "${watched[@]}"; do
		[ "$SECONDS" -lt "$end" ] || return
		sleep 0.1
	done
}

# Waits for the client: sets code.
end_job()
{
	wait "$client" 2> /dev/null
	code=$?
}

# True if no line of a watched host is missing or there twice.
all_counted()
{
	local host
	for host in "${watched[@]}"; do
		awk -v host="$host" '$1 == host { n++; if ($2 == "end") end = n; else if ($2 != n) bad = 1 }
			END { exit bad || !end || end != n }' "$lib_temp/out" || {
			echo "$host:"
			grep "^$host " "$lib_temp/out" | tail -n 5
			return 1
		}
	done
}

no_ranks() # HOST...
{
	nothing_runs 'tmp/stop' "$@"
}

# --- daemons are killed under a job ----------------------------------------------------------

kill_dvmd() # HOST
{
	on "$1" sh -c 'pid=$(cat /run/dvm/default/*/dvmd.pid) && kill -KILL $pid &&
		while kill -0 $pid 2> /dev/null; do usleep 10000; done'
}

# As the service manager does.
start_dvmd() # HOST
{
	on "$1" /usr/local/libexec/dvm/dvmd
}

start_job host3 host1 host2 host3 host4
report $? "a job runs, started on host3"
ok "a daemon is killed" kill_dvmd host2
ok "... and started again" start_dvmd host2
wait_heard 30
report $? "... while the job goes on"
ok "the leader's daemon is killed" kill_dvmd host1
ok "... and started again" on host1 dvm up -q
wait_heard 30
report $? "... while the job goes on"
ok "the daemon where the job was started is killed" kill_dvmd host3
ok "... and started again" start_dvmd host3
wait_heard 30
report $? "... while the job goes on"
ok "all see all" until_ok 20 all_see "$all_up" host1 host2 host3 host4
rig run all touch /tmp/stop
end_job
is "the job ends well" $code 0
ok "... and has lost none of its output" all_counted

# --- other processes are killed --------------------------------------------------------------

start_job host1 host1 host2 host3 host4
report $? "a job runs"
ok "a shepherd is killed" on host2 sh -c 'kill -KILL $(pgrep dvm-shepherd)'
end_job
is "... the job ends" $code 1
like "... with the reason" "$(cat "$lib_temp/err")" "*host2*"
ok "... and its ranks" until_ok 10 no_ranks host1 host2 host3 host4

start_job host1 host1 host2 host3 host4
report $? "a job runs"
ok "its client is killed" on host1 sh -c 'kill -KILL $(pgrep -x dvm)'
end_job
ok "... the ranks end everywhere" until_ok 10 no_ranks host1 host2 host3 host4

# --- a host loses its current ----------------------------------------------------------------

start_job host1 host1 host2 host3 host4
report $? "a job runs"
ok "host4 loses its current" rig off host4
# The promise is ten seconds; the rest is for asking.
ok "... all others know it soon" until_ok 12 all_see "host1=up host2=up host3=up host4=down" \
	host1 host2 host3
end_job
is "... the job ends" $code 1
like "... with the reason" "$(cat "$lib_temp/err")" "*node host4 was lost*"
ok "... and its ranks" until_ok 5 no_ranks host1 host2 host3
ok "... and leaves nothing behind" until_ok 5 no_litter host1,host2,host3
is "the others go on" "$(on host2 dvm run -n 3 sh -c 'echo $DVM_NODENAME' | sort | paste -sd' ')" \
	"host1 host2 host3"
ok "the current comes back" rig on host4
ok "... the daemon starts" start_dvmd host4
ok "... and is a member again, without a token" until_ok 20 all_see "$all_up" host1 host2 host3 host4
is "... that runs jobs" "$(on host1 dvm run -H host4 -n 1 hostname)" host4

# --- a host loses its cable ------------------------------------------------------------------

start_job host2 host2 host3
report $? "a job runs"
ok "host3 loses its cable" rig cut host3
ok "... all others know it soon" until_ok 12 all_see "host1=up host2=up host3=down host4=up" \
	host1 host2 host4
end_job
is "... the job ends" $code 1
like "... with the reason" "$(cat "$lib_temp/err")" "*node host3 was lost*"
ok "... and its ranks where they can be reached" until_ok 5 no_ranks host1 host2 host4
ok "... host3 knows that it is alone" until_ok 20 all_see \
	"host1=down host2=down host3=up host4=down" host3
ok "the cable is put back" rig mend host3
ok "... and the node is back" until_ok 20 all_see "$all_up" host1 host2 host3 host4
ok "... the job's ranks are gone there, too" until_ok 10 no_ranks host3
ok "... and all that was theirs" until_ok 10 no_litter host2,host3
like "the main job runs on all four again" "$(on host3 dvm run -n 4 $examples/pagerank -k 2 /srv/edges)" \
	"*1  *v0*2  *v1*ranks: 4, nodes: 4*good"

# --- the host that founded it loses its current ----------------------------------------------

start_job host2 host1 host2
report $? "a job runs"
ok "host1, which leads, loses its current" rig off host1
ok "... all others know it soon" until_ok 12 all_see "host1=down host2=up host3=up host4=up" \
	host2 host3 host4
ok "the current comes back" rig on host1
ok "... the machine is found again" on host1 dvm up -q --interface eth0
ok "... whole" until_ok 20 all_see "$all_up" host1 host2 host3 host4
end_job
is "... the job has ended" $code 1
ok "... and its ranks" until_ok 10 no_ranks host1 host2
is "jobs run" "$(on host3 dvm run -n 4 sh -c 'echo $DVM_NODENAME' | sort | paste -sd' ')" \
	"host1 host2 host3 host4"

# --- the end ---------------------------------------------------------------------------------

ok "the machine ends" on host3 dvm halt
ok "... on all hosts" until_ok 10 nothing_runs 'dvm' host1 host2 host3 host4
is "... and is not kept on any" "$(rig run all find /var/lib/dvm -name key)" ""
ok "the kernels have nothing to complain about" kernels_are_calm

done_testing
