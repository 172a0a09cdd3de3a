#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Programs of MPI that spawn others, connect to others, and end badly together with them.

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

lib_program dvm-pmix
machine_up 3 # of two slots each
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

lines() # PATTERN: how many lines of the input match
{
	grep -c -- "$1"
}

compiled() # COMPILER PROGRAM SOURCE: or its tests are skipped
{
	if ! command -v "$1" > /dev/null; then
		skip "$2: there is no $1"
		return 1
	fi
	ok "$2 is compiled" "$1" -o "$work/$2" "$lib_dir/../mpi/$3.c"
}

fails_together() # CODE PATTERN VERB
{
	local out
	out=$(limit=40 dvm run -n 2 "$work/dynamic" "$3" 2>&1)
	is "$3: its code is the parent's" $? "$1"
	like "... and the reason names it" "$out" "*which it has spawned*$2*"
}

# ---- Open MPI ----

check_spawn()
{
	local out
	is "two ranks spawn two" "$(dvm run -n 2 "$prog" spawn 2 | sort | xargs)" \
		"child 0 of 2 ok child 1 of 2 ok parent 0 ok parent 1 ok"
	is "... on other nodes" "$(dvm run -n 3 -N 3 "$prog" spawn 3 | lines ok)" 6
	is "two programs in one job" "$(dvm run -n 2 "$prog" multi | lines ok)" 5
	is "one after the other" "$(dvm run -n 1 "$prog" again 5 | lines ok)" 10
	is "children that spawn" "$(dvm run -n 1 "$prog" chain 2 | lines ok)" 4
	is "children that outlive their parents" "$(dvm run -n 2 "$prog" late | lines ok)" 4
	out=$(dvm run -n 1 "$prog" missing 2>&1)
	is "a missing program is an error" $? 0
	like "... of which the user hears" "$out" "*/nowhere/at/all*refused 0 ok*"
	is "so are too many ranks" "$(dvm run -n 1 "$prog" many 10 2> /dev/null)" "refused 0 ok"
	fails_together 7 "MPI_Abort" child-abort
	fails_together 3 "exited with code 3" child-exit
	fails_together 137 "killed by signal 9" child-crash
	ok "no rank is left" until_ok 5 no_job_left
}

# One calls; what it says is in $work/callN. The oversubscribed wait longer for their turn.
call() # N [NAME=VALUE...]
{
	local n=$1
	shift
	limit=120 dvm run -q -n 1 --oversubscribe env "$@" "$prog" call ocean > "$work/call$n" 2>&1
}

# The first of two callers is slow to look, until the second one has said that it is there, too.
race() # SHIM
{
	local first second
	call 3 LD_PRELOAD="$1" LOOK_SAYS="$work/said3" LOOK_WAITS="$work/said4" &
	first=$!
	until_ok 60 test -e "$work/said3"
	call 4 LD_PRELOAD="$1" LOOK_SAYS="$work/said4" &
	second=$!
	wait $first $second
}

# A caller that is gone before the two sides have agreed takes its server along: it would wait for it.
dies_halfway() # SHIM
{
	local caller server
	limit=60 dvm run -q -n 1 env LD_PRELOAD="$1" LOOK_FOR=:nextcid: LOOK_SAYS="$work/heard" \
		"$prog" serve deep 1 > "$work/deep" 2>&1 &
	server=$!
	limit=60 dvm run -q -n 1 env LD_PRELOAD="$1" LOOK_WAITS="$work/never" "$prog" call deep \
		> "$work/call5" 2>&1 &
	caller=$!
	ok "a server has heard a caller" until_ok 30 test -e "$work/heard"
	# shellcheck disable=SC2046
	kill -KILL $(processes "$prog call deep*")
	wait $caller
	ends "... whose end is that of the server" 1 $server 20
	like "... for a reason" "$(cat "$work/deep")" "*the job at the other end of its port is over*"
}

check_ports()
{
	local shim=$work/slowlook.so pmix server callers n=3
	pmix=$(pkg-config --cflags pmix 2> /dev/null) || pmix=
	# shellcheck disable=SC2086
	cc -shared -fPIC $pmix -o "$shim" "$lib_dir/../mpi/slowlook.c" 2> "$work/shim.err" && n=5
	limit=240 dvm run -n 2 -N 2 "$prog" serve ocean $n > "$work/served" 2>&1 &
	server=$!
	is "a caller on a third node" "$(dvm run -n 2 --host node3 "$prog" call ocean | lines ok)" 2
	call 1 &
	callers=$!
	call 2
	wait $callers
	is "two callers at once" "$(cat "$work"/call[12])" $'caller 0 ok\ncaller 0 ok'
	if [ $n = 5 ]; then
		race "$shim"
		is "one is slow, the next one quick" "$(cat "$work"/call[34])" \
			$'caller 0 ok\ncaller 0 ok'
		dies_halfway "$shim"
	else
		skip "one is slow, the next one quick" "$(head -n 1 "$work/shim.err")"
	fi
	wait $server
	is "the server has served" "$(sort "$work/served")" $'server 0 ok\nserver 1 ok'
}

check_names() # MPI
{
	local prog=$work/dynamic.$1
	mkfifo "$work/end.$1"
	dvm run -n 1 "$prog" publish sea "port-of-$1" < "$work/end.$1" > "$work/out.$1" &
	exec 8> "$work/end.$1"
	ok "$1: a name is published" until_ok 20 grep -q published "$work/out.$1"
	is "$1: ... and found on another node" \
		"$(dvm run -q -n 1 --host node3 "$prog" lookup sea)" "found port-of-$1"
	exec 8>&-
	wait $!
	is "$1: ... and taken back" "$(dvm run -q -n 1 "$prog" lookup sea 2> /dev/null)" "not found"
	is "$1: ... which other nodes know at once" \
		"$(dvm run -q -n 2 --host node1,node3 --map-by node "$prog" tide low 25 2> /dev/null)" \
		"0 of 50 wrong"
}

if compiled mpicc.openmpi dynamic dynamic; then
	prog=$work/dynamic
	check_spawn
	check_ports
	cp "$prog" "$prog.openmpi"
	check_names openmpi
fi

# ---- MPICH, and PMI-1 by itself ----

if compiled mpicc.mpich dynamic.mpich dynamic; then
	check_names mpich
fi
if compiled cc pmi1 pmi1; then
	is "PMI-1: two programs are spawned" \
		"$(dvm run --mpi pmi -n 1 "$work/pmi1" spawn "$work/pmi1" | sort)" \
		"child 0 of 3 spawned 1: cmd=appnum appnum=0 value=tag=0 and more
child 1 of 3 spawned 1: cmd=appnum appnum=0 value=tag=0 and more
child 2 of 3 spawned 1: cmd=appnum appnum=1 value=tag=0 and more
cmd=spawn_result rc=0"
	like "PMI-1: a missing program is an error" \
		"$(dvm run -q --mpi pmi -n 1 "$work/pmi1" spawn /nowhere/at/all 2>&1)" "*rc=-1*"
fi

done_testing
