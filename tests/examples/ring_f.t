#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ring_f: the library from Fortran.

# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

if ! grep -q '^FC = .' "$DVM_BUILD/Makefile" || [ ! -e "$examples/ring_f" ]; then
	echo "1..0 # SKIP there is no Fortran compiler"
	exit 77
fi
for shape in "${shapes[@]}"; do
	ranks=${shape% *}
	is "the token knows all ranks ($shape)" "$(job "$shape" "$examples/ring_f" 100)" \
		"100 rounds over $ranks ranks: the token says $((100 * ranks * (ranks + 1) / 2))"
done
is "without a launcher" "$("$examples/ring_f" 10)" "10 rounds over 1 ranks: the token says 10"
is "no rounds" "$(code_of "$examples/ring_f" 0)" 2
done_testing
