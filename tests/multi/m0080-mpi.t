#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Programs of Open MPI and MPICH, unchanged, under dvm run: one node and several, good ends and bad.
# shellcheck disable=SC2016

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

lib_program dvm-pmix
machine_up 3 # of two slots each
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

lines() # PATTERN: how many lines of the input match
{
	grep -c -- "$1"
}

# The last rank ends badly; the job must end with it, and say why.
ends_badly() # NAME CODE PATTERN ARGUMENT...
{
	local name=$1 code=$2 pattern=$3 out
	shift 3
	out=$(limit=40 dvm run -n 4 -N 2 "$prog" "$@" 2>&1)
	is "$mpi: $name: the job's exit code" $? "$code"
	like "$mpi: ... and the reason" "$out" "$pattern"
}

check() # MPI COMPILER
{
	mpi=$1
	prog=$work/ranks.$mpi
	if ! command -v "$2" > /dev/null; then
		skip "$mpi is not installed"
		return
	fi
	ok "$mpi: a program is compiled" "$2" -o "$prog" "$lib_dir/../mpi/ranks.c"
	is "$mpi: one rank" "$(dvm run -n 1 "$prog" hello)" "hello 0 of 1"
	is "$mpi: four on a node" "$(dvm run -q -n 4 -N 1 --oversubscribe "$prog" hello | sort | xargs)" \
		"hello 0 of 4 hello 1 of 4 hello 2 of 4 hello 3 of 4"
	is "$mpi: six on three nodes" "$(dvm run -n 6 -N 3 "$prog" sums | lines ok)" 6
	is "$mpi: dealt out in turn" "$(dvm run -n 4 --map-by node "$prog" sums | lines ok)" 4
	is "$mpi: long messages" "$(dvm run -n 3 -N 3 "$prog" ring 3000000 | lines ok)" 3
	is "$mpi: who shares a node" "$(dvm run -n 4 -N 2 "$prog" nodes | sort | xargs)" \
		"rank 0 node 0 shares with 1 rank 1 node 0 shares with 1 $(
		)rank 2 node 1 shares with 1 rank 3 node 1 shares with 1"
	cp "$prog" "$work/other.$mpi"
	is "$mpi: several programs in one world" "$(dvm run -n 2 "$prog" app : \
		-x COLOUR=red -n 1 --wdir "$work" "./other.$mpi" app : "$work/other.$mpi" app | sort)" \
		"rank 0 of 4 app 0 plain
rank 1 of 4 app 0 plain
rank 2 of 4 app 1 red
rank 3 of 4 app 2 plain"
	is "$mpi: started by a script" "$(dvm run -n 2 sh -c '"$0" hello' "$prog" | lines 'of 2')" 2
	is "$mpi: started by another program" \
		"$(dvm run -n 2 env A=B "$prog" hello | lines 'of 2')" 2
	is "$mpi: ... named from the job's directory" \
		"$(dvm run -n 2 --wdir "$work" env A=B "./ranks.$mpi" hello | lines 'of 2')" 2
	is "$mpi: two jobs at once" "$({ dvm run -n 2 "$prog" ring 100000 &
		dvm run -n 2 "$prog" ring 100000; wait; } | lines ok)" 4
	is "$mpi: ranks that end together end well" "$(for _ in 1 2 3 4 5 6 7 8 9 10; do
		dvm run -q -n 8 -N 1 --oversubscribe "$prog" hello
	done | lines 'of 8')" 80
	ends_badly "MPI_Abort" 7 "*rank 3*" abort 7
	ends_badly "an exit code" 3 "*rank 3*" exit 3
	ends_badly "a crash" 139 "*rank 3*" crash
	ends_badly "an end without MPI_Finalize" 1 "*rank 3*without MPI_Finalize*" vanish
}

check openmpi mpicc.openmpi
check mpich mpicc.mpich

# MPICH over TCP, as between hosts: those that leave first have answers for those that leave later.
if [ -x "$work/ranks.mpich" ]; then
	is "mpich: over TCP, all find an end" "$(for _ in 1 2 3 4 5 6 7 8; do
		UCX_TLS=tcp,self limit=10 dvm run -q -n 4 -N 2 "$work/ranks.mpich" nodes
	done | lines 'shares with 1')" 32
fi

# ---- who is served what ----

# Those that wait do not take what those they wait for need.
slacks() { dvm run -q --oversubscribe -N 1 "$@" cat /proc/self/timerslack_ns | sort -n | tail -n 1; }
ok "ranks in a crowd are woken a little late" test "$(slacks -n 64 --mpi pmix)" -gt 50000
is "... others as ever" "$(slacks -n 1 --mpi pmix) $(slacks -n 64 --mpi none)" "50000 50000"

