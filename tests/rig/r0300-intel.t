#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A host with an Intel processor, emulated by Bochs, the only emulator here that has VMX: bare programs
# as guests of kvm_intel with EPT, each under one monitor and over two and three, and a stock kernel
# over two. There is no network and no way in: the host boots from a disc that has everything, and what
# is printed on its serial line are the tests.
#
# Not shown here: page tables that are changed on one host and used on another, since Bochs sets
# accessed and dirty bits without asking the nested tables for the right to write.
# shellcheck disable=SC2317 # functions are called by name

here=$(cd "$(dirname "$0")" && pwd)
src=$here/../..
build=${DVM_BUILD:-$src/build}
# shellcheck source=tests/tap.sh
. "$src/tests/tap.sh"
# shellcheck source=tests/rig/pack.sh
. "$here/pack.sh"

readonly MODULES="virt/lib/irqbypass arch/x86/kvm/kvm arch/x86/kvm/kvm-intel"
readonly ISOLINUX=/usr/lib/ISOLINUX/isolinux.bin
readonly LOADER=/usr/lib/syslinux/modules/bios/ldlinux.c32
readonly LIMIT=${INTEL_LIMIT:-600} # s, for all of it

kernel=
for k in /boot/vmlinuz-6.1.*-cloud-amd64; do
	[ ! -r "$k" ] || kernel=$k
done
for f in /usr/bin/bochs /usr/bin/genisoimage "$ISOLINUX" "$LOADER"; do
	[ -e "$f" ] || skip_all "$f is missing"
done
[ -n "$kernel" ] || skip_all "Debian's 6.1 cloud kernel is missing"

work=$(mktemp -d "${TMPDIR:-/tmp}/dvm-intel-test.XXXXXX")
emulator=
trap '[ -z "$emulator" ] || kill -9 -- "-$emulator" 2> /dev/null; rm -rf "$work"' EXIT

# ---- the disc ----

add_modules() # ROOT
{
	local name file to=$1/usr/lib/modules
	mkdir -p "$to"
	for name in $MODULES; do
		for file in "/lib/modules/${kernel#*vmlinuz-}/kernel/$name".ko*; do
			case $file in
			*.xz) xz -dc "$file" > "$to/${name##*/}.ko" ;;
			*.ko) cp "$file" "$to/" ;;
			*) continue ;; # it is built in
			esac
			echo "${name##*/}.ko" >> "$to/list"
		done
	done
}

# The programs under test and their scripts, below /dvm as they are here.
add_tests() # ROOT
{
	mkdir -p "$1"/dvm/{tests/guest,build/kvm-node,build/tests/{guest,api}}
	cp "$src/tests/tap.sh" "$1/dvm/tests/"
	cp "$src"/tests/guest/{payloads.t,spread.t,stock.t,lib.sh,guests.conf} "$1/dvm/tests/guest/"
	cp "$build/kvm-node/dvm-vmm" "$1/dvm/build/kvm-node/"
	cp "$build/tests/guest/payload.elf" "$1/dvm/build/tests/guest/"
	cp "$build/tests/api/mini-run" "$1/dvm/build/tests/api/"
	cp "$kernel" "$1/dvm/vmlinuz"
	mkdir "$work/init"
	cp "$build/tests/guest/init" "$work/init/"
	pack_archive "$work/init" "$1/dvm/initrd"
	cat > "$1/run-tests" <<-'END'
		export DVM_BUILD=/dvm/build GUEST_KERNEL=/dvm/vmlinuz GUEST_INITRD=/dvm/initrd
		/dvm/build/kvm-node/dvm-vmm --check
		bash /dvm/tests/guest/payloads.t
		bash /dvm/tests/guest/spread.t
		bash /dvm/tests/guest/stock.t
	END
}

make_root() # ROOT
{
	mkdir -p "$1"/{dev,proc,sys,tmp,run,etc} "$1"/usr/{bin,sbin,lib,lib64}
	ln -s usr/bin usr/sbin usr/lib usr/lib64 "$1/"
	cp /bin/busybox "$1/usr/bin/"
	printf '%s\n' /bin/bash /usr/bin/awk | pack_copy "$1"
	cp "$here/intel-init" "$1/init"
	chmod +x "$1/init"
	add_modules "$1"
	add_tests "$1"
	: > "$work/none"
	pack_add_libraries "$1" "$work/none"
}

make_disc() # FILE
{
	local disc=$work/disc
	mkdir -p "$disc/isolinux"
	make_root "$work/root"
	pack_archive "$work/root" "$work/initrd" && gzip -1 < "$work/initrd" > "$disc/isolinux/initrd"
	cp "$kernel" "$disc/isolinux/vmlinuz"
	cp "$ISOLINUX" "$LOADER" "$disc/isolinux/"
	cat > "$disc/isolinux/isolinux.cfg" <<-'END'
		default host
		prompt 0
		label host
		kernel vmlinuz
		append initrd=initrd console=ttyS0,115200 loglevel=2 mitigations=off nopti nokaslr tsc=reliable no_timer_check
	END
	genisoimage -quiet -o "$1" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
		-boot-load-size 4 -boot-info-table "$disc"
}

# ---- the host ----

write_config()
{
	cat > "$work/bochsrc" <<-END
		megs: 768
		cpu: model=corei7_haswell_4770, count=1, ips=60000000
		clock: sync=none
		romimage: file=/usr/share/bochs/BIOS-bochs-latest
		vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
		ata0: enabled=1
		ata0-master: type=cdrom, path=$work/host.iso, status=inserted
		boot: cdrom
		com1: enabled=1, mode=file, dev=$work/console
		display_library: term
		log: $work/bochs.log
		panic: action=fatal
		error: action=ignore
		info: action=ignore
	END
	echo c > "$work/go" # Debian's Bochs is its debugger
}

# It wants a terminal, and ends only by force or when the host is switched off.
start_host()
{
	: > "$work/console"
	TERM=vt100 setsid timeout -s KILL "$LIMIT" script -qfc \
		"bochs -q -f $work/bochsrc -rc $work/go" /dev/null < /dev/null > "$work/screen" 2>&1 &
	emulator=$!
}

console() { tr -d '\r' < "$work/console"; }
has_ended() { ! kill -0 "$emulator" 2> /dev/null; }

ok "a disc is made" make_disc "$work/host.iso"
write_config
start_host
until_ok "$LIMIT" has_ended
like "its KVM has nested tables" "$(console)" $'*kvm_intel ept Y\n*'
like "... and can run guests" "$(console)" $'*\nthis host can run guests\n*'
while read -r line; do
	case $line in
	"ok "*) report 0 "${line#* - }" ;;
	"not ok "*) report 1 "${line#* - }" ;;
	esac
done < <(console)
like "all tests came to their ends" "$(console)" $'*\n1..[0-9]*\n*\n1..[0-9]*\n*\n1..[0-9]*\nintel: the end*'
[ "$tap_failed" -eq 0 ] || diag "$(console | tail -n 40)"
tap_end
