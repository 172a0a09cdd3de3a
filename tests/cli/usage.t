#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Options and help: what is refused, how, and with which exit code.
. "$DVM_SRC/tests/cli/lib.sh"

refused() { # refused PATTERN ARG…
	pattern=$1
	shift
	capture $dvm "$@"
	# shellcheck disable=SC2254 # it is a pattern
	case $rc:$err in
	2:$pattern) true ;;
	*) echo "# $rc: $err"; false ;;
	esac
	ok "refused: dvm $*"
}

refused '*unknown command "nodse"; did you mean "nodes"*' nodse
refused '*did you mean --oversubscribe*' run --oversubscribed x
refused '*expected: PROG*' run
refused '*needs an argument*' run -n
refused '*-n 0:*' run -n 0 x
refused '*-n four:*' run -n four x
refused '*-n -1:*' run -n -1 x
refused '*--map-by ppr:*' run --map-by ppr:0:node x
refused '*--map-by ppr:*' run --map-by ppr:2:rack x
refused '*--map-by cores*did you mean*core*' run --map-by cores x
refused '*--bind-to*' run --bind-to socke x
refused '*--output tags*did you mean tag*' run --output tags x
refused '*--output dir=*' run --output dir= x
refused '*-H:*1 or more*' run -H a:0 x
refused '*-i 1*' run -i 1 x
refused '*--timeout soon*' run --timeout soon x
refused '*--mem-per-rank lots*' run --mem-per-rank lots x
refused '*a variable needs a name*' run -x =1 x
refused '*2 ranks cannot be spread over 3 nodes*' run -n 2 -N 3 x
refused '*--output and --detach*' run -d --output tag x
refused '*/nonexistent*' run --hostfile /nonexistent x
refused '*machine name "a/b"*' -M a/b nodes
refused '*--frob comes before the command*' --frob nodes
refused '*-n starts nodes on this host alone*' up -n 2 -H a
refused '*a token is needed*' join 10.0.0.1
refused '*a port is a number*' join 10.0.0.1:x --token t
refused '*is no signal*' signal FROB 1
refused '*is not a job id*' cancel one
refused '*unexpected operand*' nodes x

printf 'a slots=2\nb slots=x\n' >"$tmp/hosts"
refused '*hosts: line 2:*slots=N*' run --hostfile "$tmp/hosts" x
capture $dvmrun --mca btl
is "$rc" 2 "dvmrun: an option of two words with one"
like "$err" "*--mca needs two arguments*" "and said so"

capture $dvmrun -np 1 a : -np 1
like "$rc:$err" "2:*PROG*" "dvmrun: a : nothing"
capture $dvmrun -np 1 a : -H b c
like "$rc:$err" "2:*-H holds for the whole job*" "dvmrun: a : with an option of the job's"
refused '*in front of ":"*' run : a

capture $dvm
is "$rc" 2 "no command: the overview, as an error"
capture $dvm --help
is "$rc" 0 "--help"
like "$out" "Usage: dvm*up *halt *run *" "names the commands"
capture $dvm --version
like "$rc:$out" "0:dvm [0-9]*" "--version"
for c in up nodes add remove token join leave halt run jobs ps logs attach wait signal cancel doctor log info; do
	capture $dvm $c --help
	like "$rc:$out" "0:*dvm $c*--machine NAME*" "dvm $c --help"
	[ "$(awk 'length > 82' "$tmp/out" | wc -l)" -eq 0 ]
	ok "dvm $c --help fits a terminal"
done
for v in start list show console stop kill pause resume reset wait log stat balloon; do
	capture $dvm guest $v --help
	like "$rc:$out" "0:*dvm guest $v*--machine NAME*" "dvm guest $v --help"
done
capture $dvm guest --help
like "$rc:$out" "0:*Verbs:*start*console*" "dvm guest --help lists its verbs"
capture $dvm guest strat
like "$rc:$err" '2:dvm: unknown verb "strat"; did you mean "start"?*' "a verb that is none"
capture $dvm help run
is "$out" "$($dvm run --help)" "dvm help run"

$dvm --dump-options completion dvm >"$tmp/completion"
bash -n "$tmp/completion"
ok "the completion is a script"
offered() { # offered WORD…: what bash offers for the last one
	bash -c '. "$1"; shift
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*"
		f=$(complete -p dvm | sed "s/.*-F \([^ ]*\).*/\1/")
		$f dvm "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
		echo "${COMPREPLY[*]}"' complete "$tmp/completion" "$@"
}
if command -v bash >/dev/null; then
	is "$(offered dvm doc)" "doctor" "it completes commands"
	is "$(offered dvm run --bind-to nu)" "numa" "and arguments"
	like "$(offered dvm run --rep)" "--report-bindings" "and options"
	is "$(offered dvm guest pa)" "pause" "and verbs"
	is "$(offered dvm guest start --ker)" "--kernel" "and their options"
fi

done_testing
