#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# msg: what it makes of samples. Buckets, medians, the best peer, ratios and verdicts, of numbers
# that are made up.
set -u
# shellcheck source=tests/tap.sh
. "$DVM_SRC/tests/tap.sh"

msg=$DVM_SRC/tests/bench/msg
command -v python3 > /dev/null || skip_all "there is no python3"
file=$(mktemp)
trap 'rm -f "$file"' EXIT

# Two of libdvm near and one far, one whose probes lie on both sides of the border, and two that
# differ too much; Open MPI has the better rate, MPICH the better latency.
cat > "$file" <<'EOT'
{"machine": {}, "left_out": {"fab-shm": "is not there"}, "samples": [
 ["lat8", "dvm", [[1e-7, 50, 52], [3e-7, 50, 50], [9e-7, 170, 180], [1, 85, 95], [1, 20, 40], [1, 300, 100]]],
 ["lat8", "ompi", [[4e-7, 50, 50]]],
 ["lat8", "mpich", [[2.5e-7, 50, 50], [5e-7, 60, 50]]],
 ["lat8", "limit", [[1e-7, 50, 50]]],
 ["rate8", "dvm", [[3e7, 50, 50], [3e7, 170, 170]]],
 ["rate8", "ompi", [[1e7, 50, 50], [1.5e7, 170, 170]]],
 ["rate8", "mpich", [[5e6, 50, 50]]],
 ["bw1m", "dvm", [[2e10, 50, 50]]],
 ["split1m", "limit", [[4e10, 50, 50]]],
 ["mem-2", "dvm", [[1048576, "nan", "nan"]]]]}
EOT
sed -i 's/"nan"/NaN/g' "$file"

row() # CASE BUCKET EXPRESSION: of the row r
{
	"$msg" --load "$file" --json | python3 -c 'import json, sys
rows = [r for r in json.load(sys.stdin)["rows"] if (r["case"], r["bucket"]) == tuple(sys.argv[1:3])]
r = rows[0] if rows else None
print(eval(sys.argv[3]))' "$@"
}

is "the median of those near" "$(row lat8 near 'round(r["systems"]["dvm"]["median"], 3)')" 0.2
is "... and how many" "$(row lat8 near 'r["systems"]["dvm"]["samples"]')" 2
is "one far" "$(row lat8 far 'round(r["systems"]["dvm"]["median"], 3)')" 0.9
is "probes that disagree" "$("$msg" --load "$file" --json |
	python3 -c 'import json, sys; print(json.load(sys.stdin)["dropped"])')" 3
is "the best peer is the fastest" "$(row lat8 near 'r["best_peer"]')" mpich
is "... or has the highest rate" "$(row rate8 near 'r["best_peer"]')" ompi
is "the ratio" "$(row lat8 near 'round(r["ratio"], 4)')" 0.5333
is "a ratio that is wanted low" "$(row lat8 near 'r["wanted"][0]["met"]')" True
is "probes: 200 ns are 4" "$(row lat8 near '(r["wanted"][1]["got"], r["wanted"][1]["met"])')" "('3.96', False)"
is "a ratio that is wanted high" "$(row rate8 near 'r["wanted"][0]["met"]')" True
is "... another one far" "$(row rate8 far '(r["wanted"][0]["got"], r["wanted"][0]["met"])')" "('2.00', False)"
is "nobody to compare with" "$(row bw1m near '(r["best_peer"], r["ratio"], r["wanted"])')" "(None, None, [])"
is "the limit of a case" "$(row lat8 near 'round(r["limit"], 3)')" 0.1
is "... that is another's" "$(row bw1m near 'r["limit"]')" 40.0
is "what has no probe" "$(row mem-2 near '(r["wanted"][0]["got"], r["wanted"][0]["met"])')" "('1.00', False)"
like "tables" "$("$msg" --load "$file" "$file")" "*8 B latency *0.2 ±* mpich *0.53 *NOT MET*left out: fab-shm: is not there"
is "a part of it" "$("$msg" --load "$file" --only 'rate*' --systems dvm,mpich --json | python3 -c '
import json, sys
r = json.load(sys.stdin)["rows"][0]
print(r["case"], r["best_peer"])')" "rate8 mpich"

# Commands: what hangs is ended with all it has started, what fails ends the others.
together() # LIMIT COMMAND...
{
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$DVM_SRC/tests/bench python3 -c 'import os, sys, time
from benchlib.run import together
start = time.monotonic()
code, out, err = together([(["sh", "-c", c], dict(os.environ)) for c in sys.argv[2:]], float(sys.argv[1]))
print(code, out.strip(), err.strip(), "late" if time.monotonic() - start > 10 else "in time")' "$@"
}

is "one that hangs" "$(together 0.3 'echo early; sleep 77.25 & wait')" "None early  in time"
not_ok "... and what it has started" pgrep -f 'sleep 77.25'
is "one that fails" "$(together 60 'sleep 77.25' 'echo why >&2; exit 3')" "3  why in time"
is "two that do not" "$(together 60 'echo one' 'echo two')" "0 one  in time"
is "one that is not there" "$(together 60 /nonexistent 2> /dev/null | cut -c 1-3)" 127
tap_end
