#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every interleaving of the coherence protocol's models, by SPIN; and models that are broken on
# purpose, in which it has to find the fault.

dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/tap.sh
. "$dir/../tap.sh"
command -v spin > /dev/null || skip_all "spin is not installed"

temp=$(mktemp -d) && cd "$temp" || exit 99
trap 'rm -rf "$temp"' EXIT

# Prints SPIN's words; true if it has seen everything and found nothing. $OPTIMIZE: worth the time
# of the compiler where much is to be seen.
explore() # MODEL OPTION...
{
	local model=$1
	shift
	spin "$@" -a "$model" && "${CC:-cc}" "${OPTIMIZE:--O2}" -w -DSAFETY -DCOLLAPSE -DMEMLIM=2000 -o pan pan.c &&
		timeout 300 ./pan -m1000000 > out 2>&1
	cat out
	grep -q 'errors: 0' out && ! grep -qE 'reached|too small|aborted|resource limits' \
		<(grep -v 'depth reached\|unreached' out)
}

# The same must find a fault in a model changed by a sed command.
finds() # NAME COMMAND [MODEL WRITES OPTION...]
{
	local model=$dir/${3:-coherence}.pml
	sed "$2" "$model" > broken.pml
	not_ok "... which would have shown: $1" cmp -s broken.pml "$model"
	OPTIMIZE=-O0 explore broken.pml -DWRITES="${4:-3}" "${@:5}" > broken.out
	ok "... as it does" grep -q 'assertion violated' broken.out
}

ok "one writer or many readers, nothing stale, nobody stuck" explore "$dir/coherence.pml" -DWRITES=5
ok "... also when the home holds its page" explore "$dir/coherence.pml" -DWRITES=4 -DHELD
ok "... also when the home dies: lost is only what has to be" \
	explore "$dir/coherence.pml" -DWRITES=1 -DDEATH=1
ok "... or another node" explore "$dir/coherence.pml" -DWRITES=1 -DDEATH=2
finds "a writer that does not wait" 's/data\[n\] && acks\[n\] >= needed\[n\]/data[n]/'
finds "an owner that goes on writing" 's/state\[me\] = O;/skip;/'
finds "a sharer that is forgotten" 's/sharer\[from\] = true$/skip/'
finds "a home that does not wait" 's/busy = (k > 0 || from == me)/busy = false/'
finds "who gave a copy up in vain is not asked" 's/report(n, giver\[n\], I, given\[n\])/skip/' \
	coherence 1 -DDEATH=1
finds "requests of before a death are answered after it" 's/ && !ANSWER))$/ \&\& false))/' \
	coherence 1 -DDEATH=2
finds "who was to own it, and has given it up, does" 's/val != NONE \&\& //' coherence 1 -DDEATH=2
finds "nobody else is asked then" 's/sharer\[f\] = false;/poisoned = true; busy = false;/; /^\t\t\tappoint()$/d' \
	coherence 1 -DDEATH=2

OPTIMIZE=-O0 ok "pages that several nodes write: the newest for who is told, nobody stuck" \
	explore "$dir/walked.pml" -DWRITES=2
finds "a message that does not wait" 's/compared\[me\] && !PENDING(me) ->/compared[me] ->/' walked 2
finds "a message without a comparison" \
	's/:: state\[me\] == W && !MERE(copy\[me\], sent\[me\]) ->/:: false ->/' walked 2
finds "an end that is told too early" \
	's/OWED(n, f) = true$/CH(n, f)!SETTLED, f, 0, 0/' walked 2
finds "last changes that are forgotten" \
	's/CH(n, who)!ENDED, n, copy\[n\], copy\[n\] != base\[n\]/CH(n, who)!ENDED, n, copy[n], 0/' walked 2
finds "last changes that do not wait for what is agreed on" \
	's/:: !data\[n\] -> early/:: false -> early/' walked 2
finds "that hardware has looked is told" \
	's/!MERE(copy\[me\], sent\[me\]) ->/copy[me] != sent[me] ->/' walked 2

OPTIMIZE=-O0 ok "who has a link finds where it leads what was there when it was made" \
	explore "$dir/links.pml"
finds "a link that is told before what is there" \
	's/CHANGED(P, n) && LEADS(n)/false/; s/CHANGED(P, n) && !LEADS(n)/CHANGED(P, n)/' links 0
finds "a link that goes with the mode's end before that" \
	's/kept\[n\] && LEADS(n)/false/; s/kept\[n\] && !LEADS(n)/kept[n]/' links 0
finds "messages that do not wait for what was left out" \
	's/!PENDING(me) && again/false \&\& again/; s/ && !again\[me\] -> release/ -> release/' links 0
finds "a page with which the mode begins, and a link that was there when it came" \
	's/^#define MAY.*/bool came[2] = true;\n#define MAY(p, n) (p == T || came[n] || !copy[X(P, n)] || KNOWN(n))/
	 s/state\[X(p, n)\] = M;/& came[n] = (p == P -> copy[X(P, n)] > 0 : came[n]);/' links 0

tap_end
