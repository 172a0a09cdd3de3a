#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# debian-graph: edges from package records.

# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$temp" || exit 1
graph=$scripts/debian-graph

cat >records <<'RECORDS'
Package: editor
Status: install ok installed
Depends: libc6 (>= 2.34), libui | libui-old (= 1), python3:any (<< 4),
 perl [amd64],
	libx:arm64|liby
Pre-Depends: dpkg (>= 1.17)
Description: Depends: nothing said here
 Depends: nor here
Recommends: games

Package: libc6
Depends: libgcc-s1

Package: alone
RECORDS
printf '  \nPackage: libc6\nDepends: libgcc-s1, libcrypt1\n' >>records # blanks end a record, too
cat >want <<'EDGES'
editor dpkg
editor libc6
editor libui
editor libx
editor perl
editor python3
libc6 libcrypt1
libc6 libgcc-s1
EDGES
is "first alternatives, without versions, sorted, once" "$("$graph" records 2>log)" "$(<want)"
is "... and a summary" "$(<log)" \
	"debian-graph: records: 2 packages with dependencies, 9 names, 8 edges"
is "from standard input" "$("$graph" - <records 2>/dev/null)" "$(<want)"
is "two files are one list" "$("$graph" records records 2>/dev/null)" "$(<want)"
fails "a missing file" 1 "*none: No such file or directory" "$graph" none
: >empty
fails "no records" 1 "debian-graph: no dependencies in empty" "$graph" empty
if [ -s /var/lib/dpkg/status ]; then
	ok "what this machine knows" sh -c "'$graph' >edges"
	ok "... has the shape of an edge list" awk 'NF != 2 { exit 1 }' edges
	ok "... and is ranked by 3 ranks as by one" job "3 1" "$examples/pagerank" edges
else
	skip "what this machine knows" "no dpkg here"
fi
done_testing
