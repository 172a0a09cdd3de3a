#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Who includes whom: arrows go down the layers only. The table below is the picture; a directory
# that is not in it may not have C files. Internal includes are relative to the root.
# shellcheck disable=SC2016 # make's variables in planted fragments
set -u
# shellcheck source=build-aux/lib.sh
. "$(dirname "$0")/lib.sh"

# PREFIX OF FILES: what they may include. "dir/" is all below, <…> the header of a library or the
# beginning of it. Headers of libc and Linux are for all, config.h for all but what is installed
# and the examples. The longest prefix counts.
rules()
{
	cat <<-'RULES'
	libdvm/include/: dvm/
	libdvm/base/: dvm/error.h libdvm/base/
	libdvm/proto/: dvm/error.h libdvm/base/ libdvm/proto/ <uv.h> <zmq.h> <protobuf-c/
	libdvm/proto/pb.h: libdvm/base/ <protobuf-c/ dvm_client.pb-c.h dvm_common.pb-c.h dvm_job.pb-c.h dvm_pmix.pb-c.h dvm_state.pb-c.h
	libdvm/net/: dvm/error.h libdvm/base/ libdvm/net/ <rdma/
	libdvm/src/: dvm/ libdvm/base/ libdvm/net/ libdvm/proto/rank.h libdvm/src/ shm/dsm.h shm/syncer.h
	libdvm/pvm3/: pvm3.h pvmproto.h pvmtev.h dvm/ libdvm/base/ libdvm/net/ libdvm/proto/pvm.h libdvm/proto/rank.h libdvm/src/ libdvm/pvm3/
	libdvm/pvm3/console/: pvm3.h pvmproto.h libdvm/base/ libdvm/pvm3/console/ <editline/
	shm/: dvm/error.h libdvm/base/ libdvm/net/ shm/ <uthash.h> <utlist.h>
	sched/: dvm/error.h libdvm/base/ sched/
	daemon/: dvm/error.h libdvm/base/ libdvm/proto/ sched/dsched.h sched/dsched_queue.h sched/dsched_replay.h daemon/ <uv.h> <zmq.h> <sodium.h> <hwloc.h> <cyaml/ <jansson.h> <sqlite3.h> <uthash.h> <utlist.h> <systemd/
	daemon/pmix/: dvm/error.h libdvm/base/ libdvm/proto/ daemon/pmix/ <uv.h> <pmix.h> <pmix_server.h>
	daemon/pvm/: pvm3.h pvmproto.h dvm/ libdvm/base/ libdvm/proto/ libdvm/src/handle.h daemon/paths.h daemon/pvm/ <uthash.h> <utlist.h>
	kvm-node/: dvm/ libdvm/base/ libdvm/src/domain.h shm/dsm.h kvm-node/ <utlist.h> <uv.h> <libnbd.h>
	examples/: <dvm/ <pvm3.h> examples/ <png.h>
	tests/api/: dvm/ tests/api/ <cmocka.h>
	tests/api/job_way.c: dvm/ libdvm/src/ tests/api/
	tests/api/launch.c: tests/api/
	tests/api/minishep: dvm/error.h libdvm/base/ libdvm/proto/rank.h tests/api/
	tests/: dvm/ pvm3.h pvmproto.h libdvm/ sched/ shm/ daemon/ kvm-node/ tests/ <
	RULES
}

# Prints FILE:LINE: and the fault of each include that breaks a rule in the tree at DIR.
faults() # DIR
{
	(
		cd "$1" || exit 1
		find libdvm shm sched daemon kvm-node examples tests \( -name '*.[ch]' -o -name '*.cc' \) \
			! -name '*.pb-c.[ch]' 2>/dev/null | LC_ALL=C sort >"$temp/files"
		rules | awk -v list="$temp/files" -f "$root/build-aux/includes.awk"
	)
}

# Include directories beside the four at the root would let <sched.h> mean one of ours.
wide_paths() # DIR
{
	(
		cd "$1" || exit 1
		find Makefile.am build-aux libdvm shm sched daemon kvm-node examples tests doc packaging \
			-name '*.am' -exec grep -HnE '(^|[[:space:]="])-I' {} + 2>/dev/null |
			grep -vE 'PROTOC_C|^Makefile.am:[0-9]+:(ACLOCAL_AMFLAGS = -I m4|AM_CPPFLAGS = -I\$\(top_srcdir\) -I\$\(top_builddir\) -I\$\(top_srcdir\)/libdvm/include -I\$\(top_builddir\)/libdvm/proto)$'
	)
}

