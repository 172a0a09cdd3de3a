#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Machines as users start, grow, break and end them: real daemons on this host.
# shellcheck source=tests/cli/lib.sh
. "$DVM_SRC/tests/cli/lib.sh"

unset DVM_RUN_DIR
export DVM_RUN_BASE="$tmp/run" DVM_STATE_BASE="$tmp/state" DVM_LIBEXECDIR="$tmp/bin"
# One place for the programs, as when they are installed.
mkdir "$tmp/bin"
ln -s "$DVM_BUILD/daemon/dvm" "$DVM_BUILD/daemon/dvmd" "$tmp/bin/"
ln -s "$(find "$DVM_BUILD" -maxdepth 2 -name dvm-shepherd -type f | head -n 1)" "$tmp/bin/"
PATH=$tmp/bin:$PATH

# Whatever happens, no daemon of ours stays.
pids() { cat "$tmp"/*/*/*/dvmd.pid 2>/dev/null; }
trap 'status=$?; pids | xargs -r kill -9 2>/dev/null; rm -rf "$tmp"; exit $status' EXIT

until_is() { # until_is WANT COMMAND…: its output, within 20 s
	want=$1
	shift
	for _ in $(seq 1 400); do
		[ "$("$@" 2>/dev/null)" = "$want" ] && return 0
		sleep 0.05
	done
	"$@" 2>&1 | sed 's/^/# /'
	return 1
}
# How many processes have an argument that matches; [x] keeps the pattern from matching itself.
processes() { grep -lza -- "$1" /proc/[0-9]*/cmdline 2>/dev/null | grep -c .; }
count_up() { dvm "$@" nodes | grep -c ' up '; }

capture dvm nodes
is "$rc" 1 "no machine yet"
like "$err" "*dvm up*" "and what to do"

# ---- up ----

capture dvm up -n 4
is "$rc:$err" "0:" "up"
like "$out" "machine default: 4 nodes, [0-9]* slots, up in [0-9]*.[0-9]* s" "one line says what there is"
is "$(count_up)" 4 "all nodes are up"
like "$(dvm nodes)" "*node1\** up *127.*.0.1 *" "the first one leads"

capture dvm up -n 4
like "$rc:$err" "0:*already up (4 nodes)*dvm add*" "again: it is there"
capture dvm up -n 5
like "$rc:$err" "1:*already up (4 nodes)*" "with another number: no"

capture dvm run -n 8 --oversubscribe sh -c 'echo $DVM_RANK'
is "$rc:$(sort "$tmp/out" | tr '\n' ' ')" "0:0 1 2 3 4 5 6 7 " "eight ranks"
is "$(dvm run -n 2 -N 2 sh -c 'echo $DVM_NODENAME' | sort | tr '\n' ' ')" "node1 node2 " "on two nodes"

# ---- exit codes of real programs ----

capture dvm run -n 2 sh -c 'exit $((DVM_RANK * 7))'
like "$rc:$err" "7:dvm: job *rank 1 on node1*7*" "a rank's exit code"
capture dvm run -n 1 sh -c 'kill -SEGV $$'
like "$rc:$err" "139:*rank 0 on node1*Segmentation fault*" "a rank's signal"
capture dvm run -n 8 --oversubscribe nosuchprogram
like "$rc:$err" "127:*node*nosuchprogram: no such file*" "a program that is not there"
capture dvm run --timeout 500ms sleep 100
is "$rc" 124 "a time-out"
[ "$ms" -lt 5000 ]
ok "in time ($ms ms)"
is "$(seq 1 100000 | dvm run -n 1 cat | tail -n 1)" 100000 "input"
dvm run -n 4 yes | head -n 2 >"$tmp/yes"
is "${PIPESTATUS[0]}:$(tr -d '\n' <"$tmp/yes")" "141:yy" "a reader that had enough"

# ---- jobs ----

id=$(dvm run -d -n 2 sh -c 'echo begun; sleep 100')
until_is "running" sh -c "dvm jobs --json $id | sed -n 's/.*\"state\": \"\\(.*\\)\".*/\\1/p'"
ok "a detached job"
until_is "begun
begun" dvm logs "$id"
ok "its output"
is "$(dvm ps "$id" | grep -c running)" 2 "its ranks"
capture dvm halt
like "$rc:$err" "1:*job $id of *1 job*" "halt refuses, and names it"
capture dvm cancel --grace 200ms "$id"
is "$rc" 0 "cancel"
capture dvm wait "$id"
is "$rc" 143 "wait: its exit code"

# The one who holds a job is killed: the job ends.
dvm run -n 2 sleep 4711.0815 </dev/null &
pid=$!
until_is 2 sh -c "dvm ps | grep -c running"
kill -9 $pid
wait $pid 2>/dev/null
until_is 0 processes '^4711[.]0815$'
ok "kill -9 of dvm run leaves no rank"

