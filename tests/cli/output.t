#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What dvm run does with the ranks' output, in each of its forms.
. "$DVM_SRC/tests/cli/lib.sh"

two_ranks() { # a job whose ranks print two lines each, one of them in two parts
	daemon <<-END
		accept
		expect RUN
		reply RUN $placed
		send JOB_EVENT job=5 kind=STARTED
		send OUTPUT job=5 node=1 seq=1 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=a\\sone\\n chunks.0.wall=1700000000000000001
		send OUTPUT job=5 node=2 seq=1 chunks.0.rank=1 chunks.0.stream=1 chunks.0.data=b\\s chunks.0.partial=1
		send OUTPUT job=5 node=1 seq=2 chunks.0.rank=0 chunks.0.stream=2 chunks.0.data=oops\\n
		send OUTPUT job=5 node=2 seq=2 chunks.0.rank=1 chunks.0.stream=1 chunks.0.data=one\\nb\\stwo\\n
		send JOB_EVENT job=5 kind=ENDED ends.0.node=1 ends.0.seq=2 ends.1.node=2 ends.1.seq=2
		until OUTPUT_ACK node=2 seq=2
		eof
	END
}

two_ranks
capture $dvm run -n 2 prog
is "$rc" 0 "exit code 0"
is "$out" "a one
b one
b two" "lines are whole on a pipe"
is "$err" "oops" "stderr is stderr"
daemon_ok "every message was acknowledged"

two_ranks
capture $dvm run -n 2 --output raw prog
is "$out" "a one
b one
b two" "raw: as it comes"
daemon_ok "raw: acknowledged"

two_ranks
capture $dvm run -n 2 --output tag prog
is "$out" "[0] a one
[1] b one
[1] b two" "tag: the rank in front"
is "$err" "[0:err] oops" "tag: and on stderr"
daemon_ok "tag: acknowledged"

two_ranks
capture $dvm run -n 2 --output json prog
is "$(sed 1q "$tmp/out")" '{"job":5,"rank":0,"node":"node1","stream":"stdout","time":"2023-11-14T22:13:20.000000Z","text":"a one"}' "json: an object a line"
is "$(grep -c . "$tmp/out")" 4 "json: every line of both streams"
like "$out" '*"rank":0,"node":"node1","stream":"stderr","time":null,"text":"oops"*' "json: stderr is on stdout, named"
daemon_ok "json: acknowledged"

mkdir "$tmp/old" && echo stale >"$tmp/old/rank.1.err"
two_ranks
capture $dvm run -n 2 --output "dir=$tmp/old" prog
is "$out" "" "dir: nothing on stdout"
is "$(cat "$tmp/old/rank.1.out")" "b one
b two" "dir: a file a rank"
is "$(cat "$tmp/old/rank.0.err")" "oops" "dir: and stream"
is "$(cat "$tmp/old/rank.1.err")" "" "dir: what was there is gone"
daemon_ok "dir: acknowledged"

daemon <<END
accept
expect RUN
reply RUN $placed
send OUTPUT job=5 node=1 seq=1 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=prompt>\\s chunks.0.partial=1
until OUTPUT_ACK node=1 seq=1
mark $tmp/acked
wait $tmp/seen
send JOB_EVENT job=5 kind=ENDED ends.0.node=1 ends.0.seq=1
eof
END
$dvm run --output raw prog >"$tmp/out" </dev/null &
pid=$!
wait_for -e "$tmp/acked"
is "$(cat "$tmp/out")" "prompt> " "raw: part of a line is printed at once"
: >"$tmp/seen"
wait $pid
daemon_ok "raw: and acknowledged"

daemon <<END
accept
expect RUN
reply RUN $placed
send OUTPUT job=5 node=1 seq=1 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=no\\send chunks.0.partial=1
send JOB_EVENT job=5 kind=ENDED ends.0.node=1 ends.0.seq=1
eof
END
capture $dvm run --output json prog
like "$out" '*"text":"no end","partial":true}' "a last line without newline is not lost"
daemon_ok "and acknowledged"

