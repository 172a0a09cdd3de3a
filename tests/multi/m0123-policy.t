#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What the queue can be asked and told: generic resources, memory, reservations, tiers, requeueing,
# suspension, warnings; and dvm run, which is one of those who wait.
# shellcheck disable=SC2016,SC2317

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

export DVM_CONFIG=$work/dvm.conf
conf() { printf '%s\n' "$@" > "$DVM_CONFIG"; }
restart() # with what dvm.conf says now
{
	kill -9 "$(dvmd_pid node1)"
	dvm up -q
}
conf 'gres: gpu:2,tape'
machine_up 2 # of two slots each

gate='while [ ! -e '"$work"'/$0 ]; do sleep 0.05; done'
hold_slots() # NAME OPTION...: a job that takes them until `go NAME`; its id
{
	local name=$1
	shift
	dvm submit "$@" sh -c "$gate" "$name"
}
go() { touch "$work/$1"; }
done_is() # JOB CODE
{
	is "job $1 ends with $2" "$(code_of timeout 30 dvm wait "$1")" "$2"
}

# ---- generic resources, memory, whole nodes ----

a=$(hold_slots a -n 1 --gres gpu:2 -H node1)
ok "a job takes both of a node" until_ok 10 job_is "$a" state running
b=$(hold_slots b -n 1 --gres gpu -H node1)
like "another one waits for one" "$(dvm why "$b")" \
	"job $b waits [(]resources[)]: needs gpu:1 on each of its nodes, 0 of 1 node have so many free*"
is "... but not for the other kind" "$(dvm run -n 1 -H node1 --gres tape hostname | wc -l)" 1
one=$(dvm submit -n 1 --gres gpu -H node2 sh -c 'echo "$DVM_GRES_gpu"; '"$gate" i1)
two=$(dvm submit -n 1 --gres gpu,tape -H node2 sh -c 'echo "$DVM_GRES_gpu,$DVM_GRES_tape"; '"$gate" i2)
ok "two jobs with one each" until_ok 10 job_is "$two" state running
go i1; go i2
done_is "$one" 0
done_is "$two" 0
is "... have different ones, and know which" "$(dvm logs "$one"; dvm logs "$two")" "0
1,0"
is "dvm run is told, too" "$(dvm run -n 1 --gres gpu:2 -H node2 sh -c 'echo $DVM_GRES_gpu')" 0,1
one=$(dvm submit -n 1 sh -c 'echo hello; '"$gate"'; exit 7' at)
ok "a submitted job" until_ok 10 job_is "$one" state running
on node2 dvm attach "$one" > "$work/attached" 2>&1 &
attached=$!
ok "... shows what it says" until_ok 10 grep -q hello "$work/attached"
go at
ends "is attached to from any node" 7 "$attached" 20
like "... and who looks" "$(dvm jobs "$a")" "*gres       node1: gpu 0,1*"
go a
ok "... until it is free" until_ok 10 job_is "$b" state running
go b
is "more than there are" "$(dvm submit --gres gpu:3 true 2>&1)" \
	"dvm: needs gpu:3 on each of its nodes, 0 of 2 nodes have so many: use gpu:2"
is "... of what nobody has" "$(dvm run --gres fpga true 2>&1)" \
	"dvm: needs fpga:1 on each of its nodes, 0 of 2 nodes have so many"
