#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Programs that see only the installed headers and libdvm.so, and what libdvm.so may need.
cd "$DVM_BUILD" || exit 99
so=libdvm/.libs/libdvm.so
n=0
failed=0

result() { # STATUS NAME
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - $2"
	else
		failed=1
		echo "not ok $n - $2"
	fi
}

tests/api/header_c11
result $? "headers as C11"
tests/api/header_cxx
result $? "headers as C++"

# Nothing but libc: every application pays for what this library loads. Sanitizers may add theirs.
needed=$(objdump -p "$so" | awk '/NEEDED/ { print $2 }' | grep -vE '^(libc|libdl|libpthread|ld-linux.*|libasan|libubsan|libtsan|libgcov|libgcc_s|libm)\.so')
[ -z "$needed" ]
result $? "libdvm.so needs only libc ($needed)"

foreign=$(nm -D --defined-only "$so" | awk '$2 != "A" && $3 !~ /^dvm_[a-z_0-9]*@@DVM_/ { print $3 }')
[ -z "$foreign" ]
result $? "libdvm.so exports only dvm_ symbols ($foreign)"
echo "1..$n"
exit $failed
