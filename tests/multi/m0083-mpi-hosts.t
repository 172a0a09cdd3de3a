#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Programs of Open MPI and MPICH on hosts with names, cards and addresses of their own that share a
# kernel, its memory and its process numbers: what tells hosts apart elsewhere is not there.
# shellcheck disable=SC2317

# shellcheck source=tests/multi/hosts.sh
. "$(dirname "$0")/hosts.sh"

lib_program dvm-pmix
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
hosts_up 2
echo 'failure_timeout: 3s' > "$work/dvm.conf"

all_up()
{
	[ "$(in_host 1 dvm nodes | grep -c ' up ')" -eq 2 ]
}

lines() # PATTERN: how many lines of the input match
{
	grep -c -- "$1"
}

run() # ARGUMENT...: four ranks on two hosts
{
	in_host 1 dvm run -q -n 4 -N 2 --oversubscribe "$@" 2>&1
}

ok "a machine of two hosts" in_host 1 dvm up -H host2 --ssh fake-ssh --interface "$net.0/24"
ok "both are up" until_ok 10 all_up

check() # MPI COMPILER
{
	local mpi=$1 prog=$work/ranks.$1 conform=$work/conform.$1
	if ! command -v "$2" > /dev/null; then
		skip "$mpi is not installed"
		return
	fi
	ok "$mpi: programs are compiled" compile "$2"
	is "$mpi: who shares a host" "$(run "$prog" nodes | sort | xargs)" \
		"rank 0 node 0 shares with 1 rank 1 node 0 shares with 1 $(
		)rank 2 node 1 shares with 1 rank 3 node 1 shares with 1"
	is "$mpi: long messages" "$(run "$prog" ring 300000 | lines ok)" 4
	is "$mpi: from the other host" "$(in_host 2 dvm run -q -n 3 --map-by node --oversubscribe \
		"$prog" sums | lines ok)" 3
	is "$mpi: all checks" "$(limit=60 run "$conform")" "all 22 ok"
}

compile() # COMPILER
{
	"$1" -o "$prog" "$lib_dir/../mpi/ranks.c" &&
		"$1" -pthread -I "$lib_dir/../.." -o "$conform" "$lib_dir"/../mpi/conform*.c
}

check openmpi mpicc.openmpi
check mpich mpicc.mpich

prog=$work/dynamic
if ! command -v mpicc.openmpi > /dev/null; then
	done_testing
fi
ok "a program that spawns is compiled" mpicc.openmpi -o "$prog" "$lib_dir/../mpi/dynamic.c"
is "children on both hosts" \
	"$(in_host 1 dvm run -q -n 2 -N 2 --oversubscribe "$prog" spawn 4 | lines ok)" 6
in_host 1 dvm run -q -n 1 -H host1 "$prog" serve bay 1 > "$work/served" 2>&1 &
server=$!
is "one host calls the other" "$(in_host 2 dvm run -q -n 1 -H host2 "$prog" call bay)" "caller 0 ok"
wait $server
is "... which answers" "$(cat "$work/served")" "server 0 ok"

# ---- a cable ----

prog=$work/ranks.openmpi
run "$prog" wait > "$work/out" &
job=$!
all_wait() { [ "$(processes "$prog wait*" | wc -l)" -eq 4 ]; }
ok "a job on both" until_ok 20 all_wait
in_host 2 ip link set eth0 down
ends "a host cut off ends it" '[1-9]*' $job 15
like "... with the reason" "$(cat "$work/out")" "*host2*lost*"
in_host 2 ip link set eth0 up
ok "... also where it was cut off" until_ok 30 no_process "$prog wait*"
ok "both are up again" until_ok 30 all_up
is "... and run programs" "$(run "$prog" sums | lines ok)" 4

done_testing
