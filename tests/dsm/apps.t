#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The programs of this directory with few ranks, on one node and several. They check themselves.
run=$DVM_BUILD/tests/api/mini-run
n=0
failed=0

correct() { # RANKS NODES PROGRAM [ARG]...
	line="$*"
	n=$((n + 1))
	ranks=$1 nodes=$2 prog=$3
	shift 3
	out=$("$run" -t 60 -n "$ranks" -N "$nodes" "$DVM_BUILD/tests/dsm/$prog" "$@" 2>&1)
	case "$?$out" in
	0*" processes $ranks "*correct) echo "ok $n - $line" ;;
	*)
		failed=1
		echo "not ok $n - $line"
		echo "$out" | sed 's/^/# /'
		;;
	esac
}

all() { # RANKS NODES
	correct "$1" "$2" heat -n 200 -i 10
	correct "$1" "$2" heat_msg -n 200 -i 10
	correct "$1" "$2" lu -n 128
	correct "$1" "$2" fft -n 4096
	correct "$1" "$2" isort -n 30000
	correct "$1" "$2" tsp -n 9
	correct "$1" "$2" kmeans -n 5000 -i 4
}

# What is said before CREATE and after the end is said once.
anl() { # RANKS NODES [OPTION]
	n=$((n + 1))
	line="$1 ranks on $2 nodes, anl $3"
	# shellcheck disable=SC2086 # no option is no word
	out=$("$run" -t 60 -n "$1" -N "$2" "$DVM_BUILD/tests/dsm/anl" -p "$1" $3 2>&1)
	if [ "$?$out" = "0$1 processes
correct" ]; then
		echo "ok $n - $line"
	else
		failed=1
		echo "not ok $n - $line"
		echo "$out" | sed 's/^/# /'
	fi
}

web() { # RANKS NODES
	n=$((n + 1))
	out=$("$run" -t 60 -n "$1" -N "$2" "$DVM_BUILD/tests/dsm/anl_web" -p "$1" 2>&1)
	if [ "$?$out" = "0correct" ]; then
		echo "ok $n - $1 ranks on $2 nodes, lists, functions and locks anywhere"
	else
		failed=1
		echo "not ok $n - $1 ranks on $2 nodes, lists, functions and locks anywhere"
		echo "$out" | sed 's/^/# /'
	fi
}

# Trees, queues, pipelines: the last line says whether it came out.
more() { # RANKS NODES PROGRAM [ARG]...
	n=$((n + 1))
	line="$*"
	ranks=$1 nodes=$2 prog=$3
	shift 3
	out=$("$run" -t 60 -n "$ranks" -N "$nodes" "$DVM_BUILD/tests/dsm/$prog" -p "$ranks" "$@" 2>&1)
	case "$?$out" in
	0*correct) echo "ok $n - $line" ;;
	*)
		failed=1
		echo "not ok $n - $line"
		echo "$out" | sed 's/^/# /'
		;;
	esac
}

flows() { # RANKS NODES
	more "$1" "$2" anl_tree -n 300 -s 2
	more "$1" "$2" anl_flow
}

# shellcheck disable=SC2086 # no option is no word
for how in "" -o; do
	anl 1 1 $how
	anl 3 1 $how
	anl 2 2 $how
	anl 4 3 $how
done
flows 1 1
flows 3 1
flows 2 2
flows 4 4
web 1 1
web 3 1
web 4 2
web 3 3
all 1 1
all 3 1
all 2 2
all 4 4
# Locks and barriers are all that they need of consistency.
for DVM_PARMACS_CONSISTENCY in release read-mostly; do
	export DVM_PARMACS_CONSISTENCY
	all 3 3
	anl 4 3
	web 3 3
	flows 3 3
done
# The manual's example, as its reader compiles it.
unset DVM_PARMACS_CONSISTENCY
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
sed -n '/^EXAMPLE$/,/^ENVIRONMENT$/s/^    //p' "${DVM_SRC:-.}/doc/man/parmacs.7.rst" >"$tmp/prog.C"
n=$((n + 1))
if ! command -v cc >/dev/null || grep -q "__[at]san_init" "$DVM_BUILD/libdvm/.libs/libdvm.so"; then
	echo "ok $n - the example of parmacs(7) # SKIP no compiler called cc, or a sanitized library"
elif cc -x c -include dvm/parmacs.h -I "${DVM_SRC:-.}/libdvm/include" "$tmp/prog.C" \
	-L "$DVM_BUILD/libdvm/.libs" -Wl,-rpath,"$DVM_BUILD/libdvm/.libs" -ldvm -o "$tmp/prog" &&
	[ "$("$run" -t 60 -n 4 -N 4 "$tmp/prog")" = 6 ]; then
	echo "ok $n - the example of parmacs(7)"
else
	failed=1
	echo "not ok $n - the example of parmacs(7)"
fi
echo "1..$n"
exit $failed
