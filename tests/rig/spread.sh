# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# For tests of guests over the hosts of a rig; source it behind machine.sh.
#
#	pack_guest "$overlay" $(cloud_kernels)      # before rig_start
#	start_over 2 one --cpus 2 --mem 64M --kernel /guest/payload --append wait
#	ok "it waits" until_ok 20 says one waiting

# shellcheck disable=SC2034,SC2154
build=${DVM_BUILD:-$lib_dir/../../build}

# Those of this machine, the oldest first.
cloud_kernels()
{
	find /boot -maxdepth 1 -name 'vmlinuz-6.*-cloud-amd64' | sort -V
}

# Puts the bare programs, KERNELs, and an initial file system whose process 1 does what is said on the
# command line, into /guest of the hosts.
pack_guest() # OVERLAY [KERNEL...]
{
	local overlay=$1
	shift
	mkdir -p "$overlay/guest" "$lib_temp/root"
	cp "$build/tests/guest/payload.elf" "$overlay/guest/payload"
	cp "$build/tests/guest/init" "$lib_temp/root/init"
	(cd "$lib_temp/root" && echo init | cpio -o -H newc --quiet) > "$overlay/guest/initrd"
	[ $# -eq 0 ] || cp "$@" "$overlay/guest/"
}

# Starts a guest over the first hosts.
start_over() # HOSTS NAME OPTION...
{
	local hosts=$1 name=$2 list
	shift 2
	list=$(seq -s, -f host%g "$hosts")
	on host1 dvm guest start "$name" --hosts "$hosts" --host "$list" "$@"
}

# ... and waits for its end; its console is in $out, how it ended in $code.
run_over() # HOSTS SECONDS NAME OPTION...
{
	local hosts=$1 seconds=$2 name=$3
	shift 3
	out=$(start_over "$hosts" "$name" "$@" 2>&1) || {
		code=$?
		return
	}
	rig run -T "$seconds" host1 dvm guest wait "$name" > /dev/null 2>&1
	code=$?
	# One that hangs would take the processors from those that follow.
	[ $code -ne 124 ] || end_guest "$name"
	out=$(on host1 dvm guest log "$name" 2>&1)
}

end_guest() # NAME
{
	on host1 dvm guest kill "$1" > /dev/null 2>&1
	on host1 dvm guest wait "$1" > /dev/null 2>&1
}

says() # NAME PATTERN
{
	[[ $(on host1 dvm guest log "$1" 2>&1) == *$2* ]]
}

state_is() # NAME STATE
{
	[[ $(on host1 dvm guest stat "$1") == "{\"state\":\"$2\""* ]]
}

ended_by() # NAME: with code 1
{
	on host1 timeout 1 dvm guest wait "$1" > /dev/null 2>&1
	[ $? = 1 ]
}

# Who reads lines in a guest has one typed. The console is left again, as the guest may go on for long.
types() # NAME LINE
{
	feed host1 timeout 4 dvm guest console "$1" <<< "$2" > /dev/null 2>&1
}

# All CPUs are on the first host, or each is on its own: what all of the guest's hosts say.
spread_is() # NAME true|false [HOSTS]
{
	[ "$(on host1 dvm guest stat "$1" | grep -o "\"gathered\":$2" | wc -l)" = "${3:-2}" ]
}
