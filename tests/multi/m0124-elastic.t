#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Elastic jobs: they are lent what nobody waits for, and give it back; also when they do not want to.
# shellcheck disable=SC2016,SC2317

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

export DVM_CONFIG=$work/dvm.conf
conf() { printf '%s\n' "$@" > "$DVM_CONFIG"; }
conf 'queue_grace: 20s'
machine_up 2 # of two slots each

farm=$DVM_BUILD/examples/.libs/elastic
[ -x "$farm" ] || farm=$DVM_BUILD/examples/elastic
export LD_LIBRARY_PATH=$DVM_BUILD/libdvm/.libs # children begin with what their job began with
gate='while [ ! -e '"$work"'/$0 ]; do sleep 0.05; done'
go() { touch "$work/$1"; }
lent() # JOB: ids of what was lent to it and is there
{
	dvm jobs --json | python3 -c '
import json, sys
print(*[j["id"] for j in json.load(sys.stdin)["jobs"]
        if j["lent"] and j["parent"] == int(sys.argv[1]) and j["state"] != "done"])' "$1"
}
lent_is() { [ "$(lent "$1" | wc -w)" = "$2" ]; } # JOB NUMBER

# ---- asking ----

like "the least and the most" "$(dvm submit -n 3-2 true 2>&1)" "*3 ranks at first, but 2 at most*"
like "... are numbers" "$(dvm submit -n 2-x true 2>&1)" "*2-8*"
like "who is not elastic does not grow" "$(dvm run -n 1 "$farm" 3 1)" \
	"3 tasks: 3 by the master, 0 by 0 workers*"

# ---- growing while nobody waits, shrinking when somebody does ----

f=$(dvm submit -n 1-4 "$farm" 1500 20)
ok "it grows to all there is" until_ok 20 lent_is "$f" 3
like "... which is said" "$(dvm why "$f")" "*job $f has 4 ranks of the 4 it may have while nobody waits*"
like "... of what is lent, too" "$(dvm why "$(lent "$f" | cut -d' ' -f1)")" "*growth of job $f: it is lent*"
w=$(dvm submit -n 2 sh -c "$gate" w)
like "who waits hears of it, if that is not over yet" "$(dvm why "$w")" \
	"job $w @(waits [(]shrinking[)]: elastic jobs give back room for it*|is @(launching|running))"
ok "... and starts, long before anybody was pushed" until_ok 15 job_is "$w" state running
ok "... with one worker left" lent_is "$f" 1
v=$(dvm submit -n 4 true)
like "who would not fit even so takes nothing" "$(dvm why "$v")" "job $v waits [(]resources[)]*"
ok "... of anybody" lent_is "$f" 1
dvm cancel "$v"
go w
is "it ends" "$(code_of timeout 30 dvm wait "$w")" 0
ok "the room is lent again" until_ok 20 lent_is "$f" 3
t=$(dvm run -n 2 echo hi | wc -l)
is "dvm run asks for its room in the same way" "$t" 2

# ---- restarts ----

# Who asks to grow while its daemon is killed goes on alone: what became of that, it cannot know.
all_run() # JOB NUMBER: what was lent runs
{
	dvm jobs --json | python3 -c '
import json, sys
job, n = map(int, sys.argv[1:])
states = [j["state"] for j in json.load(sys.stdin)["jobs"] if j["parent"] == job and j["state"] != "done"]
sys.exit(states != ["running"] * n)' "$1" "$2"
}
ok "what dvm run has given back is lent again" until_ok 20 all_run "$f" 3
kill -9 "$(dvmd_pid node1)"
dvm up -q
ok "a leader that is new still knows" until_ok 30 lent_is "$f" 3
is "all tasks are done, whoever left" "$(code_of timeout 60 dvm wait "$f")" 0
like "... once" "$(dvm logs "$f")" "1500 tasks:*"
read -r here there < <(dvm logs "$f" | sed 's/.*: \([0-9]*\) by the master, \([0-9]*\) by.*/\1 \2/')
is "... each" "$((here + there))" 1500

# ---- who does not leave ----

conf 'queue_grace: 3s'
kill -9 "$(dvmd_pid node1)"
dvm up -q
ok "the machine is whole" until_ok 20 is_state node2 up
s=$(dvm submit -n 1-3 "$farm" 4 15000) # a task is longer than anybody waits
ok "it grows" until_ok 20 lent_is "$s" 2
w=$(dvm submit -n 3 true)
like "who waits hears of it" "$(dvm why "$w")" "job $w waits [(]shrinking[)]: elastic jobs give back room for it*"
p=$(lent "$s")
is "who does not leave in time is ended" "$(code_of timeout 20 dvm wait "$w")" 0
like "... and why is known" "$(for i in $p; do dvm jobs "$i"; done)" "*did not leave in time for job $w*"
ok "its job goes on" job_is "$s" state running
dvm cancel "$s"

ok "no job is left" no_job_left
done_testing
