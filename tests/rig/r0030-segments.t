#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Segments on kernels that map what lies there (6.12) and that only copy (6.1), and between two
# kernels over a network card; as root and, where faults of system calls are kept for root, not.

# shellcheck source=tests/rig/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/rig/machine.sh
. "$(dirname "$0")/machine.sh"

mkdir -p "$lib_temp/overlay/srv"
for p in job mini-run; do
	[ -x "$DVM_BUILD/tests/api/$p" ] || skip_all "tests/api/$p is not built"
	cp "$DVM_BUILD/tests/api/$p" "$lib_temp/overlay/srv/" || bail_out "no $p"
	chmod 755 "$lib_temp/overlay/srv/$p"
done

verb() # RANKS NODES VERB [ARG]...
{
	local n=$1 m=$2
	shift 2
	rig run -T 60 host1 /srv/mini-run -k -t 50 -n "$n" -N "$m" /srv/job "$@" 2>&1
	echo "exit $?"
}

one_kernel() # RELEASE
{
	for v in seen count ring stream system_calls hints; do
		is "$1: mem_$v" "$(verb 3 3 mem_$v 64)" "exit 0"
	done
	is "$1: mem_random" "$(verb 2 2 mem_random 64 0 1 0 3000)" "exit 0"
	is "$1: faults as signals" "$(verb 2 2 mem_ring 64 1)" "exit 0"
	is "$1: a rank is lost" "$(verb 3 3 dies_mem 2>&1 | grep -v 'is lost with its node')" "exit 0"
}

rig_start 1 --mem 768M --cpus 2 --kernel 6.1 --overlay "$lib_temp/overlay"
like "the kernel" "$(rig run host1 uname -r)" "6.1.*"
one_kernel 6.1
kernels_are_calm
rig down

rig_start 2 --mem 768M --kernel 6.12 --overlay "$lib_temp/overlay"
like "the kernel" "$(rig run host1 uname -r)" "6.12.*"
one_kernel 6.12

# ---- two kernels ----

ok "a machine" found_machine
ok "... of two hosts" join_machine host2
for v in seen count stream system_calls; do
	is "two kernels: mem_$v" \
		"$(on host1 dvm run -q -n 2 -N 2 /srv/job mem_$v 0 2>&1; echo "exit $?")" "exit 0"
done
is "two kernels, a user: mem_seen" \
	"$(rig run -u user host1 dvm run -q -n 2 -N 2 /srv/job mem_seen 0 2>&1; echo "exit $?")" "exit 0"
kernels_are_calm
done_testing
