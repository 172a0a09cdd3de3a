#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The wall clock is set while jobs wait and run: nothing starts, ends or starves for it; and a job that
# is stopped does not use up its time.
# shellcheck disable=SC2016,SC2317

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

"${CC:-cc}" -shared -fPIC -o "$work/stepclock.so" "$(dirname "$0")/stepclock.c" -ldl 2> "$work/cc" ||
	skip_all "no compiler"
if ldd "$(command -v dvmd)" | grep -q 'lib[atu]san'; then skip_all "sanitizers come first"; fi
export STEP_CLOCK=$work/step
step() { echo "$1" > "$STEP_CLOCK"; }
step 0
with_clock() { LD_PRELOAD=$work/stepclock.so "$@"; }
export LD_PRELOAD=$work/stepclock.so
machine_up 2 # of two slots each
unset LD_PRELOAD
restart()
{
	kill -9 "$(dvmd_pid node1)"
	with_clock dvm up -q
}
# A decision has been made since: somebody was submitted, and has run.
decided() { is "the queue goes on ($1)" "$(code_of timeout 30 dvm run -n 1 true)" 0; }
state_is() { job_is "$1" state "$2"; }
why_is() { job_is "$1" why "$2"; }
gate='while [ ! -e '"$work"'/$0 ]; do sleep 0.05; done'
go() { touch "$work/$1"; }

r=$(dvm submit -n 1 --time 1h sh -c "$gate" r)
q=$(dvm submit -n 1 --begin 1h true)
ok "a node is set apart for later" dvm reserve create lab -H node2 --start 2h --duration 1h
l=$(dvm submit -n 1 --reservation lab true)
ok "a job runs" until_ok 10 state_is "$r" running

for s in 7200 -90000 0; do
	step "$s"
	b=$(dvm submit -n 1 --begin 1s true)
	decided "the clock is $s s off"
	ok "... and ends nobody" state_is "$r" running
	ok "... starts nobody" why_is "$q" begin
	ok "... begins no reservation" why_is "$l" reservation
	ok "... and starves nobody" until_ok 10 state_is "$b" "done"
done

step 7200
like "dates move with the clock that is read" "$(with_clock dvm jobs "$q")" "*$(with_clock date -u +%Y-%m-%d)*"
restart
ok "a leader that is new, and finds it changed" until_ok 30 is_state node2 up
decided "after a restart"
ok "... ends nobody" state_is "$r" running
ok "... starts nobody" why_is "$q" begin
go r
is "the job ends by itself" "$(code_of timeout 30 dvm wait "$r")" 0
dvm cancel "$q" "$l"

# ---- time that stands still ----

t=$(dvm submit -n 1 --time 4s sh -c "$gate" t)
ok "a job of four seconds" until_ok 10 state_is "$t" running
dvm suspend "$t"
restart
ok "it is stopped" until_ok 30 state_is "$t" suspended
s=$(dvm submit -n 1 sleep 6)
is "six seconds go by" "$(code_of timeout 30 dvm wait "$s")" 0
ok "... not for it" state_is "$t" suspended
dvm resume "$t"
go t
is "so it ends in time" "$(code_of timeout 30 dvm wait "$t")" 0
e=$(dvm submit -n 1 --time 2s sleep 100)
restart
is "a restart gives nobody more time, nor less" "$(code_of timeout 20 dvm wait "$e")" 124

ok "no job is left" no_job_left
done_testing
