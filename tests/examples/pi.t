#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# pi.py: the library from Python.

# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"

library=$DVM_BUILD/libdvm/.libs/libdvm.so.0
if ! command -v python3 > /dev/null || [ ! -e "$DVM_BUILD/libdvm/python/dvm.py" ]; then
	echo "1..0 # SKIP there is no python3, or no module for it"
	exit 77
fi
if ldd "$library" | grep -qE 'lib(a|t|ub)san'; then
	echo "1..0 # SKIP a sanitized library cannot be loaded into python3"
	exit 77
fi
export DVM_LIBRARY=$library PYTHONPATH=$DVM_BUILD/libdvm/python PYTHONDONTWRITEBYTECODE=1

for shape in "${shapes[@]}"; do
	ranks=${shape% *}
	is "pi to nine places ($shape)" "$(job "$shape" python3 "$scripts/pi.py" 20000)" \
		"$ranks ranks, 20000 steps: pi is 3.141592654"
done
is "without a launcher, and but one step" "$(python3 "$scripts/pi.py" 1)" "1 ranks, 1 steps: pi is 3.200000000"
fails "no steps" 1 "pi: at least one step" python3 "$scripts/pi.py" 0
done_testing
