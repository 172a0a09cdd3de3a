# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# For the scripts that run verbs of the program `job`: one TAP line each.
# shellcheck disable=SC2034,SC2154 # pattern, options: of those scripts; failed: for them
run="$DVM_BUILD/tests/api/mini-run"
job="$DVM_BUILD/tests/api/job"
n=0
failed=0

check() { # RANKS NODES VERB [ARG]...
	line="$*"
	case "$line" in *$pattern*) ;; *) return ;; esac
	n=$((n + 1))
	ranks=$1 nodes=$2
	shift 2
	# shellcheck disable=SC2086
	if out=$("$run" $options -k -t 60 -n "$ranks" -N "$nodes" "$job" "$@" 2>&1); then
		echo "ok $n - $line"
	else
		failed=1
		echo "not ok $n - $line"
		echo "$out" | sed 's/^/# /'
	fi
}
