#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What is wrong is named, and nobody but the one who is wrong suffers: bad words on the command
# line and in files, hostile processes on the host and in the network, other users, full disks.
# shellcheck disable=SC2016,SC2317

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

seed=${SEED:-$RANDOM}
hostile()
{
	timeout 60 python3 "$lib_dir/hostile.py" "$@"
}

says() # NAME PATTERN CMD...: exit code and output
{
	local name=$1 pattern=$2 out
	shift 2
	out=$("$@" 2>&1)
	like "$name" "$? $out" "$pattern"
}

# ---- words ----

says "a command that does not exist" '[12] dvm: unknown command "nods"*nodes*' dvm nods
says "an option that does not exist" '2 dvm*--bind*did you mean*--bind-to*' dvm run --bindto core true
says "a value that makes no sense" '2 dvm*--map-by*' dvm run --map-by socks true
says "a number that is none" '2 dvm*4x*' dvm run -n 4x true
says "no program" '2 dvm run:*' dvm run -n 4
says "a machine's name" '[12] dvm*' dvm -M ../x up
echo 'failur_timeout: 3s' > "$work/conf"
says "a key that does not exist" '1 dvm: node1:*conf:1*failur_timeout*failure_timeout*' \
	dvm up --config "$work/conf"
printf 'slots: 2\nport: none\n' > "$work/conf"
says "a value in a file" '1 dvm: node1:*conf:2*port*' dvm up --config "$work/conf"
says "a file that is missing" '1 dvm: node1:*conf*' dvm up --config "$work/no-conf"
ok "... and nothing was left" nothing_left

# ---- hostile neighbours ----

machine_up 2
socket=$(run_dir node1)/client.sock
memory() { awk '/VmRSS/ { print $2 }' "/proc/$(dvmd_pid node1)/status"; }
dvm run -n 4 true
job=$(detached -n 2 sleep 300)
before=$(memory)
daemon=$(dvmd_pid node1)

is "another protocol version is told ours" "$(hostile version "$socket")" "told 1-1 closed"
said=$(hostile frames "$socket" "$seed" 4)
ok "random frames (seed $seed): $said" [ "${said:-0}" -gt 100 ]
ok "... change nothing" dvm run -n 1 --oversubscribe true
crowd_in=$work/crowd
mkfifo "$crowd_in"
hostile crowd "$socket" 800 < "$crowd_in" > "$work/crowded" &
exec 5> "$crowd_in"
ok "a crowd that says nothing" until_ok 10 test -s "$work/crowded"
ok "... lets others through" dvm run -n 1 --oversubscribe true
exec 5>&-
wait $!
read -r address port < <(dvm info --json | python3 -c 'import json, sys
i = json.load(sys.stdin)
print(i["address"], i["port"])')
hostile port "$address" "$port" "$seed"
ok "garbage on the control port" dvm run -n 2 -N 2 --oversubscribe true
is "the daemon is still the same" "$(dvmd_pid node1) $(alive "$daemon" && echo alive)" "$daemon alive"
ok "... not much larger" [ $(($(memory) - before)) -lt 65536 ]
ok "... and the job has noticed nothing" job_is "$job" state running

# ---- other users ----

other()
{
	(cd / && setpriv --reuid=65534 --regid=65534 --clear-groups \
		env DVM_RUN_DIR="$(run_dir node1)" timeout 20 "$@")
}

if [ "$(id -u)" -eq 0 ] && setpriv --reuid=65534 --regid=65534 --clear-groups true 2> /dev/null; then
	is "another user may use the machine" "$(other dvm run --oversubscribe -q -n 2 id -u | uniq)" 65534
	says "... but not cancel my job" "1 dvm: *job $job belongs to root*" other dvm cancel "$job"
	says "... nor signal it" "1 dvm: *job $job belongs to root*" other dvm signal USR1 "$job"
	says "... nor see what it prints" "1 dvm: *job $job belongs to root*" other dvm logs "$job"
	says "... nor take it up" "1 dvm: *job $job belongs to root*" other dvm attach "$job"
	says "... nor make tokens" "1 dvm: *owner*" other dvm token
	says "... nor remove nodes" "1 dvm: *owner*" other dvm remove node2
	says "... nor halt the machine" "1 dvm: *owner*" other dvm halt --force
	ok "... and it has not" job_is "$job" state running
	not_ok "... nor read the key" other cat "$(run_dir node1)/state/key"
	theirs=$(other dvm run --oversubscribe -q -d -n 1 sleep 300)
	ok "root may end theirs" dvm cancel "$theirs"
	ok "... and it ends" until_ok 10 job_is "$theirs" state "done"
else
	skip "other users" "not root"
fi
dvm cancel "$job"
ok "the machine halts" dvm halt --force

# ---- a full disk ----

DVM_MACHINE=${DVM_MACHINE}f
DVM_RUN_BASE=$lib_temp/small
mkdir "$DVM_RUN_BASE"
if [ -n "$lib_private" ] && mount -t tmpfs -o size=2m,mode=755 tmpfs "$DVM_RUN_BASE"; then
	machine_up 2
	is "before" "$(dvm run -n 2 echo x)" $'x\nx'
	running=$(detached -n 1 sleep 300)
	dd if=/dev/zero of="$DVM_RUN_BASE/full" bs=4k > /dev/null 2>&1
	for ((i = 0; i < 1500; i++)); do # until the log is in the way
		out=$(dvm run -q -n 1 true 2>&1) || break
	done
	like "a full disk is named" "$out" "dvm: *[Nn]o space*"
	ok "what runs can be cancelled" dvm cancel "$running"
	ok "... and ends" until_ok 10 job_is "$running" state "done"
	ok "the daemons live" dvm nodes
	rm "$DVM_RUN_BASE/full"
	ok "with space again, jobs run" until_ok 5 dvm run -n 2 true
	like "... and nothing was forgotten" "$(dvm jobs -a)" "* $running *sleep*"
	kill -9 "$(dvmd_pid node1)"
	ok "... not even by a new daemon" dvm up -q
	ok "... which knows the job" until_ok 10 job_is "$running" state "done"
	ok "the machine halts" dvm halt --force
	umount -l "$DVM_RUN_BASE"
else
	skip "a full disk" "no mounts of our own"
fi
DVM_RUN_BASE=$lib_temp/run
DVM_MACHINE=${DVM_MACHINE%f}
machine_up 1 # it is all there still

done_testing
