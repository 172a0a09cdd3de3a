#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Guests, as far as the command line alone decides.
. "$DVM_SRC/tests/cli/lib.sh"

# Nothing is run here, but the monitor has to be there.
export DVM_LIBEXECDIR="$tmp/libexec"
mkdir "$DVM_LIBEXECDIR"
printf '#!/bin/sh\n' >"$DVM_LIBEXECDIR/dvm-vmm"
chmod +x "$DVM_LIBEXECDIR/dvm-vmm"

guest='jobs.0.id=7 jobs.0.name=guest:one jobs.0.state=running jobs.0.nodes.0=node2'

asked() { # asked FIELD…: the guest is looked for, and the request that asks it has these fields
	daemon <<-END
		accept
		expect JOBS all=1
		reply JOBS $guest
		eof
		accept
		expect RUN spec.beside=7 spec.hosts.0.name=node2 spec.wdir=/ $*
		reply RUN $placed
		send JOB_EVENT job=5 kind=ENDED
		eof
	END
}

asked spec.stdin_to=STDIN_NONE
rest=$(printf 'one\ntwo\n' | { read -r name && $dvm guest stop "$name" && cat; })
is "$rest" two "a list of guests is a script's, not the guest's"
daemon_ok "... and the guest is asked without input"

asked spec.stdin_to=STDIN_RANK0
$dvm guest console one </dev/null
ok "the console is typed at"
daemon_ok "... from our input"

# Its monitor answers nobody else, so nothing is run.
daemon <<-END
	accept
	expect JOBS all=1
	reply JOBS $guest jobs.0.user=somebody
	eof
END
capture $dvm guest pause one
like "$rc:$err" "1:*guest one is somebody's, who alone can ask it*" "another's guest is not asked"
daemon_ok "... and no job is made for that"

daemon <<-END
	accept
	expect JOBS all=1
	reply JOBS $guest jobs.0.user=somebody
	eof
	accept
	expect JOBS job=7
	reply JOBS $guest jobs.0.user=somebody
	eof
END
capture $dvm guest show one
like "$rc:$out:$err" "0:*guest:one*:" "... but shown, as far as it is a job"
case $out in *isolation*) false ;; esac
ok "... and no further"
daemon_ok "... without a question to it"

guest="$guest jobs.0.user=$(id -un 2>/dev/null || id -u)"
asked spec.stdin_to=STDIN_NONE
capture $dvm guest pause one
is "$rc" 0 "one's own is"
daemon_ok "... by a job beside it"

me=$(($(id -u) + 1))
guest='jobs.0.id=7 jobs.0.name=guest:one jobs.0.state=running jobs.0.nodes.0=node2 jobs.0.user=alias'
guest="$guest jobs.0.owner=$me"
asked spec.stdin_to=STDIN_NONE
capture $dvm guest pause one
is "$rc" 0 "whose it is goes by number"
daemon_ok "... whatever its node calls us"

# called_one FIELDS JOB…: $guest is these jobs, all called like it, and FIELDS are those of each
called_one() {
	guest=
	n=0
	each=$1
	shift
	for job in "$@"; do
		for field in $job $each name=guest:one; do guest="$guest jobs.$n.$field"; done
		n=$((n + 1))
	done
}
# meant JOB…: of these, all called like it, number 7 is asked
meant() {
	called_one "" "$@"
	asked spec.stdin_to=STDIN_NONE
	capture $dvm guest pause one
}
mine="id=7 state=running nodes.0=node2 owner=$me"
meant "$mine" "id=8 state=running nodes.0=node1 owner=$((me + 1))"
daemon_ok "another's job of that name hides no guest"
meant "id=6 state=running nodes.0=node1 owner=$((me + 1))" "$mine"
daemon_ok "... nor an older one of his"
meant "id=6 state=waiting owner=$me" "$mine" "id=8 state=waiting owner=$me"
daemon_ok "one that waits hides none that runs"
meant "$mine" "id=8 state=running nodes.0=node1 owner=$me"
daemon_ok "the first of two is meant"
meant "$mine" "id=8 state=done ended=1 nodes.0=node1 owner=$me"
daemon_ok "... and none that has ended"

# logged JOB…: of these, all of them ended, the log of number 7 is printed
logged() {
	called_one "state=done ended=1" "$@"
	daemon <<-END
		accept
		expect JOBS all=1
		reply JOBS $guest
		eof
		accept
		expect JOBS job=7
		reply JOBS jobs.0.id=7
		eof
		accept
		expect LOGS job=7
		more LOGS job=7 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=mine\\n
		reply OK
		eof
	END
	capture $dvm guest log one
}
logged "id=6 nodes.0=node1 owner=$me" "id=7 nodes.0=node1 owner=$me" "id=8 nodes.0=node1 owner=$((me + 1))"
is "$out" mine "of ended ones one's own is meant, though another's is newer"
daemon_ok "... the newest of them"
logged "id=6 nodes.0=node1 owner=$((me + 1))" "id=7 nodes.0=node1 owner=$((me + 1))"
daemon_ok "... and the newest, where none is one's own"

# ---- options the monitor takes ----

