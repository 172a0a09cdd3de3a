# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# For tests of whole machines on this host: TAP, a machine of the test's own, and what is left.
#
#	. "$(dirname "$0")/lib.sh"
#	machine_up 4
#	is "ranks run" "$(dvm run -n 2 echo hello)" $'hello\nhello'
#	done_testing                # halts the machine and looks for what it has left behind
#
# Where the kernel lets us, a test runs in process and mount namespaces of its own: /tmp and
# /dev/shm are empty at first, so what is left there is ours, and when the test dies its daemons
# die with it. Elsewhere processes are told by $DVM_MULTI, which all of them inherit.

# Nothing from where we are started may find its way into the test.
exec < /dev/null
unset "${!DVM_CONF@}" DVM_MACHINE DVM_NODE DVM_RUN_DIR DVM_PORT DVM_INTERFACE DVM_LOG_LEVEL
: "${DVM_BUILD:?the build directory}"

namespaces=(unshare --mount --pid --fork --kill-child --mount-proc)
if [ -z "${DVM_MULTI_INSIDE-}" ] && "${namespaces[@]}" true 2> /dev/null; then
	DVM_MULTI_INSIDE=1 exec "${namespaces[@]}" "$BASH" "$0" "$@"
fi
# One at a time, whatever make is told: their daemons expect their share of the cores.
exec 9< "$DVM_BUILD/config.h" && flock 9
lib_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lib_private= # /tmp and /dev/shm are our own
lib_kept=()  # what of the old /tmp can still be seen: the trees we are built and run from

# A /tmp of our own. What the test needs of the one below it is bound to its old place.
private_tmp()
{
	local dir name fd
	declare -A old=()
	for dir in "$DVM_BUILD" "$lib_dir"; do
		dir=$(realpath "$dir")
		case $dir in /tmp/*) name=${dir#/tmp/} name=${name%%/*} ;; *) continue ;; esac
		[ -n "${old[$name]-}" ] || { exec {fd}< "/tmp/$name" && old[$name]=$fd; }
	done
	mount -t tmpfs -o mode=1777 tmpfs /tmp || return
	for name in "${!old[@]}"; do
		fd=${old[$name]}
		mkdir "/tmp/$name" && mount --no-canonicalize --bind "/proc/$$/fd/$fd" "/tmp/$name" || return
		exec {fd}<&-
		lib_kept+=("/tmp/$name")
	done
}

if [ -n "${DVM_MULTI_INSIDE-}" ] && mount -t tmpfs -o mode=1777 tmpfs /dev/shm && private_tmp; then
	lib_private=1
	unset TMPDIR
fi

# shellcheck source=tests/tap.sh
. "$lib_dir/../tap.sh"

lib_temp=$(mktemp -d "${TMPDIR:-/tmp}/dvm-m.XXXXXX") # short: there will be sockets below it
chmod 711 "$lib_temp"
work=$lib_temp/work # of the test, everybody's
mkdir -m 1777 "$work" "$lib_temp/reports"
mkdir "$lib_temp/bin"

export DVM_MULTI=$lib_temp
export DVM_RUN_BASE=$lib_temp/run DVM_STATE_BASE=$lib_temp/state
DVM_MACHINE=m$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')
export DVM_MACHINE
for lib_tool in ASAN LSAN TSAN UBSAN; do
	export "${lib_tool}_OPTIONS=log_path=$lib_temp/reports/$lib_tool:${lib_tool,,}_dummy=0"
done
unset lib_tool

# A copy of the programs: together in one place, readable by everybody, unchanged during the test.
lib_program() # NAME
{
	local dir
	for dir in "$DVM_BUILD/daemon" "$DVM_BUILD" "$DVM_BUILD/daemon/shepherd" "$DVM_BUILD/kvm-node"; do
		if [ -x "$dir/$1" ]; then
			cp "$dir/$1" "$lib_temp/bin/"
			return
		fi
	done
	skip_all "$1 is not built"
}
for lib_name in dvm dvmrun dvmd dvm-shepherd; do lib_program $lib_name; done
# Where there is no libpmix, there is none.
[ ! -x "$DVM_BUILD/daemon/dvm-pmix" ] || lib_program dvm-pmix
lib_program dvm-topology
lib_program dvm-mpich.so
[ ! -x "$DVM_BUILD/daemon/dvm-pvm" ] || lib_program dvm-pvm
unset lib_name
export PATH=$lib_temp/bin:$PATH DVM_LIBEXECDIR=$lib_temp/bin

# Every dvm of a test comes back, or has hung: 124.
dvm()
{
	timeout -k 5 "${limit:-60}" dvm "$@"
}

# ---- machines and their processes ----

machine_up() # N [OPTION...]: or there is no test
{
	local n=$1 out
	shift
	out=$(dvm up -q -n "$n" "$@" 2>&1) || bail_out "no machine: $out"
}

run_dir() # NODE
{
	echo "$DVM_RUN_BASE/$DVM_MACHINE/$1"
}

# A command as if the node were this host.
on() # NODE CMD...
{
	local DVM_RUN_DIR
	DVM_RUN_DIR=$(run_dir "$1")
	export DVM_RUN_DIR
	shift
	"$@"
}

dvmd_pid() # NODE
{
	cat "$(run_dir "$1")/dvmd.pid"
}

# The process is there, and more than a zombie (not every process 1 reaps).
alive() # PID
{
	[ -r "/proc/$1/stat" ] && ! grep -q ') [ZX]' "/proc/$1/stat" 2> /dev/null
}

dead()
{
	! alive "$1"
}

# All processes that carry a variable, but for those looking: zombies have none.
carriers() # NAME=VALUE
{
	local file
	for file in $(env -i "$(command -v grep)" -lzxF -- "$1" /proc/[0-9]*/environ 2> /dev/null); do
		file=${file#/proc/}
		echo "${file%/environ}"
	done
}

