#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A stock kernel over two emulated hosts does what users do with one: Debian's own programs on the CPUs
# of both (tests/guest/workloads). What this machine has none of is left out, and said so. Without
# GUEST_LONG=1 a few that are soon over; with it all of them, and those that stress a kernel run longer.
# It is part of `make check-long`.

# shellcheck disable=SC2317 # called by until_ok

# shellcheck source=tests/rig/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/rig/machine.sh
. "$lib_dir/machine.sh"
# shellcheck source=tests/rig/spread.sh
. "$lib_dir/spread.sh"
guest=$lib_dir/../guest

kernel=$(cloud_kernels | head -n 1)
[ -n "$kernel" ] || skip_all "there is no cloud kernel in /boot"

# What a workload needs.
programs_of() # VERB
{
	case $1 in
	stress_*) echo stress-ng ;;
	memory_tester) echo memtester taskset ;;
	sorted) echo sort ;;
	xz_threads) echo xz ;;
	zstd_threads) echo zstd ;;
	database) echo sqlite3 taskset ;;
	signatures) echo openssl taskset ;;
	crypto_speed) echo openssl ;;
	many_processes) echo make ;;
	python_pool) echo python3 ;;
	esac
}

# Debian's, not one of the user's own.
path_of() # PROGRAM
{
	PATH=/usr/bin:/usr/sbin:/bin:/sbin command -v "$1"
}

python_files()
{
	"$(path_of python3)" -I -S -c 'import sys, hashlib, queue, threading, encodings.idna
import multiprocessing.connection, multiprocessing.heap, multiprocessing.pool
import multiprocessing.popen_fork, multiprocessing.queues, multiprocessing.synchronize
files = {getattr(m, "__file__", None) for m in sys.modules.values()} - {None}
print(*sorted(files), sep="\n")'
}

# Sets verbs and files to those of the wanted ones that can be tried here.
choose() # VERB...
{
	local verb program path found needs
	verbs='' files=''
	for verb; do
		found=1 needs=''
		for program in $(programs_of "$verb"); do
			path=$(path_of "$program") && needs+=" $path" || found=''
		done
		if [ -n "$found" ]; then
			verbs+=" $verb" files+=$needs
		else
			diag "$verb is left out: no $(programs_of "$verb")"
		fi
	done
	[[ $verbs != *python_pool* ]] || files+=" $(python_files)"
	files=$(tr ' ' '\n' <<< "$files" | sort -u)
}

limit=900 append=''
wanted="sorted zstd_threads database many_processes stress_futex stress_vm"
if [ -n "${GUEST_LONG:-}" ]; then
	limit=6000 append="seconds=20 megabytes=32"
	wanted+=" xz_threads signatures crypto_speed python_pool memory_tester stress_mutex stress_fork
		stress_numa stress_mmap stress_mremap stress_madvise stress_switch stress_pthread
		stress_sem stress_msg"
fi
# shellcheck disable=SC2086 # several
choose $wanted
[ -n "$verbs" ] || skip_all "none of the programs is here"

overlay=$lib_temp/overlay
mkdir -p "$overlay/guest"
cp "$kernel" "$overlay/guest/kernel"
# shellcheck disable=SC2086 # several
"$guest/initrd" "${kernel#*vmlinuz-}" "$guest/workloads" "$overlay/guest/initrd" $files ||
	skip_all "no modules of $kernel"

rig_start 2 --mem 900M --overlay "$overlay"
ok "a machine is founded" found_machine
ok "host2 joins" join_machine host2

do=$(tr ' ' , <<< "${verbs# }")
ok "$kernel is started over both hosts" start_over 2 work --cpus 2 --mem 600M --no-reboot \
	--kernel /guest/kernel --initrd /guest/initrd \
	--append "console=ttyS0 quiet panic=-1 $append do=$do"
ok "... and its CPUs go to both" until_ok 120 spread_is work false
rig run -T "$limit" host1 dvm guest wait work > /dev/null 2>&1
is "it does its work and ends" $? 0
said=$(on host1 dvm guest log work 2>&1)
for verb in $verbs; do
	like "$verb" "$said" "*guest: $verb: good *"
done
like "all of it" "$said" "*guest: all done*"
[ "$tap_failed" = 0 ] || diag "$said"
ok "nothing of it is left" nothing_runs dvm-vmm host1 host2
ok "the hosts' kernels are calm" kernels_are_calm
done_testing
