#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What must not be in the tree: products of tools, blanks at line ends, conflict marks, files too
# long to read, and scripts that shellcheck objects to.
set -u
# shellcheck source=build-aux/lib.sh
. "$(dirname "$0")/lib.sh"

# All read names on standard input and print what is wrong.
products()
{
	generated >"$temp/generated"
	awk -F / -v list="$temp/generated" '
	BEGIN {
		while ((getline name < list) > 0)
			generated[name]
	}
	/\.(o|lo|la|a|so|log|trs|orig|rej)$/ || /\.pb-c\.[ch]$/ || /~$/ || $NF == "core" ||
		$NF in generated'
}

untidy()
{
	cat >"$temp/names"
	xargs -d '\n' grep -HnE '[[:blank:]]$|^(<<<<<<<|>>>>>>>)( |$)' /dev/null <"$temp/names" |
		cut -c 1-100
	while IFS= read -r file; do
		[ -z "$(tail -c 1 "$file")" ] || printf '%s: no newline at the end\n' "$file"
	done <"$temp/names"
}

too_long()
{
	xargs -d '\n' wc -l | awk '$1 > 1000 && $2 != "total" { print $2 ": " $1 " lines" }'
}

# A file is in the release if it or a directory above it is.
unreleased()
{
	awk -v list="$temp/release" '
	BEGIN {
		while ((getline path < list) > 0)
			released[path]
	}
	{
		path = $0
		while (!(path in released) && sub(/\/[^\/]*$/, "", path))
			;
		if (!(path in released))
			print
	}'
}

scripts()
{
	while IFS= read -r file; do
		case $(head -n 3 "$file" | tr -d '\0') in
		'#!'*sh*awk*) ;;
		'#!'*/sh* | '#!'*/bash* | '#!'*/env\ sh* | '#!'*/env\ bash* | *'# shellcheck shell='*)
			printf '%s\n' "$file"
			;;
		esac
	done
}

self_test()
{
	printf 'blank \n' >"$temp/blank"
	printf 'no end' >"$temp/open"
	printf '<<<<<<< HEAD\n' >"$temp/conflict"
	yes | head -n 1001 >"$temp/long"
	printf 'good\n' >"$temp/good"
	printf 'a/b.c\ntests/corpus\n' >"$temp/release"
	got=$(printf 'a/b.c\na/c.c\ntests/corpus/x/1\n' | unreleased)
	found "a file that is not released is found" "$got" a/c.c
	none "one below a released directory is not" "$(printf '%s\n' "$got" | grep -v a/c.c)"
	touch "$temp/x.pb-c.h" "$temp/configure" "$temp/config.sub"
	got=$(find "$temp" -type f | untidy)
	found "blanks at a line's end are found" "$got" blank:1
	found "an open last line is found" "$got" open:
	found "a conflict is found" "$got" conflict:1
	none "a good file is not" "$(printf '%s\n' "$got" | grep good)"
	found "a long file is found" "$(find "$temp" -type f | too_long)" "long: 1001"
	got=$(find "$temp" -type f | products)
	found "generated code is found" "$got" x.pb-c.h
	found "autoconf's products are found" "$got" configure
}

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
self_test
cd "$root" || exit 1
ours >"$temp/ours"
# Text only: some tests keep samples that are none.
xargs -d '\n' grep -IlE '^' <"$temp/ours" | grep -v /corpus/ >"$temp/text"
if in_git; then
	none "no product of a tool is tracked" "$(products <"$temp/ours")"
	"${MAKE:-make}" -s -C "$DVM_BUILD" print-distfiles >"$temp/release"
	found "the release's files are known" "$(cat "$temp/release")" libdvm/include/dvm/dvm.h
	none "the release has all files" "$(unreleased <"$temp/ours")"
else
	skip "no product of a tool is tracked" "no git repository"
	skip "the release has all files" "no git repository"
fi
none "no blanks at line ends, no conflicts" "$(untidy <"$temp/text")"
none "no file of more than 1000 lines" "$(too_long <"$temp/text")"
if command -v shellcheck >/dev/null; then
	none "shellcheck has nothing to say" \
		"$(scripts <"$temp/text" | xargs -d '\n' shellcheck -S warning -x -f gcc 2>&1)"
else
	skip "shellcheck has nothing to say" "no shellcheck here"
fi
done_testing
