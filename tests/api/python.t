#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The library by ctypes, with the module that is made from the headers.
# shellcheck source=tests/tap.sh
. "$DVM_SRC/tests/tap.sh"

library=$DVM_BUILD/libdvm/.libs/libdvm.so.0
command -v python3 > /dev/null || skip_all "there is no python3"
[ -e "$DVM_BUILD/libdvm/python/dvm.py" ] || skip_all "the module is not built"
if ldd "$library" | grep -qE 'lib(a|t|ub)san'; then
	skip_all "a sanitized library cannot be loaded into python3"
fi
export DVM_LIBRARY=$library PYTHONPATH=$DVM_BUILD/libdvm/python PYTHONDONTWRITEBYTECODE=1

job() # RANKS NODES
{
	"$DVM_BUILD/tests/api/mini-run" -n "$1" -N "$2" -t 60 python3 "$DVM_SRC/tests/api/ctypes_job.py" 2>&1
}

for shape in "1 1" "2 1" "4 1" "3 3"; do
	# shellcheck disable=SC2086 # two words
	is "ranks and nodes: $shape" "$(job $shape)" "${shape% *} ranks"
done
# What is in the headers is in the module.
ok "every function is there" python3 -c 'import dvm, sys
for name in open(sys.argv[1]).read().split():
    if name.startswith("dvm_"): getattr(dvm, name.rstrip(";"))' "$DVM_SRC/libdvm/src/libdvm.map"
tap_end
