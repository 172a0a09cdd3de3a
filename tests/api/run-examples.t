#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The examples that only exchange messages, alone and as jobs under the test shepherd.
run="$DVM_BUILD/tests/api/mini-run"
ex="$DVM_BUILD/examples"
n=0
failed=0

check() { # NAME COMMAND...
	n=$((n + 1))
	name=$1
	shift
	if out=$("$@" 2>&1); then
		echo "ok $n - $name"
	else
		failed=1
		echo "not ok $n - $name"
		echo "$out" | sed 's/^/# /'
	fi
}

in_order() { # RANKS COMMAND...: line i is from rank i
	ranks=$1
	shift
	"$@" | awk -v n="$ranks" '
		!($0 ~ "^hello from rank " NR - 1 " of " n " ") { bad = 1 }
		END { exit bad || NR != n }'
}

check "hello alone" in_order 1 "$ex/hello"
check "hello, 5 ranks" in_order 5 "$run" -n 5 "$ex/hello"
check "ring alone" "$ex/ring" 10
check "ring, 4 ranks" "$run" -n 4 "$ex/ring" 100
check "ring, 3 ranks, long token" "$run" -n 3 "$ex/ring" 10 1000000
check "hello, 6 ranks on 3 nodes" in_order 6 "$run" -n 6 -N 3 "$ex/hello"
check "ring, 4 ranks on 2 nodes" "$run" -n 4 -N 2 "$ex/ring" 20 100000
echo "1..$n"
exit $failed
