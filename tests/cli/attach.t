#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# dvm attach, wait, logs, cancel, signal: jobs that are there already.
. "$DVM_SRC/tests/cli/lib.sh"

daemon <<END
accept
expect JOBS job=5 all=1
reply JOBS jobs.0.id=5 jobs.0.state=running
accept
expect ATTACH job=5 have=0
reply ATTACH $placed state=JOB_RUNNING
send OUTPUT job=5 node=2 seq=40 chunks.0.rank=1 chunks.0.stream=1 chunks.0.data=in\\sthe\\smiddle\\n
send JOB_EVENT job=5 kind=ENDED exit_code=4 text=rank\\s0\\son\\snode1:\\sexit\\scode\\s4 ends.0.node=2 ends.0.seq=40
until OUTPUT_ACK node=2 seq=40
eof
END
capture $dvm attach 5
is "$rc:$out" "4:in the middle" "attach: output from now on, and the job's exit code"
daemon_ok "attach"

daemon <<END
accept
expect JOBS job=5 all=1
reply JOBS jobs.0.id=5 jobs.0.state=running
accept
expect ATTACH job=5 have=0
reply ATTACH $placed state=JOB_RUNNING detached=1
expect OUTPUT_ACK node=1 seq=0 again=1 forget=1
expect OUTPUT_ACK node=2 seq=0 again=1 forget=1
send OUTPUT job=5 node=1 seq=1 begin=1
send OUTPUT job=5 node=2 seq=8 begin=1
send OUTPUT job=5 node=2 seq=9 chunks.0.rank=1 chunks.0.stream=1 chunks.0.data=one\n
until OUTPUT_ACK node=2 seq=9
send OUTPUT job=5 node=2 seq=12 begin=1
send OUTPUT job=5 node=2 seq=13 chunks.0.rank=1 chunks.0.stream=1 chunks.0.data=two\n
send JOB_EVENT job=5 kind=ENDED exit_code=0 ends.0.node=2 ends.0.seq=13
until OUTPUT_ACK node=2 seq=13
eof
END
capture $dvm attach 5
is "$rc:$out:$err" "0:one
two:dvm: job 5: some output of node 2 was dropped on its way here; \`dvm logs 5\` has it" \
	"attach to a detached job: what it may drop is told"
daemon_ok "attach to a detached job"

daemon <<END
accept
expect JOBS job=5 progress=1
reply JOBS progress.job=5 progress.left=1
accept
expect JOBS job=5 progress=1
reply JOBS progress.job=5 progress.exit_code=9
eof
END
capture $dvm wait 5
is "$rc" 9 "wait: the job's exit code"
daemon_ok "wait"

daemon <<END
accept
expect JOBS job=5 progress=1
reply JOBS progress.job=6 progress.left=2 progress.exit_code=3
accept
expect JOBS job=6 progress=1
reply ERROR code=-2 text=no\\sjob\\s6
eof
END
capture $dvm wait 5
is "$rc:$err" 3: "wait: one that is put back, and forgotten when it is over"
daemon_ok "wait for one that is put back"

daemon <<END
accept
expect JOBS job=5 all=1
reply JOBS jobs.0.id=5 jobs.0.$(echo $placed | sed 's/^job=5 //; s/ placement/ jobs.0.placement/g')
accept
expect LOGS job=5 ranks=3 ranks.0=0 ranks.2=3 follow=1
more OUTPUT job=5 node=1 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=x\\ny\\n
more OUTPUT job=5 node=2 chunks.0.rank=1 chunks.0.stream=2 chunks.0.data=z\\n
reply OK
eof
END
capture $dvm logs -f -r 0-1,3 --output tag 5
is "$rc:$out:$err" "0:[0] x
[0] y:[1:err] z" "logs"
daemon_ok "logs"

daemon <<END
accept
expect JOBS job=77
reply JOBS
eof
END
capture $dvm logs 77
is "$rc:$err" "1:dvm: there is no job 77" "logs of a job that is not"
daemon_ok "logs of a job that is not"

daemon <<END
accept
expect SIGNAL job=5 signal=15 end=1 grace_ns=500000000
reply OK
accept
expect SIGNAL job=6 signal=15 end=1
reply ERROR code=-2 text=there\\sis\\sno\\sjob\\s6
eof
END
capture $dvm cancel --grace 500ms 5 6
is "$rc:$err" "1:dvm: job 6: there is no job 6" "cancel"
daemon_ok "cancel"

daemon <<END
accept
expect SIGNAL job=5 signal=10 end=0
reply OK
eof
END
capture $dvm signal sigusr1 5
is "$rc" 0 "signal"
daemon_ok "signal"

done_testing
