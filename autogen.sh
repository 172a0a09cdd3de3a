#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# autogen.sh: make ./configure from a git checkout (a release tarball ships it ready).
set -eu
cd "$(dirname "$0")"
mkdir -p m4
exec autoreconf --install --force --warnings=all
