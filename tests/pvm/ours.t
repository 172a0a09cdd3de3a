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
for name in "${pvm_programs[@]}"; do
	cp "$DVM_BUILD/tests/pvm/$name" "$work/$name"
	out=$(transcript "$work/$name" | without_ids)
	same_lines "$name: as expected" "$out" "$pvm_dir/$name.expect"
	# The next one finds a machine as at the beginning: nothing in mailboxes, nobody in groups.
	ok "$name: the machine is as before" ours_reset
done

done_testing
