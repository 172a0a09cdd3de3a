#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ring: a token that visits all ranks, short and long.

# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

for shape in "${shapes[@]}"; do
	like "100 rounds of a short token ($shape)" "$(job "$shape" "$examples/ring" 100)" \
		"100 rounds of 8 bytes over ${shape% *} ranks: *us per hop"
	like "5 rounds of a long one ($shape)" "$(job "$shape" "$examples/ring" 5 3000000)" \
		"5 rounds of 3000000 bytes over ${shape% *} ranks: *us per hop"
done
ok "without a launcher" "$examples/ring" 10
fails "no rounds" 2 "usage: *" "$examples/ring" 0
fails "a token too short to count in" 2 "usage: *" "$examples/ring" 1 7
done_testing
