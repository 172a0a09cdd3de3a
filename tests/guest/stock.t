#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A stock kernel over two monitors on this host's KVM, which has to be a whole one: to its init, programs
# and threads on both CPUs when each is where it belongs, and off. GUEST_KERNEL and GUEST_INITRD are its
# files.

here=$(cd "$(dirname "$0")" && pwd)
build=${DVM_BUILD:-$here/../../build}
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"
: "${GUEST_KERNEL:?a bzImage}" "${GUEST_INITRD:?with tests/guest/init}"

out=$("$build/tests/api/mini-run" -t 300 -n 2 -N 2 "$build/kvm-node/dvm-vmm" --hosts 2 --cpus 2 --mem 256M \
	--no-reboot --kernel "$GUEST_KERNEL" --initrd "$GUEST_INITRD" \
	--append "console=ttyS0 quiet nokaslr panic=-1 do=cpus,nodes,rest,each,threads" 2>&1 < /dev/null)
is "${GUEST_KERNEL##*/} over two monitors, to init and off" $? 0 || diag "$out"
like "... two CPUs on two nodes" "$out" \
	"*guest: cpus 0-1*guest: node 0 cpus 0 distance 10 *guest: node 1 cpus 1 *"
like "... a program on each" "$out" "*guest: programs ran on 2 of 2 CPUs*"
like "... threads of one process count right" "$out" "*guest: threads 2 of *: good*"
tap_end
