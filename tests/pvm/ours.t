#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Programs of PVM on a machine of ours print what they print under PVM.

# shellcheck source=tests/pvm/lib.sh
. "$(dirname "$0")/lib.sh"

ours_up 1

if [ -x "$DVM_BUILD/tests/pvm/${pvm_fortran[0]}" ]; then
	pvm_programs+=("${pvm_fortran[@]}")
else
	skip "Fortran" "not built"
fi
compare() # WHERE PROGRAM...
{
	local where=$1 name out
	shift
	for name; do
		cp "$DVM_BUILD/tests/pvm/$name" "$work/$name"
		out=$(transcript "$work/$name" | without_ids)
		same_lines "$name: as expected on $where" "$out" "$pvm_dir/$name.expect"
		# The next one finds it as at the beginning: nothing in mailboxes, nobody in groups.
		ok "... and the machine is as before" ours_reset
	done
}

compare "one node" "${pvm_programs[@]}"

# What does not ask how many hosts there are, with children on others.
halt_all > /dev/null
machine_up 3
compare "three nodes" p2p long context mbox notify output group

done_testing
