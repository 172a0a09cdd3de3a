# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# For tests of PVM programs: the same programs under the PVM of Debian, where that is installed,
# and on a machine of ours. What PVM prints is in NAME.expect; UPDATE_GOLDEN=1 writes it anew.

pvm_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/multi/lib.sh
. "$pvm_dir/../multi/lib.sh"

# The programs, in an order from small to large.
# shellcheck disable=SC2034
pvm_programs=(bad corner pack options p2p long context mbox notify output role route trace place spawn group big)
# Those in Fortran.
# shellcheck disable=SC2034
pvm_fortran=(calls_f)

# What differs from run to run: task ids.
without_ids()
{
	sed -E 's/\bt[0-9a-f]{5,8}\b/tid/g'
}

# What a program has said, and how it has ended; it is in a directory of its own.
transcript() # PROGRAM [ARGUMENT...]
{
	local code
	(cd "$work" && timeout -k 5 60 "$@" 2>&1)
	code=$?
	[ $code -eq 0 ] || echo "exit code $code"
}

# Compares a transcript with what is expected; shows where they part.
same_lines() # NAME GOT EXPECT-FILE
{
	local difference
	difference=$(diff -u "$3" <(printf '%s\n' "$2"))
	report $? "$1" || diag "$(printf '%s\n' "$difference" | head -n 80)"
}

# ---- the PVM of Debian ----

real_root=/usr/lib/pvm3
real_pid=

real_there()
{
	[ -x $real_root/lib/pvmd ] && [ -r /usr/include/pvm3.h ] &&
		[[ $(gcc -print-file-name=libgpvm3.a) == */* ]]
}

# Everything of it stays in a directory of the test; it finds its group server there.
real_env()
{
	export PVM_ROOT=$real_root PVM_ARCH=LINUX64 PVM_TMP=$work/real PVM_VMID=dvmtest
	export PVM_ALLOW_ROOT=1 HOME=$work/real
	mkdir -p "$PVM_TMP" "$HOME/pvm3/bin/$PVM_ARCH"
	ln -sf $real_root/lib/pvmgs "$HOME/pvm3/bin/$PVM_ARCH/"
}

# Starts it on loopback. Its first words are where it listens.
real_up()
{
	real_env
	: > "$PVM_TMP/said"
	$real_root/lib/pvmd -nlocalhost > "$PVM_TMP/said" 2>&1 &
	real_pid=$!
	until_ok 10 test -s "$PVM_TMP/said"
}

real_down()
{
	[ -n "$real_pid" ] || return 0
	kill "$real_pid" 2> /dev/null
	wait "$real_pid" 2> /dev/null
	real_pid=
	rm -f "$PVM_TMP"/pvm[dlt]*
}

real_build() # NAME: into $work/real-NAME
{
	if [ -e "$pvm_dir/$1.f" ]; then
		gfortran -w -fallow-argument-mismatch -o "$work/real-$1" -I/usr/include "$pvm_dir/$1.f" -lfpvm3 -lgpvm3 -lpvm3
		return
	fi
	gcc -O1 -I"$pvm_dir/../.." -o "$work/real-$1" "$pvm_dir/$1.c" -lgpvm3 -lpvm3 -lm
}

# A console's transcript without what differs from run to run and from machine to machine: names of
# hosts, task ids and process numbers. $work/script are its commands.
console_lines() # HOST
{
	sed -E -e "s/ +$1\>/ HOST/; s/\\b$1\\b/HOST/g; s/\\bt?4[0-9a-f]{4}\\b/tid/g" \
		-e 's/ [0-9]+ +([0-9]+\/[a-z,]+ )/ pid \1/; s/ +$//' \
		-e '/^pvmd already running/d; /^Console: exit handler/d; /^pvmd still running/d'
}

# ---- ours ----

ours_console=$DVM_BUILD/libdvm/pvm3/console/dvm-pvm-console

ours_up() # N [OPTION...]
{
	lib_program dvm-pvm
	machine_up "$@"
	cp "$DVM_BUILD/libdvm/pvm3/console/.libs/dvm-pvm-console" "$lib_temp/bin/pvm" 2> /dev/null ||
		cp "$ours_console" "$lib_temp/bin/pvm"
	# Debian's has the same name.
	export LD_LIBRARY_PATH=$DVM_BUILD/libdvm/.libs
}

console() # LINE...: as a user types them
{
	printf '%s\n' "$@" | timeout -k 5 60 pvm --no-rc 2>&1
}

# Ends PVM on the machine; the next task begins it anew.
ours_reset()
{
	console halt
}
