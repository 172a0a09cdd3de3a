#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A queue under rough treatment: ten thousand tasks, a leader that is killed with all of them waiting,
# a log with a torn end, a full disk under it, other users, scripts with mistakes.
# shellcheck disable=SC2016,SC2317

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

machine_up 1 # of two slots
waiting() { dvm jobs --json | python3 -c 'import json, sys
print(sum(j["state"] in ("waiting", "held") for j in json.load(sys.stdin)["jobs"]))'; }
restart()
{
	kill -9 "$(dvmd_pid node1)"
	"$@"
	dvm up -q
}
torn() { printf '\17\0\0\0\1\2\3' >> "$(run_dir node1)/state/log"; }

# ---- many tasks ----

many=$(dvm submit --array 1-10000 --hold true)
is "ten thousand tasks wait" "$(waiting)" 10000
restart torn
is "... also for a leader that was killed, with a torn end of its log" "$(waiting)" 10000
more=$(dvm submit --array 1-100 --hold true)
restart true
is "... and for another one" "$(waiting)" 10100
ok "an array is cancelled by its name" dvm cancel "$many"
is "... all of it" "$(waiting)" 100
like "... and no more" "$(dvm cancel "$many" 2>&1)" "*job $many is over*"
r=$(dvm submit --array 1-50%2 sleep 300)
ok "tasks run" until_ok 10 job_is "$((r + 1))" state running
ok "an array of which some run" dvm cancel "$r"
ok "... ends" until_ok 10 eval '[ "$(waiting)" = 100 ] && job_is "$((r + 1))" state done && job_is "$r" state done'
dvm cancel "$more"

# ---- other users ----

if [ "$(id -u)" = 0 ] && [ -n "$lib_private" ]; then
	chmod 755 "$work" "$lib_temp"
	other() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
	mine=$(dvm submit --hold true)
	for verb in cancel hold release "update --priority 5"; do
		# shellcheck disable=SC2086
		like "others may not $verb it" "$(other dvm $verb "$mine" 2>&1)" "dvm: *belongs to root*"
	done
	ok "... it waits" job_is "$mine" state held
	tasks=$(dvm submit --array 1-3 --hold true)
	not_ok "nor arrays" other dvm cancel "$tasks"
	is "... nor any of their tasks" "$(waiting)" 4
	dvm cancel "$mine" "$tasks"
else
	skip "other users" "not root"
fi

# ---- scripts with mistakes ----

printf '#!/bin/sh\n# first\n#DVM -n 2\n#DVM --tmie 5\ntrue\n' > "$work/script"
like "an option that there is not" "$(dvm submit "$work/script" 2>&1)" "$work/script, line 4: unknown option --tmie*"
printf '#!/bin/sh\n#DVM -n x\n' > "$work/script"
like "a value that makes no sense" "$(dvm submit "$work/script" 2>&1)" "$work/script, line 2: *-n*x*"
printf '#!/bin/sh\n#DVM --name "a\n' > "$work/script"
like "an open quote" "$(dvm submit "$work/script" 2>&1)" "dvm: $work/script: line 2: a quote is not closed*"
like "a job that waits for itself" "$(dvm submit --after 99999 true 2>&1)" "dvm: *cannot wait for job 99999: there is none*"

ok "no job is left" no_job_left

# ---- a full disk ----

state=$(run_dir node1)/state
if [ -n "$lib_private" ]; then
	kill -9 "$(dvmd_pid node1)"
	cp -a "$state" "$work/state"
	mount -t tmpfs -o size=8m,mode=700 tmpfs "$state"
	cp -a "$work/state/." "$state"
	dvm up -q
	run=$(dvm submit sh -c 'until [ -e '"$work"'/go ]; do sleep 0.05; done')
	ok "a job runs" until_ok 10 job_is "$run" state running
	dd if=/dev/zero of="$state/fill" bs=4k 2> /dev/null
	for ((i = 0; i < 200; i++)); do # until what is held in reserve is all there is
		out=$(dvm submit --hold --array 1-500 true 2>&1) || break
	done
	n=$(waiting)
	like "new jobs are refused, and why" "$out" "dvm: *[Nn]o space*"
	is "... an array as a whole" "$((n % 500))" 0
	touch "$work/go"
	is "what runs ends, and is known to" "$(code_of timeout 20 dvm wait "$run")" 0
	restart true
	is "what was taken is there" "$(waiting)" "$n"
	rm "$state/fill"
	ok "with space again, jobs are taken" until_ok 10 dvm submit true
	ok "... and run" until_ok 10 eval '[ "$(waiting)" = "$n" ]'
	ok "the machine halts" dvm halt --force
	umount -l "$state"
else
	skip "a full disk" "no mounts of our own"
fi

done_testing
