#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Modes of messages, persistent requests, matched probes, layouts and packed buffers, on several
# ranks and nodes. run-modes.t [PATTERN] runs the lines that match.
# shellcheck source=tests/api/jobs.sh
. "${DVM_SRC:-.}/tests/api/jobs.sh"

# shellcheck disable=SC2034 # for jobs.sh
pattern=$1
# shellcheck disable=SC2034
options=
for nodes in 1 2; do
	check 2 $nodes synchronous
	check 2 $nodes mixed_order
	check 2 $nodes truncated
	check 3 $nodes halo
	check 3 $nodes scattered
	check 5 $nodes some
	check 4 $nodes matched
	check 4 $nodes players
	check 3 $nodes detached
	check 4 $nodes packed
	check 3 $nodes dies_synchronous
	check 3 $nodes dies_probed
	check 2 $nodes dies_columns 0
	check 3 $nodes dies_columns 1
	check 3 $nodes dies_persistent
	check 3 $nodes dies_detached
	check 4 $nodes closes_probed
	check 2 $nodes folded 0
	check 2 $nodes folded 1
done
check 1 1 halo
check 1 1 folded 0
# Long messages, each way.
export DVM_TEST_WAY
for DVM_TEST_WAY in 1 2; do
	check 2 1 synchronous
	check 2 1 truncated
	check 4 1 matched
	check 3 1 dies_synchronous
	check 2 1 folded 0
done
echo "1..$n"
exit "$failed"
