#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Debian on a disk of host1, with systemd and all, on the CPUs of two hosts: it comes to a login prompt, is
# reset and comes there again, and ends when its power button is pressed. It needs an image, which
# tests/guest/debian-image makes and DVM_DEBIAN_IMAGE names; and minutes.

# shellcheck disable=SC2317 # called by until_ok
# shellcheck source=tests/rig/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/rig/machine.sh
. "$lib_dir/machine.sh"
# shellcheck source=tests/rig/spread.sh
. "$lib_dir/spread.sh"

[ -f "${DVM_DEBIAN_IMAGE-}" ] || skip_all "DVM_DEBIAN_IMAGE names no image"
kernel=$(cloud_kernels | tail -n 1)
[ -n "$kernel" ] || skip_all "there is no cloud kernel in /boot"
files=$lib_temp/overlay/guest
mkdir -p "$files"
cp "$kernel" "$files/kernel"
"$lib_dir/../guest/initrd" "${kernel#*vmlinuz-}" "$lib_dir/../guest/root-init" "$files/initrd" ||
	skip_all "no modules of $kernel"
gzip -1 < "$DVM_DEBIAN_IMAGE" > "$files/image.gz"

rig_start 2 --mem 3G --overlay "$lib_temp/overlay"
ok "the image is unpacked" rig run -T 400 host1 sh -c \
	'busybox gunzip -c /guest/image.gz > /tmp/image && rm /guest/image.gz'
ok "a machine is founded" found_machine
ok "host2 joins" join_machine host2

# Each start says so on the serial line and on the virtio console.
prompts_are() # AT-LEAST
{
	local log
	log=$(on host1 dvm guest log debian 2>&1)
	[ "$(grep -ac 'debian ttyS0' <<< "$log")" -ge "$1" ]
}

ok "Debian is started over both hosts" start_over 2 debian --cpus 4 --mem 800M --rng --balloon \
	--disk /tmp/image --kernel /guest/kernel --initrd /guest/initrd --append "console=ttyS0 quiet"
ok "there is a login prompt" until_ok 400 prompts_are 1
ok "it is reset" on host1 dvm guest reset debian
ok "... and there is one again" until_ok 400 prompts_are 2
like "the disk had no error" "$(on host1 dvm guest stat debian)" '*"blk0":{*"errors":0*'
ok "its power button is pressed" on host1 dvm guest stop debian
ok "... which ends it" rig run -T 200 host1 dvm guest wait debian
ok "... by itself" says debian "reboot: Power down"
ok "nothing of it is left" nothing_runs dvm-vmm host1 host2
ok "the hosts' kernels are calm" kernels_are_calm
done_testing
