#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Jobs from the user's side: where ranks go, what they print and read, how they end.
# Each single-quoted script is for a rank's shell.
# shellcheck disable=SC2016,SC2317

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

machine_up 4 # of two slots each: ranks 0 and 1 are on node1, 2 and 3 on node2, ...

# RANK NODE of each rank.
where() # OPTION...
{
	dvm run "$@" sh -c 'echo $DVM_RANK $DVM_NODENAME' | sort -n | xargs
}

# ---- placement ----

is "ranks fill slots, node by node" "$(where -n 4)" "0 node1 1 node1 2 node2 3 node2"
is "one a slot, unless told" "$(dvm run echo x | wc -l)" 8
is "-N spreads" "$(where -n 3 -N 3)" "0 node1 1 node2 2 node3"
is "dealt out in turn" "$(where -n 4 --map-by node)" "0 node1 1 node2 2 node3 3 node4"
is "so many on each node" "$(where --map-by ppr:1:node)" "0 node1 1 node2 2 node3 3 node4"
is "on nodes of a list" "$(where -n 3 -H 'node[2-3]')" "0 node2 1 node2 2 node3"
is "with slots of the list" "$(where -H node4:1,node2:1)" "0 node4 1 node2"
is "not on the excluded" "$(where -n 4 --exclude 'node[1,3]')" "0 node2 1 node2 2 node4 3 node4"
printf '# ours\nnode3 slots=1\nnode4\n' > "$work/hosts"
is "from a host file" "$(where -n 3 --hostfile "$work/hosts")" "0 node3 1 node4 2 node4"
is "a dry run starts nothing" "$(dvm run -n 3 --dry-run touch "$work/dry" | awk 'NR > 1' | xargs)" \
	"node1 2 0-1 node2 1 2"
not_ok "... indeed" test -e "$work/dry"
like "bindings are reported" "$(dvm run -n 2 --bind-to none --report-bindings true 2>&1)" \
	"rank 0*node1*not bound*rank 1*node1*not bound"
like "bound to a core" "$(dvm run -n 1 --bind-to thread \
	sh -c 'grep Cpus_allowed_list /proc/self/status' | cut -f2)" "+([0-9])"
is "DVM_SIZE and its friends" "$(dvm run -n 2 -N 2 \
	sh -c 'echo $DVM_SIZE $DVM_NNODES $DVM_LOCAL_RANK' | uniq)" "2 2 0"
is "several programs are one job" "$(dvm run -n 2 -N 3 --map-by node sh -c 'echo a $DVM_RANK $DVM_SIZE' : \
	-x C=c -n 1 --wdir /usr sh -c 'echo $C $DVM_RANK $PWD' : echo d | sort | xargs)" \
	"a 0 4 a 1 4 c 2 /usr d"

refused() # NAME PATTERN OPTION...
{
	local name=$1 pattern=$2 out
	shift 2
	out=$(dvm run "$@" 2>&1)
	like "$name" "$? $out" "$pattern"
}

refused "more ranks than slots" "1 dvm: 9 ranks asked, 8 slots on 4 nodes*--oversubscribe" -n 9 true
is "... unless oversubscribed" "$(dvm run -q -n 9 --oversubscribe echo x | wc -l)" 9
refused "a node that is unknown" '1 dvm: *"node9"*' -H node9 true
refused "a program that is missing, by node" "127 dvm: *node*: nonesuch: no such file*" -n 8 nonesuch
refused "a file that is no program" "126 dvm: *node1: /etc/passwd: not executable" -n 1 /etc/passwd
refused "a directory that is missing" "1 dvm: *node*: /nonesuch: no such dir*" -n 8 --wdir /nonesuch true

# ---- the ranks' world ----

mkdir "$work/dir"
is "the working directory" "$(dvm run -n 1 --wdir "$work/dir" pwd)" "$work/dir"
is "... is this one" "$(cd "$work/dir" && dvm run -n 1 -H node3 pwd)" "$work/dir"
is "a variable of our own" "$(dvm run -n 1 -x 'A=b c' printenv A)" "b c"
is "the environment" "$(B=' d=e ' dvm run -n 1 -H node2 printenv B)" " d=e "
is "arguments stay as they are" "$(dvm run -n 1 printf '<%s>' 'a b' '' '*' "x'y")" "<a b><><*><x'y>"

# ---- exit codes ----

code() # NAME CODE OPTION...
{
	local name=$1 expected=$2
	shift 2
	is "$name" "$(code_of dvm run "$@")" "$expected"
}

