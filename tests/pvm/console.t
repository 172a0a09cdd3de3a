#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2317 # functions are called by until_ok
# The console: the same commands as to PVM's, and what is ours alone.

# shellcheck source=tests/pvm/lib.sh
. "$(dirname "$0")/lib.sh"

# ---- PVM's ----

if real_there; then
	real_up
	sed 's/HOST/localhost/' "$pvm_dir/console.script" > "$work/script"
	out=$(timeout -k 5 60 /usr/bin/pvm < "$work/script" 2>&1 | console_lines localhost)
	real_down
	[ -z "${UPDATE_GOLDEN-}" ] || printf '%s\n' "$out" > "$pvm_dir/console.expect"
	same_lines "PVM's console: as expected" "$out" "$pvm_dir/console.expect"
else
	skip "PVM's console" "no pvm"
fi
unset PVM_ROOT PVM_ARCH PVM_TMP PVM_VMID

# ---- ours ----

ours_up 1
sed 's/HOST/node1/' "$pvm_dir/console.script" > "$work/script"
out=$(console "$(cat "$work/script")" | console_lines node1)
same_lines "ours: the same" "$out" "$pvm_dir/console.expect"

has() # NAME TEXT PATTERN: one of the lines
{
	ok "$1" grep -qE -- "$3" <<< "$2" || diag "$2"
}

out=$(console 'spawn -> /bin/echo hello' 'spawn -2 -> /bin/echo twice' 'jobs')
has "output of a job" "$out" '^(pvm> )?\[1:t[0-9a-f]+\] hello$'
has "and its end" "$out" '\[1:t[0-9a-f]+\] EOF$'
has "it is finished" "$out" '\[1\] finished$'
is "output of two tasks" "$(grep -cE '\[2:t[0-9a-f]+\] twice$' <<< "$out")" 2
console "spawn ->$work/out /bin/echo to a file" > /dev/null
has "output in a file" "$(cat "$work/out")" '^\[1:t[0-9a-f]+\] to a file$'
console "spawn ->>$work/out -:/ /bin/pwd" > /dev/null
has "appended, in another directory" "$(cat "$work/out")" '\] /$'
is "so both are there" "$(grep -c EOF "$work/out")" 2

is "a command that succeeds" "$(code_of pvm -f -c 'version')" 0
is "one that does not" "$(code_of pvm -f -c 'mstat nohost')" 1
is "one that there is not" "$(code_of pvm -f -c 'nonsense')" 1
is "a bad option" "$(code_of pvm --nonsense)" 2
is "a script that goes on after a failure" "$(printf 'x\nquit\n' | code_of pvm -f)" 0
is "one that does not" "$(printf 'x\nversion\nquit\n' | pvm -fe | grep -c '^3')" 0
# Several at once: what ends before the others of its job have begun is heard as well.
several=()
for i in 1 2 3 4 5 6; do
	console 'spawn -4 -> /bin/echo hello' > "$work/several$i" &
	several+=($!)
done
wait "${several[@]}"
is "six consoles, four tasks each" "$(cat "$work"/several? | grep -c '\] hello$')" 24
is "... and their ends" "$(cat "$work"/several? | grep -c '\] EOF$')" 24

cat > "$work/debugger" <<- 'SCRIPT'
	#!/bin/sh
	echo "debugging $*"
SCRIPT
chmod +x "$work/debugger"
PVM_DEBUGGER=$work/debugger console "spawn -? ->$work/debug /bin/echo program" > /dev/null
has "a debugger is started" "$(cat "$work/debug")" '\] debugging /bin/echo program$'

# What a host file says of hosts.
mkdir "$work/ep"
ln -s /bin/pwd "$work/ep/whereami"
cat > "$work/hosts" <<- FILE
	# the speed is of all
	* sp=77 wd=/
	node1 ep=\$NOTHING/x:$work/ep dx=/nowhere
	&node9 sp=5
FILE
has "speed, from a host file" "$(echo conf | pvm -f "$work/hosts")" '^ +node1 .* 77 '
console "spawn ->$work/out whereami" > /dev/null
has "a program in a place of the host's, begun in another" "$(cat "$work/out")" '\] /$'
mkdir "$work/home"
echo 'alias hey echo from the rc' > "$work/home/.pvmrc"
has "what ~/.pvmrc says" "$(echo hey | HOME=$work/home pvm)" '^from the rc$'
has "help for one" "$(pvm -f -c 'help spawn')" 'Syntax: +spawn'
for name in $(pvm -f -c help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
	has "help for $name" "$(pvm -f -c "help $name")" "Syntax: +$name"
done

started() # the id of a task
{
	console 'spawn /bin/sleep 1000' | sed -n 's/^\(t[0-9a-f]*\)$/\1/p'
}

gone() # TID
{
	pvm -f -c "pstat $1" | grep -q 'No such task'
}

task=$(started)
is "a task runs" "$(pvm -f -c "pstat $task" | xargs)" "t ${task#t} run"
console "sig TERM $task" > /dev/null
ok "a signal by its name ends it" until_ok 10 gone "$task"
task=$(started)
console "kill $task" > /dev/null
ok "kill ends it" until_ok 10 gone "$task"
console 'put box text' names quit > "$work/put"
has "an entry of a mailbox" "$(cat "$work/put")" '^<box>:$'

is "halt" "$(code_of pvm -f -c halt)" 0
no_task() { no_process '/bin/sleep 1000*'; }
ok "nothing is left of it" until_ok 10 no_task
done_testing
