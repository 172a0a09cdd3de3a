#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Signals to dvm run: the job's end, its suspension, and those that are handed on.
. "$DVM_SRC/tests/cli/lib.sh"

# shellcheck disable=SC2120 # options are optional
start() { # start [OPTION]…: dvm run in the background, until the fake daemon has marked
	# Not ignored, as a shell without job control would have it for a background process.
	env --default-signal=INT,QUIT "$dvm" run -i none "$@" prog >"$tmp/out" 2>"$tmp/err" </dev/null &
	pid=$!
	wait_for -e "$tmp/running"
	rm -f "$tmp/running"
}

running="accept
expect RUN
reply RUN $placed
send JOB_EVENT job=5 kind=STARTED
mark $tmp/running"

daemon <<END
$running
expect SIGNAL job=5 signal=2 end=1 grace_ns=2000000000
reply OK
send JOB_EVENT job=5 kind=ENDED exit_code=130 text=interrupted
eof
END
start
kill -INT $pid
wait $pid 2>/dev/null
is $? 130 "INT ends the job; we end by it, too"
is "$(cat "$tmp/err")" "" "without a word more"
daemon_ok "INT: TERM first, KILL after 2 s"

daemon <<END
$running
expect SIGNAL job=5 signal=2 end=1
reply OK
mark $tmp/first
expect SIGNAL job=5 signal=9 end=1 grace_ns=0
reply OK
send JOB_EVENT job=5 kind=ENDED exit_code=130
eof
END
start
kill -INT $pid
kill -INT $pid # at once: the same wish
wait_for -e "$tmp/first"
sleep 0.2 # more than what counts as the same wish
kill -INT $pid
wait $pid 2>/dev/null
is $? 130 "INT twice kills the job"
daemon_ok "INT twice: KILL"

daemon <<END
$running
until SIGNAL signal=9
mark $tmp/second
eof
END
rm -f "$tmp/first"
start
kill -INT $pid
sleep 0.2
kill -INT $pid
wait_for -e "$tmp/second"
sleep 0.2
kill -INT $pid
wait $pid 2>/dev/null
is $? 130 "INT three times leaves, whatever dvmd does"
daemon_ok "INT three times"

for sig in TERM:15 HUP:1; do
	daemon <<-END
		$running
		expect SIGNAL job=5 signal=${sig#*:} end=1
		reply OK
		send JOB_EVENT job=5 kind=ENDED exit_code=143
		eof
	END
	start
	kill -${sig%:*} $pid
	wait $pid 2>/dev/null
	is $? $((128 + ${sig#*:})) "${sig%:*} ends the job"
	daemon_ok "${sig%:*}"
done

daemon <<END
$running
until SIGNAL signal=2
eof
END
start
before=$(date +%s%N)
kill -INT $pid
wait $pid 2>/dev/null
ms=$((($(date +%s%N) - before) / 1000000))
[ $ms -ge 2500 ] && [ $ms -le 7000 ]
ok "a dvmd that does not end the job: the prompt is back anyway ($ms ms)"
like "$(cat "$tmp/err")" "*job 5 has not ended yet*" "and it is said"
daemon_ok "no end"

daemon <<END
$running
expect SIGNAL job=5 signal=10 end=0
reply OK
expect SIGNAL job=5 signal=12 end=0
reply ERROR code=-1 text=not\\syours
send JOB_EVENT job=5 kind=ENDED
eof
END
start
kill -USR1 $pid
sleep 0.1 # or they may arrive in any order
kill -USR2 $pid
wait $pid
ok "USR1 and USR2 are handed on"
is "$(cat "$tmp/err")" "dvm: not yours" "one that is refused is told"
daemon_ok "USR1, USR2"

daemon <<END
$running
expect SIGNAL job=5 signal=19 end=0
reply OK
mark $tmp/stopped
expect SIGNAL job=5 signal=18 end=0
reply OK
send JOB_EVENT job=5 kind=ENDED
eof
END
start
kill -TSTP $pid
wait_for -e "$tmp/stopped"
i=0
until grep -q '^State:.*T' "/proc/$pid/status" || [ $((i += 1)) -gt 500 ]; do sleep 0.01; done
grep -q '^State:.*T' "/proc/$pid/status"
ok "TSTP stops the ranks, then us"
kill -CONT $pid
wait $pid
ok "CONT: both go on"
daemon_ok "TSTP, CONT"

daemon <<END
accept
expect RUN
mark $tmp/running
eof
END
start
kill -INT $pid
wait $pid 2>/dev/null
is $? 130 "INT before there is a job: gone at once"
daemon_ok "INT before there is a job"

# ---- while it waits for its turn ----

waiting="accept
expect RUN
reply ERROR code=-11 text=full
accept
expect TURN spec.argv.0=prog
reply TURN ticket=9
mark $tmp/running
eof
accept
expect TURN ticket=9"

daemon <<END
$waiting
wait $tmp/signalled
reply TURN ticket=9
eof
accept
expect SIGNAL job=9 signal=15 end=1
reply OK
END
start
kill -TERM $pid
: >"$tmp/signalled"
wait $pid 2>/dev/null
is $? 143 "who waits for a turn ends by TERM"
daemon_ok "... and gives it back"
rm "$tmp/signalled"

daemon <<END
$waiting
wait $tmp/signalled
reply TURN ticket=9 ready=1
eof
accept
expect RUN ticket=9
reply RUN $placed
send JOB_EVENT job=5 kind=ENDED
eof
END
env --ignore-signal=INT,TERM,HUP "$dvm" run -i none prog >"$tmp/out" 2>"$tmp/err" </dev/null &
pid=$!
wait_for -e "$tmp/running"
kill -INT $pid
kill -TERM $pid
kill -HUP $pid
: >"$tmp/signalled"
wait $pid
is $? 0 "what is ignored (nohup, a background shell) does not end it"
daemon_ok "... and its turn comes"

done_testing
