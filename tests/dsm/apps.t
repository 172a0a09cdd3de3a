#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The programs of this directory with few ranks, on one node and several. They check themselves.
run=$DVM_BUILD/tests/api/mini-run
n=0
failed=0

correct() { # RANKS NODES PROGRAM [ARG]...
	line="$*"
	n=$((n + 1))
	ranks=$1 nodes=$2 prog=$3
	shift 3
	out=$("$run" -t 60 -n "$ranks" -N "$nodes" "$DVM_BUILD/tests/dsm/$prog" "$@" 2>&1)
	case "$?$out" in
	0*" processes $ranks "*correct) echo "ok $n - $line" ;;
	*)
		failed=1
		echo "not ok $n - $line"
		echo "$out" | sed 's/^/# /'
		;;
	esac
}

all() { # RANKS NODES
	correct "$1" "$2" heat -n 200 -i 10
	correct "$1" "$2" heat_msg -n 200 -i 10
	correct "$1" "$2" lu -n 128
	correct "$1" "$2" fft -n 4096
	correct "$1" "$2" isort -n 30000
	correct "$1" "$2" tsp -n 9
	correct "$1" "$2" kmeans -n 5000 -i 4
}

all 1 1
all 3 1
all 2 2
all 4 4
echo "1..$n"
exit $failed
