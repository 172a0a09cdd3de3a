#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Every help text, word for word: a change of them is to be seen. UPDATE_GOLDEN=1 rewrites them.
# shellcheck source=tests/cli/lib.sh
. "$DVM_SRC/tests/cli/lib.sh"
golden=$DVM_SRC/tests/cli/help.expect

{
	"$dvm" --help
	for c in up nodes add remove token join leave halt run jobs ps logs attach wait signal cancel guest doctor log info; do
		printf '\n==== dvm %s ====\n' $c
		"$dvm" $c --help
	done
	for v in start list show console stop kill pause resume reset wait log stat top balloon; do
		printf '\n==== dvm guest %s ====\n' $v
		"$dvm" guest $v --help
	done
	printf '\n==== dvmrun ====\n'
	"$dvmrun" --help
} >"$tmp/help"
[ -z "$UPDATE_GOLDEN" ] || cp "$tmp/help" "$golden"
diff -u "$golden" "$tmp/help" >"$tmp/diff"
ok "the help texts are as they were"
sed 's/^/# /' "$tmp/diff"

done_testing
