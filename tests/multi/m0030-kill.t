#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Each process is killed in turn under a running job: nothing hangs, is lost, or stays behind.
# Each single-quoted script is for a rank's shell.
# shellcheck disable=SC2016,SC2317

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

machine_up 4 # of two slots each: the leader, node1, has ranks 0 and 1

# Starts a killed daemon again, as a service manager would.
restart() # NODE
{
	dvm up -q && until_ok 15 is_state "$1" up
}

# begin a job, and wait until its N ranks say that they are there.
begin_job() # N OPTION... -- SCRIPT
{
	local n=$1 options=()
	shift
	while [ "$1" != -- ]; do options+=("$1") && shift; done
	rm -f "$work"/there.*
	begin dvm run -q -n "$n" "${options[@]}" sh -c "echo > $work/there.\$DVM_RANK; $2" \
		> "$work/out" 2> "$work/err"
	until_ok 10 all_there "$n"
}

all_there() # N
{
	local there=("$work"/there.*)
	[ -e "${there[0]}" ] && [ ${#there[@]} -eq "$1" ]
}

# The machine is as good as ever.
usable()
{
	dvm run -n 8 true && [ "$(dvm run -n 8 -N 4 echo x | wc -l)" -eq 8 ]
}

# Lines for a second and a half, so that whatever happens meanwhile happens in the middle.
talk='i=0; while [ $i -lt 300 ]; do echo "$DVM_RANK $i"; i=$((i + 1)); sleep 0.005; done'
said() # RANKS: what they print
{
	local r i
	for ((r = 0; r < $1; r++)); do for ((i = 0; i < 300; i++)); do echo "$r $i"; done; done
}
is_said() # RANKS: each rank's lines, in order, once
{
	said "$1" | cmp - <(sort -s -n -k1,1 "$work/out")
}
no_jobs() { [ -z "$(dvm jobs | tail -n +2)" ]; }
talking() { [ -s "$work/out" ]; }

# ---- the command line ----

begin_job 8 -- 'sleep 60'
kill -9 "$pid"
ok "the command line killed: the job ends" until_ok 5 no_job_left
ok "... and its record says so" until_ok 5 no_jobs
begin_job 8 -- 'trap "" TERM HUP; while :; do sleep 0.1; done'
kill -9 "$pid"
ok "... though ranks ignore TERM" until_ok 10 no_job_left

# ---- a shepherd ----

begin_job 8 -- 'sleep 60'
kill -9 "$(shepherds node3)"
ends "a shepherd killed: the job fails" '[1-9]*' "$pid" 5
like "... and the user is told" "$(cat "$work/err")" "dvm: *node3*"
ok "... no rank is left" until_ok 5 no_job_left
begin_job 2 -H node2 -- '(setsid sleep 61 &) ; sleep 60'
kill -9 "$(shepherds node2)"
ok "... nor what ranks have started" until_ok 5 no_job_left
ends "... and the job fails" '[1-9]*' "$pid" 5
rm -f "$work/go"
begin_job 8 --keep-going -- "while [ ! -e $work/go ]; do sleep 0.05; done; echo end"
kill -9 "$(shepherds node3)"
gone_from() # NODE: its shepherds
{
	[ -z "$(shepherds "$1")" ]
}
ok "a shepherd killed that the others can do without" until_ok 5 gone_from node3
touch "$work/go"
ends "... they go on, and the job still fails" '[1-9]*' "$pid" 10
is "... to their ends" "$(grep -c '^end$' "$work/out")" 6
like "... and the user is told" "$(cat "$work/err")" "dvm: *node3*"

# ---- a daemon ----

for node in node3 node1; do # a node's, then the leader's, which is the origin's, too
	begin_job 8 -- "$talk"
	until_ok 5 talking
	kill -9 "$(dvmd_pid $node)"
	ok "dvmd of $node killed and started again" restart $node
	ends "... the job ends well" 0 "$pid" 15
	ok "... its output is whole" is_said 8
	ok "... the machine is as good as ever" usable
done
on node2 begin_job 4 -H node3,node4 -- "$talk"
until_ok 5 talking
kill -9 "$(dvmd_pid node2)"
ok "dvmd of the origin killed and started again" restart node2
ends "... the job ends well" 0 "$pid" 15
ok "... its output is whole" is_said 4
begin_job 8 -- "$talk"
until_ok 5 talking
kill -TERM "$(dvmd_pid node4)"
ok "dvmd asked to end under a job does so" until_ok 5 no_process "*dvmd *--name node4 *"
ok "... and comes back" restart node4
ends "... the job ends well" 0 "$pid" 15
ok "... its output is whole" is_said 8

job=$(detached -n 4 sleep 60)
kill -9 "$(dvmd_pid node1)"
ok "the leader comes back" restart node1
ok "... and knows the job" job_is "$job" state running
ok "... of which it sees the ranks" until_ok 10 sh -c "[ \$(dvm ps $job | wc -l) -eq 5 ]"
ok "... and cancels it" dvm cancel "$job"
ok "... completely" until_ok 5 no_job_left

# A detached job, and a client that is attached to it.
rm -f "$work/stop"
job=$(detached -n 4 -H node1,node3 sh -c 'i=0; while [ ! -e '"$work"'/stop ]; do
	echo "$DVM_RANK $((i += 1))"; sleep 0.01; done')
: > "$work/out"
begin dvm attach "$job" > "$work/out" 2> "$work/err"
seen() # LINES of each rank
{
	local r
	for r in 0 1 2 3; do [ "$(grep -c "^$r " "$work/out")" -ge "$1" ] || return 1; done
}
ok "dvm attach" until_ok 5 seen 1
for node in node3 node1; do
	lines=$(grep -c '^0 ' "$work/out")
	kill -9 "$(dvmd_pid $node)"
	ok "dvmd of $node killed and started again under it" restart $node
	ok "... output goes on" until_ok 10 seen $((lines + 1))
done
ok "... of which nothing is missing" awk '$1 in last && $2 != last[$1] + 1 { print; bad = 1 }
	{ last[$1] = $2 } END { exit bad }' "$work/out"
kill -9 "$(dvmd_pid node1)" "$pid"
ok "dvmd killed with the client" restart node1
: > "$work/out"
begin dvm attach "$job" > "$work/out" 2> "$work/err"
ok "... and attached to again" until_ok 10 seen 1
touch "$work/stop"
ends "... it ends well" 0 "$pid" 10

begin_job 2 -H node3 -- 'sleep 2; exit 9'
kill -9 "$(dvmd_pid node1)" "$(dvmd_pid node3)"
ok "leader and node at once" restart node3
ends "... the code of what ended meanwhile is kept" 9 "$pid" 15

# ---- a node ----

begin_job 8 -- 'sleep 60'
# shellcheck disable=SC2046
kill -9 $(dvmd_pid node4) $(shepherds node4) # ranks die with their shepherd, the rest by its guard
ends "a node killed as a whole: the job fails" 1 "$pid" 15
like "... and the user is told" "$(cat "$work/err")" "dvm: *node4*"
ok "... nothing of the job is left on it" until_ok 5 no_process '*sleep 60*'
ok "... the node comes back" restart node4
ok "... and ends what was left there" until_ok 5 no_job_left
ok "... the machine is as good as ever" usable

# ---- at any moment ----

# Jobs are either whole or have failed: nothing in between, and nothing stays.
exec 4>&2 2> /dev/null # the shell tells of each that is killed
seed=${SEED:-$RANDOM}
RANDOM=$seed
rounds=${ROUNDS:-20}
victims=(cli shepherd node1 node2 node3 node4)
bad=0
for ((round = 0; round < rounds; round++)); do
	victim=${victims[RANDOM % ${#victims[@]}]} delay=$((RANDOM % 120)) killed=
	begin dvm run -q -n 8 sh -c 'echo $DVM_RANK; sleep 0.1; echo $DVM_RANK' \
		> "$work/out" 2> "$work/err"
	sleep "$(printf '0.%03d' $delay)" # the moment is what is tried, not waited for
	case $victim in
	cli) killed=$pid ;;
	shepherd) killed=$(shepherds "node$((RANDOM % 4 + 1))") ;;
	*) killed=$(dvmd_pid "$victim") ;;
	esac
	# shellcheck disable=SC2086
	[ -z "$killed" ] || kill -9 $killed 2> /dev/null
	case $victim in node*) restart "$victim" || bad=1 ;; esac
	until_ok 20 dead "$pid" || bad=1
	wait "$pid" 2> /dev/null
	code=$?
	if [ $code -eq 0 ]; then
		cmp -s <(sort "$work/out") <(for r in 0 1 2 3 4 5 6 7; do echo "$r
$r"; done) || bad=1
	elif [ "$victim" = cli ]; then
		[ $code -eq 137 ] || bad=1
	elif [ ! -s "$work/err" ]; then
		bad=1
	fi
	until_ok 10 no_jobs || bad=1 # or their slots are missing to the next
	if [ $bad -ne 0 ]; then
		exec 2>&4
		diag "seed $seed, round $round: $victim killed after $delay ms, code $code
$(cat "$work/err")
$(sort "$work/out" | uniq -c)"
		break
	fi
done
exec 2>&4
is "$rounds kills at random moments (seed $seed)" $bad 0
ok "... leave nothing" until_ok 10 no_job_left
ok "... and the machine is usable" usable

done_testing
