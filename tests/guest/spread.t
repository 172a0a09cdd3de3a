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
	2 shm smp --mem=16M,--cpus=2 0 2 CPUs
	2 shm smp --mem=16M,--cpus=4 0 4 CPUs
	2 shm ipis --mem=16M,--cpus=2 0 round trip
	2 shm pins --mem=16M,--cpus=2 0
	2 shm reset --mem=16M,--cpus=2 0
	2 shm poweroff --mem=16M,--cpus=2 0
	2 shm triple --mem=16M,--cpus=2 1 triple fault
	2 tcp smp --mem=16M,--cpus=3 0 3 CPUs
	2 tcp ipis --mem=16M,--cpus=2 0 round trip
	3 shm ipis --mem=18M,--cpus=4 0 round trip
	3 tcp reset --mem=18M,--cpus=3 0
	2 shm hello --mem=16M,--cpus=1 1 too few
END
tap_end
