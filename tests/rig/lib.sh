# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# For tests on the rig: TAP, waiting with a bound, and a rig of the test's own that goes with it.
#
#	. "$(dirname "$0")/lib.sh"
#	rig_start 2 --mem 512M              # or the test is skipped, with the reason
#	ok "the hosts see each other" rig run host1 ping -c 1 host2
#	is "host2 knows its name" "$(rig run host2 hostname)" host2
#	ok "the node is gone soon" until_ok 10 node_is_gone host2
#	done_testing

lib_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/tap.sh
. "$lib_dir/../tap.sh"
lib_temp=$(mktemp -d "${TMPDIR:-/tmp}/dvm-rig-test.XXXXXX")

export RIG_DIR=$lib_temp/rig
export RIG_OWNER=$$ # so that the rig goes even if this shell is killed

rig()
{
	"$lib_dir/rig" "$@"
}

# What kernels complain of in these consoles. Stalls do not count: a busy machine makes them, and the
# trace that follows within seconds is theirs; nor does the trace with which a kernel tells that a
# control group was out of memory.
complaints() # FILE...
{
	awk 'FNR == 1 { oom = 0; stalled = -100 }
		{ at = $0; sub(/^[^[]*\[ */, "", at); at += 0 }
		/soft lockup|stalls? on CPU|blocked for more than/ { stalled = at; next }
		/invoked oom-killer/ { oom = 1 }
		/oom-kill:/ { oom = 0 }
		/Call Trace/ && (oom || (at >= stalled && at - stalled < 20)) { next }
		/BUG: |Oops|WARNING: CPU|general protection|Call Trace/ { print FILENAME ": " $0 }' "$@"
}

kernels_are_calm()
{
	! complaints "$RIG_DIR"/host*/console* | grep .
}

# Boots the hosts of this test: the arguments of rig up.
rig_start()
{
	local reason
	reason=$(rig check 2>&1) || skip_all "${reason#rig: }"
	local what="$*"
	ok "rig up ${what%% --add*}" rig up "$@" || bail_out "no rig"
}

# Prints the plan. Call it last: the exit code tells whether all passed.
done_testing()
{
	tap_end
}

lib_end()
{
	local console
	if [ "$tap_failed" -ne 0 ]; then
		for console in "$RIG_DIR"/host*/console; do
			[ ! -s "$console" ] || diag "${console#"$lib_temp/"}:
$(tail -n 20 "$console")"
		done
	fi
	rig down 2> /dev/null
	rm -rf "$lib_temp"
}
trap lib_end EXIT
trap 'exit 130' INT TERM HUP
