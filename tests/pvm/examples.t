#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317 # functions are called by ok
# Programs that others have written: the examples of Debian's package, where it is installed, are
# compiled with our header and libraries and run on a machine of ours; so are our own examples.
# What they print is what they print under PVM, or has a sign that all went well.

# shellcheck source=tests/pvm/lib.sh
. "$(dirname "$0")/lib.sh"

archive=/usr/share/doc/pvm-examples
ours_up 2
# Tasks are looked for there by name.
export HOME=$work/home
bin=$HOME/pvm3/bin/LINUX64
mkdir -p "$bin"

# ---- ours ----

for name in pvm_farm pvm_pi; do
	cp "$DVM_BUILD/examples/.libs/$name" "$bin/" 2> /dev/null ||
		cp "$DVM_BUILD/examples/$name" "$bin/" 2> /dev/null
done
is "pvm_farm" "$("$bin/pvm_farm" 3 200000)" "17984 primes below 200000, counted by 3 workers"

# The ids of workers that run.
workers()
{
	pvm -f -c 'ps -a' | awk '$NF ~ /pvm_farm$/ { print "t" $2 }'
}

has_workers()
{
	[ "$(workers | wc -l)" -eq 2 ]
}

"$bin/pvm_farm" 2 3000000 > "$work/farm.out" 2>&1 &
farm=$!
ok "two workers are at it" until_ok 10 has_workers
ok "one of them dies" pvm -f -c "kill $(workers | head -n 1)"
wait $farm
is "... and the other one does its work" "$(sed -n '$p' "$work/farm.out")" \
	"216816 primes below 3000000, counted by 2 workers"
like "... as is said" "$(cat "$work/farm.out")" "worker ? has died*"

if [ -x "$bin/pvm_pi" ]; then
	is "pvm_pi" "$("$bin/pvm_pi")" "pi is 3.14159265, say 4 tasks"
else
	skip "pvm_pi" "no Fortran"
fi

# ---- Debian's ----

compile() # SOURCE NAME
{
	local root=$pvm_dir/../.. libs=(-L"$DVM_BUILD/libdvm/.libs" -lgpvm3 -lpvm3 -lm)
	case $1 in
	*.f) gfortran -w -std=legacy -I"$root/libdvm/include" -o "$bin/$2" "$1" -lfpvm3 "${libs[@]}" ;;
	*) gcc -w -I"$root/libdvm/include" -o "$bin/$2" "$1" "${libs[@]}" ;;
	esac
}

# Runs one with lines of input; passes if what it prints has all that is asked for.
runs() # PATTERN NAME INPUT [ARGUMENT...]
{
	local pattern=$1 name=$2 input=$3 out
	shift 3
	# shellcheck disable=SC2059 # line ends in it
	out=$(cd "$bin" && printf "$input" | timeout -k 5 60 "./$name" "$@" 2>&1)
	like "$name runs" "$out" "$pattern"
}

if [ ! -r $archive/examples.tar.gz ] || ! command -v gfortran > /dev/null; then
	skip "examples of PVM" "no pvm-examples, or no gfortran"
	done_testing
fi
tar -xzf $archive/examples.tar.gz -C "$work"
tar -xzf $archive/gexamples.tar.gz -C "$work"
for name in hello hello_other master1 slave1 spmd gexample timing timing_slave mbox ptest bwtest \
	inherit1 inherit2 inherit3 inherita inheritb mhf_server mhf_tickle rme task_end; do
	ok "$name.c is compiled" compile "$work/examples/$name.c" $name
done
for name in master1 slave1 spmd gexample; do
	ok "$name.f is compiled" compile "$work/examples/$name.f" f$name
done
for name in hitc hitc_slave; do
	ok "$name.f is compiled" compile "$work/examples/$name.f" $name
done
for name in gexamp ge tjf tjl tnb thb tst trsg joinleave; do
	ok "$name.c is compiled" compile "$work/gexamples/$name.c" $name
done
ok "frsg.f is compiled" compile "$work/gexamples/frsg.f" frsg

runs "*from t*: hello, world from *" hello ''
runs "*SUCCESSFUL*?expecting *?expecting *?expecting *" master1 ''
runs "*Pass a token*token ring done*" spmd ''
runs "*1-Norm is 15 *column 1 is 120 *" gexample '5\n3\n'
runs "*RTT Avg uSec*" timing ''
runs "*Retrieved Message is a Match*" mbox ''
runs "*SUCCESSFUL*?expected *?expected *?expected *" fmaster1 '4\n'
runs "*token ring done*" fspmd ''
runs "*1-Norm is *5050*9.33262154439441*E+157*" fgexample ''
runs "*Program Finished*" hitc ''
runs "*joined prognosis 0*left prognosis 0*" tst ''
runs "*Test OK: *is 650*Test Ok: *4.000000, 1.000000*" trsg '3\n4\n'
runs "*Test OK: *650*Test Ok: *" frsg '3\n4\n'
runs "*enrolled*sync*" gexamp '' 3
runs "*Joined 1000 times*" joinleave ''

# What is spawned together knows so: a ring of four.
out=$(console 'spawn -4 -> spmd')
ok "spmd: four in a ring" grep -q 'token ring done' <<< "$out" || diag "$out"
done_testing
