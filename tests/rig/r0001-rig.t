#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The rig itself: hosts boot, run commands as if here, lose cables and current, and leave nothing.
# Each single-quoted script is for a host's shell.
# shellcheck disable=SC2016,SC2317

# shellcheck source=tests/rig/lib.sh
. "$(dirname "$0")/lib.sh"

rig_start 2 --mem 512M --build none --disk 64
like "a second rig in the same place is refused" "$(rig up 1 2>&1)" "rig: rig already up: 2 hosts*"

# --- commands --------------------------------------------------------------------------------

is "a command runs on the host it names" "$(rig run host2 hostname)" host2
is "a host is also its number" "$(rig run 1 hostname)" host1
is "an unknown host is a usage error" "$(code_of rig run host3 true)" 2
is "the exit code comes back" "$(code_of rig run host1 sh -c 'exit 7')" 7
is "death by a signal is 128 and its number" "$(code_of rig run host1 sh -c 'kill -TERM $$')" 143
is "a program that is not there is 127" "$(code_of rig run host1 no-such-program)" 127
is "output and errors stay apart" "$(rig run host1 sh -c 'echo out; echo err >&2' 2>/dev/null)" out
is "arguments arrive as they are" "$(rig run host1 printf '<%s>' 'a b' '*' '' "x'y")" "<a b><*><><x'y>"
is "no input unless asked for" "$(echo text | rig run host1 wc -c)" 0
is "as another user" "$(rig run -u user host1 sh -c 'id -un; pwd; id -u')" $'user\n/home/user\n1000'
is "with a directory and a variable" "$(rig run -d /usr/bin -e A='b c' host1 sh -c 'pwd; echo "$A"')" \
	$'/usr/bin\nb c'
is "after its time a command is ended" "$(code_of rig run -T 0.5 host1 sleep 1000)" 124
not_ok "... in the host as well" rig run host1 pgrep -x sleep

head -c 3000000 /dev/urandom > "$lib_temp/noise"
rig run -i host1 cat < "$lib_temp/noise" > "$lib_temp/noise.back"
ok "three megabytes of noise pass in and out" cmp "$lib_temp/noise" "$lib_temp/noise.back"

is "all hosts at once, with their names" "$(rig run all hostname | sort)" $'host1: host1\nhost2: host2'
is "... and the first exit code that is not 0" \
	"$(code_of rig run all sh -c '[ $(hostname) = host1 ] || exit 5')" 5

# Each of five commands waits until it has seen the other four.
five_together()
{
	local i clients=() bad=0
	for i in 1 2 3 4 5; do
		rig run -T 30 host1 sh -c 'touch /tmp/five.'"$i"'
			until [ $(ls /tmp/five.* | wc -l) = 5 ]; do usleep 10000; done' &
		clients+=($!)
	done
	for i in "${clients[@]}"; do wait "$i" || bad=1; done
	return "$bad"
}
ok "five commands at the same time" five_together

# --- processes that stay, processes that go --------------------------------------------------

daemon=$(rig run -T 20 host1 sh -c 'while :; do echo tick; usleep 10000; echo >> /tmp/ticks; done & echo pid $!')
daemon=$(sed -n 's/^pid //p' <<< "$daemon")
daemon_goes_on()
{
	rig run host1 sh -c ': > /tmp/ticks && usleep 200000 && [ -s /tmp/ticks ] && kill -0 '"$daemon"
}
ok "what a command leaves in the background lives on, and may write" daemon_goes_on
rig run host1 kill "$daemon"

# Starts a long command in the background: sets client to its process here.
start_client()
{
	# Not by the function: a subshell of ours would take the signal.
	"$lib_dir/rig" run host1 sleep 4321 &
	client=$!
	until_ok 10 rig run host1 pgrep -f 'sleep 4321'
}
gone()
{
	! rig run host1 pgrep -f 'sleep 4321'
}
start_client
kill -KILL "$client"
wait "$client" 2> /dev/null
ok "a client that is killed takes its command along" until_ok 10 gone
start_client
kill -TERM "$client"
wait "$client"
is "a signal to the client ends the command, and is its exit code" $? 143
ok "... really" until_ok 10 gone

is "an interactive shell has a terminal" "$(rig shell host1 tty < /dev/null | tr -d '\r')" /dev/pts/0

# --- files -----------------------------------------------------------------------------------

mkdir -p "$lib_temp/dir/sub"
echo '#!/bin/sh' > "$lib_temp/dir/sub/script"
chmod 755 "$lib_temp/dir/sub/script"
ok "a directory goes in" rig copy all "$lib_temp/dir" /root/here
ok "... with modes" rig run all test -x /root/here/sub/script
ok "... and comes out" rig fetch host2 /root/here "$lib_temp/back"
ok "... the same" diff -r "$lib_temp/dir" "$lib_temp/back"
ok "a file goes in" rig copy host1 "$lib_temp/noise" /tmp
is "... the same" "$(rig run host1 sha256sum < /dev/null /tmp/noise | cut -d' ' -f1)" \
	"$(sha256sum < "$lib_temp/noise" | cut -d' ' -f1)"
not_ok "a file that is not there does not come out" rig fetch host1 /no/such "$lib_temp/none"

