#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Every public function is on exactly one page of the manual, and the pages are as they should be.
cd "${DVM_SRC:-$(dirname "$0")/..}" || exit 99
command -v python3 >/dev/null || { echo "1..0 # SKIP there is no python3"; exit 77; }
exec python3 build-aux/manual.py check
