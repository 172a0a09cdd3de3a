#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Jobs that wait for their turn: submit, why, hold, release, update, arrays, dependencies, restarts.
# shellcheck disable=SC2016,SC2317

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

machine_up 2 # of two slots each

# Runs until the test says so: go NAME.
gate='while [ ! -e '"$work"'/$0 ]; do sleep 0.05; done'
hold_slots() # NAME RANKS: a job that takes them until `go NAME`; its id
{
	detached -n "$2" sh -c "$gate" "$1"
}
go() { touch "$work/$1"; }
done_is() # JOB CODE
{
	is "job $1 ends with $2" "$(code_of timeout 30 dvm wait "$1")" "$2"
}

# ---- room ----

job=$(dvm submit -n 2 sh -c 'echo $DVM_RANK of $DVM_SIZE in $(pwd)')
like "a job is given an id" "$job" "+([0-9])"
done_is "$job" 0
is "... and has run here" "$(dvm logs "$job" | sort)" "$(printf '%s of 2 in %s\n' 0 "$PWD" 1 "$PWD")"
full=$(hold_slots a 4)
job=$(A=b dvm submit -x C=d sh -c 'echo $A $C')
ok "without room it waits" job_is "$job" state waiting
like "... and says why" "$(dvm why "$job")" \
	"job $job waits [(]resources[)]: needs 1 slot, 0 free: running jobs hold 4*"
like "... from the other node, too" "$(on node2 dvm why "$job")" "job $job waits [(]resources[)]: *"
like "... in the list" "$(dvm jobs)" "*$job *waiting *[(]resources[)]*"
go a
done_is "$job" 0
is "... it had the environment of when it was submitted" "$(dvm logs "$job")" "b d"
is "nothing waits for what will never be" "$(dvm submit -n 5 true 2>&1)" \
	"dvm: 5 ranks asked, 4 slots on 2 nodes: use -n 4 or --oversubscribe"
like "one rank by default" "$(dvm wait "$(dvm submit true)"; dvm jobs -a --json | python3 -c '
import json, sys
print(json.load(sys.stdin)["jobs"][-1]["ranks"])')" 1

# ---- order ----

full=$(hold_slots b 4)
low=$(dvm submit -n 4 --priority -10 sh -c '[ $DVM_RANK != 0 ] || echo low >> '"$work"'/order')
high=$(dvm submit -n 4 --priority 10 sh -c '[ $DVM_RANK != 0 ] || echo high >> '"$work"'/order')
like "the more urgent one comes first" "$(dvm why "$low")" "*[(]priority[)]: job $high comes first; *"
dvm update --priority 20 "$low"
like "... until that is changed" "$(dvm why "$high")" "*[(]priority[)]: job $low comes first; *"
go b
done_is "$high" 0
is "... and so they ran" "$(xargs < "$work/order")" "low high"
rm "$work/order"

full=$(hold_slots c 3)
first=$(dvm submit -n 4 --time 10m true)
like "a short job passes one that waits" "$(dvm submit --json --time 1m true)" '*"job": '"$((first + 1))"'*'
done_is $((first + 1)) 0
ok "... which waits on" job_is "$first" state waiting
dvm cancel "$full"
done_is "$first" 0

# ---- what may not start ----

job=$(dvm submit --hold true)
like "a held job" "$(dvm why "$job")" "job $job waits [(]held[)]: held until it is released"
ok "... is listed so" job_is "$job" state held
dvm release "$job"
done_is "$job" 0
job=$(dvm submit --begin 1h true)
like "one that is to begin later" "$(dvm why "$job")" "*[(]begin[)]*expected to start in 59m*"
dvm update --begin 0s "$job"
done_is "$job" 0
job=$(dvm submit --begin 100ms true)
done_is "$job" 0
good=$(dvm submit --hold true)
bad=$(dvm submit --hold false)
after_good=$(dvm submit --after "$good:ok" true)
after_bad=$(dvm submit --after "$bad:ok" true)
after_all=$(dvm submit --after "$good,$bad" true)
like "one that depends on another" "$(dvm why "$after_good")" "*[(]dependency[)]: waits for job $good"
dvm release "$good" "$bad"
done_is "$bad" 1
done_is "$after_good" 0
done_is "$after_all" 0
done_is "$after_bad" 1
like "... and says why it never ran" "$(job_value "$after_bad" reason)" "job $bad, which it waits for, *"
is "one that depends on nobody" "$(dvm submit --after 99999 true 2>&1)" \
	"dvm: job $((after_all + 1)) cannot wait for job 99999: there is none"

