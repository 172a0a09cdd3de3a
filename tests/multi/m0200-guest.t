#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Guests as jobs: started, listed, asked, stopped and killed on whatever node they are; with a bare
# program as guest, which every KVM runs.
# GUEST_ROUNDS=50: as many rounds of start and stop.
# shellcheck disable=SC2012,SC2207,SC2317

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

payload=$DVM_BUILD/tests/guest/payload.elf
lib_program dvm-vmm
lib_program dvm-guest-file
vmm=$lib_temp/bin/dvm-vmm
why=$("$vmm" --kernel "$payload" --append hello --mem 16M 2>&1 < /dev/null) || skip_all "${why##*dvm-vmm: }"

machine_up 2

guest_says() # NAME TEXT: so far
{
	[[ $(dvm guest log "$1") == *"$2"* ]]
}

state_of() # NAME
{
	dvm guest stat "$1" | sed 's/.*"state":"\([a-z]*\)".*/\1/'
}

in_state() # NAME STATE
{
	[ "$(state_of "$1")" = "$2" ]
}

like "a guest starts" \
	"$(dvm guest start one --kernel "$payload" --append wait --mem 16M --host node2 2>&1)" \
	"guest one runs on node2 (job *)"
like "... and is in the list" "$(dvm guest list)" "*one *running *node2*"
ok "... as JSON" test "$(dvm guest list --json | python3 -c \
	'import json,sys; print(json.load(sys.stdin)["guests"][0]["name"])')" = one
like "... and shown as the job it is" "$(dvm guest show one)" "*guest:one*"
ok "what it says is kept" until_ok 10 guest_says one waiting
is "its name is there for a shell to complete" "$(dvm complete guest)" one
like "its name is taken" "$(dvm guest start one --kernel "$payload" 2>&1)" "dvm: guest one is there already*"
like "... and what shuts its monitor in" "$(dvm guest show one)" "*isolation *no new privileges*no capabilities*"
ok "counters are JSON" sh -c 'dvm guest stat one | python3 -m json.tool'
like "... and, again and again, tables" "$(timeout 20 dvm guest top one -d 100ms -n 3)" \
	"guest one: running*guest one: running*guest one: running*CPU*  0 *"
is "... or lines of JSON" "$(timeout 20 dvm guest top one -d 100ms -n 2 --json | grep -c '^{"state":"running"')" 2
like "... not too often" "$(dvm guest top one -d 1ms 2>&1)" '*"1ms" is not an interval*'
json_of() # KEYS of the object that is read: their values
{
	python3 -c 'import json,sys; o = json.load(sys.stdin); print(*[o[k] for k in sys.argv[1:]])' "$@"
}
is "what is done to it is told as JSON, too" "$(dvm guest pause one --json | json_of name node asked)" \
	"one node2 pause"
is "... each verb" "$(dvm guest resume one --json | json_of asked)" resume
is "the log is lines of JSON" "$(dvm guest log one --json | head -n 1 | json_of text)" waiting
is "... and the console" "$(timeout 3 dvm guest console one --json < /dev/null 2> /dev/null |
	head -n 1 | json_of text)" waiting
ok "pause" dvm guest pause one
ok "... and it stands still" until_ok 10 in_state one paused
ok "resume" dvm guest resume one
ok "... and it goes on" until_ok 10 in_state one running
ok "reset" dvm guest reset one
said_twice()
{
	[ "$(dvm guest log one | grep -c waiting)" = 2 ]
}
ok "... and it begins again" until_ok 10 said_twice
console_shows() # TEXT
{
	timeout 3 dvm guest console one < /dev/null 2> /dev/null | grep -q "$1"
}
ok "who joins the console sees what was said before" console_shows waiting
like "a guest without a balloon" "$(dvm guest balloon one 8M 2>&1)" "*the guest has no balloon*"
is "... which is a failure" "$(dvm guest balloon one 8M > /dev/null 2>&1; echo $?)" 1
ok "a console on a terminal: joined, left by Ctrl-], joined again" \
	timeout 60 python3 "$(dirname "$0")/console.py" one waiting
ok "... and the guest does not mind" in_state one running
ok "nonsense at its control socket" timeout 60 python3 "$(dirname "$0")/control_noise.py" one
ok "... does not reach the guest" in_state one running
like "it tells its counters once a day at least" "$(timeout 5 "$vmm" --control one --ask "stat 213503d" 2>&1)" \
	"*that is no period*"
elsewhere() { DVM_MACHINE=elsewhere "$vmm" "$@" 2>&1 < /dev/null; }
like "for another machine's guest of that name it does not answer" "$(elsewhere --control one --ask ping)" \
	"*no guest called one answers here"
like "... which runs beside it" "$(elsewhere --control one --kernel "$payload" --append hello --mem 16M)" \
	"*hello*"
