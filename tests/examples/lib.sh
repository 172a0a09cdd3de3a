# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# shellcheck disable=SC2034
# For tests of the examples: TAP, and jobs under the test shepherd, which needs no machine.
#
#	. "$(dirname "$0")/lib.sh"
#	for shape in "${shapes[@]}"; do # "RANKS NODES", small and large
#		ok "hello ($shape)" job "$shape" "$examples/hello"
#	done
#	is "the sum is right" "$(job "3 1" "$examples/sum" 1 2)" 3
#	done_testing

examples=${DVM_BUILD:?is set by make check}/examples
scripts=${DVM_SRC:?is set by make check}/examples
temp=$(mktemp -d "${TMPDIR:-/tmp}/dvm-examples-test.XXXXXX")
trap 'rm -rf "$temp"' EXIT
shapes=("1 1" "2 1" "5 1" "5 3")
count=0
failed=0

# Runs a program as a job of that shape. It ends by itself after a minute.
job() # "RANKS NODES" PROG ARG...
{
	local ranks=${1% *} nodes=${1#* }
	shift
	"$DVM_BUILD/tests/api/mini-run" -n "$ranks" -N "$nodes" -t 60 "$@"
}

diag()
{
	printf '%s\n' "$*" | sed 's/^/# /'
}

# Reports a test point: 0 is a pass.
report() # STATUS NAME
{
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
	else
		failed=$((failed + 1))
		echo "not ok $count - $2"
	fi
	return "$1"
}

skip() # NAME REASON
{
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
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

# Passes if the two texts are equal.
is() # NAME GOT WANT
{
	[ "$2" = "$3" ]
	report $? "$1" || diag "got:  $2
want: $3"
}

# Passes if the text matches the shell pattern.
like() # NAME GOT PATTERN
{
	# shellcheck disable=SC2053
	[[ $2 == $3 ]]
	report $? "$1" || diag "got:     $2
pattern: $3"
}

# Exit code of a command that is otherwise silent.
code_of() # CMD...
{
	"$@" >/dev/null 2>&1
	echo $?
}

# Passes if the command ends with that code and its last words on stderr match the pattern.
fails() # NAME CODE PATTERN CMD...
{
	local name=$1 code=$2 pattern=$3 said got
	shift 3
	said=$("$@" 2>&1 >/dev/null)
	got=$?
	# shellcheck disable=SC2053
	[ $got = "$code" ] && [[ $said == $pattern ]]
	report $? "$name" || diag "exit code $got, not $code, or other words than $pattern: $said"
}

done_testing()
{
	echo "1..$count"
	[ $failed -eq 0 ]
	exit
}
