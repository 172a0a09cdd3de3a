#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The queue on two hosts whose wall clocks are set back and forth: nothing starts, ends or starves for it.
# shellcheck disable=SC2317

# shellcheck source=tests/rig/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/rig/machine.sh
. "$(dirname "$0")/machine.sh"
# shellcheck source=tests/rig/queue.sh
. "$(dirname "$0")/queue.sh"

rig_start 2 --mem 512M --disk 64
all_up="host1=up host2=up"

ok "a machine is founded" found_machine --slots 2
ok "host2 joins" join_machine host2 --slots 2
ok "all see all" until_ok 20 all_see "$all_up" host1 host2

gang=$(submit -n 2 -N 2 --map-by node --time 1h sh -c "$gate" gang)
late=$(submit -n 1 --begin 1h true)
ok "a gang runs" until_ok 30 state_is "$gang" running
for host in host1 host2; do
	for by in 90000 -180000 90000; do
		soon=$(submit -n 1 --begin 1s true)
		ok "the clock of $host is set by $by s" on $host sh -c "date -s @\$((\$(date +%s) + $by))"
		ok "... who is to start in a second does" until_ok 30 state_is "$soon" "done"
		ok "... who is to start in an hour does not" why_is "$late" begin
		ok "... and the gang runs on" state_is "$gang" running
		post_mortem host1 host2
	done
done
ok "... and nobody is thought dead" all_see "$all_up" host1 host2
go gang
ok "it ends" until_ok 30 state_is "$gang" "done"
is "... with 0" "$(job_field host1 "$gang" "exit code")$(job_field host1 "$gang" reason)" 0
ok "who waits can be cancelled" on host1 dvm cancel "$late"
post_mortem host1 host2

ok "the machine ends" on host2 dvm halt
ok "the kernels have nothing to complain about" kernels_are_calm
done_testing
