#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Bare programs on a guest of several monitors, all on this host's KVM, under the test shepherd:
# starting CPUs elsewhere, interrupts, devices, memory, reset and end over hosts.

build=${DVM_BUILD:-$(cd "$(dirname "$0")/../.." && pwd)/build}
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"
# shellcheck source=tests/guest/lib.sh
. "$here/lib.sh"

reason=$("$build/kvm-node/dvm-vmm" --check 2>&1) || case $reason in
*"small bare programs"*) ;;
*) skip_all "${reason#dvm-vmm: }" ;;
esac
export DVM_SHM_TRANSPORT

payload=$build/tests/guest/payload.elf
while read -r hosts transport name options code text; do
	DVM_SHM_TRANSPORT=$transport
	vmm=("$build/tests/api/mini-run" -t 30 -n "$hosts" -N "$hosts" "$build/kvm-node/dvm-vmm"
		--hosts "$hosts")
	# shellcheck disable=SC2086 # several options
	guest_run "$name" ${options//,/ }
	got=$?
	[[ $guest_out == *"$text"* ]] || got="$got without \"$text\""
	is "$hosts hosts, $transport: $name $options" "$got" "$code" || diag "$guest_out"
done <<-'END'
	2 shm hello --mem=16M,--cpus=2 0 hello
	2 shm memory --mem=64M,--cpus=2 0
	2 shm fill --mem=16M,--cpus=2 0
	2 shm smp --mem=16M,--cpus=2 0 2 CPUs
	2 shm smp --mem=16M,--cpus=4 0 4 CPUs
	2 shm ipis --mem=16M,--cpus=2 0 round trip
	2 shm pins --mem=16M,--cpus=2 0
	2 shm reset --mem=16M,--cpus=2 0
	2 shm poweroff --mem=16M,--cpus=2 0
	2 shm triple --mem=16M,--cpus=2 1 triple fault
	2 shm cross --mem=16M,--cpus=2 0
	2 tcp smp --mem=16M,--cpus=3 0 3 CPUs
	2 tcp ipis --mem=16M,--cpus=2 0 round trip
	3 shm ipis --mem=18M,--cpus=4 0 round trip
	3 tcp reset --mem=18M,--cpus=3 0
	2 shm hello --mem=16M,--cpus=1 1 too few
	2 shm hello --mem=16.3M,--cpus=2 0 hello
END

# What a guest has counted is in $stat: the first host's NAME, and all that the others tell.
counted() # NAME
{
	sed -n "s/,\"hosts\":\[.*//; s/.*\"$1\":\([0-9]*\).*/\1/p" "$stat"
}
others()
{
	sed 's/.*"hosts":\[//' "$stat"
}
names_of_others()
{
	others | grep -o '"host":"[^"]*"'
}

# Over two hosts: the second CPU is on the second one; what is left out of how pages go, and devices on one that is not there.
vmm=("$build/tests/api/mini-run" -t 30 -n 2 -N 2 "$build/kvm-node/dvm-vmm" --hosts 2)
stat=$(mktemp)
guest_run ipis --mem 16M --cpus 2 --stat "$stat"
is "to the other host and back" $? 0 || diag "$guest_out"
ok "... 500 times and more" [ "$(counted interrupts_sent)" -ge 500 ]
is "... and the other one's counters are there, too" "$(names_of_others)" '"host":"mini1"'
much=$(awk '/^MemTotal:/ { print int($2 / 1024) * 4 }' /proc/meminfo)
guest_run hello --mem "${much}M" --cpus 2
like "hosts that have less memory than their part are named" "$guest_out" \
	"*host mini1 has *is to hold $((much / 2)) MiB of the guest's memory*"
like "... and the guest runs" "$guest_out" $'*\nhello*'
guest_run ipis --mem 16M --cpus 2 --pages ivy
is "as the first systems did" $? 0 || diag "$guest_out"
guest_run ipis --mem 16M --cpus 2 --pages no-prefetch,no-elision,no-batch,no-hold,no-diff
is "... without one of them after the other" $? 0 || diag "$guest_out"
DVM_SHM_MEMORY=200000 guest_run memory --mem 96M --cpus 2 --stat "$stat"
is "room for 48 pages of what is the other host's" $? 0 || diag "$guest_out"
evicted=$(counted evicted)
ok "... so pages go home again" [ "${evicted:-0}" -gt 100 ]
rm -f "$stat"

# A disk that CPUs of both hosts use: requests and their bytes go with messages, or else as pages.
disk=$(mktemp)
truncate -s 4M "$disk"
guest_run disk --mem 16M --cpus 2 --disk "$disk,host=1" --stat "$stat"
is "a disk of the other host: $guest_out" $? 0 || diag "$guest_out"
carried=$(counted queue_carried) bytes=$(counted queue_bytes_sent)
ok "... requests went with their bytes ($carried, $bytes)" \
	[ "${carried:-0}" -gt 10 -a "${bytes:-0}" -gt 65536 ]
DVM_SHM_TRANSPORT=tcp guest_run disk --mem 16M --cpus 2 --disk "$disk" --stat "$stat"
is "... of the first one, over TCP" $? 0 || diag "$guest_out"
lent=$(counted lent)
ok "... whose rings go to who rings ($lent)" [ "${lent:-0}" -gt 3 ]
guest_run disk --mem 16M --cpus 2 --disk "$disk,host=1" --pages no-queues --stat "$stat"
is "... all of it as pages" $? 0 || diag "$guest_out"
is "... and no request goes otherwise" "$(counted queue_requests)" ""
two=("${vmm[@]}")
vmm=("$build/tests/api/mini-run" -t 30 -n 3 -N 3 "$build/kvm-node/dvm-vmm" --hosts 3)
guest_run late --mem 18M --cpus 3 --disk "$disk,host=1"
is "no write of a third host comes after a reset" $? 0 || diag "$guest_out"
vmm=("${two[@]}")
rm -f "$stat" "$disk"

# A host that stands still for a while is named, also when nobody asks it for anything.
words=$(mktemp)
SPREAD_TEST=$words timeout -k 2 -s INT 90 "$build/tests/api/mini-run" -t 90 -n 2 -N 2 \
	"$build/kvm-node/dvm-vmm" --hosts 2 --mem 16M --cpus 2 --kernel "$payload" --append wait > "$words" 2>&1 < /dev/null &
run=$!
says()
{
	grep -q "$1" "$words"
}
monitor_of() # RANK
{
	local dir
	for dir in /proc/[0-9]*; do
		[ "$(tr '\0' '\n' 2> /dev/null < "$dir/environ" |
			grep -cxE "SPREAD_TEST=$words|DVM_RANK=$1")" != 2 ] || echo "${dir#/proc/}"
	done
}
ok "a guest waits for its power button" until_ok 10 says waiting
other=$(monitor_of 1)
kill -STOP "$other"
ok "a host that stands still is named" until_ok 15 says "the guest waits for host mini1, of which"
kill -CONT "$other"
ok "... and when it is back, too" until_ok 10 says "host mini1 is heard again"
kill -TERM "$(monitor_of 0)"
wait "$run"
is "... to the guest's good end" $? 0 || diag "$(cat "$words")"
rm -f "$words"

# Sockets between guest and first host: two monitors of one kernel keep their user and directory.
dir=$(mktemp -d) words=$dir/words
vsock=(--vsock "3,path=$dir/vs")
timeout -k 2 -s INT 60 "${vmm[@]}" --mem 16M --cpus 2 --kernel "$payload" --append wait "${vsock[@]}" \
	> "$words" 2>&1 < /dev/null &
run=$!
dials()
{
	python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.settimeout(10)
s.connect(sys.argv[1]); s.send(b"CONNECT 5\n"); sys.exit(s.recv(9) != b"")' "$dir/vs"
}
ok "a guest with vsock over two hosts" until_ok 20 says waiting
# The emulated Intel host (r0300) has no Python.
! command -v python3 > /dev/null || ok "... who dials hears that its guest does not listen" dials
kill -INT "$run"
wait "$run"
# Each on a kernel of its own, as far as they know, they would lose both: that is refused.
# shellcheck disable=SC2016 # expanded there
apart=("$build/tests/api/mini-run" -t 30 -n 2 -N 2 unshare -rm sh -c 'echo "$DVM_RANK" > "$0-$DVM_RANK" &&
	mount --bind "$0-$DVM_RANK" /proc/sys/kernel/random/boot_id && exec "$@"' "$dir/boot"
	"$build/kvm-node/dvm-vmm" --hosts 2)
vmm=("${apart[@]}")
if unshare -rm true 2> /dev/null; then
	guest_run hello --mem 16M --cpus 2 "${vsock[@]}"
	like "vsock for root over two kernels" "$? $guest_out" \
		"1 *root's guest over several hosts cannot have --vsock*"
	like "... of which the other one hears" "$guest_out" "*host mini0 cannot: see what it says*"
else
	skip "vsock for root over two kernels" "no namespaces of users here"
fi
vmm=("$build/tests/api/mini-run" -t 30 -n 2 -N 2 "$build/kvm-node/dvm-vmm" --hosts 2)
rm -rf "$dir"

# What a host with many CPUs has to tell is longer than a message.
stat=$(mktemp) words=$(mktemp)
timeout -k 2 -s INT 60 "${vmm[@]}" --mem 16M --cpus 120 --kernel "$payload" --append wait \
	--control "many-$$" > "$words" 2>&1 < /dev/null &
run=$!
ask()
{
	timeout 20 "$build/kvm-node/dvm-vmm" --control "many-$$" --ask "$1"
}
# Its name, and how many CPUs it tells of.
of_second_host()
{
	echo "$(names_of_others) $(others | grep -o '"cpu":' | wc -l)"
}
ok "a guest with 60 CPUs on each of two hosts" until_ok 20 says waiting
ask stat > "$stat"
is "... is asked for its counters" $? 0
is "... and the second host tells its own" "$(of_second_host)" '"host":"mini1" 60'
ok "... which are more than goes into a message" [ "$(wc -c < "$stat")" -gt 32000 ]
ask kill
wait "$run"
rm -f "$stat" "$words"

guest_run hello --node cpus=1,mem=8M --node cpus=1,mem=8389608
like "memory that is not whole pages" "$? $guest_out" '1 *memory of NUMA node 1 is not whole pages*'
guest_run hello --mem 16M --cpus 2 --pages no-sense
like "... which there has to be" "$? $guest_out" '2 *there is no "no-sense"*'
guest_run hello --mem 16M --cpus 2 --disk /dev/null,host=2
like "a disk of a third host" "$? $guest_out" '1 *host=2, but the guest has 2, numbered from 0*'
# What a host cannot do it says, and the others say whose fault it is; nobody is lost.
fails() # TEXT OPTION...
{
	local text=$1
	shift
	guest_run hello --mem 16M --cpus 2 "$@"
	like "$text: the others hear of it" "$? $guest_out" '1 *host mini? cannot: see what it says*'
	like "... and it says why" "$guest_out" "*$text*"
	not_ok "... and is not lost" grep -q lost <<< "$guest_out"
}
fails "/nowhere: No such file or directory" --disk /nowhere,host=1
fails "there is no interface called dvm-nowhere" --net tap=dvm-nowhere,host=1
fails "kernel /nowhere: No such file" --kernel /nowhere
fails "counters in /nowhere/stat" --stat /nowhere/stat
guest_run hello --mem 16M --cpus 2 --net user,host=7
like "a card of an eighth" "$? $guest_out" '1 *host=7, but the guest has 2*'
tap_end
