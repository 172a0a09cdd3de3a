#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The program that guests over several hosts run to see whether mappings hold, here and as such: what
# it says of a kernel that is right.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${DVM_BUILD:-$here/../../build}
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"

out=$(timeout 60 "$build/tests/guest/init" mapping 2>&1)
like "mappings changed by one thread, used by another" "$out" '*mapping 200 rounds*: good*'
tap_end
