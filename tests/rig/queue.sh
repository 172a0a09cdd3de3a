# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# For tests of the queue on the hosts of a rig, host1 leading; source it behind machine.sh.

# shellcheck disable=SC2034
# A rank that stays until `go NAME`, and then says where it is. It polls slowly: it has an emulated host.
gate='until [ -e /tmp/go-$0 ]; do usleep 200000; done; echo "$0 $DVM_NODENAME"'

go() # NAME
{
	rig run all touch "/tmp/go-$1" > /dev/null 2>&1
}

submit()
{
	on host1 dvm submit "$@"
}

# True if the job is in that state; else it says in which, and why.
state_is() # JOB STATE
{
	local record
	record=$(on host1 dvm jobs "$1" 2>&1)
	[ "$(awk '$1 == "state" { print $2; exit }' <<< "$record")" = "$2" ] || {
		printf '%s\n' "$record"
		return 1
	}
}

# True if it waits for that.
why_is() # JOB REASON
{
	local text
	text=$(on host1 dvm why "$1" 2>&1)
	[[ $text == *"waits ($2)"* ]] || {
		printf '%s\n' "$text"
		return 1
	}
}

# Call it where a section ends: if a point of it has failed, what there is to know.
queue_told=0
post_mortem()
{
	local host job
	# shellcheck disable=SC2154 # tap.sh counts
	[ "$tap_failed" -gt "$queue_told" ] || return 0
	queue_told=$tap_failed
	diag "$(on host1 sh -c 'dvm nodes; dvm jobs -a; dvm history --since 1d' 2>&1)"
	for job in $(on host1 dvm jobs 2> /dev/null | awk 'NR > 1 { print $1 }' | head -n 4); do
		diag "$(on host1 sh -c "dvm why $job; dvm jobs $job" 2>&1)"
	done
	for host in "$@"; do
		diag "$host: $(rig run -T 30 "$host" sh -c 'tail -n 40 /run/dvm/default/*/dvmd.log' 2>&1)"
	done
}
