#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# heat: the same plate however it is cut, all heat kept, pictures, bad options.

# shellcheck source=tests/examples/lib.sh
. "$(dirname "$0")/lib.sh"
shapes+=("6 1" "8 3")
cd "$temp" || exit 1

# --- results ---------------------------------------------------------------------------------

for shape in "${shapes[@]}"; do
	sizes=("97 31" "64 48" "8 200")
	[ "${shape#* }" = 1 ] || sizes=("97 31") # wiring up nodes takes its time
	for size in "${sizes[@]}"; do
		like "$size cells as in a serial run ($shape)" \
			"$(job "$shape" "$examples/heat" -w "${size% *}" -h "${size#* }" -s 100 -c)" \
			"plate: ${size% *} x ${size#* } cells in *, 100 steps
heat: * at the start, * at the end, good
parallel: *, ranks: ${shape% *}, nodes: ${shape#* }
serial: *, largest difference: *, good"
	done
done
like "as square blocks as can be" "$(job "4 1" "$examples/heat" -w 20 -h 20 -s 1)" "*in 2 x 2 blocks*"
like "... or none across a narrow plate" "$(job "6 1" "$examples/heat" -w 600 -h 20 -s 1)" \
	"*in 6 x 1 blocks*"
like "one cell for each rank" "$(job "9 1" "$examples/heat" -w 3 -h 3 -s 50 -c)" "*largest*good"
like "no step at all" "$("$examples/heat" -w 5 -h 5 -s 0 -c)" "*largest*good"

# --- pictures --------------------------------------------------------------------------------

# Width and height of a PNG picture, from its header.
size_of() # FILE
{
	od -An -j 16 -N 8 -t u1 "$1" | awk '{ print $3 * 256 + $4, $7 * 256 + $8 }'
}

if "$examples/heat" -w 2 -h 2 -s 0 -o try 2>&1 | grep -q "built without libpng"; then
	fails "pictures without libpng" 1 "try/*: built without libpng*" \
		"$examples/heat" -s 0 -o try
else
	ok "pictures" job "3 1" "$examples/heat" -w 300 -h 20 -s 25 -e 10 -o frames
	is "... at the steps asked for" "$(cd frames && echo *)" \
		"heat-000000.png heat-000010.png heat-000020.png heat-000025.png"
	is "... are as large as the plate" "$(size_of frames/heat-000025.png)" "300 20"
	is "... and change" "$(code_of cmp frames/heat-0000{00,25}.png)" 1
	ok "one rank" "$examples/heat" -w 300 -h 20 -s 25 -e 10 -o alone
	ok "... draws the same as three" diff -r frames alone
fi
: >file
fails "pictures into a file" 1 "file/heat-000000.png: *" "$examples/heat" -o file -s 1
fails "... are refused by rank 0 alone" 1 "file/heat-000000.png: *
mini: *" job "3 1" "$examples/heat" -o file -s 1
if [ -c /dev/full ]; then
	mkdir full
	ln -s /dev/full full/heat-000000.png
	fails "a full disk" 1 "full/heat-000000.png: *" "$examples/heat" -o full -s 1
fi

# --- bad input -------------------------------------------------------------------------------

fails "more ranks than cells" 1 "*heat: 7 ranks cannot share 2 x 3 cells*" \
	job "7 1" "$examples/heat" -w 2 -h 3
fails "no cells" 2 "--width: '0' is no number from 1 to 30000*usage: *" "$examples/heat" -w 0
fails "an argument" 2 "usage: *" "$examples/heat" frames
fails "an unknown option" 2 "*'--colour'*usage: *" "$examples/heat" --colour
like "help is no failure" "$("$examples/heat" --help)" "usage: heat *"
done_testing
