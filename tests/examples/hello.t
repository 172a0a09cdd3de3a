#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# hello: one line of each rank, in order.

# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

greetings() # RANKS: the lines without the node
{
	for ((rank = 0; rank < $1; rank++)); do
		echo "hello from rank $rank of $1"
	done
}

for shape in "${shapes[@]}"; do
	got=$(job "$shape" "$examples/hello")
	is "each rank greets in order ($shape)" "$(cut -d' ' -f 1-6 <<<"$got")" \
		"$(greetings "${shape% *}")"
	is "... from as many nodes" "$(cut -d' ' -f 7- <<<"$got" | sort -u | wc -l)" "${shape#* }"
done
is "without a launcher it is a job of one" "$("$examples/hello" | cut -d' ' -f 1-6)" \
	"$(greetings 1)"
done_testing
