#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# No outcome that the processor's own memory forbids, on two and three nodes, over all transports
# there are on one host. LITMUS_RUNS: of each shape and layout.
run=$DVM_BUILD/tests/api/mini-run
litmus=$DVM_BUILD/tests/dsm/litmus
runs=${LITMUS_RUNS:-60}
n=0
failed=0

result() { # STATUS NAME OUTPUT
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - $2"
	else
		failed=1
		echo "not ok $n - $2"
		echo "$3" | sed 's/^/# /'
	fi
}

sound() { # RANKS NODES [OPTION]...
	ranks=$1 nodes=$2
	shift 2
	out=$("$run" -t "${LITMUS_SECONDS:-120}" -n "$ranks" -N "$nodes" "$litmus" -r "$runs" "$@" 2>&1)
	rc=$?
	# All shapes were there.
	[ "$(echo "$out" | grep -c " runs $runs ")" -ge 30 ] || rc=1
	result $rc "$ranks ranks on $nodes nodes: $*" "$out"
}

sound 4 2
sound 4 3 -S 2
sound 2 2 -S 3
sound 4 1 -p -S 4
DVM_SHM_UFFD=missing
export DVM_SHM_UFFD
sound 4 3 -S 5
unset DVM_SHM_UFFD
DVM_SHM_TRANSPORT=tcp
export DVM_SHM_TRANSPORT
sound 4 3 -S 6
# As if nobody kept copies up to date: every one of these has to be seen.
for shape in SB MP LB IRIW S R CoRR WRC RWC ISA2; do
	out=$("$run" -t 60 -n 4 -N 2 "$litmus" -b -s $shape -r 300 2>&1) && rc=1 || rc=0
	result $rc "$shape is seen when it happens" "$out"
done
echo "1..$n"
exit $failed
