#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Debian on a disk boots to a login prompt, and ends when its power button is pressed. It needs an
# image, which tests/guest/debian-image makes and DVM_DEBIAN_IMAGE names; and minutes.
# Each single-quoted script is for a host's shell.
# shellcheck disable=SC2012,SC2016,SC2317

# shellcheck source=tests/rig/lib.sh
. "$(dirname "$0")/lib.sh"

guest=$(cd "$lib_dir/../guest" && pwd)
vmm=$DVM_BUILD/kvm-node/dvm-vmm
files=$lib_temp/overlay/g
[ -x "$vmm" ] || skip_all "dvm-vmm is not built"
[ -f "${DVM_DEBIAN_IMAGE-}" ] || skip_all "DVM_DEBIAN_IMAGE names no image"
kernel=$(ls /boot/vmlinuz-*-cloud-amd64 2> /dev/null | tail -n 1)
[ -n "$kernel" ] || skip_all "there is no cloud kernel in /boot"

mkdir -p "$files"
cp "$kernel" "$files/kernel"
"$guest/initrd" "${kernel#/boot/vmlinuz-}" "$guest/root-init" "$files/initrd" ||
	skip_all "no modules of $kernel"
gzip -1 < "$DVM_DEBIAN_IMAGE" > "$files/image.gz"
rig_start 1 --mem 3G --build none --overlay "$lib_temp/overlay" --add "$vmm"
ok "the image is unpacked" rig run -T 400 host1 sh -c \
	'busybox gunzip -c /g/image.gz > /tmp/image && rm /g/image.gz'

rig run host1 sh -c '"$@" < /dev/null > /tmp/out 2>&1 & echo $! > /tmp/pid' sh \
	"$vmm" --kernel /g/kernel --initrd /g/initrd --mem 640M --append "console=ttyS0 quiet" \
	--disk /tmp/image --rng --balloon --stat /tmp/stat

said() # WORDS
{
	rig run host1 grep -q "$1" /tmp/out
}

ended()
{
	rig run host1 sh -c '! [ -e "/proc/$(cat /tmp/pid)" ]'
}

ok "there is a login prompt" until_ok 300 said 'debian login:'
rig run host1 sh -c 'kill -TERM "$(cat /tmp/pid)"'
ok "the power button ends it" until_ok 200 ended
ok "... by the guest itself" said 'reboot: Power down'
like "the disk had no error" "$(rig run host1 cat /tmp/stat)" '*"blk0":{*"errors":0*'
ok "the kernel is calm" kernels_are_calm
[ "$tap_failed" = 0 ] || rig run host1 tail -n 20 /tmp/out | sed 's/^/# /'
done_testing
