#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Requests as dvm run makes them, exit codes, and what is said on stderr.
. "$DVM_SRC/tests/cli/lib.sh"

ends() { # ends CODE [FIELD…]: a job that ends so
	daemon <<-END
		accept
		expect RUN
		reply RUN $placed
		send JOB_EVENT job=5 kind=STARTED
		send JOB_EVENT job=5 kind=ENDED exit_code=$1 $2
		eof
	END
	capture $dvm run prog
}

ends 0
is "$rc:$out:$err" "0::" "success is silent"
daemon_ok "success"
ends 7 'text=rank\s3\son\snode2:\sexit\scode\s7'
is "$rc" 7 "the job's exit code is ours"
is "$err" "dvm: job 5: rank 3 on node2: exit code 7; see \`dvm logs 5\`" "one line says who, what and where to look"
daemon_ok "failure"
ends 139 'text=rank\s1\son\snode1:\ssignal\sSEGV'
is "$rc" 139 "128 + signal"
daemon_ok "signal"
ends 3
is "$err" "dvm: job 5: exit code 3; see \`dvm logs 5\`" "a failure without a reason is told, too"
daemon_ok "no reason"

# ---- the request ----

cd /usr/bin || exit 99
export MARK=here
daemon <<END
accept
expect RUN spec.argv=3 spec.argv.0=./prog spec.argv.1=-n spec.argv.2=a\\sb spec.name=prog spec.wdir=/usr/bin spec.ranks=8 spec.nodes=2 spec.map_by=MAP_NODE spec.bind_to=BIND_CORE spec.hosts=2 spec.hosts.0.name=a spec.hosts.1.name=b spec.hosts.1.slots=2 spec.exclude.0=c spec.oversubscribe=1 spec.mem_per_rank=1048576 spec.exclusive=1 spec.timeout_ns=90000000000 spec.stdin_to=STDIN_NONE spec.keep_going=1 spec.umask=18 dry_run=0
reply RUN $placed
send JOB_EVENT job=5 kind=ENDED
eof
END
umask 022
capture $dvm run -n 8 -N 2 --map-by node --bind-to core -H a,b:2 --exclude c --oversubscribe --mem-per-rank 1M --exclusive --timeout 90 -i none --keep-going ./prog -n "a b"
is "$rc:$err" 0: "every option arrives"
daemon_ok "where it belongs"

daemon <<END
accept
expect RUN spec.ranks=4 spec.map_by=MAP_PPR_NODE spec.per=2 spec.hosts.0.name=x spec.hosts.0.slots=3 spec.hosts.1.name=y
reply RUN $placed
send JOB_EVENT job=5 kind=ENDED
eof
END
printf '# nodes\nx slots=3 max_slots=4\n\n  y # the other\n' >"$tmp/hosts"
capture $dvmrun -np 4 --allow-run-as-root -ppn 2 --hostfile "$tmp/hosts" --mca btl self -genv A 1 prog
is "$rc:$err" "0:" "dvmrun: mpirun's spellings"
daemon_ok "dvmrun: as they are meant"

# ---- answers that are no job ----

daemon <<END
accept
expect RUN
reply ERROR code=-520 text=9\\sranks\\sasked\\sfor,\\s8\\sslots
eof
END
capture $dvm run -n 9 prog
is "$rc:$err" "1:dvm: 9 ranks asked for, 8 slots" "a refusal"
daemon_ok "a refusal"

daemon <<END
accept
expect RUN dry_run=1
reply RUN job=0 placement.ranks=2 placement.nodes.0.name=node1 placement.nodes.0.ranks.0=0 placement.nodes.0.ranks.1=1 placement.nodes.0.cpus.0=0 placement.nodes.0.cpus.1= placement.notes.0=no\\sbinding
eof
END
capture $dvm run --dry-run prog
is "$out" "NODE   COUNT  RANKS
node1      2  0-1" "--dry-run shows the map"
is "$err" "dvm: note: no binding" "notes of the placement are told"
daemon_ok "--dry-run"

daemon <<END
accept
expect RUN spec.detached=1 spec.stdin_to=STDIN_NONE
reply RUN $placed
eof
END
capture $dvm run -d prog
is "$rc:$out" "0:5" "--detach prints the id"
daemon_ok "--detach"

daemon <<END
accept
expect RUN
reply RUN $placed bindings.0=rank\\s0\\son\\snode1:\\score\\s3 bindings.1=rank\\s1\\son\\snode2:\\snot\\sbound
send JOB_EVENT job=5 kind=ENDED
eof
END
capture $dvm run --report-bindings prog
is "$err" "rank 0 on node1: core 3
rank 1 on node2: not bound" "--report-bindings"
daemon_ok "--report-bindings"

# ---- phases ----

daemon <<END
accept
expect RUN
reply RUN $placed
send JOB_EVENT job=5 kind=PHASE text=waiting\\sfor\\snode2\\sto\\sstart\\sthe\\sranks
send JOB_EVENT job=5 kind=WARNING text=node2\\sis\\sslow
send JOB_EVENT job=5 kind=ENDED
eof
END
capture $dvm run prog
is "$err" "dvm: waiting for node2 to start the ranks
dvm: job 5: node2 is slow" "phases and warnings are told"
daemon_ok "phases"

daemon <<END
accept
expect RUN
reply RUN $placed
send JOB_EVENT job=5 kind=PHASE text=waiting\\sfor\\snode2
until SIGNAL job=5 signal=9 end=1
reply OK
send JOB_EVENT job=5 kind=ENDED exit_code=137 text=killed
eof
END
capture $dvm run -q --launch-timeout 300ms prog
is "$rc" 1 "--launch-timeout ends the job"
is "$err" "dvm: the ranks do not run yet (--launch-timeout): waiting for node2" "and says what it waited for; -q keeps the rest quiet"
daemon_ok "--launch-timeout"

daemon <<END
accept
expect RUN
wait $tmp/told
reply RUN $placed
send JOB_EVENT job=5 kind=ENDED
eof
END
$dvm run prog 2>"$tmp/notice" </dev/null &
pid=$!
wait_for -s "$tmp/notice"
is "$(cat "$tmp/notice")" "dvm: waiting for dvmd to place the job" "after 3 s of silence the user is told what for"
: >"$tmp/told"
wait $pid
daemon_ok "silence"

# ---- a dvmd that misbehaves ----

daemon <<END
accept
expect RUN
close
END
capture $dvm run prog
like "$rc:$err" "1:dvm: dvmd went away before it answered*dvm jobs*" "dvmd dies before its answer"
daemon_ok "dies"

daemon <<END
accept
expect RUN
raw 00000000deadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef
eof
END
capture $dvm run prog
is "$rc" 1 "garbage instead of an answer"
daemon_ok "garbage"

rm -f "$tmp/client.sock"
capture $dvm run prog
is "$rc" 1 "nobody there"
like "$err" "dvm: *" "and said so"

done_testing
