#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Programs that go on after losses, on a real machine: ranks kill themselves at some moment, or a
# node is lost; the rest of the job revokes, agrees, shrinks and ends its computation.
# shellcheck disable=SC2016,SC2317 # scripts are for the ranks' shells

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

[ -x "$DVM_BUILD/tests/api/job" ] || skip_all "tests/api/job is not built"
cp "$DVM_BUILD/tests/api/job" "$lib_temp/bin/job" || bail_out "no job"
chmod 755 "$lib_temp/bin/job"

machine_up 3 # of two slots each

# How each rank of `job VERB SEED MICROSECONDS` has ended.
outcome()
{
	dvm run -q --keep-going -n 6 --map-by node \
		sh -c 'job "$0" "$@" 2>/dev/null; echo "$DVM_RANK $?"' "$@" 2>/dev/null | sort
}

for verb in dies_agreeing dies_shrinking dies_grouping recovers; do
	for seed in 1 4; do
		out=$(outcome $verb $seed 30000)
		is "$verb $seed: all six end" "$(echo "$out" | cut -d' ' -f1 | xargs)" "0 1 2 3 4 5"
		is "... well, or killed" "$(echo "$out" | grep -cv ' 0$\| 137$')" 0
		ok "... some of them well" grep -q ' 0$' <<< "$out"
	done
done

# Without --keep-going a rank that dies ends the job.
begin dvm run -q -n 6 job outlives "$work/ready" > "$work/out" 2> "$work/err"
until_ok 20 test -e "$work/ready"
rm "$work/ready"
kill -9 "$(processes "job outlives *" | head -n 1)"
ends "a rank killed, and the job was not told to go on" '[1-9]*' "$pid" 10
is "... nobody goes on" "$(cat "$work/out")" ""

begin dvm run -q --keep-going -n 6 job outlives "$work/ready" > "$work/out" 2> "$work/err"
until_ok 20 test -e "$work/ready"
rm "$work/ready"
kill -9 "$(processes "job outlives *" | head -n 1)"
ends "a rank killed, and the job goes on: its code is the rank's" 137 "$pid" 20
is "... with those that are left" "$(cat "$work/out")" "5 are left"

begin dvm run -q --keep-going -n 6 --map-by node job outlives "$work/ready" > "$work/out" 2> "$work/err"
until_ok 20 test -e "$work/ready"
kill -9 "$(shepherds node3)"
ends "a shepherd killed: the job fails, though it was told to go on" '[1-9]*' "$pid" 20

ok "no job is left" until_ok 10 no_process "*dvm-shepherd*"
done_testing