is "a plain program has no server to wait for" \
	"$(dvm run -n 1 printenv PMIX_RANK PMI_RANK; echo $?)" 1
is "a script may be anything" "$(dvm run -n 2 sh -c 'echo $PMI_RANK $PMIX_RANK' | sort | xargs)" \
	"0 0 1 1"
is "unless told" "$(dvm run -n 1 --mpi none sh -c 'echo .$PMI_RANK$PMIX_RANK')" .
is "one protocol alone" "$(dvm run -n 1 --mpi pmi sh -c 'echo $PMI_RANK.$PMIX_RANK')" 0.
is "another launcher's ranks are not ours" \
	"$(PMI_RANK=9 PMIX_RANK=9 dvm run -n 1 --mpi pmi sh -c 'echo $PMI_RANK.$PMIX_RANK')" 0.
like "the user's own choice of a transport stays" \
	"$(OMPI_MCA_btl=self,tcp dvm run -n 1 sh -c 'echo $OMPI_MCA_btl')" "self,tcp"

# ---- programs that are not served ----

unserved() # MPI COMPILER
{
	local prog=$work/ranks.$1
	[ -x "$prog" ] || return
	like "$1: told that its ranks are alone" \
		"$(dvm run -n 2 --mpi none "$prog" hello 2>&1 > /dev/null)" \
		"*uses MPI, but with --mpi none*"
	is "$1: one rank is alone anyway" "$(dvm run -n 1 --mpi none "$prog" hello 2>&1)" \
		"hello 0 of 1"
}

unserved openmpi
unserved mpich
like "the wrong protocol is noticed, too" \
	"$(dvm run -n 2 --mpi pmi "$work/ranks.openmpi" hello 2>&1)" "*no rank has asked for PMI*"
printf '%s\n' '#include <stdlib.h>' '#include <stdio.h>' 'int MPI_Init(void) { return 0; }' \
	'int main(void) { return puts(getenv("PMI_RANK") ? "served" : "alone") < 0; }' > "$work/own.c"
if cc -o "$work/own" "$work/own.c" 2> /dev/null; then
	is "a library in the program itself is seen" "$(dvm run -n 1 "$work/own")" served
fi

# ---- events ----

# shellcheck disable=SC2046
if pkg-config --exists pmix 2> /dev/null &&
	cc -o "$work/events" "$lib_dir/../mpi/events.c" $(pkg-config --cflags --libs pmix); then
	out=$(dvm run -q --mpi pmix --keep-going --oversubscribe -n 5 -N 3 "$work/events" 2> /dev/null)
	is "PMIx: survivors are told of a rank's end" "$? $(sort <<< "$out")" \
		"137 rank 0 heard hello, rank 4 is dead
rank 1 heard hello, rank 4 is dead
rank 2 heard hello, rank 4 is dead
rank 3 heard hello, rank 4 is dead"
else
	skip "PMIx: survivors are told of a rank's end" "there is no libpmix to build with"
fi

# shellcheck disable=SC2046
if pkg-config --exists pmix 2> /dev/null && cc -o "$work/locality" "$lib_dir/../mpi/locality.c" \
	$(pkg-config --cflags --libs pmix); then
	like "PMIx: a rank that is bound knows where" \
		"$(dvm run -q --mpi pmix -n 1 --bind-to core "$work/locality")" "0 0 SK*:CR*"
	is "PMIx: one that is not has no such place" \
		"$(dvm run -q --mpi pmix -n 1 --bind-to none "$work/locality")" "0 - -"
else
	skip "PMIx: where ranks run" "there is no libpmix to build with"
fi

# ---- nodes that die ----

prog=$work/ranks.openmpi
if [ -x "$prog" ]; then
	begin dvm run -q -n 6 "$prog" wait
	all_wait() { [ "$(processes "$prog wait*" | wc -l)" -eq 6 ]; }
	ok "a job over three nodes" until_ok 20 all_wait
	# shellcheck disable=SC2046
	kill -KILL "$(dvmd_pid node3)" $(shepherds node3)
	ends "ends when a node of it does" '[1-9]*' "$pid" 20
	ok "... everywhere" until_ok 5 no_process "$prog wait*"
fi

ok "no PMIx server is left" until_ok 5 no_process '*dvm-pmix*'
is "nothing is left in /dev/shm" "$(ls -A /dev/shm)" ""

done_testing
