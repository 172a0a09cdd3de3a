#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Guests on an emulated host: bare programs that need a virtualising KVM, and stock Debian kernels
# with 1 and 2 CPUs and NUMA nodes, from bzImage and from vmlinux, to init and switched off.
# GUEST_LONG=1: each kernel in each shape.

# shellcheck source=tests/rig/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/guest/lib.sh
. "$lib_dir/../guest/lib.sh"
build=${DVM_BUILD:-$lib_dir/../../build}

kernels=$(ls /boot/vmlinuz-6.*-cloud-amd64 2> /dev/null)
[ -n "$kernels" ] || skip_all "no kernel of Debian's cloud flavour in /boot"
command -v cpio > /dev/null || skip_all "cpio is missing"

overlay=$lib_temp/overlay
mkdir -p "$overlay/guest" "$lib_temp/root"
cp "$build/tests/guest/init" "$lib_temp/root/init"
(cd "$lib_temp/root" && echo init | cpio -o -H newc --quiet) > "$overlay/guest/initrd"
# shellcheck disable=SC2086 # several
cp $kernels "$overlay/guest/"
cp "$build/tests/guest/payload.elf" "$overlay/guest/payload"

# The ELF inside a bzImage, compressed in one of several ways: where it is, the header says.
extract() # BZIMAGE ELF
{
	local setup offset length
	setup=$(od -An -tu1 -j 497 -N 1 "$1")
	offset=$(od -An -tu4 -j 584 -N 4 "$1")
	length=$(od -An -tu4 -j 588 -N 4 "$1")
	tail -c +$(((setup + 1) * 512 + offset + 1)) "$1" | head -c $((length - 4)) > "$lib_temp/packed"
	zstd -dqc "$lib_temp/packed" > "$2" 2> /dev/null ||
		lz4 -dqc "$lib_temp/packed" > "$2" 2> /dev/null ||
		xz -dqc "$lib_temp/packed" > "$2" 2> /dev/null
}
for k in $kernels; do
	name=${k##*/vmlinuz-}
	extract "$k" "$overlay/guest/vmlinux-$name" || rm -f "$overlay/guest/vmlinux-$name"
done

rig_start 1 --cpus 2 --mem 1400M --build none --idle-poll --overlay "$overlay" \
	--add "$build/kvm-node/dvm-vmm"

monitor=$(readlink -f "$build/kvm-node/dvm-vmm")
is "the host can run guests" "$(rig run host1 "$monitor" --check)" "this host can run guests"

vmm=("$lib_dir/rig" run -T 60 host1 "$monitor")
payload=/guest/payload
while IFS=$'\t' read -r name options code text; do
	# shellcheck disable=SC2086 # several options
	guest_run "$name" $options
	got=$?
	[[ $guest_out == *"$text"* ]] || got="$got without \"$text\""
	is "$name $options" "$got" "$code" || diag "$guest_out"
done < <(guest_cases "$lib_dir/../guest/guests.conf" svm)

# Boots one into $out and $code. A boot takes 15 s of a quiet machine and five times that of a busy
# one.
boot() # NAME IMAGE VERBS OPTION...
{
	local name=$1 image=$2 verbs=$3
	shift 3
	out=$(timeout -k 2 250 "$lib_dir/rig" run -T 240 host1 "$monitor" \
		--kernel "/guest/$image" --initrd /guest/initrd --no-reboot \
		--append "console=ttyS0 panic=-1 do=$verbs" "$@" 2>&1)
	code=$?
	is "$image: $name" "$code" 0 || diag "$out"
}

has() # TEXT: is a line of the guest
{
	like "... $1" "$out" "*guest: $1*"
}

shape() # IMAGE RELEASE SHAPE
{
	case $3 in
	one)
		boot "1 CPU, to init and off" "$1" kernel,cpus,nodes,clock,nap --mem 256M
		has "kernel $2" && has "cpus 0" && has "clock tsc" && has "nap good" ;;
	two)
		boot "2 CPUs" "$1" kernel,cpus,visit,memory --mem 256M --cpus 2
		has "kernel $2" && has "cpus 0-1" && has "400 moves, clock went back 0 times"
		has "memory * MiB good" ;;
	numa)
		boot "2 CPUs on 2 NUMA nodes" "$1" kernel,nodes --mem 384M --cpus 2 --numa 2 --distance 30
		has "kernel $2" && has "nodes 0-1" && has "node 0 cpus 0 distance 10 30"
		has "node 1 cpus 1 distance 30 10" ;;
	four)
		boot "4 CPUs on 2 NUMA nodes" "$1" kernel,cpus,nodes,visit,memory --mem 512M --cpus 4 --numa 2
		has "cpus 0-3" && has "node 0 cpus 0-1 distance 10 20" && has "node 1 cpus 2-3 distance 20 10"
		has "memory * MiB good" ;;
	xapic)
		boot "local APICs that start in xAPIC mode" "$1" cpus --mem 256M --cpus 2 --apic xapic
		has "cpus 0-1" ;;
	esac
}

# Each shape but the last once, spread over the kernels; all of them if there is time.
shapes=(one numa two xapic four)
images=$(cd "$overlay/guest" && ls vmlinu*)
n=0
for image in $images; do
	for s in "${shapes[@]}"; do
		if [ -n "${GUEST_LONG:-}" ] || [ "$s" = "${shapes[$((n % 4))]}" ]; then
			shape "$image" "${image#vmlinu?-}" "$s"
		fi
	done
	n=$((n + 1))
done

# Kernels that are told to do without what others use, the last one without what it could use to end.
image=$(basename "$(tail -n 1 <<< "$kernels")")
odd() # WORDS CPUS VERBS
{
	boot "$1" "$image" "$3" --mem 256M --cpus 2 --append "console=ttyS0 quiet panic=-1 $1 do=$3"
	has "cpus $2" && has "nap good"
}
odd noapic 0-1 cpus,nap
odd nolapic 0 cpus,nap
odd "nolapic_timer nox2apic" 0-1 cpus,nap
odd reboot=pci 0-1 cpus,nap,restart
# Two that do not end by themselves; the second is reset, and comes up again.
until_said() # TEXT TIMES WORDS
{
	out=$("$lib_dir/rig" run -T 240 host1 sh -c 'text=$1 times=$2; shift 2
		"$@" > /tmp/said 2>&1 < /dev/null & n=0
		until [ "$(grep -c "$text" /tmp/said)" -ge "$times" ] || [ $((n += 1)) -gt 2000 ]; do
			usleep 100000
		done
		kill -INT $!; wait $!; cat /tmp/said' sh "$1" "$2" "$monitor" --kernel "/guest/$image" \
		--initrd /guest/initrd --mem 256M --append "console=ttyS0 quiet $3" 2>&1)
}
until_said "System halted" 1 "acpi=off do=cpus,nap"
like "$image: acpi=off" "$out" "*guest: cpus 0*guest: nap good*System halted*"
until_said "guest: restarting" 2 "reboot=t do=cpus,restart"
like "$image: reboot=t" "$out" \
	"*guest: restarting*the guest is reset: vCPU 0: triple fault*guest: cpus 0*guest: restarting*"
ok "the host's kernel is calm" kernels_are_calm
done_testing