command_line() # PID
{
	{ tr '\0' ' ' < "/proc/$1/cmdline"; } 2> /dev/null
}

processes() # [PATTERN]: of this test, whose command line matches (as of case)
{
	local pid line
	for pid in $(carriers "DVM_MULTI=$lib_temp"); do
		line=$(command_line "$pid")
		# shellcheck disable=SC2254
		case $line in ${1-*}) echo "$pid" ;; esac
	done
}

shepherds() # [NODE]
{
	processes "*dvm-shepherd *--run-dir $(run_dir "${1:-*}") *"
}

describe() # PID...
{
	local pid
	for pid; do
		printf '%s %s: %s\n' "$pid" "$(cut -d' ' -f3 "/proc/$pid/stat")" \
			"$(command_line "$pid")"
	done 2> /dev/null
}

no_process() # PATTERN
{
	local left
	left=$(processes "$1")
	# shellcheck disable=SC2086
	[ -z "$left" ] || ! describe $left
}

# The state of a node as another one sees it.
state_of() # NODE [SEEN-BY]
{
	on "${2:-node1}" dvm nodes --json |
		python3 -c 'import json, sys
for n in json.load(sys.stdin)["nodes"]:
	if n["name"] == sys.argv[1]: print(n["state"])' "$1"
}

is_state() # NODE STATE [SEEN-BY]
{
	local state
	state=$(state_of "$1" "${3:-node1}")
	[ "$state" = "$2" ] || { echo "$1 is ${state:-unknown}, not $2"; return 1; }
}

# A value of a job: state, exit_code, reason, ...
job_is() # JOB KEY VALUE
{
	local value
	value=$(job_value "$1" "$2")
	[ "$value" = "$3" ] || { echo "job $1: $2 is ${value:-unknown}, not $3"; return 1; }
}

job_value() # JOB KEY
{
	dvm jobs --json "$1" | python3 -c 'import json, sys
jobs = json.load(sys.stdin)["jobs"]
print(jobs[0].get(sys.argv[1], "") if jobs else "")' "$2"
}

# Starts a job that stays, and waits until its ranks run; its id is printed.
detached() # OPTION... PROG ARG...
{
	local id
	id=$(dvm run -d "$@") && until_ok 10 job_is "$id" state running >&2 && echo "$id"
}

# Starts a command that is meant to be killed or waited for: its number is in $pid. Signals are not
# ignored, as they would be in the background.
begin() # CMD...
{
	env --default-signal=INT,QUIT,PIPE "$@" &
	pid=$!
}

# Passes if a process that we have begun ends in time, with that exit code (a pattern).
ends() # NAME CODE PID SECONDS
{
	local code="still runs"
	if until_ok "$4" dead "$3" > /dev/null; then
		wait "$3" 2> /dev/null
		code=$?
	fi
	like "$1" "$code" "$2"
}

# ---- what is left ----

# Nothing of the machine: no process, no file.
nothing_left()
{
	no_process '*' || return 1
	local files
	files=$(find "$DVM_RUN_BASE" "$DVM_STATE_BASE" -mindepth 1 ! -name .lock 2> /dev/null)
	[ -z "$files" ] || { echo "$files"; return 1; }
}

# No job has left a process or a shared memory segment, while the machine goes on.
no_job_left()
{
	local pid
	for pid in $(processes); do
		case $(command_line "$pid") in
		'dvmd '* | '') ;;
		*) ! describe "$pid"; return ;;
		esac
	done
	no_litter
}

# Where nobody else writes, nothing but what is this test's.
no_litter()
{
	local files path ours=(! -path "$lib_temp")
	[ -n "$lib_private" ] || return 0
	for path in "${lib_kept[@]}"; do ours+=(! -path "$path"); done
	files=$(find /dev/shm /tmp -mindepth 1 -maxdepth 1 "${ours[@]}")
	[ -z "$files" ] || { echo "$files"; return 1; }
}

no_report()
{
	local files
	files=$(find "$lib_temp/reports" -type f)
	# shellcheck disable=SC2086
	[ -z "$files" ] || { head -n 40 $files; return 1; }
}

# What done_testing ends. A test with machines elsewhere has its own.
halt_all()
{
	dvm halt --force
}

# Call it last: ends the machine, looks at what is left, prints the plan.
done_testing()
{
	ok "the machine halts" halt_all
	ok "no process and no file is left" until_ok 5 nothing_left
	if [ -n "$lib_private" ]; then
		ok "nothing in /tmp and /dev/shm" until_ok 5 no_litter
	else
		skip "nothing in /tmp and /dev/shm" "others write there, too"
	fi
	ok "no sanitizer has complained" no_report
	tap_end
}

# ---- the end ----

show_logs()
{
	local log
	for log in "$DVM_RUN_BASE"/*/*/dvmd.log "$work"/*/*/*/dvmd.log; do
		[ -s "$log" ] || continue
		diag "${log#"$lib_temp/"}:
$(tail -n 25 "$log")"
	done
}

lib_end()
{
	local status=$? left
	trap '' INT TERM HUP
	[ "$tap_failed" -eq 0 ] || show_logs
	left=$(processes)
	# shellcheck disable=SC2086
	[ -z "$left" ] || kill -9 $left 2> /dev/null
	rm -rf "$lib_temp"
	exit $status
}
trap lib_end EXIT
trap 'exit 130' INT TERM HUP