code "all good: 0" 0 -n 8 true
code "the code of the rank that failed" 42 -n 8 sh -c '[ $DVM_RANK != 5 ] || exit 42; sleep 60'
code "a signal: 128 more" 139 -n 4 sh -c '[ $DVM_RANK != 3 ] || kill -SEGV $$; sleep 60'
code "out of time: 124" 124 -n 4 --timeout 500ms sleep 60
code "others may go on" 3 -n 4 --keep-going sh -c '[ $DVM_RANK != 0 ] || exit 3; sleep 0.2'
code "wrong usage: 2" 2 -n nine true
ok "no rank stays behind" until_ok 5 no_job_left

# ---- output ----

# 8,000 lines, a few of them long; what a rank prints depends only on its number.
talk='awk -v r=$DVM_RANK "BEGIN { for (i = 0; i < 200; i++) p = p \"0123456789\"
	for (i = 0; i < 8000; i++) print r, i, substr(p, 1, i % 997 ? i % 120 : 2000) }"'
expected_talk() # RANKS
{
	local rank
	for ((rank = 0; rank < $1; rank++)); do DVM_RANK=$rank sh -c "$talk"; done | cksum
}
by_rank() { sort -s -n -k1,1 | cksum; }

is "much output of 8 ranks is whole" "$(dvm run -n 8 sh -c "$talk" | by_rank)" "$(expected_talk 8)"
is "... from a node that does not lead" "$(on node3 dvm run -n 8 sh -c "$talk" | by_rank)" \
	"$(expected_talk 8)"
slowly='import sys
from select import select
while data := sys.stdin.buffer.read1(30000):
	sys.stdout.buffer.write(data); select([], [], [], 0.005)'
is "... for a slow reader" "$(dvm run -n 8 sh -c "$talk" | python3 -c "$slowly" | by_rank)" \
	"$(expected_talk 8)"
is "lines of 900 kB" "$(dvm run -n 2 sh -c 'head -c 900000 /dev/zero | tr "\0" $DVM_RANK; echo' |
	sort | cksum)" "$(for c in 0 1; do head -c 900000 /dev/zero | tr '\0' $c; echo; done | cksum)"
head -c 2000000 /dev/urandom > "$work/noise"
is "any bytes" "$(dvm run -n 1 -H node2 cat "$work/noise" | cksum)" "$(cksum < "$work/noise")"
is "no newline at the end" "$(dvm run -n 1 printf abc | od -c | head -n 1)" \
	"$(printf abc | od -c | head -n 1)"
is "errors stay apart" "$(dvm run -n 1 sh -c 'echo out; echo err >&2' 2> "$work/err")" out
is "... on their own stream" "$(cat "$work/err")" err
is "with tags" "$(dvm run -n 2 --output tag sh -c 'echo a; echo b' | sort)" \
	$'[0] a\n[0] b\n[1] a\n[1] b'
is "as JSON" "$(dvm run -n 2 --output json printf 'a"\001\n' | python3 -c 'import json, sys
for o in sorted(map(json.loads, sys.stdin), key=lambda o: o["rank"]):
	print(o["rank"], o["node"], o["stream"], repr(o["text"]))')" \
	"0 node1 stdout 'a\"\\x01'
1 node1 stdout 'a\"\\x01'"
dvm run -n 3 --output "dir=$work/out" sh -c 'echo to $DVM_RANK; echo err $DVM_RANK >&2'
is "into a directory" "$(cat "$work/out/rank.2.out" "$work/out/rank.0.err")" $'to 2\nerr 0'

is "a reader that goes away" "$(dvm run -n 4 yes | head -n 1)" y
ok "... ends the job" until_ok 5 no_job_left

# ---- input ----

seq 300000 > "$work/numbers"
dvm run -n 1 cat < "$work/numbers" > "$work/copy"
ok "input comes through" cmp "$work/numbers" "$work/copy"
dvm run -n 2 -H node3 cat < "$work/noise" > "$work/copy"
ok "... to rank 0 alone, elsewhere" cmp "$work/noise" "$work/copy"
on node2 dvm run -n 2 -H node4 cat < "$work/noise" > "$work/copy"
ok "... through a node that does not lead" cmp "$work/noise" "$work/copy"
on node2 dvm run -n 1 -H node1 cat < "$work/noise" > "$work/copy"
ok "... to the one that does" cmp "$work/noise" "$work/copy"
is "to all" "$(seq 3 | dvm run -n 3 -N 3 -i all wc -l | xargs)" "3 3 3"
is "to none" "$(seq 3 | dvm run -n 2 -i none wc -l | xargs)" "0 0"
is "a rank that does not read" "$(yes | code_of dvm run -n 1 true)" 0

