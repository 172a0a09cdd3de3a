#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Stock kernels drive the monitor's devices: disks, networks, entropy, balloon, sockets, the clock of
# the board; and what becomes of a disk when its room ends, the device is reset while it works, or the monitor is killed.
# Each single-quoted script is for a host's shell.
# shellcheck disable=SC2012,SC2016,SC2317

# shellcheck source=tests/rig/lib.sh
. "$(dirname "$0")/lib.sh"

guest=$(cd "$lib_dir/../guest" && pwd)
vmm=$DVM_BUILD/kvm-node/dvm-vmm
files=$lib_temp/overlay/g
[ -x "$vmm" ] || skip_all "dvm-vmm is not built"
kernels=$(ls /boot/vmlinuz-*-cloud-amd64 2> /dev/null)
[ -n "$kernels" ] || skip_all "there is no cloud kernel in /boot"
newest=$(ls /boot/vmlinuz-6.12*-cloud-amd64 2> /dev/null | tail -n 1)
newest=${newest:-$(tail -n 1 <<< "$kernels")}

mkdir -p "$files"
for kernel in $kernels; do
	release=${kernel#/boot/vmlinuz-}
	cp "$kernel" "$files/"
	"$guest/initrd" "$release" "$guest/devices-init" "$files/initrd-$release" "$guest/dhcp" \
		"$DVM_BUILD/tests/guest/vsock" ||
		skip_all "no modules of $release"
done
cp "$DVM_BUILD/tests/guest/vsock" "$files/"
release=${newest#/boot/vmlinuz-}
xz -dc "/lib/modules/$release/kernel/drivers/net/tun.ko.xz" > "$files/tun.ko" 2> /dev/null

# passt pivots its root, which nobody can whose root is the kernel's first file system.
cat > "$files/inroot" <<- 'END'
	#!/bin/sh
	exec unshare -m sh -c 'mkdir -p /mnt/r; mount --rbind / /mnt/r && cd /mnt/r &&
		mount --move . / && exec chroot . "$@"' sh "$@"
END
chmod +x "$files/inroot"

adds=()
for add in passt qemu-storage-daemon qemu-img /usr/lib/qemu/virtiofsd /usr/lib/x86_64-linux-gnu/libnbd.so.0; do
	! command -v "$add" > /dev/null && [ ! -e "$add" ] || adds+=(--add "$add")
done
rig_start 1 --mem 2G --build none --overlay "$lib_temp/overlay" --add "$vmm" "${adds[@]}"

rig run host1 sh -c '
	insmod /g/tun.ko
	ip tuntap add dev tap0 mode tap && ip addr add 192.0.2.1/24 dev tap0 && ip link set tap0 up
	ip route add default via 10.77.0.254
	mkdir -p /tmp/www /tmp/small
	dd if=/dev/urandom of=/tmp/www/data bs=64k count=16 2>/dev/null
	dd if=/dev/urandom of=/tmp/www/small bs=32k count=1 2>/dev/null
	busybox httpd -p 7777 -h /tmp/www
	mount -t tmpfs -o size=4m none /tmp/small
	for d in /tmp/disk /tmp/readonly /tmp/small/disk; do truncate -s 64M $d; done' > /dev/null 2>&1
sums=$(rig run host1 sh -c 'cd /tmp/www; md5sum data small' | sed 's/\(.*\)  \(.*\)/\2=\1/')

# Runs a guest with tests by these names; prints its console.
boot() # RELEASE TESTS OPTIONS...
{
	local release=$1 tests=$2
	shift 2
	rig run -T 150 host1 /g/inroot "$vmm" --kernel "/g/vmlinuz-$release" \
		--initrd "/g/initrd-$release" --mem 384M \
		--append "console=${console:-ttyS0} quiet panic=-1 ${words:-} test=$tests ${sums//$'\n'/ } server=10.77.0.254" \
		"$@" < /dev/null 2>&1
	echo "status $?"
}

passes() # WHAT RELEASE TESTS OPTIONS...
{
	local what=$1 out test
	shift
	out=$(boot "$@")
	for test in $(tr , ' ' <<< "$2"); do
		like "$what: $test" "$out" "*PASS $test*status 0"
	done
}

for kernel in $kernels; do
	release=${kernel#/boot/vmlinuz-}
	passes "$release" "$release" blk,rebind,rng,balloon,tap \
		--disk /tmp/disk --rng --balloon --net tap=tap0
done
release=${newest#/boot/vmlinuz-}

# Without messages: lines of the I/O APIC, and of the old controllers.
words=pci=nomsi passes "pins" "$release" blk,rebind,rng,tap --disk /tmp/disk --rng --net tap=tap0
words=nolapic passes "pins, and no local APIC" "$release" blk,tap --disk /tmp/disk --net tap=tap0

# --- directories of the host -----------------------------------------------------------------

shares() # RELEASE
{
	rig run host1 sh -c '
		rm -rf /tmp/shared /tmp/fixed; mkdir -p /tmp/shared /tmp/fixed
		echo from-the-host > /tmp/shared/word; echo fixed > /tmp/fixed/word'
	passes "$1" "$1" share,share_ro,share_rebind --share /tmp/shared --share /tmp/fixed,ro
	like "$1: the host sees what the guest has made" "$(rig run host1 sh -c '
		cd /tmp/shared; md5sum < dir/moved | cmp - sum && cat log; ls' | tr '\n' ' ')" \
		"one two dir link log sum *"
	is "$1: ... and what it could not change" "$(rig run host1 ls /tmp/fixed)" word
}

if rig run host1 test -x /usr/lib/qemu/virtiofsd; then
	for kernel in $kernels; do
		shares "${kernel#/boot/vmlinuz-}"
	done
	ok "nobody serves any more" rig run host1 sh -c '! pidof virtiofsd'
else
	skip "directories of the host" "virtiofsd is not installed"
fi

if rig run host1 which passt qemu-storage-daemon qemu-img > /dev/null; then
	rig run host1 qemu-img create -q -f qcow2 /tmp/disk.qcow2 64M
	passes "qcow2 and passt" "$release" blk,user --disk /tmp/disk.qcow2,format=qcow2 --net user
	ok "the image is sound afterwards" rig run host1 qemu-img check -q /tmp/disk.qcow2
	ok "nobody is left behind" rig run host1 sh -c '! pidof qemu-storage-daemon passt'
else
	skip "qcow2 and passt" "passt, qemu-storage-daemon or qemu-img is not installed"
fi

console=hvc0 passes "a virtio console" "$release" rng --rng --console virtio

before=$(rig run host1 md5sum /tmp/disk /tmp/readonly)
passes "three disks" "$release" blk,ro,full --disk /tmp/disk,snapshot --disk /tmp/readonly,ro \
	--disk /tmp/small/disk
is "a snapshot and a read-only disk stay as they are" \
	"$(rig run host1 md5sum /tmp/disk /tmp/readonly)" "$before"

# --- asked from outside ----------------------------------------------------------------------

# Both ends talk through sockets; the host takes memory and gives it back.
rig run host1 sh -c '
	/g/vsock host /tmp/vs < /dev/null > /tmp/host.out 2>&1 &
	"$0" --kernel "/g/vmlinuz-$1" --initrd "/g/initrd-$1" --mem 384M --balloon \
		--vsock 3,path=/tmp/vs --control asked \
		--append "console=ttyS0 quiet panic=-1 test=rtc,vsock,squeeze time=$(date +%s)" \
		< /dev/null > /tmp/out 2>&1 & true' "$vmm" "$release"
guest_has_said() { rig run host1 grep -q "$1" /tmp/out; }
ask() { rig run host1 "$vmm" --control asked --ask "$1"; }
ok "the guest reads the time of its board" until_ok 120 guest_has_said 'PASS rtc'
ok "its programs reach the host's, and the other way round" until_ok 60 guest_has_said 'PASS vsock'
is "... which got back what they had sent" "$(rig run host1 cat /tmp/host.out)" good
ok "it waits" until_ok 30 guest_has_said 'SQUEEZE'
ok "the host wants memory back" ask "balloon 256M"
ok "... and the guest gives it" until_ok 90 guest_has_said 'SQUEEZED'
balloon_has() { [[ $(ask stat) == *"\"pages\":$1,"* ]]; }
ok "... all of it, as the counters tell" until_ok 60 balloon_has 32768
ok "... may have it again" ask "balloon 384M"
ok "... and takes it" until_ok 90 guest_has_said 'PASS squeeze'

# --- the monitor is killed -------------------------------------------------------------------

rig run host1 sh -c '"$@" < /dev/null > /tmp/out 2>&1 & echo $! > /tmp/pid' sh \
	"$vmm" --kernel "/g/vmlinuz-$release" --initrd "/g/initrd-$release" --mem 384M \
	--append "console=ttyS0 quiet test=keep after=wait" --disk /tmp/disk
ok "a guest has synced" until_ok 120 rig run host1 grep -q 'PASS keep' /tmp/out
rig run host1 sh -c 'kill -9 "$(cat /tmp/pid)"; while [ -e "/proc/$(cat /tmp/pid)" ]; do usleep 10000; done'
ok "... and the bytes outlive the monitor" \
	rig run host1 sh -c 'dd if=/tmp/disk bs=512 skip=100 count=1 2>/dev/null | grep -q kept-by-fsync'

ok "the kernel is calm" kernels_are_calm
done_testing