for distance in 10 255; do
	capture "$DVM_BUILD/kvm-node/dvm-vmm" --kernel k --distance $distance
	like "$rc $err" "2 *--distance*it must be within 11 and 254*" "no kernel takes a distance of $distance"
done

capture $dvm guest start one --kernel k --host ""
like "$rc $err" "2 *--host is empty*" "an empty host is not any"
capture $dvm guest start one --kernel k --append :
like "$rc $err" "2 *--append cannot be \":\" alone*" "a colon would end the monitor's command line"
capture $dvm guest top one -d 213503d
like "$rc $err" "2 *\"213503d\" is not an interval*" "an interval has an end"

# ---- guest.yaml ----

file=$DVM_BUILD/daemon/dvm-guest-file
read_file() { # what it reads is written when it has begun
	: >"$tmp/reads"
	exec "$file" /dev/stdin
}
out=$({ wait_for -e "$tmp/reads" && echo "kernel: k"; } | (read_file) | tr '\0' ' ')
is "$out" "kernel k " "a pipe is waited for"
mkfifo "$tmp/nobody"
capture "$file" "$tmp/nobody"
like "$rc $err" "1 *nobody: nobody has written to this pipe*" "... if there is anybody at its other end"

# ---- starting ----

started='jobs.0.id=5 jobs.0.name=guest:slow jobs.0.nodes.0=node2 jobs.0.submitted=1700000000000000000'
is_free='accept
expect JOBS all=1
reply JOBS
eof
accept
expect RUN spec.name=guest:slow spec.sole=1 spec.guest=1 spec.detached=1
reply RUN job=5
eof'
is_asked='accept
expect RUN spec.beside=5
reply RUN job=6
send JOB_EVENT job=6 kind=ENDED
eof'

no_clock=
# It takes 20 s, which are the clock's only.
"${CC:-cc}" -shared -fPIC -o "$tmp/stepclock.so" "$DVM_SRC/tests/multi/stepclock.c" -ldl 2>"$tmp/cc" ||
	no_clock="no compiler"
if ldd "$dvm" | grep -q 'lib[atu]san'; then no_clock="sanitizers come first"; fi
if [ -n "$no_clock" ]; then
	count=$((count + 1))
	echo "ok $count # SKIP $no_clock"
else
	daemon <<-END
		$is_free
		accept
		expect JOBS all=1 job=5
		reply JOBS $started jobs.0.state=launching
		eof
		accept
		expect JOBS all=1 job=5
		mark $tmp/seen
		wait $tmp/later
		reply JOBS $started jobs.0.state=launching
		eof
		accept
		expect JOBS all=1 job=5
		wait $tmp/said
		reply JOBS $started jobs.0.state=running
		eof
		$is_asked
	END
	echo 0 >"$tmp/step"
	STEP_ALL=1 STEP_CLOCK=$tmp/step LD_PRELOAD=$tmp/stepclock.so \
		$dvm guest start slow --kernel k >"$tmp/out" 2>"$tmp/err" &
	pid=$!
	wait_for -e "$tmp/seen"
	echo 20 >"$tmp/step"
	: >"$tmp/later"
	wait_for -s "$tmp/err"
	is "$(cat "$tmp/err")" "dvm: guest slow does not answer yet (launching on node2); Ctrl-C leaves it as it is" \
		"a guest that takes long to come up is waited for, which is said"
	: >"$tmp/said"
	wait $pid
	is "$? $(cat "$tmp/out")" "0 guest slow runs on node2 (job 5)" "... until it is up"
	daemon_ok "... and answers"
fi

daemon <<END
$is_free
accept
expect JOBS all=1 job=5
reply JOBS $started jobs.0.state=running
eof
$is_asked
END
capture $dvm guest start slow --kernel k --json
is "$(echo $out)" '{ "name": "slow", "job": 5, "node": "node2", "state": "running", "submitted": "2023-11-14T22:13:20.000000Z", "exit_code": null }' \
	"what runs, as JSON"
daemon_ok "... has been asked"

daemon <<END
$is_free
accept
expect JOBS all=1 job=5
reply JOBS $started jobs.0.state=done jobs.0.ended=1700000001000000000 jobs.0.exit_code=1
eof
accept
expect JOBS job=5
reply JOBS $started
eof
accept
expect LOGS job=5
more LOGS job=5 chunks.0.rank=0 chunks.0.stream=1 chunks.0.data=no\\skernel\\n
reply OK
eof
END
capture $dvm guest start slow --kernel k --json
is "$rc $(echo $out)" '1 { "name": "slow", "job": 5, "node": "node2", "state": "done", "submitted": "2023-11-14T22:13:20.000000Z", "exit_code": 1 }' \
	"what has failed, as JSON"
like "$err" "no kernel*has not come up on node2*" "... its log is no JSON, and goes elsewhere"
daemon_ok "... and was fetched"

daemon <<END
accept
expect JOBS
reply JOBS jobs.0.id=5 jobs.0.name=guest:slow jobs.0.state=waiting jobs.0.submitted=1700000000000000000
eof
END
capture $dvm guest list --json
like "$out" '*"state": "waiting"*"nodes": \[]*"submitted": "2023-11-14T22:13:20.000000Z"*' \
	"a guest that waits, as JSON, since when"
daemon_ok "... is one of the list"

done_testing
