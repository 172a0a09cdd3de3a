#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# dvm run at a terminal, on a real machine; see terminal.py.
# shellcheck source=tests/cli/lib.sh
. "$DVM_SRC/tests/cli/lib.sh"

command -v python3 >/dev/null || { echo "1..0 # SKIP no python3"; exit 0; }
unset DVM_RUN_DIR
export DVM_RUN_BASE="$tmp/run" DVM_LIBEXECDIR="$tmp/bin"
mkdir "$tmp/bin"
ln -s "$DVM_BUILD/daemon/dvm" "$DVM_BUILD/daemon/dvmd" "$tmp/bin/"
ln -s "$(find "$DVM_BUILD" -maxdepth 2 -name dvm-shepherd -type f | head -n 1)" "$tmp/bin/"
PATH=$tmp/bin:$PATH
trap 'status=$?; dvm halt --force >/dev/null 2>&1; rm -rf "$tmp"; exit $status' EXIT

dvm up -q -n 2 || { echo "Bail out! no machine"; exit 1; }
python3 "$DVM_SRC/tests/cli/terminal.py"