ok "the power button" dvm guest stop one
is "... switches it off" "$(timeout 20 dvm guest wait one; echo $?)" 0
like "it can be asked nothing more" "$(dvm guest pause one 2>&1)" "dvm: guest one has ended*"
is "the list is empty" "$(dvm guest list | wc -l)" 1
like "... but for those who want all" "$(dvm guest list --all)" "*one *done*"

like "the name is free again" \
	"$(dvm guest start one --json --kernel "$payload" --append wait --mem 16M | json_of name node)" \
	"one node*"
is "kill" "$(dvm guest kill one --json | json_of name asked)" "one kill"
ok "... ends it" timeout 20 sh -c 'dvm guest wait one; [ $? -ne 0 ]'
like "... and says why" "$(dvm guest wait one 2>&1)" "dvm: guest one: *"
is "... which can be waited for as JSON" "$(dvm guest wait one --json | json_of name exit_code)" "one 137"

cat > "$lib_temp/guest.yaml" <<- END
	kernel: $payload
	append: nothing
	mem: 16M
	host: node2
END
like "options from a file, and one that wins" \
	"$(dvm guest start filed --file "$lib_temp/guest.yaml" --append wait 2>&1)" "guest filed runs on node2 (job *)"
ok "... by which it goes on" until_ok 10 guest_says filed waiting
dvm drain node2
is "on a node that is drained it can be asked" "$(state_of filed)" running
ok "... until it is stopped" sh -c 'dvm guest stop filed && timeout 20 dvm guest wait filed'
dvm undrain node2
echo 'numaa: 2' >> "$lib_temp/guest.yaml"
like "a file that is wrong is wrong in a line" \
	"$(dvm guest start filed --file "$lib_temp/guest.yaml" 2>&1)" '*guest.yaml:5: unknown key "numaa"; did you mean "numa"?'

# Where there is no room.
full=$(detached -n 4 sleep 1000)
dvm guest start late --kernel "$payload" --append wait --mem 16M > "$work/late" 2> "$work/late.err" &
late=$!
late_says() { grep -q "^dvm: waiting: " "$work/late.err"; }
ok "a guest that waits for room says so" until_ok 10 late_says
like "... has its name already" "$(dvm guest start late --kernel "$payload" 2>&1)" \
	"dvm: guest late is there already, and waits (job *)"
like "... and cannot be asked" "$(dvm guest pause late 2>&1)" "dvm: guest late has no node yet; \`dvm why *"
dvm cancel "$full"
ends "... until there is room" 0 "$late" 30
like "... where it runs" "$(cat "$work/late")" "guest late runs on node[12] (job *)"
dvm guest kill late

like "a kernel that is none" "$(dvm guest start bad --kernel /etc/passwd 2>&1)" \
	"*the kernel cannot be used: it is neither a bzImage nor a 64-bit ELF*has not come up on node[12] *dvm doctor*--host*"
like "a guest nobody knows" "$(dvm guest stat nobody 2>&1)" "dvm: there is no guest called nobody"
like "a name that cannot be" "$(dvm guest start 'a b' --kernel x 2>&1)" "dvm: \"a b\" cannot be a guest's name*"
is "a verb that is none" "$(dvm guest strat x > /dev/null 2>&1; echo $?)" 2
is "a payload's code is its job's" \
	"$(dvm guest start code --kernel "$payload" --append nothing --mem 16M > /dev/null 2>&1
	timeout 20 dvm guest wait code; echo $?)" 2

# Whoever is quicker than the question whether it is up has been up.
quick()
{
	local i
	for i in 1 2 3 4 5 6 7 8; do
		dvm guest start "quick$i" --kernel "$payload" --append hello --mem 16M || return
	done
}
ok "guests that end at once, and well, have been started" quick

rounds()
{
	local i
	for ((i = 1; i <= ${GUEST_ROUNDS:-10}; i++)); do
		dvm guest start "r$i" --kernel "$payload" --append wait --mem 16M > /dev/null &&
			dvm guest stop "r$i" && timeout 20 dvm guest wait "r$i" && continue
		echo "round $i: $?"
		dvm guest log "r$i"
		dvm guest list --all
		return 1
	done
}
# What dvmd of a node holds: descriptors, and KiB of its own.
footprint()
{
	local pid
	pid=$(dvm info --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["pid"])')
	echo "$(ls "/proc/$pid/fd" | wc -l) $(awk '/^Private_/ { n += $2 } END { print n }' "/proc/$pid/smaps_rollup")"
}
before=($(footprint))
ok "${GUEST_ROUNDS:-10} rounds" rounds
after=($(footprint))
diag "descriptors and KiB of the daemon: ${before[*]}, after the rounds ${after[*]}"
ok "... leave no descriptor behind" test $((after[0] - before[0])) -lt 5
ok "... leave no monitor behind" until_ok 10 sh -c "! pgrep -f 'control r[0-9]* '"
done_testing
