#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The manual says what the programs do: their options, their commands, their fields of JSON.
# shellcheck source=tests/cli/lib.sh
. "$DVM_SRC/tests/cli/lib.sh"
man=$DVM_SRC/doc/man

# Options of dvmd's --help that its page does not have, and the other way round.
options() { grep -o -- '--[a-z][a-z-]*' "$1" | sort -u; }
"$DVM_BUILD/daemon/dvmd" --help >"$tmp/help"
options "$tmp/help" >"$tmp/in_help"
sed -n '/^OPTIONS/,/^SIGNALS/p' "$man/dvmd.8.rst" | grep -o -- '\*\*--[a-z-]*' | tr -d '*' |
	sort -u >"$tmp/in_page"
is "$(grep -vx -- --help "$tmp/in_help")" "$(grep -vx -- --help "$tmp/in_page")" \
	"dvmd(8) has the options of dvmd"

"$DVM_BUILD/kvm-node/dvm-vmm" --help >"$tmp/help"
options "$tmp/help" >"$tmp/in_help"
sed -n '/^OPTIONS/,/^ISOLATION/p' "$man/dvm-vmm.8.rst" | grep '^\*\*-' |
	grep -o -- '--[a-z-]*' | sort -u >"$tmp/in_page"
is "$(grep -vx -- --help "$tmp/in_help")" "$(cat "$tmp/in_page")" "dvm-vmm(8) has the options of dvm-vmm"

# The pages of dvm and dvmrun are made from the tables: that they are whole is what can fail.
for c in up nodes add remove token join leave halt run jobs ps logs attach wait signal cancel guest doctor log info; do
	"$dvm" --dump-options man dvm | grep -qx "dvm $c"
	ok "dvm(1) has dvm $c"
done
for v in start list show console stop kill pause resume reset wait log stat balloon; do
	"$dvm" --dump-options man dvm | grep -qx "dvm guest $v"
	ok "dvm(1) has dvm guest $v"
done
"$dvm" --dump-options man dvmrun | grep -q -- '--mca'
ok "dvmrun(1) has the options of dvmrun"

# Every field of JSON that the source prints is in the page.
for f in nodes jobs ps doctor info log token; do
	for field in $(grep -o '"[a-z_]*", *\(cli_json\|(int)\|(json_int_t)\|[nrpjk]->\)' "$DVM_SRC/daemon/cli/cmd_$f.c" |
		grep -o '[a-z_]*"' | tr -d '"' | grep .); do
		grep -q "\*$field\*" "$man/dvm.1.rst" || echo "$f: $field"
	done
done >"$tmp/missing"
is "$(cat "$tmp/missing")" "" "dvm(1) names the fields of JSON"

done_testing
