#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Small bare programs, each testing one mechanism of the monitor, on this host's KVM.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${DVM_BUILD:-$here/../../build}
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"
# shellcheck source=tests/guest/lib.sh
. "$here/lib.sh"

vmm=("$build/kvm-node/dvm-vmm")
payload=$build/tests/guest/payload.elf
groups=any
"${vmm[@]}" --check > /dev/null 2>&1 && groups="any svm"

guest_run hello --mem 16M || skip_all "${guest_out##*dvm-vmm: }"
while IFS=$'\t' read -r name options code text; do
	# shellcheck disable=SC2086 # several options
	guest_run "$name" $options
	got=$?
	[[ $guest_out == *"$text"* ]] || got="$got without \"$text\""
	is "$name $options" "$got" "$code"
	[ "$got" = "$code" ] || printf '# %s\n' "$guest_out"
done < <(guest_cases "$here/guests.conf" $groups)

# A disk by mistake, which is not read before it is refused.
disk=$(mktemp)
truncate -s 100G "$disk"
guest_run hello --mem 16M --initrd "$disk"
like "an initrd of 100 GiB" "$? $guest_out" "1 *initrd $disk has 102400 MiB, more than the 16 MiB*"
guest_run hello --mem 16M --kernel "$disk"
like "a kernel of 100 GiB" "$? $guest_out" "1 *kernel $disk has 102400 MiB, more than the 2048 MiB*"
rm -f "$disk"

# A guest that was killed has left the socket of its vsock behind.
dir=$(mktemp -d)
vsock=(--mem 16M --vsock "3,path=$dir/vs")
"${vmm[@]}" --kernel "$payload" --append wait "${vsock[@]}" > "$dir/out" 2>&1 < /dev/null &
run=$!
ok "a guest with vsock waits" until_ok 10 grep -q waiting "$dir/out"
guest_run hello "${vsock[@]}"
like "... and another one cannot have its sockets" "$? $guest_out" "1 *vsock: another one listens at $dir/vs*"
kill -KILL "$run"
wait "$run" 2> /dev/null
ok "... it is killed, and its socket is left" [ -S "$dir/vs" ]
guest_run hello "${vsock[@]}"
is "... to the next one, which starts" $? 0 || diag "$guest_out"
not_ok "... and takes it away in the end" [ -e "$dir/vs" ]
rm -rf "$dir"

# A guest that is paused stays so, though it falls just before, and is reset. It is held up in its fall by a
# log that nobody reads.
dir=$(mktemp -d)
mkfifo "$dir/log"
begins() # NAME
{
	"${vmm[@]}" --mem 16M --kernel "$payload" --append "$1" --control "$1-$$" > /dev/null \
		2> "$dir/log" < /dev/null &
	run=$!
}
ask() # NAME WHAT
{
	timeout 20 "$build/kvm-node/dvm-vmm" --control "$1-$$" --ask "$2"
}
tells() # NAME JSON
{
	ask "$1" stat | grep -q "$2"
}
exec 3<> "$dir/log"
head -c 65536 /dev/zero >&3
begins fall
ok "a guest falls" until_ok 10 tells fall '"shutdown":1'
ok "... and is paused" ask fall pause
cat <&3 > /dev/null &
reader=$!
ok "... which it is in the end" until_ok 10 tells fall '"state":"paused"'
ok "... reset, too" ask fall reset
ok "... once" until_ok 10 tells fall '"resets":1,'
ok "... and paused still" tells fall '"state":"paused"'
ok "... until it is to go on" ask fall resume
wait "$run"
is "... and ends as it does" $? 0
kill "$reader"
exec 3>&-
rm -rf "$dir"

guest_run hello --mem 16M --net tap=dvm-nowhere
like "an interface that is not there is not made" "$? $guest_out" \
	"1 *there is no interface called dvm-nowhere *"

# A host that has no room: the snapshot is on a file system that is full after 64 KiB.
full=$(mktemp -d)
truncate -s 4M "$full.disk"
export full
if unshare -rm mount -t tmpfs -o size=64k none "$full" 2> /dev/null; then
	vmm=(unshare -rm sh -c 'mount -t tmpfs -o size=64k none "$full" && TMPDIR=$full exec "$@"' sh
		"${vmm[@]}")
	guest_run disk --mem 16M --disk "$full.disk,snapshot"
	like "the log says why writing fails" "$guest_out" \
		"*blk0 (snapshot of $full.disk): writing: No space left on device; *"
else
	skip "the log says why writing fails" "no namespaces of users here"
fi
rm -rf "$full" "$full.disk"
tap_end
