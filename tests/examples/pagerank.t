#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# pagerank: known weights, odd graphs, bad lists.

# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"
shapes+=("9 1") # more ranks than some graphs have vertices

# "NAME WEIGHT ..." of the first vertices; the program itself compares with its serial run.
weights() # SHAPE ARG...
{
	job "$1" "$examples/pagerank" "${@:2}" | awk '
		$1 == NR - 1 { printf "%s%s %s", sep, $3, $2; sep = " " }'
}

summary() # SHAPE FILE
{
	job "$1" "$examples/pagerank" "$2" | head -1
}

# The textbook, once more and in another language: "NAME WEIGHT" of all vertices.
reference() # FILE
{
	awk -v d=0.85 '
	{
		name[$1]; name[$2]
		if ($1 != $2 && !edge[$1, $2]++) {
			from[++m] = $1; to[m] = $2; out[$1]++
		}
	}
	END {
		for (v in name)
			n++
		for (v in name)
			x[v] = 1 / n
		for (i = 0; i < 200; i++) {
			spread = 1 - d
			for (v in name) {
				y[v] = 0
				spread += out[v] ? 0 : d * x[v]
			}
			for (e = 1; e <= m; e++)
				y[to[e]] += d * x[from[e]] / out[from[e]]
			for (v in name)
				x[v] = y[v] + spread / n
		}
		for (v in name)
			printf "%s %.6f\n", v, x[v]
	}' "$1" | sort
}

cd "$temp" || exit 1

# --- known results ---------------------------------------------------------------------------

# A leaf gets l, the hub h: 4 l + h = 1 and h = l + 4 d l, so l = 1 / (5 + 4 d).
printf 'a hub\nb hub\nc hub\nd hub\n' >star
printf 'a b\nb c\nc a\n' >cycle
# The picture that every introduction shows; A has no edge out.
printf '%s\n' D\ {A,B} B\ C C\ B E\ {B,D,F} F\ {B,E} {G,H,I}\ {B,E} {J,K}\ E >eleven
# 300 vertices, 1,500 edges, some twice, some loops, some vertices without edges out.
awk 'BEGIN { srand(7); for (i = 0; i < 1500; i++) print "v" int(rand() * rand() * 300),
	"v" int(rand() * 300) }' >random
reference random >random.want
for shape in "${shapes[@]}"; do
	is "a star ($shape)" "$(weights "$shape" star)" \
		"hub 0.523810 a 0.119048 b 0.119048 c 0.119048 d 0.119048"
	is "a cycle ($shape)" "$(weights "$shape" cycle)" "a 0.333333 b 0.333333 c 0.333333"
	like "eleven pages ($shape)" "$(weights "$shape" -k 6 eleven)" \
		"B 0.3844* C 0.3429* E 0.0808* D 0.0390* F 0.0390* A 0.0327*"
	weights "$shape" -k 999 random | xargs -n 2 | sort >random.got
	ok "a random graph, as awk has it ($shape)" cmp random.want random.got
done
is "weights from standard input" "$(weights "1 1" - <star)" "$(weights "1 1" star)"
is "without a launcher" "$("$examples/pagerank" -k 1 star | sed -n 2p)" "   1  0.523810  hub"

# --- odd graphs ------------------------------------------------------------------------------

: >empty
printf 'a a\n' >one
printf 'a a\nb b\nc c\n' >dangling
printf '# edges\n\n a\tb # twice\na b\r\na b\nc#1 a\n  #\nb b' >untidy
for shape in "${shapes[@]}"; do
	is "an empty file ($shape)" "$(summary "$shape" empty)" \
		"graph: 0 vertices, 0 edges (left out: 0 listed twice, 0 self loops)"
	is "one vertex ($shape)" "$(weights "$shape" one)" "a 1.000000"
	is "nothing but dangling vertices ($shape)" "$(weights "$shape" dangling)" \
		"a 0.333333 b 0.333333 c 0.333333"
	is "comments, blanks, repetitions, loops ($shape)" "$(summary "$shape" untidy)" \
		"graph: 3 vertices, 2 edges (left out: 2 listed twice, 1 self loops)"
done
like "the limit of iterations" "$("$examples/pagerank" -i 3 star)" \
	"*3 iterations, residual * (not converged)*"
is "damping 0 makes all equal" "$(weights "2 1" -d 0 -k 2 star)" "a 0.200000 hub 0.200000"

# --- bad input -------------------------------------------------------------------------------

printf 'a b\nc\nd e f\ng h\n' >bad
printf 'a b\0c\n' >binary
yes alone | head -20 >hopeless
fails "bad lines are named, by rank 0 alone" 1 \
	"bad:2: an edge needs two names, here is one
bad:3: an edge needs two names, here are more
mini: *" job "3 1" "$examples/pagerank" bad
fails "a zero byte is named" 1 "binary:1: a zero byte*" "$examples/pagerank" binary
fails "many bad lines are counted" 1 \
	"hopeless:1: *hopeless:5: *hopeless: 20 bad lines in all" "$examples/pagerank" hopeless
fails "a missing file" 1 "none: No such file or directory
mini: *" job "3 1" "$examples/pagerank" none
fails "a directory" 1 "$temp: Is a directory" "$examples/pagerank" "$temp"
fails "no file" 2 "usage: *" "$examples/pagerank"
fails "two files" 2 "usage: *" "$examples/pagerank" star cycle
fails "an unknown option" 2 "*'--colour'*usage: *" "$examples/pagerank" --colour star
fails "all weight along the edges" 2 "--damping: '1' is no number from 0 *" \
	"$examples/pagerank" -d 1 star
fails "half an iteration" 2 "--iterations: '0.5' is no *" "$examples/pagerank" -i 0.5 star
is "help is no failure" "$("$examples/pagerank" --help | head -1)" \
	"usage: pagerank [OPTION]... FILE"
done_testing
