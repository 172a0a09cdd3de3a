#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What programs of MPI rely on, for each MPI: on a node, and on nodes that share this kernel.

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

lib_program dvm-pmix
machine_up 4 # of two slots each
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

passes() # NAME N-CHECKS OPTION... -- CHECK...
{
	local name=$1 n=$2 options=()
	shift 2
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	shift
	is "$mpi: $name" "$(dvm run -q "${options[@]}" "$prog" "$@" 2>&1)" "all $n ok"
}

check() # MPI COMPILER
{
	mpi=$1 prog=$work/conform.$1
	if ! command -v "$2" > /dev/null; then
		skip "$mpi is not installed"
		return
	fi
	ok "$mpi: the checks are compiled" "$2" -pthread -I "$lib_dir/../.." \
		-o "$prog" "$lib_dir"/../mpi/conform*.c
	passes "two ranks on a node" 22 -n 2 --
	passes "four on two nodes" 22 -n 4 -N 2 --
	passes "three on three, dealt out" 22 -n 3 --map-by node --
	passes "threads" 1 -n 2 -- threads
	passes "threads on two nodes" 1 -n 2 -N 2 -- threads
	passes "eight on four nodes" 2 -n 8 -N 4 -- collectives split
	check_mixed "$2"
}

# A program of MPI that has libdvm's messages and memory, too.
check_mixed() # COMPILER
{
	local lib=$DVM_BUILD/libdvm/.libs mixed=$work/mixed.$mpi
	[ -e "$lib/libdvm.so" ] || { skip "$mpi: mixed" "libdvm is static"; return; }
	ok "$mpi: a program of both is compiled" "$1" -I"$lib_dir/../../libdvm/include" \
		-o "$mixed" "$lib_dir/../../examples/mpi/mixed.c" -L"$lib" -ldvm -Wl,-rpath,"$lib"
	is "$mpi: ... and both work, on three nodes" \
		"$(dvm run -q -n 4 -N 3 --oversubscribe "$mixed" | grep -c 'squares add up to 14')" 4
}

check openmpi mpicc.openmpi
[ ! -x "$prog" ] || passes "windows of neighbours" 1 -n 4 -N 2 -- post
check mpich mpicc.mpich
ok "no rank is left" until_ok 5 no_job_left

done_testing
