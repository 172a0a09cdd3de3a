#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# That what we expect of PVM is what PVM does: our programs under the pvmd of Debian.

# shellcheck source=tests/pvm/lib.sh
. "$(dirname "$0")/lib.sh"

real_there || skip_all "no pvm, pvm-dev"

if command -v gfortran > /dev/null; then
	pvm_programs+=("${pvm_fortran[@]}")
else
	skip "Fortran" "no gfortran"
fi
for name in "${pvm_programs[@]}"; do
	ok "$name: is built" real_build "$name" || continue
	real_up
	report $? "$name: a daemon" || continue
	out=$(transcript "$work/real-$name" | without_ids)
	real_down
	if [ -n "${UPDATE_GOLDEN-}" ]; then
		printf '%s\n' "$out" > "$pvm_dir/$name.expect"
	fi
	like "$name: to its end" "$out" "*exit*0"
	same_lines "$name: as expected" "$out" "$pvm_dir/$name.expect"
done

tap_end