# ---- arrays ----

first=$(dvm submit --hold --array '1-6%2' sh -c 'echo $DVM_ARRAY $DVM_ARRAY_TASK $DVM_ARRAY_COUNT
	n=$(ls '"$work"'/in.* 2> /dev/null | wc -l); touch '"$work"'/in.$DVM_ARRAY_TASK; echo $n >> '"$work"'/most
	sleep 0.1; rm '"$work"'/in.$DVM_ARRAY_TASK')
is "an array is many jobs" "$(dvm jobs --json "$first" | python3 -c '
import json, sys
print(len(json.load(sys.stdin)["jobs"]))')" 6
dvm wait "$first" &
waits=$!
dvm release "$first"
ends "who waits for it waits for all of it" 0 "$waits" 20
is "... and all are over" "$(dvm jobs --json "$first" | grep -c '"done"')" 6
for i in 0 1 2 3 4 5; do done_is $((first + i)) 0; done
is "... each of which knows which it is" "$(for i in 0 1 2 3 4 5; do dvm logs $((first + i)); done)" \
	"$(for i in 1 2 3 4 5 6; do echo "$first $i 6"; done)"
ok "... and two at a time ran" [ "$(sort -n "$work/most" | tail -1)" -le 1 ]

first=$(dvm submit --array 1-4 sh -c 'exit $((DVM_ARRAY_TASK / 2))')
is "the exit code of an array is its first failed task's" "$(code_of timeout 20 dvm wait "$first")" 1

# ---- scripts ----

cat > "$work/job.sh" << 'END'
#!/bin/sh
#DVM -n 2 --name "a script" # of two
#DVM -x HOW=script
echo "$HOW $1 $DVM_SIZE"
#DVM --nonsense: behind the head
END
job=$(cd "$work" && dvm submit job.sh arg)
done_is "$job" 0
is "options of a script" "$(dvm logs "$job")" $'script arg 2\nscript arg 2'
is "... its name" "$(job_value "$job" name)" "a script"
job=$(cd "$work" && dvm submit -n 1 -x HOW=line ./job.sh)
done_is "$job" 0
is "... and what wins over it" "$(dvm logs "$job")" "line  1"
sed -i '2s/.*/#DVM --nonsense/' "$work/job.sh"
like "a bad line in a script" "$(dvm submit "$work/job.sh" 2>&1)" "*--nonsense*"

# ---- ending what waits ----

full=$(hold_slots d 4)
job=$(dvm submit true)
is "a signal for nobody" "$(dvm signal USR1 "$job" 2>&1)" "dvm: job $job: job $job has not started"
ok "a waiting job is cancelled" dvm cancel "$job"
done_is "$job" 143
is "... and remembered" "$(job_value "$job" reason)" cancelled
like "only what waits can be held" "$(dvm hold "$full" 2>&1)" "dvm: job $full does not wait"

# ---- the leader dies ----

waiting=()
for i in 1 2 3 4 5 6 7 8; do
	waiting+=("$(dvm submit sh -c 'echo '"$i"' >> '"$work"'/ran')")
done
held=$(dvm submit --hold true)
kill -9 "$(dvmd_pid node1)"
go d
ok "the leader is killed and comes back" dvm up -q
for job in "${waiting[@]}"; do
	[ "$(code_of timeout 30 dvm wait "$job")" -eq 0 ] || break
done
is "... nothing is lost, and nothing has run twice" "$(sort "$work/ran" | xargs)" "1 2 3 4 5 6 7 8"
ok "... what was held still is" job_is "$held" state held
dvm cancel "$held"
ok "no process stays" until_ok 10 no_job_left

# ---- one of its name ----

job=$(detached --sole --name only -n 1 sh -c "$gate" s)
like "a job that is to be the only one of its name" "$(dvm run --sole --name only true 2>&1)" \
	"dvm: there is a job called only already: $job"
ok "... others do not mind" dvm run --name only true
go s
done_is "$job" 0
taken='dvm: names that begin with "guest:" are those of guests: see `dvm guest start`'
is "a name that a guest could have" "$(dvm run --name guest:one true 2>&1)" "$taken"
is "... waiting, too" "$(dvm submit --name guest:one true 2>&1)" "$taken"
is "... or by its program" "$(dvm run --detach "$work/guest:one" 2>&1)" "$taken"
ok "... is no other one" dvm run --name guests:one true
ok "... and guests of an earlier release, which are sole, are started" dvm run --sole --name guest:one true
full=$(hold_slots f 4)
dvm run --sole --name twin -n 3 sh -c "$gate" t > /dev/null 2> "$work/twin.err" &
twin=$!
waits() { grep -q '^dvm: waiting: ' "$work/twin.err"; }
ok "one waits, and says so" until_ok 10 waits
job=$(dvm jobs --json | python3 -c '
import json, sys
print(*[j["id"] for j in json.load(sys.stdin)["jobs"] if j["name"] == "twin"])')
is "... another of its name is refused at once" "$(dvm run --sole --name twin -n 1 true 2>&1)" \
	"dvm: there is a job called twin already: $job"
is "... also to wait itself" "$(dvm run --sole --name twin -n 4 true 2>&1)" \
	"dvm: there is a job called twin already: $job"
go f
ok "... and the first one starts" until_ok 20 job_is "$job" state running
go t
ends "... and ends" 0 "$twin" 20
full=$(hold_slots g 4)
dvm run --sole --name late -n 3 true > /dev/null 2> "$work/twin.err" &
late=$!
ok "one waits again" until_ok 10 waits
before=$(dvm submit --name late --priority 10 sh -c "$gate" u)
go g
ends "... whose name another one has at its turn" 1 "$late" 20
is "... which is said" "$(tail -n 1 "$work/twin.err")" "dvm: there is a job called late already: $before"
is "... and its room is free at once" "$(job_value $((before - 1)) reason)" \
	"there is a job called late already: $before"
go u
done_is "$before" 0
done_is "$full" 0

# ---- a node goes and comes ----

kill -9 "$(dvmd_pid node2)"
ok "a node dies" until_ok 20 is_state node2 down
job=$(dvm submit -n 4 echo here)
like "what needs it is parked" "$(dvm why "$job")" "job $job waits [(]impossible[)]: *1 down*"
ok "... it comes back" dvm up -q
done_is "$job" 0

# ---- offline ----

i=0
{
	echo "; a trace"
	while [ $i -lt 50 ]; do
		i=$((i + 1))
		echo "$i $((i * 3)) -1 $((10 + i % 7 * 20)) -1 -1 -1 $((1 + i % 16)) 200 -1 1 1 -1 -1 -1 -1 -1 -1"
	done
} > "$work/trace"
like "a trace is replayed" "$(dvm sim --trace "$work/trace" -N 4 --slots 4)" "jobs         50 run, 0 do not fit*"
is "... the same twice" "$(dvm sim --json --trace "$work/trace" -N 4)" "$(dvm sim --json --trace "$work/trace" -N 4)"
echo "1 2 3" >> "$work/trace"
like "... and bad lines are named" "$(dvm sim --trace "$work/trace" 2>&1)" "dvm: *trace, line 52: expected 18 numbers*"

done_testing
