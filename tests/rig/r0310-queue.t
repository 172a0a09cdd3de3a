#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The queue on three hosts with clocks and current of their own: clocks are set back and forth, a host
# is lost in the middle of a gang's start, and the leader with a full queue. Nothing is lost, nothing
# runs twice.
# Each single-quoted script is for a host's shell.
# shellcheck disable=SC2016,SC2317

# shellcheck source=tests/rig/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/rig/machine.sh
. "$(dirname "$0")/machine.sh"

rig_start 3 --mem 512M --disk 64
all_up="host1=up host2=up host3=up"

ok "a machine is founded" found_machine --slots 2
for host in host2 host3; do ok "$host joins" join_machine $host --slots 2; done
ok "all see all" until_ok 20 all_see "$all_up" host1 host2 host3

submit() { on host1 dvm submit "$@"; }
state_is() { [ "$(job_field host1 "$1" state | cut -d' ' -f1)" = "$2" ]; }
why_is() { on host1 dvm why "$1" | grep -q "waits ($2)"; }
start_dvmd() { on "$1" /usr/local/libexec/dvm/dvmd; }
gate='until [ -e /tmp/go-$0 ]; do usleep 50000; done; echo "$0 $DVM_NODENAME"'
go() { rig run all touch "/tmp/go-$1" > /dev/null 2>&1; }

# --- clocks ----------------------------------------------------------------------------------

gang=$(submit -n 4 -N 2 -H host1,host2 --time 1h sh -c "$gate" gang)
late=$(submit -n 1 --begin 1h true)
ok "a gang runs" until_ok 20 state_is "$gang" running
for host in host1 host2; do
	for by in 90000 -180000 90000; do
		soon=$(submit -n 1 --begin 1s true)
		ok "the clock of $host is set by $by s" on $host sh -c "date -s @\$((\$(date +%s) + $by))"
		ok "... who is to start in a second does" until_ok 20 state_is "$soon" "done"
		ok "... who is to start in an hour does not" why_is "$late" begin
		ok "... and the gang runs on" state_is "$gang" running
	done
done
ok "... and nobody is thought dead" all_see "$all_up" host1 host2 host3
go gang
ok "it ends" until_ok 20 state_is "$gang" "done"
is "... with 0" "$(job_field host1 "$gang" "exit code")$(job_field host1 "$gang" reason)" 0
ok "who waits can be cancelled" on host1 dvm cancel "$late"

# --- a host is lost while a gang starts ------------------------------------------------------

ok "host3 is slow to answer" on host3 sh -c 'kill -STOP $(cat /run/dvm/default/*/dvmd.pid)'
gang=$(submit -n 6 -N 3 --requeue sh -c "$gate" all)
ok "a gang of all hosts is being started" until_ok 20 state_is "$gang" launching
ok "host3 loses its current" rig off host3
again_is() { again=$(on host1 dvm jobs --json "$gang" | awk -F'[ ,:]+' '$2 == "\"next\"" { print $3 }'); [ "${again:-null}" != null ]; }
until_ok 40 again_is > /dev/null
again_is
report $? "... the gang waits again"
ok "... parked, and the reason is told" until_ok 20 why_is "$again" impossible
like "... with the host that lacks" "$(on host1 dvm why "$again")" "*1 down*"
is "others pass it" "$(on host1 dvm run -n 1 echo passed)" passed
ok "nothing of its start is left" until_ok 10 nothing_runs 'go-[$]0' host1 host2
ok "the current comes back" rig on host3
ok "... the daemon starts" start_dvmd host3
ok "... and the gang, on all" until_ok 40 state_is "$again" running
go all
ok "it ends" until_ok 30 state_is "$again" "done"
is "... and has run once" "$(on host1 dvm logs "$again" | sort | uniq -c | xargs)" \
	"2 all host1 2 all host2 2 all host3"
is "... no rank of it in vain" "$(on host1 dvm logs "$gang")" ""

# --- the leader is lost with a full queue ----------------------------------------------------

tasks=$(submit --array 1-24 --exclude host1 sh -c 'echo $DVM_ARRAY_TASK >> /tmp/ran; usleep 300000')
ran() { rig run host2 cat /tmp/ran; rig run host3 cat /tmp/ran; }
some_ran() { [ "$(ran 2> /dev/null | wc -l)" -ge 4 ]; }
ok "some of many tasks run" until_ok 20 some_ran
ok "host1, which leads, loses its current" rig off host1
ok "the current comes back" rig on host1
ok "... the machine is found again" on host1 dvm up -q --interface eth0 --slots 2
all_over() { [ "$(on host1 dvm jobs --json | awk '/"id"/' | wc -l)" = 0 ]; }
ok "all of them end" until_ok 90 all_over
ran > "$lib_temp/ran" 2> /dev/null
is "... each has run" "$(sort -un "$lib_temp/ran" | wc -l)" 24
is "... once" "$(sort -n "$lib_temp/ran" | uniq -d | xargs)" ""
is "... and ended well" "$(on host1 dvm history --json --since 1d | awk -v a="$tasks" '/"exit_code": [1-9]/ { n++ } END { print n + 0 }')" 0

ok "the machine ends" on host2 dvm halt
ok "the kernels have nothing to complain about" kernels_are_calm
done_testing
