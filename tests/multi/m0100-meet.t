#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Jobs that talk to one another (tests/multi/meet.c): accept and connect, spawn and parent, a rank
# that dies in between, a child that does not call.
# shellcheck disable=SC2016,SC2317

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

[ -x "$DVM_BUILD/tests/multi/meet" ] || skip_all "tests/multi/meet is not built"
cp "$DVM_BUILD/tests/multi/meet" "$lib_temp/bin/meet" || bail_out "no meet"
chmod 755 "$lib_temp/bin/meet"

machine_up 3 # of two slots each

for sizes in "1 1" "3 2" "2 4"; do
	read -r here there <<< "$sizes"
	begin dvm run -q -n "$here" --map-by node meet accept shop > "$work/out" 2> "$work/err"
	is "$here accept, $there connect" \
		"$(dvm run -q -n "$there" meet connect shop 2>&1)" "$there met $here"
	ends "... and both are through" 0 "$pid" 30
	is "... as the other side says" "$(cat "$work/out" "$work/err")" "$here met $there"
done

like "nobody connects" "$(dvm run -q -n 2 meet connect nowhere 2>&1)" "connect: *"
is "a parent and its child" "$(dvm run -q -n 2 meet spawn 3 2>&1 | sort)" "2 met 3
3 met 2"
is "a rank of the child dies" "$(dvm run -q -n 2 meet spawn 3 die 2>/dev/null)" "lost one of 3"
like "a child that does not know of it" "$(timeout 20 dvm run -q -n 2 meet refused 2 true 2>&1)" \
	"peer lost*the child has not called dvm_parent()*"
like "no room for a child just now" "$(dvm run -q -n 2 meet refused 5 true 2>&1)" \
	"*needs 5 slots, 4 free: running jobs hold 2: try again when a job has ended*"
like "... or at all" "$(dvm run -q -n 2 meet refused 9 true 2>&1)" "*9 ranks asked, 6 slots on 3 nodes*"
if [ -x "$DVM_BUILD/examples/man/dvm_connect" ]; then
	# Which starts itself, without the script that libtool puts around it.
	is "the manual's example" "$(LD_LIBRARY_PATH=$DVM_BUILD/libdvm/.libs dvm run -q -n 1 "$DVM_BUILD/examples/man/dvm_connect" 2>&1)" \
		"rank 0 of my child is there
rank 1 of my child is there
rank 2 of my child is there"
else
	skip "the manual's example" "not built"
fi
ok "no job is left" until_ok 10 no_process "*dvm-shepherd*"
done_testing
