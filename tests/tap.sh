# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# For tests in bash: the Test Anything Protocol, and waiting with a bound.
#
#	. "$(dirname "$0")/../tap.sh"
#	ok "it starts" until_ok 5 test -S "$socket"
#	is "it knows its name" "$(ask name)" host2
#	tap_end

tap_count=0
tap_failed=0

diag()
{
	printf '%s\n' "$*" | sed 's/^/# /' >&2
}

# Reports a test point: 0 is a pass.
report() # STATUS NAME
{
	tap_count=$((tap_count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tap_count - $2"
	else
		tap_failed=$((tap_failed + 1))
		echo "not ok $tap_count - $2"
	fi
	return "$1"
}

# Passes if the command succeeds, and then succeeds itself; what it printed is shown if not.
ok() # NAME CMD...
{
	local name=$1 out code
	shift
	out=$("$@" 2>&1)
	code=$?
	report $code "$name" || diag "exit code $code of: $*
$out"
	return $code
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

# A test point that cannot be tried here.
skip() # NAME REASON
{
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

# A test point that is known to fail, with the reason; to be seen, but no failure.
todo() # REASON CMD...: as of ok, is, like
{
	local reason=$1 failed=$tap_failed out
	shift
	out=$("$@" 2> /dev/null)
	tap_count=$((tap_count + 1))
	tap_failed=$failed
	echo "$out # TODO $reason"
}

# The exit code of a command, for is.
code_of() # CMD...
{
	"$@" > /dev/null 2>&1
	echo $?
}

# Tries a command until it succeeds; shows its last words if it never does. SECONDS is what it would
# take at most on a host of one's own; one that is shared with others gets three times as long.
until_ok() # SECONDS CMD...
{
	local end=$((SECONDS + $1 * ${DVM_TEST_PATIENCE:-3})) out
	shift
	until out=$("$@" 2>&1); do
		if [ "$SECONDS" -ge "$end" ]; then
			printf '%s\n' "$out"
			return 1
		fi
		sleep 0.1
	done
}

skip_all() # REASON
{
	echo "1..0 # SKIP $1"
	exit 77
}

bail_out() # REASON
{
	echo "Bail out! $1"
	exit 1
}

# Prints the plan. Call it last: the exit code tells whether all passed.
tap_end()
{
	echo "1..$tap_count"
	[ $tap_failed -eq 0 ]
	exit
}
