#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A dvmd that goes away under a running job and comes back, or does not.
. "$DVM_SRC/tests/cli/lib.sh"

daemon <<END
accept
expect RUN
reply RUN $placed
send JOB_EVENT job=5 kind=STARTED
send OUTPUT job=5 node=1 seq=1 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=1\\n
send OUTPUT job=5 node=1 seq=2 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=2\\n
until OUTPUT_ACK node=1 seq=2
close
accept
expect ATTACH job=5 have.0.node=1 have.0.seq=2 have.1.node=2 have.1.seq=0
close
accept
expect ATTACH job=5
reply ERROR code=-513 text=no\\sleader\\syet
accept
expect ATTACH job=5
reply ATTACH $placed
until OUTPUT_ACK node=1 seq=2 again=1
send OUTPUT job=5 node=1 seq=2 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=2\\n
send OUTPUT job=5 node=1 seq=3 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=3\\n
send JOB_EVENT job=5 kind=ENDED ends.0.node=1 ends.0.seq=3
until OUTPUT_ACK node=1 seq=3
eof
END
capture $dvm run prog
is "$rc" 0 "a dvmd that comes back"
is "$out" "1
2
3" "nothing is lost, nothing comes twice"
daemon_ok "it is attached to with what has arrived"

daemon <<END
accept
expect RUN
reply RUN $placed
close
accept
expect ATTACH
reply ERROR code=-2 text=there\\sis\\sno\\sjob\\s5
eof
END
capture $dvm run prog
is "$rc" 1 "a job that is gone meanwhile"
like "$err" "dvm: there is no job 5;*dvm logs 5*" "and where to look"
daemon_ok "gone"

# What was wished for while nobody was there is said when somebody is.
daemon <<END
accept
expect RUN
reply RUN $placed
close
mark $tmp/away
wait $tmp/pressed
accept
expect ATTACH
reply ATTACH $placed
until SIGNAL job=5 signal=15 end=1
reply OK
send JOB_EVENT job=5 kind=ENDED exit_code=143
eof
END
$dvm run prog </dev/null 2>/dev/null &
pid=$!
wait_for -e "$tmp/away"
kill -TERM $pid
: >"$tmp/pressed"
wait $pid 2>/dev/null
is $? 143 "a signal while the connection is away"
daemon_ok "is delivered later"

daemon <<END
accept
expect RUN
reply RUN $placed
send JOB_EVENT job=5 kind=STARTED
send OUTPUT job=5 node=1 seq=1 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=last\\n
until OUTPUT_ACK node=1 seq=1
END
capture $dvm run prog
is "$rc:$out" "1:last" "a dvmd that does not come back"
[ "$ms" -ge 9000 ] && [ "$ms" -le 15000 ]
ok "is given 10 s ($ms ms)"
like "$err" "dvm: the connection to dvmd was lost*dvm jobs*dvm logs 5*" "and where to look"
daemon_ok "lost"

done_testing
