#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The programs that the manual shows.

# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

sorted() # "RANKS NODES" PROGRAM
{
	job "$1" "$examples/man/$2" 2>&1 | sort
}

is "dvm_open" "$(sorted "2 1" dvm_open)" "rank 0 of 2, node 0 of 1
rank 1 of 2, node 0 of 1"
for nodes in 1 3; do
	is "dvm_send, $nodes nodes" "$(sorted "3 $nodes" dvm_send)" \
		"greetings from rank 1: 21 bytes from 1
greetings from rank 2: 21 bytes from 2"
	is "dvm_wait, $nodes nodes" "$(sorted "3 $nodes" dvm_wait)" "rank 0 is between 2 and 1
rank 1 is between 0 and 2
rank 2 is between 1 and 0"
	is "dvm_group, $nodes nodes" "$(sorted "3 $nodes" dvm_group | head -n 1)" "rank 0 of a group of $((3 / nodes))"
	is "dvm_ft, $nodes nodes" "$(sorted "3 $nodes" dvm_ft | tail -n 1)" "rank 2: 3 of 3 are left"
	is "dvm_cart, $nodes nodes" "$(sorted "6 $nodes" dvm_cart | head -n 2)" "rank 0 at 0,0 of 3x2, left of it 1
rank 1 at 0,1 of 3x2, left of it 0"
	is "dvm_seg, $nodes nodes" "$(sorted "3 $nodes" dvm_seg)" \
		"6000 entries by 3 ranks add up to 17997000"
	is "dvm_sync, $nodes nodes" "$(sorted "3 $nodes" dvm_sync)" \
		"15 items, numbered up to 14, add up to 105"
	is "dvm_win, $nodes nodes" "$(sorted "3 $nodes" dvm_win)" \
		"12 numbers drawn, the ranks add up to 12"
	is "dvm_am, $nodes nodes" "$(sorted "3 $nodes" dvm_am)" 3000
	is "dvm_bcast, $nodes nodes" "$(sorted "3 $nodes" dvm_bcast)" "pi is 3.141592654"
	is "dvm_layout, $nodes nodes" "$(sorted "3 $nodes" dvm_layout)" "2 6 10 14
2 6 10 14"
	is "dvm_pack, $nodes nodes" "$(sorted "3 $nodes" dvm_pack)" "sample 10: 1 0.5 -1
sample 20: 2 0.5 -1"
done
# With a machine: tests/multi/m0070-dynamic.t.
like "dvm_spawn, no machine" "$("$examples/man/dvm_spawn" 2>&1)" "*not connected*"
like "dvm_connect, no machine" "$("$examples/man/dvm_connect" 2>&1)" "*no part of a machine*"
done_testing