# ---- while it runs ----

job=$(detached -n 3 sh -c 'trap "echo got it; exit 7" USR1; trap "echo heard" USR2; echo here; while :; do sleep 0.05; done')
like "dvm jobs" "$(dvm jobs)" "*$job*running*3*"
is "dvm ps" "$(dvm ps "$job" | awk 'NR > 1 { print $2, $3, $5 }' | xargs)" \
	"0 node1 running 1 node1 running 2 node2 running"
spin=$(detached -n 2 -N 2 sh -c 'while :; do :; done')
uses_cpu() # of each rank, while it runs
{
	dvm ps --json "$spin" | python3 -c 'import json, sys
ranks = json.load(sys.stdin)["ranks"]
print(ranks)
sys.exit(not (len(ranks) == 2 and all(r["cpu_ns"] > 0 and r["memory_peak"] > 0 for r in ranks)))'
}
ok "... with what its ranks use" until_ok 10 uses_cpu
dvm cancel "$spin"
is "dvm ps --json" "$(dvm ps --json "$job" | python3 -c 'import json, sys
print(len(json.load(sys.stdin)["ranks"]))')" 3
logs_are() # EXPECTED OPTION...
{
	local expected=$1 out
	shift
	out=$(dvm logs "$@" "$job" 2> /dev/null | sort | xargs)
	[ "$out" = "$expected" ] || { echo "$out"; return 1; }
}
ok "dvm logs" until_ok 5 logs_are "here here here"
ok "... of one rank" until_ok 5 logs_are "[2] here" -r 2 --output tag
ok "... seen from elsewhere" on node4 until_ok 5 logs_are "here here here"
begin dvm attach "$job" > "$work/attached" 2> "$work/attached.err"
attached=$pid
begin dvm logs -f "$job" > "$work/followed" 2> /dev/null
followed=$pid
ok "dvm logs -f has begun" until_ok 5 grep -q here "$work/followed"

is_heard() # by the attached client, of each rank
{
	dvm signal USR2 "$job" && [ "$(grep -c heard "$work/attached")" -ge 3 ]
}
ok "dvm attach shows what is printed from now on" until_ok 5 is_heard
like "... to one at a time" "$(timeout 5 dvm attach "$job" 2>&1)" "dvm: *holds the job*"
ok "dvm signal" dvm signal USR1 "$job"
is "dvm wait" "$(code_of dvm wait "$job")" 7
ends "dvm attach ends with its code" 7 "$attached" 5
ok "... and has seen the rest" grep "got it" "$work/attached"
not_ok "... but not what was before" grep here "$work/attached"
ends "dvm logs -f ends with it" 0 "$followed" 5
is "... and has seen all" "$(sort "$work/followed" | uniq -c | xargs)" "$(dvm logs "$job" 2> /dev/null |
	sort | uniq -c | xargs)"
like "dvm logs of what is over" "$(dvm logs "$job" 2> /dev/null)" "*got it*"
job=$(detached -n 2 -H node2 sleep 60)
ok "dvm cancel" dvm cancel "$job"
is "... gives a code that is not 0" "$(code_of dvm wait "$job")" 143
is "... and tells why" "$(job_value "$job" reason)" cancelled
like "a job that is unknown" "$(dvm cancel 999 2>&1)" "dvm: *no job 999*"

# ---- attached to a detached job ----

# Its ranks count until they are told to stop.
count='i=0; while [ ! -e '"$work"'/stop ]; do echo "$DVM_RANK $((i += 1))"; sleep 0.02; done'
job=$(detached -n 4 --keep-going sh -c "$count; echo \"\$DVM_RANK end\"; exit 9")
attach() # FILE
{
	begin dvm attach "$job" > "$work/$1" 2> "$work/$1.err"
}
has_all() # FILE: something of each rank
{
	[ "$(cut -d ' ' -f 1 "$work/$1" | sort -u | wc -l)" -eq 4 ]
}
# What the ranks print, in order, once, from some moment on.
is_counted() # FILE
{
	awk '$1 in last && $2 != last[$1] + 1 && $2 != "end" { print; bad = 1 }
		{ last[$1] = $2 } END { exit bad }' "$work/$1"
}
goes_on()
{
	local lines
	lines=$(dvm logs "$job" | wc -l) && until_ok 5 has_more_than "$lines"
}
has_more_than() { [ "$(dvm logs "$job" | wc -l)" -gt "$1" ]; }

