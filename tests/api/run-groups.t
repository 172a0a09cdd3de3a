#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Groups of ranks: verbs of the program `job`. run-groups.t [PATTERN] runs the lines that match.
# shellcheck source=tests/api/jobs.sh
. "${DVM_SRC:-.}/tests/api/jobs.sh"

# shellcheck disable=SC2034 # for jobs.sh
pattern=$1
# shellcheck disable=SC2034
options=
for nodes in 1 2 3; do
	check 5 $nodes groups
	check 7 $nodes intergroups
	check 6 $nodes carts
	check 5 $nodes random_groups $((500 + nodes)) 100
done
for nodes in 1 2; do
	check 2 $nodes groups
	check 4 $nodes groups_disagree
	check 3 $nodes groups_many
	check 2 $nodes intergroups
	check 8 $nodes random_groups $((600 + nodes)) 100
done
for nodes in 1 2; do
	check 5 $nodes revoked
	check 2 $nodes revoked_inside
	check 3 $nodes revoked_inside
	check 4 $nodes dies_revoking
	check 5 $nodes agrees
	check 4 $nodes acknowledges
	for seed in 1 2 3 4; do
		us=$((seed * seed * 3000))
		check 6 $nodes dies_agreeing $seed $us
		check 6 $nodes dies_shrinking $seed $us
		check 6 $nodes dies_grouping $seed $us
		check 6 $nodes recovers $seed $us
	done
done
echo "1..$n"
exit "$failed"