plant() # PATH LINE...
{
	mkdir -p "$temp/tree/$(dirname "$1")"
	path=$temp/tree/$1
	shift
	printf '%s\n' "$@" >"$path"
}

# A made-up tree with one fault per file: the check must name each, and nothing else.
self_test()
{
	plant libdvm/include/dvm/error.h '#include <stddef.h>'
	plant libdvm/include/dvm/msg.h '#include "dvm/error.h"'
	plant libdvm/base/good.h '#include "dvm/error.h"' '#include <sys/socket.h>'
	plant libdvm/base/up.c '#include "libdvm/base/good.h"' '#include "libdvm/net/fab.h"'
	plant libdvm/base/public.c '#include "dvm/msg.h"'
	plant libdvm/base/library.c '#include <uv.h>'
	plant libdvm/base/near.c '#include "good.h"'
	plant libdvm/net/fab.h '#include <rdma/fabric.h>'
	plant libdvm/net/side.c '#  include "libdvm/proto/envelope.h"'
	plant libdvm/proto/envelope.h '#include <zmq.h>'
	plant libdvm/proto/door.c '#include "dvm_job.pb-c.h"'
	plant libdvm/src/wire.c '#include "libdvm/proto/envelope.h"'
	plant sched/dsched.h '#include "libdvm/base/good.h"'
	plant sched/place_private.h ''
	plant sched/io.c '#include "libdvm/proto/envelope.h"'
	plant daemon/good.c '#include "sched/dsched.h"' '#include <uthash.h>' '#include "config.h"'
	plant daemon/place.c '#include "sched/place_private.h"'
	plant daemon/app.c '#include "dvm/msg.h"'
	plant daemon/angle.c '#include <libdvm/base/good.h>'
	plant examples/good.c '#include <dvm/msg.h>' '#include <stdio.h>'
	plant examples/inner.c '#include "libdvm/base/good.h"'
	plant examples/config.c '#include "config.h"'
	plant tests/api/inner.c '#include "libdvm/base/good.h"'
	plant tests/api/plus.cc '#include "libdvm/base/good.h"'
	plant tests/unit/good.c '#include "sched/place_private.h"' '#include <uv.h>'
	plant libdvm/extra/new.c '#include <stdio.h>'
	plant daemon/subdir.am 'x_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/sched'
	got=$(faults "$temp/tree")
	found "base may not include net" "$got" 'libdvm/base/up.c:2: "libdvm/net/fab.h" is not for'
	found "base may not include the public face" "$got" 'libdvm/base/public.c:1: "dvm/msg.h" is not for'
	found "base may not use a library" "$got" 'libdvm/base/library.c:1: <uv.h> is not for'
	found "includes are relative to the root" "$got" 'libdvm/base/near.c:1: "good.h" is not rel'
	found "net and proto do not know each other" "$got" 'libdvm/net/side.c:1: '
	found "generated messages only through pb.h" "$got" 'libdvm/proto/door.c:1: "dvm_job.pb-c.h"'
	found "libdvm takes rank.h of proto, no more" "$got" 'libdvm/src/wire.c:1: '
	found "sched knows base only" "$got" 'sched/io.c:1: '
	found "daemon knows only the face of sched" "$got" 'daemon/place.c:1: '
	found "daemon is no libdvm program" "$got" 'daemon/app.c:1: "dvm/msg.h" is not for daemon/'
	found "our own go in quotes" "$got" 'daemon/angle.c:1: <libdvm/base/good.h> is ours'
	found "examples use installed headers" "$got" 'examples/inner.c:1: '
	found "... and config.h is none" "$got" 'examples/config.c:1: config.h is not installed'
	found "api tests use installed headers" "$got" 'tests/api/inner.c:1: '
	found "... in C++, too" "$got" 'tests/api/plus.cc:1: '
	found "a directory without a rule" "$got" 'libdvm/extra/new.c:0: no rule'
	none "nothing else is found" "$(printf '%s\n' "$got" | grep -E '/good\.[ch]:|error|fab.h:|envelope.h:|dsched.h:')"
	none "each fault is found once" "$(printf '%s\n' "$got" | sed -n '17,$p')"
	found "a wide include path" "$(wide_paths "$temp/tree")" 'daemon/subdir.am:1:'
}

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
self_test
none "includes follow the layers" "$(faults "$root")"
none "no include path but the root's" "$(wide_paths "$root")"
done_testing
