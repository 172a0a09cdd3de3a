#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Stock kernels on the CPUs and the memory of several emulated hosts: two with two CPUs each, with and
# without a kernel that has moved itself (nokaslr), three and four with one. Each boots to its init, sees
# a NUMA node for each host with its CPUs, memory and distances, runs a program on every CPU when they
# have gone to their hosts, and switches itself off. How long a boot took is said, too.
# Rounds: MACHINES_ROUNDS, else 5 with GUEST_LONG, else 1. It is part of `make check-long`.

# shellcheck disable=SC2317 # called by until_ok
# shellcheck source=tests/rig/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/rig/machine.sh
. "$lib_dir/machine.sh"
# shellcheck source=tests/rig/spread.sh
. "$lib_dir/spread.sh"

node_mib=192 # of each node
rounds=${MACHINES_ROUNDS:-${GUEST_LONG:+5}}
mapfile -t kernels < <(cloud_kernels)
[ -n "${kernels[*]}" ] || skip_all "there is no cloud kernel in /boot"
pack_guest "$lib_temp/overlay" "${kernels[@]}"

rig_start 4 --mem 700M --overlay "$lib_temp/overlay"
ok "a machine is founded" found_machine
for host in host2 host3 host4; do ok "$host joins" join_machine $host; done

# The guest's init waits for a line before it goes on.
runs_programs() # NAME
{
	says "$1" "guest: program on CPU 0" || types "$1" end
	says "$1" "guest: programs ran"
}

cpus_of() # NODE CPUS-OF-EACH
{
	local first=$(($1 * $2))
	[ "$2" -eq 1 ] && echo $first || echo "$first-$((first + $2 - 1))"
}

distances_of() # NODE HOSTS
{
	local i line=
	for ((i = 0; i < $2; i++)); do line+=" $((i == $1 ? 10 : 40))"; done
	echo "${line# }"
}

# The kernel and its tables have their part of the first node.
has_memory() # LOG NODE
{
	local mib
	mib=$(sed -n "s/.*guest: node $2 .* memory \([0-9]*\) MiB.*/\1/p" <<< "$1")
	[ "${mib:-0}" -le "$node_mib" ] && [ "${mib:-0}" -ge $((node_mib / 2)) ]
}

# What the guest has said of its nodes.
sees_nodes() # LOG HOSTS CPUS-OF-EACH
{
	local i
	for ((i = 0; i < $2; i++)); do
		like "... node $i has its CPUs and distances" "$1" \
			"*guest: node $i cpus $(cpus_of "$i" "$3") distance $(distances_of "$i" "$2") memory *"
		ok "... and memory" has_memory "$1" "$i"
	done
}

n=0
boots() # KERNEL HOSTS CPUS-OF-EACH [WORD]
{
	local image=${1##*/} hosts=$2 each=$3 word=${4:-} name=m$((n += 1)) cpus=$(($2 * $3)) log
	ok "$image, $hosts hosts with $each${word:+, $word}" start_over "$hosts" "$name" --stay-apart \
		--cpus "$cpus" --mem $((hosts * node_mib))M --no-reboot --kernel "/guest/$image" --initrd /guest/initrd \
		--append "console=ttyS0 quiet panic=-1 $word do=up,kernel,cpus,nodes,echo,each" || return
	if ok "... is at its init" until_ok 60 says "$name" "guest: speak" &&
		ok "... each CPU goes to its host" until_ok 60 spread_is "$name" false "$hosts" &&
		ok "... where programs run" until_ok 300 runs_programs "$name"; then
		rig run -T 300 host1 dvm guest wait "$name" > /dev/null 2>&1
		is "... and switches itself off" $? 0
	fi
	log=$(on host1 dvm guest log "$name" 2>&1)
	end_guest "$name"
	like "... one program on each CPU" "$log" "*guest: programs ran on $cpus of $cpus CPUs*"
	like "... it is that kernel, with all CPUs" "$log" \
		"*guest: kernel ${image#vmlinuz-}*guest: cpus 0-$((cpus - 1))*"
	sees_nodes "$log" "$hosts" "$each"
	diag "$image, $hosts hosts with $each${word:+, $word}: $(grep -o 'guest: up .*' <<< "$log")"
}

for ((round = 0; round < ${rounds:-1}; round++)); do
	for kernel in "${kernels[@]}"; do
		boots "$kernel" 2 2
		boots "$kernel" 2 2 nokaslr
		boots "$kernel" 3 1
		boots "$kernel" 4 1
	done
done
ok "nothing of them is left" nothing_runs dvm-vmm host1 host2 host3 host4
ok "the hosts' kernels are calm" kernels_are_calm
done_testing