daemon <<END
accept
expect RUN
reply RUN $placed
send OUTPUT job=5 node=1 seq=1 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=\\x\\n
send JOB_EVENT job=5 kind=ENDED ends.0.node=1 ends.0.seq=1
eof
END
capture $dvm run --output json prog
like "$out" '*"text":"�"}' "json: bytes that are no text do not break it"
daemon_ok "and acknowledged"

# ---- repeats, gaps, the end ----

daemon <<END
accept
expect RUN
reply RUN $placed
send OUTPUT job=5 node=1 seq=1 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=1\\n
send OUTPUT job=5 node=1 seq=1 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=1\\n
send OUTPUT job=5 node=1 seq=3 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=3\\n
until OUTPUT_ACK node=1 seq=1 again=1
send OUTPUT job=5 node=1 seq=2 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=2\\n
send OUTPUT job=5 node=1 seq=3 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=3\\n
send JOB_EVENT job=5 kind=ENDED ends.0.node=1 ends.0.seq=4
until OUTPUT_ACK node=1 seq=3 again=1
send OUTPUT job=5 node=1 seq=4 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=4\\n
until OUTPUT_ACK node=1 seq=4
eof
END
capture $dvm run prog
is "$out" "1
2
3
4" "repeats are dropped, gaps asked for, the last message is waited for"
daemon_ok "by the protocol"

daemon <<END
accept
expect RUN
reply RUN $placed
send JOB_EVENT job=5 kind=ENDED exit_code=1 text=node2\\sdied ends.0.node=1 ends.1.node=2 ends.1.seq=7 ends.1.lost=1
eof
END
capture $dvm run prog
is "$rc" 1 "output of a dead node is not waited for"
daemon_ok "nor asked for"

# ---- readers that are slow, or gone ----

daemon <<END
accept
expect RUN
reply RUN $placed
repeat 3000 OUTPUT job=5 node=1 seq=@ chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=@\\n
send JOB_EVENT job=5 kind=ENDED ends.0.node=1 ends.0.seq=3000
until OUTPUT_ACK node=1 seq=3000
eof
END
mkfifo "$tmp/fifo"
$dvm run prog >"$tmp/fifo" </dev/null &
pid=$!
{ wait_for -S "$tmp/client.sock"; cat; } <"$tmp/fifo" >"$tmp/slow"
wait $pid
ok "a slow reader: exit code 0"
seq 1 3000 | cmp -s - "$tmp/slow"
ok "a slow reader: nothing is lost"
daemon_ok "a slow reader: acknowledged"

daemon <<END
accept
expect RUN
reply RUN $placed
repeat 200 OUTPUT job=5 node=1 seq=@ chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=@\\n
until SIGNAL job=5 signal=13 end=1
reply OK
send JOB_EVENT job=5 kind=ENDED exit_code=141 text=killed ends.0.node=1 ends.0.seq=200
eof
END
{ $dvm run prog 2>"$tmp/err" </dev/null; echo $? >"$tmp/rc"; } | true
wait_for -s "$tmp/rc"
is "$(cat "$tmp/rc")" 141 "a reader that is gone: as if SIGPIPE had killed us"
is "$(cat "$tmp/err")" "" "a reader that is gone: quietly"
daemon_ok "a reader that is gone: the job is ended"

if [ -w /dev/full ]; then
	daemon <<-END
		accept
		expect RUN
		reply RUN $placed
		send OUTPUT job=5 node=1 seq=1 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=x\\n
		until SIGNAL job=5 end=1
		reply OK
		send JOB_EVENT job=5 kind=ENDED exit_code=143 ends.0.node=1 ends.0.seq=1
		eof
	END
	$dvm run prog >/dev/full 2>"$tmp/err" </dev/null
	is $? 1 "a full disk: exit code 1"
	like "$(cat "$tmp/err")" "*No space left on device*job 5 ends*" "a full disk: said so"
	daemon_ok "a full disk: the job is ended"
fi

done_testing
