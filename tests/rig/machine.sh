# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# For tests of a dvm machine on the hosts of a rig; source it behind lib.sh.
#
#	rig_start 2
#	found_machine
#	ok "host2 joins" join_machine host2

# shellcheck disable=SC2034
examples=/usr/local/libexec/dvm/examples

# Runs a command on a host. The bound is for hosts that share their cores with much else.
on() # HOST CMD...
{
	rig run -T 90 "$@"
}

# Runs it with this shell's input.
feed() # HOST CMD...
{
	rig run -i -T 90 "$@"
}

# Founds a machine on host1, on its network card.
found_machine() # [DVM-UP-OPTION...]
{
	on host1 dvm up --interface eth0 "$@"
}

# A new token, and nothing else.
new_token()
{
	on host1 dvm token -q
}

# Makes a host a member by a token of its own.
join_machine() # HOST [DVM-JOIN-OPTION...]
{
	local host=$1
	shift
	new_token | feed "$host" dvm join 10.77.0.1 --token-file - "$@"
}

# The states of the nodes as a host sees them: "host1=up host2=down".
states() # HOST
{
	on "$1" dvm nodes --json |
		awk -F'"' '$2 == "name" { name = $4 } $2 == "state" { printf "%s%s=%s", sep, name, $4; sep = " " }'
}

# True if these hosts see these states, of all the nodes.
all_see() # STATES HOST...
{
	local want=$1 host seen bad=0
	shift
	for host in "$@"; do
		seen=$(states "$host")
		[ "$seen" = "$want" ] || {
			echo "$host sees: $seen"
			bad=1
		}
	done
	return "$bad"
}

# A field of a job's record.
job_field() # HOST JOB FIELD
{
	on "$1" dvm jobs "$2" | awk -v field="$3" 'index($0, field) == 1 {
		sub("^" field " *", ""); print; exit }'
}

# True if these hosts answer, and no process there has this text in its command line.
nothing_runs() # PATTERN HOST...
{
	local pattern=$1 host bad=0
	shift
	for host in "$@"; do
		rig run "$host" pgrep -fa "$pattern"
		[ $? -eq 1 ] || bad=1
	done
	return "$bad"
}

# What a job could leave behind: shepherds, control groups, shared memory, files. (Its directory of
# the daemon's stays, for `dvm logs`.)
no_litter() # HOSTS
{
	local left
	left=$(rig run "$1" sh -c 'find /sys/fs/cgroup/dvm -name "job-*"; pgrep -x dvm-shepherd
		ls -A /dev/shm /tmp | grep dvm; true' 2> /dev/null) || return
	[ -z "$left" ] || {
		printf '%s\n' "$left"
		return 1
	}
}
