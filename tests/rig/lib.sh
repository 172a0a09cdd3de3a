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
lib_temp=$(mktemp -d "${TMPDIR:-/tmp}/dvm-rig-test.XXXXXX")
lib_count=0
lib_failed=0

export RIG_DIR=$lib_temp/rig
export RIG_OWNER=$$ # so that the rig goes even if this shell is killed

rig()
{
	"$lib_dir/rig" "$@"
}

diag()
{
	printf '%s\n' "$*" | sed 's/^/# /' >&2
}

# Reports a test point: 0 is a pass.
report() # STATUS NAME
{
	lib_count=$((lib_count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $lib_count - $2"
	else
		lib_failed=$((lib_failed + 1))
		echo "not ok $lib_count - $2"
	fi
	return "$1"
}

# Passes if the command succeeds; what it printed is shown if not.
ok() # NAME CMD...
{
	local name=$1 out code
	shift
	out=$("$@" 2>&1)
	code=$?
	report $code "$name" || diag "exit code $code of: $*
$out"
}

# Passes if the command fails.
not_ok() # NAME CMD...
{
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		report 1 "$name"
		diag "unexpected success of: $*
$out"
	else
		report 0 "$name"
	fi
}

is() # NAME GOT EXPECTED
{
	[ "$2" = "$3" ]
	report $? "$1" || diag "     got: $2
expected: $3"
}

# Passes if the text matches a bash pattern (as of case).
like() # NAME TEXT PATTERN
{
	# shellcheck disable=SC2053
	[[ $2 == $3 ]]
	report $? "$1" || diag "     got: $2
expected: $3"
}

# The exit code of a command, for is.
code_of() # CMD...
{
	"$@" > /dev/null 2>&1
	echo $?
}

# Tries a command until it succeeds, at most SECONDS long; shows its last words if it never does.
until_ok() # SECONDS CMD...
{
	local end=$((SECONDS + $1)) out
	shift
	until out=$("$@" 2>&1); do
		if [ "$SECONDS" -ge "$end" ]; then
			printf '%s\n' "$out"
			return 1
		fi
		sleep 0.1
	done
}

# True if no kernel has complained on its console. Stalls do not count: a busy machine makes them.
kernels_are_calm()
{
	! grep -E 'BUG: |Oops|WARNING: CPU|general protection|Call Trace' "$RIG_DIR"/host*/console* |
		grep -v 'soft lockup'
}

skip_all() # REASON
{
	echo "1..0 # SKIP $1"
	exit 77
}

# Boots the hosts of this test: the arguments of rig up.
rig_start()
{
	local reason
	reason=$(rig check 2>&1) || skip_all "${reason#rig: }"
	ok "rig up $*" rig up "$@" || {
		echo "Bail out! no rig"
		exit 1
	}
}

# Prints the plan. Call it last: the exit code tells whether all passed.
done_testing()
{
	echo "1..$lib_count"
	[ $lib_failed -eq 0 ]
	exit
}

lib_end()
{
	local console
	if [ $lib_failed -ne 0 ]; then
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
