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
tap_end
