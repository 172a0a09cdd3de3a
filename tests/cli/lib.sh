# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh disable=SC2034,SC2254 # used by those who source it; patterns
# What the tests of the command line share: TAP, a scratch directory, a dvmd that follows a script.

dvm=$DVM_BUILD/daemon/dvm
dvmrun=$DVM_BUILD/daemon/dvmrun
fake_dvmd=$DVM_BUILD/tests/cli/fake_dvmd
tmp=$(mktemp -d "${TMPDIR:-/tmp}/dvm-cli.XXXXXX") || exit 99
export DVM_RUN_DIR="$tmp" # where dvm finds its dvmd
unset DVM_MACHINE
fake=
count=0
trap 'status=$?; [ -z "$fake" ] || kill "$fake" 2>/dev/null; rm -rf "$tmp"; exit $status' EXIT
trap 'exit 143' HUP INT TERM # so that the one above runs in every shell

ok() { # ok DESCRIPTION: of the last command's status
	status=$?
	count=$((count + 1))
	if [ $status -eq 0 ]; then
		echo "ok $count - $1"
	else
		echo "not ok $count - $1"
	fi
}

is() { # is HAVE WANT DESCRIPTION
	[ "$1" = "$2" ]
	ok "$3"
	[ "$1" = "$2" ] || { echo "$1" | sed 's/^/# have: /'; echo "$2" | sed 's/^/# want: /'; }
}

like() { # like HAVE PATTERN DESCRIPTION
	case $1 in
	$2) true ;;
	*) echo "$1" | sed 's/^/# have: /'; echo "# pattern: $2"; false ;;
	esac
	ok "$3"
}

done_testing() { echo "1..$count"; }

daemon() { # daemon < SCRIPT: starts the fake one
	rm -f "$tmp/client.sock"
	cat >"$tmp/script"
	"$fake_dvmd" "$tmp/client.sock" <"$tmp/script" 2>"$tmp/fake.err" &
	fake=$!
	wait_for -S "$tmp/client.sock"
}

daemon_ok() { # daemon_ok DESCRIPTION: it saw all that it expected
	wait "$fake"
	ok "$1"
	fake=
	sed 's/^/# /' "$tmp/fake.err"
}

wait_for() { # wait_for TEST FILE
	i=0
	until test "$1" "$2"; do
		i=$((i + 1))
		[ $i -le 2000 ] || return 1
		sleep 0.01
	done
}

capture() { # capture COMMAND…: its output in $out, $err, its status in $rc, the time in $ms
	before=$(date +%s%N)
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	rc=$?
	ms=$((($(date +%s%N) - before) / 1000000))
	out=$(cat "$tmp/out")
	err=$(cat "$tmp/err")
}

# The answers most scripts begin with: job 5, two ranks on two nodes.
placed='job=5 placement.ranks=2
	placement.nodes.0.node=1 placement.nodes.0.name=node1 placement.nodes.0.ranks.0=0
	placement.nodes.1.node=2 placement.nodes.1.name=node2 placement.nodes.1.ranks.0=1'
placed=$(echo $placed)
