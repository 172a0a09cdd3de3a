#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Every public function is on exactly one page of the manual, under its name, and the pages are as
# they should be: see manual.py.
set -u
# shellcheck source=build-aux/lib.sh
. "$(dirname "$0")/lib.sh"

faults() # TREE: and what made it stop, if it did
{
	DVM_SRC=$1 python3 "$root/build-aux/manual.py" check 2>&1
}

sections()
{
	for section in SYNOPSIS DESCRIPTION FUNCTIONS ERRORS THREADS EXAMPLE 'SEE ALSO'; do
		[ "$section" = "$1" ] || printf '\n%s\n%s\n' "$section" "$(printf '%s' "$section" | tr 'A-Z ' =)"
	done
}

plant() # PATH LINE...
{
	mkdir -p "$temp/$(dirname "$1")"
	path=$temp/$1
	shift
	printf '%s\n' "$@" >"$path"
}

# A made-up tree with a fault of each kind.
self_test()
{
	for name in x y; do
		plant libdvm/include/dvm/$name.h '/* licence */' "/* dvm: $name. */" "#define DVM_${name}_H" '' \
			'/* Does it. */' "DVM_PUBLIC int dvm_${name}_one(int a);" '' \
			'/* Does it, too. */' "DVM_PUBLIC const char *dvm_${name}_two(void);"
	done
	plant doc/man/dvm_x.3.rst '' '.. functions:: dvm/x.h' "$(sections -)" '.. example:: examples/man/dvm_x.c'
	plant tests/examples/man.t 'dvm_y'
	got=$(faults "$temp")
	found "a function without a page" "$got" "no page: dvm_y_one of dvm/y.h"
	found "another one" "$got" "no page: dvm_y_two of dvm/y.h"
	none "a function with one" "$(printf '%s\n' "$got" | grep dvm_x_)"
	found "an example that is not run" "$got" "not run: doc/man/dvm_x.3.rst: examples/man/dvm_x.c"
	plant doc/man/dvm_z.3.rst '' '.. functions:: dvm/x.h dvm_x_t*' '.. functions:: dvm/y.h' \
		'.. functions:: dvm/y.h dvm_y_o*' "$(sections ERRORS)"
	got=$(faults "$temp")
	none "what one page names, another that takes the rest does not have" \
		"$(printf '%s\n' "$got" | grep -E '(no|two) page')"
	found "a page without a section" "$got" "no section: doc/man/dvm_z.3.rst: ERRORS"
	plant doc/man/dvm_a.3.rst '' '.. functions:: dvm/x.h dvm_x_two' "$(sections -)"
	found "a function on two" "$(faults "$temp")" "two pages: dvm_x_two: doc/man/dvm_a.3.rst doc/man/dvm_z"
}

if ! command -v python3 >/dev/null; then
	echo "1..0 # SKIP there is no python3"
	exit 77
fi
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
self_test
none "the manual is whole" "$(faults "$root")"
done_testing