# --- what a host is --------------------------------------------------------------------------

ok "a host has /dev/kvm, for all" rig run -u user host1 sh -c '[ -c /dev/kvm ] && : <> /dev/kvm'
ok "... with nested paging" rig run host1 sh -c 'dmesg | grep -q "kvm_amd: Nested Paging enabled"'
is "... and guests" "$(rig run -T 60 -u user host1 /usr/lib/rig/rigtool kvm)" "a guest runs"
ok "control groups" rig run host1 sh -c 'grep -q memory /sys/fs/cgroup/cgroup.controllers'
is "its network card, and no other" "$(rig run host1 ls /sys/class/net | paste -sd' ')" "eth0 lo"
ok "modules load by name" rig run host1 modprobe tun
clock_is_right()
{
	local there
	there=$(rig run "$1" date +%s)
	[ $((there - $(date +%s))) -le 1 ] && [ $(($(date +%s) - there)) -le 2 ]
}
ok "its clock is right" clock_is_right host2
like "its console can be read" "$(rig console host1)" "*rig: ready*"

# --- cable and current -----------------------------------------------------------------------

ping_from_1()
{
	rig run host1 ping -c 1 -W 1 host2
}
no_ping_from_1()
{
	! ping_from_1
}
ok "the hosts hear each other" until_ok 10 ping_from_1
ok "a cable is pulled" rig cut host2
ok "... the host sees it" until_ok 10 rig run host2 sh -c 'read c < /sys/class/net/eth0/carrier; [ $c = 0 ]'
ok "... and is not heard" no_ping_from_1
like "... as the status tells" "$(rig status)" "*host2 * cut *"
ok "the cable is put back" rig mend host2
ok "... and the host heard" until_ok 20 ping_from_1

ok "the network is split" rig split host1 host2
ok "... with the link up" rig run host2 sh -c 'read c < /sys/class/net/eth0/carrier; [ $c = 1 ]'
ok "... and the other not heard" until_ok 10 no_ping_from_1
ok "the network is whole again" rig heal
ok "... and the other heard" until_ok 20 ping_from_1

ok "every packet is lost" rig run host2 tc qdisc add dev eth0 root netem loss 100%
ok "... and the other not heard" until_ok 10 no_ping_from_1
ok "... until no longer" rig run host2 tc qdisc del dev eth0 root
ok "... and the other heard" until_ok 20 ping_from_1

ok "a host is paused" rig pause host2
like "... as the status tells" "$(rig status --json)" '*"host2"*"state": "paused"*'
is "... and does not answer" "$(code_of rig run -w 1 host2 true)" 255
ok "it goes on" rig resume host2
ok "... where it was" rig run host2 true

"$lib_dir/rig" run host2 sleep 4321 2> /dev/null &
client=$!
until_ok 10 rig run host2 pgrep -f 'sleep 4321'
rig run host2 sh -c 'echo kept > /var/lib/kept; sync /var/lib/kept; echo lost > /root/lost'
ok "the current goes" rig off host2
wait "$client"
is "... and ends what ran there with 255" $? 255
is "... a new command as well" "$(code_of rig run host2 true)" 255
like "... as the status tells" "$(rig status)" "*host2 * off *"
ok "... the other is not touched" rig run host1 true
ok "the current comes back" rig on host2
ok "... and the host is heard" until_ok 20 ping_from_1
is "... its disk has what was on it" "$(rig run host2 cat /var/lib/kept)" kept
not_ok "... its memory has not" rig run host2 test -e /root/lost

# --- the end ---------------------------------------------------------------------------------

another_rig_with_owner()
{
	local dir=$lib_temp/rig2 owner
	sleep 1000 &
	owner=$!
	RIG_DIR=$dir rig up 1 --mem 512M --build none --owner "$owner" || return
	rig run host1 true && RIG_DIR=$dir rig run host1 true && kill "$owner" || return
	until_ok 10 test ! -e "$dir"
}
ok "a second rig elsewhere goes with its owner" another_rig_with_owner

ok "the kernels have nothing to complain about" kernels_are_calm
told=$lib_temp/console
cat > "$told" <<'EOF'
[   12.000000] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
[   12.100000] Call Trace:
[   40.000000] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [init:1]
[   40.200000] Call Trace:
[   50.000000] dvmd invoked oom-killer: gfp_mask=0xcc0, order=0
[   50.100000] Call Trace:
[   50.200000] oom-kill:constraint=CONSTRAINT_MEMCG
EOF
is "a stall is no complaint" "$(complaints "$told")" ""
echo "[   95.000000] Call Trace:" >> "$told"
echo "[   96.000000] BUG: kernel NULL pointer dereference" >> "$told"
is "... others are" "$(complaints "$told" | wc -l)" 2
pids=$(cat "$RIG_DIR/lock" "$RIG_DIR"/host*/state | tr -dc '0-9\n')
none_left()
{
	local p
	for p in $pids; do [ ! -d "/proc/$p" ] || return 1; done
}
ok "the rig goes down" rig down
ok "... its processes are gone" until_ok 5 none_left
not_ok "... its directory as well" test -e "$RIG_DIR"
is "... and what needs one says so" "$(code_of rig status)" 1

done_testing
