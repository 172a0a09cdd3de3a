#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# One guest over two emulated hosts: bare programs that start CPUs elsewhere, change mappings on one
# host and use them on the other, and have more memory than a host; stat, pause, reset, a lost host.
# A stock kernel starts on one host, goes to both, reports free memory and is reset; GUEST_LONG=1: more
# of them, also with four CPUs.

# shellcheck disable=SC2317 # called by until_ok
# shellcheck source=tests/rig/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/rig/machine.sh
. "$lib_dir/machine.sh"
# shellcheck source=tests/rig/spread.sh
. "$lib_dir/spread.sh"

overlay=$lib_temp/overlay
kernels=$(cloud_kernels)
[ -n "${GUEST_LONG:-}" ] || kernels=${kernels%%$'\n'*}
# shellcheck disable=SC2086 # several
pack_guest "$overlay" $kernels
kernel=${kernels%%$'\n'*}
kernel=${kernel##*/}
[ -z "$kernel" ] || "$lib_dir/../guest/initrd" "${kernel#vmlinuz-}" "$build/tests/guest/init" \
	"$overlay/guest/modules" || kernel=

rig_start 2 --mem 700M --overlay "$overlay"
ok "a machine is founded" found_machine
ok "host2 joins" join_machine host2

run() # SECONDS NAME OPTION...
{
	run_over 2 "$@"
}

bare() # SECONDS VERB TEXT OPTION...
{
	local seconds=$1 verb=$2 text=$3
	shift 3
	run "$seconds" "$verb" --kernel /guest/payload --append "$verb" "$@"
	[[ $out == *"$text"* ]] || code="$code without \"$text\""
	is "$verb $*" "$code" 0 || diag "$out"
}

bare 60 smp "4 CPUs" --cpus 4 --mem 64M
bare 90 remap rounds --cpus 2 --mem 64M
bare 150 memory "" --cpus 2 --mem 720M
# Each page of what neither host has room for: the hosts' whole memory goes to and fro.
bare 600 fill "" --cpus 2 --mem 720M
bare 60 reset "" --cpus 2 --mem 64M

# A guest that waits: looked at, stopped for a while, and left by a host.
has_met() # NAME true|false: as spread_is, and the CPUs have met before
{
	[[ $(on host1 dvm guest stat "$1") =~ \"gathered\":$2,\"met\":[1-9].*\"gathered\":$2 ]]
}

wait_guest()
{
	start_over 2 "$1" --cpus 2 --mem 64M --kernel /guest/payload --append wait
}

ok "a guest that waits is started" wait_guest idle
ok "... and says so" until_ok 20 says idle waiting
like "its counters are of both hosts" "$(on host1 dvm guest stat idle)" \
	'*"host":"host1"*"hosts":\[{*"host":"host2"*'
ok "each CPU is on its own host" spread_is idle false
like "the monitors are shut in, each of them" "$(on host1 dvm guest stat idle)" \
	'*"own_user":true,"no_new_privs":true,*"empty_root":true*"seccomp":true*"hosts":*"own_user":true*"seccomp":true*'
ok "it is paused" on host1 dvm guest pause idle
ok "... and stands still" until_ok 20 state_is idle paused
ok "it is resumed" on host1 dvm guest resume idle
ok "... and runs" until_ok 20 state_is idle running
ok "its power button is pressed" on host1 dvm guest stop idle
ok "... and it ends well" on host1 dvm guest wait idle

# What is sent to port 7071 comes back.
devices_on_host1()
{
	on host1 sh -c 'truncate -s 64M /var/disk && modprobe tun && ip tuntap add dev tap0 mode tap &&
		ip addr add 192.0.2.1/24 dev tap0 && ip link set tap0 up &&
		setsid nc -ll -p 7071 -e cat > /dev/null 2>&1 < /dev/null &'
}

has_freed() # NAME
{
	[[ $(on host1 dvm guest stat "$1") =~ \"freed\":[1-9] ]]
}

# A stock kernel starts on one host with both of its CPUs; while nobody works each goes to its own.
linux_guest() # NAME VERBS OPTION...
{
	local name=$1 verbs=$2
	shift 2
	start_over 2 "$name" --cpus 2 --mem 512M --kernel "/guest/$kernel" --initrd /guest/modules \
		--append "console=ttyS0 quiet nokaslr panic=-1 do=$verbs" "$@"
}

if [ -n "$kernel" ]; then
	ok "host1 has a disk and a network for a guest" devices_on_host1
	ok "$kernel is started over both hosts" linux_guest tux \
		modules,rest,cpus,nodes,threads,far,diskcheck,netcheck,wait --stay-apart --balloon \
		--disk /var/disk --net tap=tap0
	ok "... its CPUs go to their hosts" until_ok 90 spread_is tux false
	ok "... its threads have counted" until_ok 90 says tux "guest: on CPU 1"
	ok "... and it waits" until_ok 90 says tux "guest: waiting"
	like "... one CPU on each" "$(on host1 dvm guest stat tux)" \
		'*"cpus":\[{"cpu":0,*"hosts":\[{*"cpus":\[{"cpu":1,*'
	like "... and all is right" "$(on host1 dvm guest log tux)" \
		"*guest: cpus 0-1*guest: node 1 cpus 1 *guest: threads 2 of *: good*"
	like "... host2's CPU writes to host1's disk, and reads that" "$(on host1 dvm guest log tux)" \
		"*guest: on CPU 1*guest: disk /dev/vda 16 blocks: good*"
	like "... and sends by host1's card what comes back" "$(on host1 dvm guest log tux)" \
		"*guest: network 32 blocks: good*"
	like "... both by messages" "$(on host1 dvm guest stat tux)" \
		'*"net0":{*"lent":[1-9]*"blk0":{*"lent":[1-9]*"hosts":\[{*"queue_carried":[1-9]*'
	ok "... what is free there is nobody's" until_ok 60 has_freed tux
	ok "it is reset" on host1 dvm guest reset tux
	ok "... so they are on one host again" until_ok 30 spread_is tux true
	ok "... and go to their hosts once more" until_ok 90 spread_is tux false
	ok "it is ended" on host1 dvm guest kill tux
	on host1 dvm guest wait tux > /dev/null 2>&1
	ok "a guest whose CPUs fight for pages is started" linux_guest foes rest,fight,toil
	ok "... its CPUs go to their hosts" until_ok 90 spread_is foes false
	ok "... meet on one" until_ok 60 has_met foes true
	ok "... all that was counted is right" until_ok 60 says foes "guest: fight * good"
	ok "... and they part, having work for two" until_ok 60 has_met foes false
	ok "it is ended" on host1 dvm guest kill foes
	on host1 dvm guest wait foes > /dev/null 2>&1
fi

[ -n "${GUEST_LONG:-}" ] || kernels=
[ -z "${GUEST_LONG:-}" ] || bare 3000 remaps "10000 rounds" --cpus 2 --mem 64M
for k in $kernels; do
	run 600 "linux${k//[!0-9]/}" --kernel "/guest/${k##*/}" --initrd /guest/initrd --no-reboot \
		--stay-apart --cpus 2 --mem 720M \
		--append "console=ttyS0 quiet nokaslr panic=-1 do=kernel,rest,cpus,nodes,clock,nap,threads,litmus"
	is "${k##*/}: over two hosts, to init and off" "$code" 0 || diag "$out"
	like "... two CPUs" "$out" "*guest: cpus 0-1*"
	like "... one on each node" "$out" "*guest: node 0 cpus 0 distance 10 40*guest: node 1 cpus 1 *"
	like "... one clock" "$out" "*guest: clock tsc*guest: nap good*"
	like "... threads of one process count right" "$out" "*guest: threads 2 of *: good*"
	like "... loads and stores as x86 allows" "$out" "*guest: litmus *: good*"
done
for k in ${kernels%%$'\n'*}; do
	run 900 four --kernel "/guest/${k##*/}" --initrd /guest/initrd --no-reboot \
		--stay-apart --cpus 4 --mem 720M \
		--append "console=ttyS0 quiet nokaslr panic=-1 do=rest,cpus,nodes,remap,threads"
	is "${k##*/}: two CPUs on each host, to init and off" "$code" 0 || diag "$out"
	like "... four CPUs on two nodes" "$out" "*guest: node 0 cpus 0-1 *guest: node 1 cpus 2-3 *"
	like "... mappings hold" "$out" "*guest: mapping 20 rounds on cpus 0 and 3*: good*"
	like "... threads of one process count right" "$out" "*guest: threads 4 of *: good*"
done
ok "another one is started" wait_guest left
ok "... and says so" until_ok 20 says left waiting
rig off host2
ok "its host's end is its own" until_ok 60 ended_by left
ok "... and the host is named" says left "host host2 is lost"
ok "nothing of it is left" on host1 sh -c '! pidof dvm-vmm'
ok "host2 is there again" rig on host2
ok "the hosts' kernels are calm" kernels_are_calm
done_testing
