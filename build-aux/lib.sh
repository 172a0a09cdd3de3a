# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# For the checks of the tree: TAP, and which files are ours.

root=${DVM_SRC:-$(cd "$(dirname "$0")/.." && pwd)}
count=0
failed=0

# A test point that passes where nothing was found; what was found is shown.
none() # NAME FINDINGS
{
	count=$((count + 1))
	if [ -z "$2" ]; then
		echo "ok $count - $1"
	else
		failed=$((failed + 1))
		echo "not ok $count - $1"
		printf '%s\n' "$2" | sed 's/^/# /'
	fi
}

# A test point that passes where the findings contain the text.
found() # NAME FINDINGS TEXT
{
	count=$((count + 1))
	case $2 in
	*"$3"*)
		echo "ok $count - $1"
		;;
	*)
		failed=$((failed + 1))
		echo "not ok $count - $1"
		printf '%s\n' "no '$3' in:" "$2" | sed 's/^/# /'
		;;
	esac
}

skip() # NAME REASON
{
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}

done_testing()
{
	echo "1..$count"
	[ $failed -eq 0 ]
	exit
}

# Files that tools put into the source directory: .gitignore's list, as find knows it.
generated()
{
	cat <<-'LIST'
	Makefile.in
	aclocal.m4
	config.h.in
	configure
	ar-lib
	compile
	config.guess
	config.sub
	depcomp
	install-sh
	ltmain.sh
	missing
	tap-driver.sh
	test-driver
	libtool.m4
	lt~obsolete.m4
	ltoptions.m4
	ltsugar.m4
	ltversion.m4
	LIST
}

in_git()
{
	git -C "$root" rev-parse --is-inside-work-tree >/dev/null 2>&1 && [ -e "$root/.git" ]
}

# Our files, relative to the root: what git tracks, or in a release what is no product of tools.
ours()
{
	cd "$root" || exit 1
	if in_git; then
		git ls-files | while IFS= read -r file; do
			[ -f "$file" ] && printf '%s\n' "$file"
		done
	else
		find . -mindepth 1 \( -exec test -e '{}/config.status' \; -o -name autom4te.cache \) -prune \
			-o -type f -print | sed 's|^\./||' | while IFS= read -r file; do
			generated | grep -qxF "${file##*/}" || printf '%s\n' "$file"
		done
	fi | LC_ALL=C sort
}