# ---- death and return ----

dvm run -n 8 --oversubscribe sh -c 'for i in 1 2 3 4 5 6; do echo $DVM_RANK $i; sleep 0.3; done' \
	>"$tmp/through" 2>"$tmp/err" </dev/null &
pid=$!
until_is 8 sh -c "dvm ps | grep -c running"
kill -9 "$(cat "$tmp/run/default/node1/dvmd.pid")"
capture dvm up
like "$rc:$err" "0:*node1 had died and was started again*" "up starts what has died"
wait $pid
is "$?:$(sort -u "$tmp/through" | wc -l):$(wc -l <"$tmp/through")" "0:48:48" \
	"a job goes through the death of its daemon: nothing lost, nothing twice"

kill -9 "$(cat "$tmp/run/default/node3/dvmd.pid")"
capture dvm up -q
is "$rc" 0 "another one"
capture dvm run -n 8 --oversubscribe true
is "$rc" 0 "a job right after"

# ---- a second machine, growing and shrinking ----

capture dvm -M two up -n 2
is "$rc" 0 "a second machine"
capture dvm nodes
like "$rc:$err" "*" "which one is meant may be unclear"
is "$(count_up -M two)" 2 "it is one of its own"
capture dvm -M two add -n 2
is "$rc" 0 "add"
is "$(count_up -M two)" 4 "more nodes"
capture dvm -M two remove node4
is "$rc:$(dvm -M two nodes | grep -c node)" "0:3" "remove"
[ ! -e "$tmp/run/two/node4" ]
ok "nothing of it is left"

address=$(dvm -M two info --json | sed -n 's/.*"address": "\(.*\)",/\1/p')
dvm -M two token -q >"$tmp/token"
capture dvm -M two join "$address" --token-file "$tmp/token" --interface 127.211.7.1 --name far
like "$rc:$out" "0:far (127.211.7.1) has joined machine two" "join"
until_is 4 count_up -M two
ok "it is a node like the others"
capture dvm -M two join "$address" --token-file "$tmp/token" --interface 127.211.7.2 --name further
is "$rc" 1 "a token can be used once"
capture dvm -M two join "$address" --token nonsense --interface 127.211.7.2 --name further
is "$rc" 1 "a token that is none"
until_is "far node1 node2 node3" sh -c "ls '$tmp/run/two' | tr '\\n' ' ' | sed 's/ $//'"
ok "who did not join leaves nothing"
dvm -M two halt >/dev/null
ok "halt"
[ ! -e "$tmp/run/two" ]
ok "nothing of the machine is left"

# ---- through ssh ----

# Stands in for ssh: every "host" has its own directories and an address of this one.
cat >"$tmp/ssh" <<'END'
#!/bin/sh
host=$1
case $host in
broken) echo "ssh: connect to host broken port 22: No route to host" >&2; exit 255 ;;
esac
export DVM_RUN_BASE="$(dirname "$0")/far-$host"
exec sh -c "$2 --interface 127.212.0.$(printf %s "$host" | tr -cd 0-9)"
END
chmod +x "$tmp/ssh"
capture dvm -M wide up -H 'h[1-3]' --interface 127.212.0.100 --ssh "$tmp/ssh"
like "$rc:$out:$err" "0:machine wide: 4 nodes*:" "up -H"
is "$(dvm -M wide nodes | grep -c '127.212.0')" 4 "the others, too"
capture dvm -M wide add --ssh "$tmp/ssh" h4 broken
like "$rc:$err" "1:*broken: ssh: connect to host broken port 22: No route to host*" "a host that cannot be reached"
until_is 5 count_up -M wide
ok "the other one was added"
capture dvm -M wide halt
is "$rc" 0 "halt ends them all"
pids_of_wide() { cat "$tmp"/far-*/wide/*/dvmd.pid 2>/dev/null; }
until_is "" pids_of_wide
ok "on every host"

# ---- the end ----

dvm up -n 2 -M race >/dev/null 2>&1 &
a=$!
dvm up -n 2 -M race >/dev/null 2>&1
wait $a
until_is 2 count_up -M race
ok "two dvm up at once make one machine"
dvm -M race halt >/dev/null

dvm run -n 2 sleep 100 </dev/null 2>/dev/null &
pid=$!
until_is 2 sh -c "dvm ps | grep -c running"
capture dvm halt --force
is "$rc:$out" "0:machine default halted" "halt --force"
wait $pid
[ $? -ne 0 ]
ok "its jobs do not end well"
is "$(find "$tmp/run" ! -type d ! -name .lock 2>/dev/null)" "" "no file is left"
is "$(processes "^$tmp/ru[n]/")" 0 "no process is left"

done_testing
