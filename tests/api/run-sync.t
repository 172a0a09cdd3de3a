#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Locks and so on of segments: verbs of the program `job`. run-sync.t [PATTERN] runs those that match.
# shellcheck source=tests/api/jobs.sh
. "${DVM_SRC:-.}/tests/api/jobs.sh"

# shellcheck disable=SC2034 # for jobs.sh
pattern=$1
# shellcheck disable=SC2034
options=
verbs="locks barriers conditions ranges threads"

all() { # RANKS NODES [FLAGS]
	for v in $verbs; do
		check "$1" "$2" "sync_$v" "${3:-0}"
	done
	for how in 0 1 2; do
		check "$1" "$2" dies_sync "${3:-0}" "$how"
	done
}

# 64: the protocol, also on one node.
all 2 1
all 4 1
all 3 1 64
all 2 2
all 4 3
check 20 1 sync_barriers 0
check 20 2 sync_barriers 0
export DVM_SHM_TRANSPORT=tcp
all 3 3
echo "1..$n"
exit "$failed"
