# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC2154
# Runs the bare programs of guests.conf. The caller sets vmm (how dvm-vmm is called) and payload, and
# reads $guest_out.

# Prints name, options, exit code and text of each line that belongs to one of GROUPS, by tabs.
guest_cases() # FILE GROUP...
{
	local file=$1 groups
	shift
	groups=" $* "
	awk -v groups="$groups" '!/^#/ && NF && index(groups, " " $2 " ") {
		text = $5; for (i = 6; i <= NF; i++) text = text " " $i
		gsub(/,--/, " --", $3); print $1 "\t" $3 "\t" $4 "\t" text }' "$file"
}

# Runs one with at most 20 s; its output in $guest_out, its exit code is returned.
guest_run() # NAME OPTION...
{
	local name=$1
	shift
	guest_out=$(timeout -k 2 -s INT 20 "${vmm[@]}" --kernel "$payload" --append "$name" "$@" \
		2>&1 < /dev/null)
}
