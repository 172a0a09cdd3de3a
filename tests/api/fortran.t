#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The library by the Fortran module that is made from the headers.
# shellcheck source=tests/tap.sh
. "$DVM_SRC/tests/tap.sh"

job=$DVM_BUILD/tests/api/fortran_job
[ -x "$job" ] || skip_all "there is no Fortran compiler"
for shape in "1 1" "2 1" "4 1" "3 3"; do
	is "ranks and nodes: $shape" \
		"$("$DVM_BUILD/tests/api/mini-run" -n "${shape% *}" -N "${shape#* }" -t 60 "$job" 2>&1)" \
		"${shape% *} ranks"
done
# What is in the headers is in the module.
ok "every function is there" awk 'FNR == NR { if (match($0, /name="dvm_[a-z_0-9]*"/))
		there[substr($0, RSTART + 6, RLENGTH - 7)]; next }
	/^\tdvm_[a-z_0-9]*;$/ { gsub(/[\t;]/, ""); n++; if (!($0 in there)) { print; bad = 1 } }
	END { exit bad || n < 40 }' "$DVM_BUILD/libdvm/fortran/dvm.f90" "$DVM_SRC/libdvm/src/libdvm.map"
tap_end