attach first
ok "dvm attach" until_ok 5 has_all first
kill -9 "$pid"
ok "... killed: the job goes on" goes_on
attach second
ok "... and can be attached to again" until_ok 5 has_all second
kill -TERM "$pid"
ends "... and left by TERM" 143 "$pid" 5
ok "... the job goes on" goes_on
is "a reader that goes away" "$(dvm attach "$job" | head -n 1 | wc -l)" 1
ok "... does not end the job" goes_on
attach third
ok "dvm attach once more" until_ok 5 has_all third
for file in first second third; do ok "the $file saw all" is_counted $file; done
touch "$work/stop"
ends "... and ends with the job's code" 9 "$pid" 5
is "... having seen its end" "$(grep -c end "$work/third")" 4
rm "$work/stop"
job=$(detached -n 4 sh -c "$count")
attach fourth
ok "one that is to be ended" until_ok 5 has_all fourth
kill -INT "$pid"
ends "Ctrl-C ends the job" 130 "$pid" 5
ok "... completely" until_ok 3 no_job_left

job=$(detached -n 4 sh -c "$count; yes | head -c 10000000")
attach flood
ok "one that will print much" until_ok 5 has_all flood
kill -STOP "$pid"
touch "$work/stop"
is "a client that does not read holds no job up" "$(code_of timeout 20 dvm wait "$job")" 0
kill -CONT "$pid"
ends "... and ends with it" 0 "$pid" 5
like "... knowing that it has not seen all" "$(cat "$work/flood.err")" "*dropped*dvm logs $job*"
is "... which was kept" "$(dvm logs "$job" | grep -c y)" 20000000
ok "... and nothing stays" until_ok 5 no_job_left

# ---- Ctrl-C ----

# begin, and wait until the ranks are there: they say so in a file each.
begin_ranks() # N SCRIPT
{
	rm -f "$work"/there.*
	begin dvm run -q -n "$1" sh -c "echo > $work/there.\$DVM_RANK; $2" 2> "$work/begun.err"
	until_ok 10 sh -c "[ \$(ls $work/there.* 2> /dev/null | wc -l) = $1 ]"
}

begin_ranks 8 'exec sleep 60'
kill -INT "$pid"
ends "Ctrl-C ends a job within 3 s" 130 "$pid" 3
ok "... completely" until_ok 3 no_job_left
begin_ranks 4 'trap "" TERM INT; while :; do sleep 0.1; done'
kill -INT "$pid"
ends "... though it ignores TERM" 130 "$pid" 4
begin_ranks 4 'trap "" TERM INT; while :; do sleep 0.1; done'
kill -INT "$pid"
kill -INT "$pid"
ends "... and twice means at once" 130 "$pid" 4
ok "... with nothing left" until_ok 3 no_job_left
begin_ranks 2 'trap "exit 5" TERM; while :; do sleep 0.05; done'
kill -TERM "$pid"
ends "TERM is passed on" "@(5|143)" "$pid" 4

# ---- many; libdvm; mpirun's words ----

is "64 ranks" "$(dvm run -q -n 64 --oversubscribe sh -c 'echo $DVM_RANK' | sort -n | xargs)" \
	"$(seq 0 63 | xargs)"
begin dvm run -q -n 4 echo one > "$work/one"
one=$pid
begin dvm run -q -n 4 echo two > "$work/two"
ends "two jobs at a time" 0 "$one" 10
ends "... both end" 0 "$pid" 10
is "... do not mix" "$(sort -u "$work/one" "$work/two" | xargs)" "one two"
for example in hello ring; do
	if [ -x "$DVM_BUILD/examples/$example" ]; then
		ok "libdvm: $example on four nodes" dvm run -n 8 -N 4 "$DVM_BUILD/examples/$example"
	else
		skip "libdvm: $example" "not built"
	fi
done
is "dvmrun -np" "$(timeout 20 dvmrun -np 3 echo x | wc -l)" 3
is "dvmrun -ppn" "$(timeout 20 dvmrun -np 2 -ppn 1 printenv DVM_NODENAME | sort | xargs)" "node1 node2"
is "dvmrun -host" "$(timeout 20 dvmrun -host node3 -np 1 printenv DVM_NODENAME)" node3
is "dvmrun -wdir -x" "$(timeout 20 dvmrun -np 1 -wdir /usr -x A=1 sh -c 'pwd; echo $A' | xargs)" "/usr 1"
is "dvmrun --oversubscribe" "$(timeout 20 dvmrun --oversubscribe -q -np 12 echo x | wc -l)" 12

done_testing
