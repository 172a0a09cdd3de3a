#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The queue on three hosts with current of their own: one is lost in the middle of a gang's start, and
# the leader with a full queue. Nothing is lost, nothing runs twice.
# Each single-quoted script is for a host's shell.
# shellcheck disable=SC2016,SC2317

# shellcheck source=tests/rig/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/rig/machine.sh
. "$(dirname "$0")/machine.sh"
# shellcheck source=tests/rig/queue.sh
. "$(dirname "$0")/queue.sh"

rig_start 3 --mem 512M --disk 64
all_up="host1=up host2=up host3=up"

ok "a machine is founded" found_machine --slots 2
for host in host2 host3; do ok "$host joins" join_machine $host --slots 2; done
ok "all see all" until_ok 20 all_see "$all_up" host1 host2 host3

# As the service manager does, with what the host was told when it joined.
start_dvmd() { on "$1" /usr/local/libexec/dvm/dvmd --slots 2; }

# --- a host is lost while a gang starts ------------------------------------------------------

ok "host3 is slow to answer" on host3 sh -c 'kill -STOP $(cat /run/dvm/default/*/dvmd.pid)'
gang=$(submit -n 6 -N 3 --requeue sh -c "$gate" all)
ok "a gang of all hosts is being started" until_ok 20 state_is "$gang" launching
ok "host3 loses its current" rig off host3
next_of() { on host1 dvm jobs --json "$1" | awk -F'[ ,:]+' '$2 == "\"next\"" { print $3 }'; }
is_requeued() { [[ $(next_of "$1") == [1-9]* ]] || { on host1 dvm jobs "$1"; false; }; }
ok "... the gang waits again" until_ok 40 is_requeued "$gang"
again=$(next_of "$gang")
ok "... parked, and the reason is told" until_ok 20 why_is "$again" impossible
like "... with the host that lacks" "$(on host1 dvm why "$again")" "*1 down*"
is "others pass it" "$(on host1 dvm run -n 1 echo passed)" passed
ok "nothing of its start is left" until_ok 10 nothing_runs 'go-[$]0' host1 host2
ok "the current comes back" rig on host3
ok "... the daemon starts" start_dvmd host3
ok "... and is a member again" until_ok 30 all_see "$all_up" host1 host2 host3
ok "... and the gang starts, on all" until_ok 40 state_is "$again" running
go all
ok "it ends" until_ok 30 state_is "$again" "done"
is "... and has run once" "$(on host1 dvm logs "$again" | sort | uniq -c | xargs)" \
	"2 all host1 2 all host2 2 all host3"
is "... no rank of it in vain" "$(on host1 dvm logs "$gang")" ""
post_mortem host1 host2 host3

# --- the leader is lost with a full queue ----------------------------------------------------

tasks=$(submit --array 1-24 --exclude host1 sh -c 'echo $DVM_ARRAY_TASK >> /tmp/ran; usleep 300000')
ran() { rig run host2 cat /tmp/ran; rig run host3 cat /tmp/ran; }
some_ran() { [ "$(ran 2> /dev/null | wc -l)" -ge 4 ]; }
ok "some of many tasks run" until_ok 20 some_ran
ok "host1, which leads, loses its current" rig off host1
ok "the current comes back" rig on host1
ok "... the machine is found again" on host1 dvm up -q --interface eth0 --slots 2
all_over()
{
	local left
	left=$(on host1 dvm jobs 2>&1) && [ "$(wc -l <<< "$left")" -le 1 ] || ! printf '%s\n' "$left"
}
ok "all of them end" until_ok 90 all_over
ran > "$lib_temp/ran" 2> /dev/null
is "... each has run" "$(sort -un "$lib_temp/ran" | wc -l)" 24
is "... once" "$(sort -n "$lib_temp/ran" | uniq -d | xargs)" ""
is "... and ended well" "$(on host1 dvm history --json --since 1d | awk -v first="$tasks" -F'[ ,:]+' '
	$2 == "\"job\"" { job = $3 } $2 == "\"exit_code\"" && job >= first { n[$3]++ }
	END { for (code in n) print n[code], "with", code }')" "24 with 0"
post_mortem host1 host2 host3

ok "the machine ends" on host2 dvm halt
ok "the kernels have nothing to complain about" kernels_are_calm
done_testing
