#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The multi-rank tests: a verb of the program `job`, with ranks and nodes. One TAP line each.
# run-jobs.t [PATTERN] runs the lines that match.
# shellcheck source=tests/api/jobs.sh
. "${DVM_SRC:-.}/tests/api/jobs.sh"

pattern=$1
for _ in 1 2 3 4 5 6 7 8; do # a race
	check 3 1 probes_last
done
options=
check 1 1 random 1 60
for nodes in 1 2 3; do
	check 5 $nodes place
	check 4 $nodes order
	check 4 $nodes wildcards
	check 3 $nodes longer
	check 4 $nodes gathered
	check 3 $nodes crossing
	check 3 $nodes probing
	check 4 $nodes survives_close
	check 3 $nodes dies_while_received
	check 3 $nodes dies_while_any
	check 3 $nodes dies_announced
	check 3 $nodes dies_flooded
	check 3 $nodes dies_sending
	check 3 $nodes dies_at_once
	check 3 $nodes refuses_closed
	check 5 $nodes closes_in_collective
	check 3 $nodes shepherd_vanishes
	check 3 $nodes no_machine
	check 3 $nodes no_machine_threads
	check 3 $nodes vanishes_asked
	check 3 $nodes random $((100 + nodes)) 60
	check 8 $nodes random $((200 + nodes)) 30
	check 5 $nodes minloc
	check 4 $nodes barriers
	check 3 $nodes disagree
	check 4 $nodes collectives_threads $((10 + nodes)) 10
done
for ranks in 1 2 3 4 5 6 7 8 9; do
	check $ranks 1 collectives $ranks 25
done
for which in 4 5 7 8 11; do
	check 6 1 dies_in_collective $which 40000
done
for ranks in 2 3 5 8; do
	check $ranks 2 collectives $((20 + ranks)) 15
done
check 7 3 collectives 37 15
check 7 1 subgroups 50 4
check 7 2 subgroups 51 4
check 9 3 collectives 39 10
check 20 1 collectives 40 4
for nodes in 1 2; do
	for kind in 0 1; do
		check 3 $nodes rma_copy $kind
		check 3 $nodes rma_layouts $kind
		check 3 $nodes rma_requests $kind
		check 4 $nodes rma_tickets $kind
		check 4 $nodes rma_random $kind 1
		check 2 $nodes rma_random $kind 2
		check 3 $nodes rma_flags $kind
		check 4 $nodes rma_locks $kind
		check 3 $nodes rma_passive $kind
		for how in 0 1 2 3 4; do
			check 4 $nodes dies_rma $kind $how
		done
	done
	check 3 $nodes rma_random_helped 1 3
	check 3 $nodes am_echo
	check 3 $nodes am_answers
	check 2 $nodes am_late
	check 2 $nodes am_loop
	check 2 $nodes am_helper
	check 3 $nodes am_echo_helped
	check 3 $nodes dies_active
	check 2 $nodes computes_after
	check 3 $nodes stands_still
	for which in 0 1 5; do
		check 3 $nodes dies_streaming $which
	done
	check 2 $nodes truncation
	check 2 $nodes flood
	check 4 $nodes threads
	for which in 0 1 2 3 4 5 6 7 8 9 10 11; do
		check 5 $nodes dies_in_collective $which
	done
	for which in 1 2 3 6 9; do
		check 6 $nodes dies_in_collective $which 40000
	done
	check 2 $nodes random $((300 + nodes)) 80
	check 5 $nodes random $((400 + nodes)) 50
done
# Long messages, each way; what is copied from memory to memory, half-way.
export DVM_TEST_WAY
for DVM_TEST_WAY in 1 2; do
	check 2 1 random $((500 + DVM_TEST_WAY)) 60
	check 4 1 random $((600 + DVM_TEST_WAY)) 60
	check 3 1 longer
	check 3 1 crossing
	check 4 1 threads
	check 3 1 dies_announced
	check 3 1 dies_sending
	check 6 1 dies_in_collective 2 40000
done
for us in 300 1000 3000 7000; do
	check 2 1 dies_copying 300000 $us
	check 2 1 dies_copying 4000000 $us
done
for looks in 0 1 2 5 20; do
	check 2 1 closes_copying 30000 $looks
	check 2 1 closes_copying 8000000 $looks
done
unset DVM_TEST_WAY
# The shared memory counts as a file: a limit below its size is an error, not a signal.
n=$((n + 1))
out=$( (ulimit -f 64; "$run" -k -t 60 -n 2 "$job" place) 2>&1)
case "$out" in
*"ulimit -f"*) echo "ok $n - the limit of file sizes" ;;
*)
	failed=1
	echo "not ok $n - the limit of file sizes"
	echo "$out" | sed 's/^/# /'
	;;
esac
options="-i 203.0.113.1"
check 4 2 lacks_fabric
options=
# libfabric, where it is installed: not loaded otherwise.
DVM_FABRIC=nonsense
export DVM_FABRIC
check 4 2 lacks_fabric
if ldconfig -p 2> /dev/null | grep -q 'libfabric\.so\.1 '; then
	DVM_FABRIC="tcp;ofi_rxm"
	check 4 2 order
	check 3 3 longer
	check 4 2 threads
	check 2 2 flood
	check 4 2 survives_close
	check 3 3 dies_while_received
	check 3 3 dies_sending
	check 5 2 closes_in_collective
	check 8 3 random 203 30
fi
unset DVM_FABRIC
check 4 2 wanted_without_fabric
# Nine GiB of memory: only when asked for.
if [ -n "$DVM_TEST_HUGE" ]; then
	check 2 1 huge
	check 2 2 huge
fi
echo "1..$n"
exit $failed
