#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Programs of Open MPI and MPICH over two hosts: what they say to each other goes over the wire, and
# however the job ends, it does so with the right code and leaves nothing.
# shellcheck disable=SC2317

# shellcheck source=tests/rig/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/rig/machine.sh
. "$(dirname "$0")/machine.sh"

# ---- what the hosts need ----

mkdir -p "$lib_temp/overlay/srv"
mpis=()
for mpi in openmpi mpich; do
	command -v "mpicc.$mpi" > /dev/null || continue
	ok "$mpi: a program is compiled" \
		"mpicc.$mpi" -o "$lib_temp/overlay/srv/ranks.$mpi" "$lib_dir/../mpi/ranks.c" &&
		mpis+=("$mpi")
done
[ ${#mpis[@]} -gt 0 ] || skip_all "no MPI is installed"

# What is loaded by name while they run. Cards that no host has are left out.
libs=/usr/lib/$(gcc -print-multiarch)
adds=()
for file in "$libs"/openmpi/lib/openmpi3/*.so "$libs"/pmix2/lib/pmix/*.so "$libs"/ucx/*.so.0 \
	/etc/openmpi/openmpi-mca-params.conf /usr/share/openmpi/help-*.txt; do
	case $file in
	*/mca_mtl_* | *memheap* | *spml* | *scoll* | *sshmem* | *openib* | *_ucx.so | *_ofi.so) ;;
	*) [ ! -e "$file" ] || adds+=(--add "$file") ;;
	esac
done

rig_start 2 --mem 768M --overlay "$lib_temp/overlay" "${adds[@]}"
ok "a machine is founded" found_machine -s 2
ok "host2 joins" join_machine host2 -s 2

# ---- the jobs ----

lines() # PATTERN: how many lines of the input match
{
	grep -c -- "$1"
}

mpirun() # VERB ARG...: four ranks on two hosts
{
	on host1 dvm run -q -n 4 -N 2 "/srv/ranks.$mpi" "$@"
}

ends_badly() # CODE PATTERN VERB ARG...
{
	local code=$1 pattern=$2 out
	shift 2
	out=$(mpirun "$@" 2>&1)
	is "$mpi: $1: the job's exit code" $? "$code"
	like "... and the reason" "$out" "$pattern"
}

for mpi in "${mpis[@]}"; do
	is "$mpi: who shares a host" "$(mpirun nodes | sort | xargs)" \
		"rank 0 node 0 shares with 1 rank 1 node 0 shares with 1 $(
		)rank 2 node 1 shares with 1 rank 3 node 1 shares with 1"
	is "$mpi: a ring of long messages" "$(mpirun ring 100000 | lines ok)" 4
	is "$mpi: sums of all" "$(mpirun sums | lines ok)" 4
	is "$mpi: three in a ring, dealt out" "$(on host2 dvm run -q -n 3 --map-by node \
		"/srv/ranks.$mpi" ring 1000 | lines ok)" 3
	ends_badly 7 "*rank 3: MPI_Abort*" abort 7
	ends_badly 139 "*rank 3 on host2 was killed by signal 11*" crash
done
ok "nothing is left" until_ok 10 no_litter host1,host2

# ---- a host loses its current ----

mpi=${mpis[0]}
"$lib_dir/rig" run -T 60 host1 dvm run -n 4 -N 2 "/srv/ranks.$mpi" wait \
	> "$lib_temp/out" 2>&1 &
client=$!
waiting() { [ "$(rig run host2 pgrep -c ranks)" = 2 ]; }
ok "a job runs on both" until_ok 20 waiting
ok "host2 loses its current" rig off host2
wait $client
is "... the job ends" $? 1
like "... with the reason" "$(cat "$lib_temp/out")" "*node host2 was lost*"
ok "... and nothing is left" until_ok 10 no_litter host1
ok "the kernels have nothing to complain about" kernels_are_calm

done_testing
