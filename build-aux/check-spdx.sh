#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Every file that we wrote names its licence in its first five lines.
set -u
# shellcheck source=build-aux/lib.sh
. "$(dirname "$0")/lib.sh"

# Files that cannot or need not say it.
exempt()
{
	case $1 in
	LICENSE | .clang-format | *.gitignore | */corpus/* | tests/cli/*.expect | tests/pvm/*.expect | tests/pvm/*.script) return 0 ;;
	*) return 1 ;;
	esac
}

# Names on standard input; prints those without the line.
unlicensed()
{
	while IFS= read -r file; do
		exempt "$file" || head -n 5 "$file" |
			grep -q 'SPDX-License-Identifier: BSD-3-Clause' || printf '%s\n' "$file"
	done
}

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
echo 'int naked;' >"$temp/naked.c"
printf '%s\n' '#!/bin/sh' '# SPDX-License-Identifier: BSD-3-Clause' >"$temp/good.sh"
found "a file without licence is found" "$(find "$temp" -type f | unlicensed)" naked.c
none "one with licence is not" "$(find "$temp" -name good.sh | unlicensed)"
files=$(ours)
found "the files of the tree are listed" "$files" libdvm/include/dvm/dvm.h
none "every file names its licence" "$(cd "$root" && printf '%s\n' "$files" | unlicensed)"
done_testing
