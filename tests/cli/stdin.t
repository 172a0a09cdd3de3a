#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Input on its way to rank 0.
. "$DVM_SRC/tests/cli/lib.sh"

daemon <<END
accept
expect RUN spec.stdin_to=STDIN_RANK0
reply RUN $placed
until STDIN job=5 seq=1 data=hello\\n eof=0
send STDIN_ACK job=5 node=1 seq=1
until STDIN job=5 seq=2 data= eof=1
send STDIN_ACK job=5 node=1 seq=2
send JOB_EVENT job=5 kind=ENDED
eof
END
echo hello | $dvm run prog
ok "a pipe"
daemon_ok "its text, then its end"

daemon <<END
accept
expect RUN
reply RUN $placed
expect STDIN seq=1 eof=0
expect STDIN seq=2 eof=0
expect STDIN seq=3 eof=0
expect STDIN seq=4 eof=0
mark $tmp/window
wait $tmp/go
send STDIN_ACK job=5 node=1 seq=4
until STDIN eof=1
send JOB_EVENT job=5 kind=ENDED
eof
END
head -c 400000 /dev/zero | tr '\0' x >"$tmp/big"
$dvm run prog <"$tmp/big" &
pid=$!
wait_for -e "$tmp/window"
is "$(sed -n 's/^pos:[^0-9]*//p' "/proc/$pid/fdinfo/0")" 262144 "no more is read than the ranks take"
: >"$tmp/go"
wait $pid
ok "a file"
daemon_ok "the rest after the acknowledgement"

daemon <<END
accept
expect RUN spec.stdin_to=STDIN_NONE
reply RUN $placed
send JOB_EVENT job=5 kind=STARTED
mark $tmp/started
send JOB_EVENT job=5 kind=ENDED
eof
END
{ $dvm run -i none prog; cat; } <<END >"$tmp/rest"
still here
END
is "$(cat "$tmp/rest")" "still here" "-i none leaves the input alone"
daemon_ok "-i none"

daemon <<END
accept
expect RUN spec.stdin_to=STDIN_ALL
reply RUN $placed
until STDIN seq=1 data=x\\n
until STDIN seq=2 eof=1
close
accept
expect ATTACH job=5
reply ATTACH $placed
until STDIN seq=1 data=x\\n
until STDIN seq=2 eof=1
send JOB_EVENT job=5 kind=ENDED
eof
END
echo x | $dvm run -i all prog
ok "-i all, and dvmd starts again"
daemon_ok "what was not acknowledged is sent again"

done_testing
