#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The programs that guests over several hosts run to see whether mappings and memory hold, here and as
# such: what they say of a kernel that is right.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${DVM_BUILD:-$here/../../build}
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"

out=$(timeout 60 "$build/tests/guest/init" mapping 2>&1)
like "mappings changed by one thread, used by another" "$out" '*mapping 200 rounds*: good*'
out=$(timeout 60 "$build/tests/guest/init" threads litmus 2>&1)
like "counters of threads on all processors" "$out" '*guest: threads * of 50 rounds*: good*'
like "what loads and stores of two processors may show" "$out" '*guest: litmus MP 0 *: good*'
out=$(timeout 60 "$build/tests/guest/init" compute 2>&1)
like "matrices, transforms and sorts are right" "$out" '*matrix threads 1 *transform *sort threads 1 *: good*'
ok "... all of them" [ "${out/: bad/}" = "$out" ]
out=$(timeout 60 "$build/tests/guest/init" stress 2>&1)
like "what stresses a kernel" "$out" '*stress patterns*: good*stress numa*: good*'
ok "... finds nothing" [ "${out/: bad/}" = "$out" ]
out=$(timeout 60 "$build/tests/guest/init" each stream 2>&1)
like "programs on every processor" "$out" '*program on CPU 0: good*programs ran on *'
ok "... and streams" [ "${out/: bad/}" = "$out" ]
tap_end
