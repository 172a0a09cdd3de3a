#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Functions declared in the installed headers, exported by the symbol map and called in the API
# tests must be the same set. TAP; exits non-zero on a gap.
cd "${DVM_SRC:-.}" || exit 99
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT

# A declaration begins with DVM_PUBLIC and its name is the first word before a parenthesis.
cat libdvm/include/dvm/*.h | grep -v "^#define" | tr '\n' ' ' | grep -o 'DVM_PUBLIC [^;#]*;' |
	sed 's/^DVM_PUBLIC [^(]*[ *]\(dvm_[a-z_0-9]*\)(.*/\1/' | sort >"$tmp/headers"
sed -n 's/^\t\(dvm_[a-z_0-9]*\);$/\1/p' libdvm/src/libdvm.map | sort >"$tmp/map"
cat tests/api/*.c | grep -o 'dvm_[a-z_0-9]*(' | tr -d '(' | sort -u >"$tmp/tests"

n=0
failed=0
same() { # NAME LEFT RIGHT: nothing in LEFT that RIGHT lacks
	n=$((n + 1))
	gap=$(comm -23 "$tmp/$2" "$tmp/$3" | tr '\n' ' ')
	if [ -z "$gap" ]; then
		echo "ok $n - $1"
	else
		failed=1
		echo "not ok $n - $1: $gap"
	fi
}

same "every declared function is exported" headers map
same "every exported function is declared" map headers
same "every declared function has an API test" headers tests
n=$((n + 1))
if [ "$(wc -l <"$tmp/headers")" -ge 40 ]; then
	echo "ok $n - the headers were understood"
else
	failed=1
	echo "not ok $n - only $(wc -l <"$tmp/headers") declarations found"
fi
echo "1..$n"
exit $failed