like "... and what makes no sense" "$(dvm submit --gres gpu:x true 2>&1)" "*--gres*gpu: expected a number*"
read -r most now < <(dvm nodes --json | python3 -c '
import json, sys
n = json.load(sys.stdin)["nodes"][1]
print(n["memory_total"] >> 20, min(n["memory_total"], n["memory_free"]) >> 20)')
if [ "$now" -gt $((most * 3 / 4)) ]; then
	m=$(hold_slots m -n 1 --mem-per-rank $((most / 2))M -H node2)
	ok "memory is promised" until_ok 10 job_is "$m" state running
	n=$(dvm submit -n 1 --mem-per-rank $((most * 2 / 3))M -H node2 true)
	like "... and then it is taken" "$(dvm why "$n")" "job $n waits [(]resources[)]: needs *[(]node2 has *free[)]*"
	go m
	done_is "$n" 0
fi
like "more than a node has" "$(dvm submit -n 1 --mem-per-rank $((most * 2))M true 2>&1)" "dvm: needs *[(]node1 has * in all[)]: ask for less memory per rank"
x=$(hold_slots x -n 1 --exclusive)
ok "a node of its own" until_ok 10 job_is "$x" state running
is "... where nobody else goes" "$(dvm run -n 2 sh -c 'echo $DVM_NODENAME' | sort -u | wc -l)" 1
go x
done_is "$x" 0

# ---- dvm run waits its turn ----

a=$(hold_slots r1 -n 4)
ok "the machine is full" until_ok 10 job_is "$a" state running
like "it may be asked not to wait" "$(dvm run --no-wait -n 2 true 2>&1)" "dvm: *running jobs hold 4*"
dvm run -n 2 sh -c 'echo ran; echo $0 > '"$work"'/order' first > "$work/out1" 2> "$work/err1" &
one=$!
ok "it waits, and says for what" until_ok 10 grep -q "^dvm: waiting: .*running jobs hold 4" "$work/err1"
ticket=$(dvm jobs --json | python3 -c '
import json, sys
print([j["id"] for j in json.load(sys.stdin)["jobs"] if j["state"] == "waiting"][0])')
like "... as a job of the queue" "$(dvm why "$ticket")" "job $ticket waits [(]resources[)]*"
b=$(dvm submit -n 4 --priority 100 sh -c '[ $DVM_RANK != 0 ] || echo second >> '"$work"'/order')
dvm update --priority -100 "$b"
go r1
wait $one
is "... and runs when it is its turn" "$?:$(xargs < "$work/out1")" "0:ran ran"
done_is "$b" 0
is "... before whoever comes after it" "$(tail -1 "$work/order")" second
a=$(hold_slots r2 -n 3)
until_ok 10 job_is "$a" state running
b=$(dvm submit -n 4 true)
c=$(code_of dvm run --no-wait -n 1 true)
is "it does not take the slots of one that waits" "$c" 1
# shellcheck disable=SC2034
dvm run -n 1 true 2> /dev/null &
one=$!
ok "... it waits behind it" until_ok 10 eval '[ "$(dvm jobs --json | grep -c "\"state\": \"waiting\"")" = 2 ]'
kill -INT $one
wait $one
ok "Ctrl-C ends the waiting" until_ok 10 eval '[ "$(dvm jobs --json | grep -c "\"state\": \"waiting\"")" = 1 ]'
go r2
done_is "$b" 0

# ---- requeueing, suspension, warnings ----

a=$(hold_slots q -n 1)
until_ok 10 job_is "$a" state running
dvm requeue "$a"
ok "a running job waits again" until_ok 10 job_is "$a" state "done"
next=$(job_value "$a" next)
ok "... as another one" until_ok 10 job_is "$next" state running
after=$(dvm submit --after "$a:ok" true)
like "... for which its dependants wait" "$(dvm why "$after")" "*waits for job $a"
go q
done_is "$next" 0
done_is "$a" 0
done_is "$after" 0
is "... and all is in the books" "$(dvm history --json | python3 -c 'import json, sys
print([r["state"] for r in json.load(sys.stdin)["runs"] if r["job"] in ('"$a, $next"')])')" "['requeued', 'done']"
a=$(dvm submit sh -c 'i=0; while [ ! -e '"$work"'/s ]; do i=$((i + 1)); echo $i > '"$work"'/beat; sleep 0.02; done')
ok "a job beats" until_ok 10 test -s "$work/beat"
dvm suspend "$a"
ok "... and is stopped" job_is "$a" state suspended
stopped() { local x; x=$(cat "$work/beat"); sleep 0.2; [ "$x" = "$(cat "$work/beat")" ]; }
ok "... really" until_ok 10 stopped
dvm resume "$a"
ok "... and goes on" until_ok 10 eval '! stopped'
go s
done_is "$a" 0
a=$(dvm submit --time 3 --signal USR1@2s sh -c 'trap "echo warned; exit 7" USR1; while :; do sleep 0.05; done')
done_is "$a" 7
is "it was warned" "$(dvm logs "$a")" warned
a=$(hold_slots limit -n 1 --time 1h)
until_ok 10 job_is "$a" state running
dvm suspend "$a"
ok "one that runs may get less time" dvm update --time 1 "$a"
like "... which counts from its start, and is shown" "$(dvm jobs "$a")" "*limit      1s*"
dvm resume "$a"
done_is "$a" 124
like "a warning needs an end" "$(dvm submit --signal USR1@5 true 2>&1)" "*--signal needs a --time*"
a=$(hold_slots lost -n 1 -H node2 --requeue)
until_ok 10 job_is "$a" state running
for pid in $(shepherds node2); do kill -9 "$pid"; done
ok "a job that loses its shepherd waits again" until_ok 20 eval '[ "$(job_value "$a" next)" -gt 0 ]'
next=$(job_value "$a" next)
ok "... and runs" until_ok 20 job_is "$next" state running
go lost
done_is "$next" 0
a=$(hold_slots gang -n 4 --requeue)
until_ok 10 job_is "$a" state running
kill -9 "$(dvmd_pid node2)"
for pid in $(shepherds node2); do kill -9 "$pid"; done
ok "a gang that loses a node waits again" until_ok 20 eval '[ "$(job_value "$a" next)" -gt 0 ]'
next=$(job_value "$a" next)
ok "... for what is not there" until_ok 20 job_is "$next" why impossible
dvm up -q
ok "... until it is, without more ado" until_ok 20 job_is "$next" state running
go gang
done_is "$next" 0

# ---- without a leader ----

a=$(hold_slots alone -n 2 -H node2)
until_ok 10 job_is "$a" state running
b=$(dvm submit --hold true)
kill -9 "$(dvmd_pid node1)"
leader_is_down() { on node2 dvm nodes | grep -q 'node1.* down'; }
ok "the leader is missed" until_ok 30 leader_is_down
ok "what runs elsewhere can be cancelled" on node2 dvm cancel "$a"
ok "... and ends" until_ok 10 eval '! pgrep -f "alone$" > /dev/null'
like "... but not what waits" "$(on node2 dvm cancel "$b" 2>&1)" "*leader is down, and job $b does not run elsewhere"
dvm up -q
done_is "$a" 143
dvm cancel "$b"

# ---- reservations ----

ok "a node is set apart" dvm reserve create maint -H node2 --duration 1h
like "... and listed" "$(dvm reserve list)" "NAME *maint  now *1h00m *node2  [(]all[)]"
like "... for programs, too" "$(dvm reserve list --json | xargs)" "{ reservations: [*name: maint*nodes: [ node2 ]*"
a=$(dvm submit -n 4 true)
like "jobs do without it" "$(dvm why "$a")" "job $a waits [(]resources[)]: *"
is "... and so does dvm run" "$(dvm run --no-wait -n 2 sh -c 'echo $DVM_NODENAME' 2>&1 | sort -u)" node1
is "... unless they name it" "$(dvm run -n 2 --reservation maint sh -c 'echo $DVM_NODENAME' | sort -u)" node2
is "nodes are not given twice" "$(dvm reserve create other -H node2 2>&1)" \
	"dvm: reservation maint has some of the nodes at that time"
is "... nor more than there are" "$(dvm reserve create other -N 2 2>&1)" \
	"dvm: 2 nodes asked, 1 are free for it at that time: use -N 1"
is "a reservation that is none" "$(dvm submit --reservation nope true 2>&1)" 'dvm: there is no reservation "nope"'
restart
like "a new leader knows it" "$(dvm reserve list)" "*maint  now *"
ok "it is given back" dvm reserve delete maint
done_is "$a" 0
ok "... or ends by itself" dvm reserve create short -N 2 --duration 1s
done_is "$(dvm submit -n 4 true)" 0
ok "... and is gone" until_ok 10 eval '! dvm reserve list | grep -q short'

# ---- tiers ----

for how in suspend requeue cancel; do
	conf "queue_preempt: $how"
	restart
	a=$(hold_slots "low-$how" -n 4)
	until_ok 10 job_is "$a" state running
	b=$(hold_slots "high-$how" -n 2 --tier 1)
	ok "$how: a higher tier gets room" until_ok 10 job_is "$b" state running
	case $how in
	suspend)
		ok "... the other one is stopped" job_is "$a" state suspended
		go high-suspend
		ok "... and goes on" until_ok 10 job_is "$a" state running
		go low-suspend
		done_is "$a" 0
		;;
	requeue)
		like "... the other one waits again" "$(dvm jobs "$a")" "*made room for job $b*"
		next=$(job_value "$a" next)
		ok "... as job $next" job_is "$next" state waiting
		go high-requeue
		go low-requeue
		done_is "$next" 0
		;;
	cancel)
		done_is "$a" 143
		go high-cancel
		;;
	esac
	done_is "$b" 0
done
ok "no process stays" until_ok 10 no_job_left

done_testing
