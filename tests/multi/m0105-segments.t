#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Segments in jobs of a machine: on one node and several, of another user, and when a rank is killed.

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

job=$lib_temp/bin/job
[ -x "$DVM_BUILD/tests/api/job" ] || skip_all "tests/api/job is not built"
cp "$DVM_BUILD/tests/api/job" "$job" || bail_out "no job"
chmod 755 "$job"

machine_up 3 # of two slots each

# Exit code and what was said of a verb run by N ranks on M nodes.
runs() # N M VERB [ARG]...
{
	local n=$1 m=$2
	shift 2
	dvm run -q -n "$n" -N "$m" "$job" "$@" 2>&1
	echo "exit $?"
}

# ---- nodes ----

for verb in seen count ring stream random system_calls; do
	is "mem_$verb, three nodes" "$(runs 3 3 mem_$verb 0)" "exit 0"
done
is "two ranks each on two nodes" "$(runs 4 2 mem_random 0)" "exit 0"
is "one node" "$(runs 2 1 mem_count 0)" "exit 0"
is "over TCP" "$(DVM_SHM_TRANSPORT=tcp runs 3 3 mem_stream 0)" "exit 0"
is "faults as signals" "$(runs 3 3 mem_ring 0 1)" "exit 0"

# ---- dvm seg ----

json_has_board()
{
	dvm seg --json | python3 -c 'import json, sys
segments = json.load(sys.stdin)["segments"]
sys.exit(not any(s["name"] == "board" and "read_faults" in s["figures"] for s in segments))'
}

not()
{
	! "$@"
}

job_no=$(dvm run -q -d -n 3 -N 3 "$job" mem_lives 0)
listed()
{
	dvm seg list | awk '$3 == "board"' | grep -q .
}
ok "a segment is listed" until_ok 20 listed
like "... with its job and size" "$(dvm seg list "$job_no")" "*JOB*$job_no *board *sequential*"
is "... and its figures at each rank" "$(dvm seg stat "$job_no" | awk '$3 == "board" { print $4 }' |
	sort)" $'0\n1\n2'
ok "... as JSON" json_has_board
says() # TEXT CMD...
{
	local text=$1
	shift
	like "$*" "$("$@" 2>&1; echo "exit $?")" "$text"
}
says "*expected list, stat or destroy*exit 1*" dvm seg stop
says "*expected a job and*exit 1*" dvm seg destroy
says "*has no segment chair here*exit 1*" dvm seg destroy "$job_no" chair
is "it is ended" "$(dvm seg destroy "$job_no" board 2>&1; echo "exit $?")" "exit 0"
ok "... and gone from the list" not listed
ok "... its job lives" grep -q running <<< "$(dvm jobs | grep "^ *$job_no ")"
dvm cancel "$job_no"
ok "... until its job has ended" until_ok 20 not listed

# Ranks that use it see that as an error, with any consistency.
has_segment()
{
	dvm seg list "$1" | grep -q "sequential\|release"
}
for consistency in 0 1; do
	job_no=$(dvm run -q -d -n 3 -N 3 "$job" ends_mem 0 0 $consistency)
	ok "a segment in use" until_ok 20 has_segment "$job_no"
	is "... is ended by its number" "$(dvm seg destroy "$job_no" 0 2>&1; echo "exit $?")" "exit 0"
	is "... its ranks notice" "$(timeout 20 dvm wait "$job_no" > /dev/null 2>&1; echo "exit $?")" "exit 0"
done

# ---- another user ----

other()
{
	(cd / && setpriv --reuid=65534 --regid=65534 --clear-groups \
		env DVM_RUN_DIR="$(run_dir node1)" timeout 30 "$@")
}

if [ "$(id -u)" -eq 0 ] && setpriv --reuid=65534 --regid=65534 --clear-groups true 2> /dev/null; then
	for verb in seen system_calls; do
		is "mem_$verb as another user" \
			"$(other dvm run -q -n 3 -N 3 "$job" mem_$verb 0 2>&1; echo "exit $?")" "exit 0"
	done
else
	skip "another user" "not root"
fi

# ---- losses ----

lost() # VERB [ARG]...
{
	dvm run -q --keep-going -n 3 -N 3 "$job" "$@" > "$lib_temp/said" 2>&1
	echo "exit $?"
	grep '^rank.*\.c:' "$lib_temp/said"
}

is "a rank is killed: copies live on, the rest is an error" "$(lost dies_mem)" "exit 137"
is "... in the midst of it" "$(lost dies_mem_busy 0 5)" "exit 137"
ok "no process is left" no_process "*$job*"
done_testing
