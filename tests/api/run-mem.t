#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Segments: verbs of the program `job`. run-mem.t [PATTERN] runs the lines that match.
# shellcheck source=tests/api/jobs.sh
. "${DVM_SRC:-.}/tests/api/jobs.sh"

# shellcheck disable=SC2034 # for jobs.sh
pattern=$1
# shellcheck disable=SC2034
options=
verbs="seen count ring several stream random fork hints"
with_calls="$verbs attach system_calls"

all() { # RANKS NODES VERBS [ARG]...: flags, faults, pages of a unit, homes
	ranks_=$1 nodes_=$2 verbs_=$3
	shift 3
	for v in $verbs_; do
		check "$ranks_" "$nodes_" "mem_$v" "$@"
	done
}

# 64: the protocol, also on one node. Plain memory; the usual way; few and many on a node.
all 3 1 "$with_calls" 0
all 3 1 "$with_calls" 64
all 2 2 "$with_calls"
all 4 2 "$with_calls"
# Faults as signals; pages of 16 KiB; homes page by page; nothing that is clever.
all 3 3 "$verbs" 64 1
all 3 3 "$with_calls" 64 0 4
all 2 2 "$with_calls" 64 0 1 1
all 2 2 "$with_calls" 127
# Each rank with pages of its own, also those of one node.
all 3 1 "$with_calls" 4160
all 4 2 "$verbs" 4160 1
# Nobody looks before it sleeps, and the library's threads wait for their turn.
all 3 3 "count ring several" 3136
# As on Linux 6.1; and between hosts.
export DVM_SHM_UFFD=missing
all 3 3 "$with_calls"
all 3 3 "$verbs" 64 1
unset DVM_SHM_UFFD
export DVM_SHM_TRANSPORT=tcp
all 3 3 "$with_calls"
unset DVM_SHM_TRANSPORT
# More than there is room for.
export DVM_SHM_MEMORY=1000000
check 2 2 mem_larger
check 3 3 mem_larger 64 1
DVM_SHM_UFFD=missing check 2 2 mem_larger
unset DVM_SHM_MEMORY
# Homes that move, in units of a page.
all 3 1 moves 0
all 3 1 moves 64
all 2 2 moves
all 4 2 moves
all 3 3 moves 64 1 1 1
DVM_SHM_UFFD=missing check 3 3 mem_moves
DVM_SHM_TRANSPORT=tcp check 3 3 mem_moves
check 3 3 leaves_mem
check 4 2 leaves_mem 1
DVM_SHM_UFFD=missing check 3 3 leaves_mem
DVM_SHM_TRANSPORT=tcp check 2 2 leaves_mem
check 2 2 mem_moves_apart
# More pages here and there than a list of moves has places: of its own, or of the dead.
for consistency in 0 1; do
	check 3 3 leaves_mem 0 0 $consistency 600
	check 4 4 leaves_mem_later 0 0 $consistency
	check 3 3 leaves_mem 0 0 $consistency 600 3
done
# One after the other.
check 2 1 mem_numbers 0
check 2 2 mem_numbers
# Ranks that come later.
check 3 1 mem_extend 0
check 3 3 mem_extend
check 4 2 mem_extend 64 1
check 4 2 mem_extend_homes
DVM_SHM_UFFD=missing check 4 4 mem_extend
DVM_SHM_TRANSPORT=tcp check 3 3 mem_extend
# Homes that go to who writes first: flags, faults, pages of a unit, homes.
check 3 1 mem_rc_first_touch 0 0 0 1 3
for consistency in 0 1; do
	check 3 3 mem_rc_first_touch $consistency 64 0 1 3
	check 4 2 mem_rc_first_touch $consistency 64 1 1 3
	DVM_SHM_UFFD=missing check 3 3 mem_rc_first_touch $consistency 64 0 1 3
done
all 3 3 "$verbs" 64 0 1 3
DVM_SHM_MEMORY=1000000 check 2 2 mem_larger 64 0 1 3
check 3 3 mem_moves 64 0 1 3
# Losses, with both kinds of faults.
for faults in 0 1; do
	check 3 3 dies_mem $faults
	check 4 2 dies_mem $faults
	check 3 3 stops_mem $faults
	for seed in 1 2 3; do
		check 4 4 dies_mem_busy $faults $seed
		check 4 2 dies_mem_busy $faults $seed
	done
done
DVM_SHM_UFFD=missing check 3 3 dies_mem
DVM_SHM_TRANSPORT=tcp check 3 3 dies_mem
# Several writers at a time (1) and changes that are pushed (2).
rc="rc_writers rc_locks rc_passed_on rc_threads rc_many rc_pushed"
for consistency in 1 2; do
	all 3 1 "$rc" $consistency 0
	all 2 2 "$rc" $consistency
	all 4 2 "$rc" $consistency
	all 3 3 "$rc" $consistency 64 1
	all 3 3 "rc_writers rc_locks rc_many" $consistency 127 0 16 1
	check 3 3 dies_mem_rc 0 0 $consistency
	check 4 2 dies_mem_rc 1 0 $consistency
	DVM_SHM_UFFD=missing check 3 3 dies_mem_rc 0 0 $consistency
	for seed in 1 2 3; do
		check 4 4 dies_mem_busy 0 $seed $consistency
	done
	check 3 1 mem_rc_moves $consistency 0
	check 3 3 mem_rc_moves $consistency
	check 4 2 mem_rc_moves $consistency 64 1
	check 3 3 leaves_mem 0 0 $consistency
	check 4 2 leaves_mem 1 0 $consistency
	DVM_SHM_UFFD=missing check 3 3 mem_rc_moves $consistency
	DVM_SHM_UFFD=missing check 3 3 mem_rc_writers $consistency
	DVM_SHM_UFFD=missing check 3 3 mem_rc_locks $consistency
	DVM_SHM_TRANSPORT=tcp check 3 3 mem_rc_writers $consistency
	DVM_SHM_TRANSPORT=tcp check 3 3 mem_rc_locks $consistency
	DVM_SHM_MEMORY=1000000 check 3 3 mem_rc_many $consistency
done
echo "1..$n"
exit "$failed"
