#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Jobs that grow: spawn, names, events and hosts, asked for by ranks (tests/multi/dyn.c).
# shellcheck disable=SC2016,SC2317

# shellcheck source=tests/multi/lib.sh
. "$(dirname "$0")/lib.sh"

[ -x "$DVM_BUILD/tests/multi/dyn" ] || skip_all "tests/multi/dyn is not built"
cp "$DVM_BUILD/tests/multi/dyn" "$lib_temp/bin/dyn" || bail_out "no dyn"
chmod 755 "$lib_temp/bin/dyn"

machine_up 3 # of two slots each

# What rank 0 of a job of its own prints.
dyn() # COMMAND...
{
	dvm run -q -n 1 dyn "$@"
}

no_jobs()
{
	dvm jobs --json | python3 -c 'import json, sys
jobs = json.load(sys.stdin)["jobs"]
print(*jobs)
sys.exit(len(jobs) > 0)'
}

# ---- spawn ----

like "a rank knows its job" "$(dyn id)" "job +([0-9]) rank 0 of 1 on node1, parent 0.-1"
if [ -x "$DVM_BUILD/examples/man/dvm_spawn" ]; then
	is "the manual's example" "$(dvm run -q -n 1 "$DVM_BUILD/examples/man/dvm_spawn" 2>&1)" \
		"a job of 3 ranks has run, exit code 0"
else
	skip "the manual's example" "not built"
fi
like "a child starts" "$(dyn spawn true)" "spawned +([0-9])"
out=$(dyn spawn detached ranks=3 nodes=3 name=flock dyn id)
job=${out#spawned }
is "... on as many nodes as asked" "$(code_of dvm wait "$job")" 0
is "... and knows its parent" "$(dvm logs "$job" 2> /dev/null | sort)" \
	"$(for i in 0 1 2; do echo "job $job rank $i of 3 on node$((i + 1)), parent $((job - 1)).0"; done)"
is "... which is the record's" "$(job_value "$job" parent)" $((job - 1))
is "... as is its name" "$(job_value "$job" name)" flock
out=$(dvm run -q -n 3 -N 3 dyn -r 2 spawn detached hosts=node2 printenv DVM_PARENT_JOB \
	DVM_PARENT_RANK DVM_NODENAME)
job=${out#spawned }
is "spawned by a rank of a node that does not lead" "$(code_of dvm wait "$job")" 0
is "... where it was told to be" "$(dvm logs "$job" 2> /dev/null | xargs)" "$((job - 1)) 2 node2"
out=$(B=before dvm run -q -n 1 --wdir /usr dyn spawn detached env:A=added sh -c 'echo $A $B; pwd')
job=${out#spawned }
is "a child has its parent's environment, and more" "$(code_of dvm wait "$job")" 0
is "... and directory" "$(dvm logs "$job" 2> /dev/null | xargs)" "added before /usr"
out=$(dyn spawn detached wdir=/tmp map=ppr:1:node ranks=0 pwd)
job=${out#spawned }
is "one on each node" "$(code_of dvm wait "$job") $(dvm logs "$job" 2> /dev/null | xargs)" "0 /tmp /tmp /tmp"

is "a program that is missing" "$(dyn spawn ranks=3 nodes=3 nonesuch)" \
	"spawn: ENOENT: node[1-3]: nonesuch: no such file in PATH"
is "a file that is no program" "$(dyn spawn /etc/passwd)" \
	"spawn: EACCES: node1: /etc/passwd: not executable"
like "a directory that is missing" "$(dyn spawn wdir=/nonesuch true)" "spawn: *: node1: /nonesuch: no such*"
like "more ranks than slots" "$(dyn spawn ranks=9 true)" \
	"spawn: not enough slots: 9 ranks asked, 6 slots on 3 nodes*"
like "... oversubscribed" "$(dyn spawn ranks=9 oversubscribe true)" "spawned +([0-9])"
ok "... which ends" until_ok 5 no_jobs
like "a node that is unknown" "$(dyn spawn hosts=node9 true)" 'spawn: *"node9"*'
like "a host list that makes no sense" "$(dyn spawn 'hosts=node[' true)" "spawn: EINVAL: *"
like "a placement that makes no sense" "$(dyn spawn map=sideways true)" "spawn: EINVAL: *sideways*"
ok "no job stays" until_ok 5 no_jobs

# ---- parents and children ----

# A job whose rank 0 has spawned sleepers and waits: ids in $parent and $child.
begin_family() # SPAWN-OPTION...
{
	rm -f "$work/born" "$work/go"
	parent=$(detached -n 2 -N 2 dyn -r 0 spawn "$@" sleep 60 , meet "$work/born" "$work/go")
	until_ok 10 test -e "$work/born" || return
	child=$((parent + 1))
}

begin_family ranks=2 nodes=2
ok "a child runs" job_is "$child" state running
like "dvm jobs shows whose it is" "$(dvm jobs "$child")" "*parent*$parent*"
ok "cancelling the parent" dvm cancel "$parent"
ok "... ends the child" until_ok 5 job_is "$child" state "done"
like "... and says why" "$(job_value "$child" reason)" "job $parent, which spawned it, is ended"
begin_family ranks=1
for pid in $(processes 'dyn -r 0*'); do kill -9 "$pid"; done
ok "a parent that crashes takes its child along" until_ok 5 job_is "$child" state "done"
begin_family ranks=1
touch "$work/go"
ok "a parent that ends by itself" until_ok 5 job_is "$parent" state "done"
ok "... leaves its child a moment, not more" until_ok 5 job_is "$child" state "done"
begin_family ranks=1 detached
touch "$work/go"
ok "the parent of a detached child ends" until_ok 5 job_is "$parent" state "done"
ok "... the child goes on" job_is "$child" state running
ok "... until it is cancelled" dvm cancel "$child"
ok "... alone" until_ok 5 job_is "$child" state "done"
begin_family ranks=1
ok "cancelling the child" dvm cancel "$child"
ok "... ends it" until_ok 5 job_is "$child" state "done"
ok "... but not its parent" job_is "$parent" state running
dvm cancel "$parent"
ok "no process stays" until_ok 5 no_job_left

# ---- what children print ----

like "a child prints where its parent does" "$(dvm run -q --output tag -n 1 dyn spawn ranks=2 nodes=2 \
	sh -c 'echo out; echo err >&2' 2> "$work/err" | sed 's/[0-9]*\.\([01]\)/J.\1/; s/spawned .*/spawned/' |
	sort | xargs)" "[[]0[]] spawned [[]J.0[]] out [[]J.1[]] out"
is "... on both streams" "$(sed 's/[0-9]*\.[01]/J/' "$work/err" | xargs)" "[J:err] err [J:err] err"
like "... and a grandchild" "$(dvm run -q -n 1 dyn spawn dyn spawn hosts=node3 dyn id , until x 1)" \
	"*job +([0-9]) rank 0 of 1 on node3, parent +([0-9]).0*"
is "much output" "$(on node3 dvm run -q --output tag -n 1 dyn spawn ranks=3 nodes=3 \
	sh -c 'yes | head -n 100000' , watch 2 , until ended | grep -c ' y$')" 300000
like "the last words of a child that its parent leaves" "$(dvm run -q -n 1 dyn spawn \
	sh -c 'sleep 0.5; echo late')" "*late*"
out=$(dvm run -q --output json -n 1 dyn spawn hosts=node2 echo x)
like "as JSON" "$out" '*"rank":0,"node":"node2",*"text":"x"*'
dvm run -q --output "dir=$work/files" -n 1 dyn spawn echo y
is "into a directory" "$(cat "$work"/files/job.*.rank.0.out)" y
rm -f "$work/born" "$work/go"
begin dvm run -q -n 1 -H node2 dyn spawn hosts=node2 sh -c 'cd '"$work"'; echo one; echo > born
	while [ ! -e go ]; do sleep 0.05; done; echo two' , watch 2 , until ended 30000 > "$work/out"
client=$pid
ok "a child prints" until_ok 10 test -e "$work/born"
kill -9 "$(dvmd_pid node1)"
ok "... the daemon its client is on is killed and comes back" dvm up -q
touch "$work/go"
ends "... it ends" 0 "$client" 30
is "... and nothing is missing" "$(grep -xE 'one|two' "$work/out" | xargs)" "one two"
like "... nor what its parent hears" "$(cat "$work/out")" "*ended * status 0: *"
rm -f "$work/born" "$work/go"
begin dvm run -q -n 1 -H node2 dyn spawn hosts=node2 sh -c 'cd '"$work"'; echo one; echo > born
	while [ ! -e go ]; do sleep 0.05; done; echo two' , watch 2 , until ended 30000 > "$work/out"
client=$pid
ok "a child prints" until_ok 10 test -e "$work/born"
kill -STOP "$client"
kill -9 "$(dvmd_pid node1)"
ok "... its client is away, and the daemon restarted" dvm up -q
touch "$work/go"
ok "... when all ends" until_ok 8 no_jobs
kill -CONT "$client"
ends "... it comes back" 0 "$client" 30
is "... and has it all" "$(grep -xE 'one|two' "$work/out" | xargs)" "one two"
ok "no process stays" until_ok 5 no_job_left

# ---- events ----

out=$(dyn watch , spawn ranks=2 nodes=2 sleep 0.2 , until ended)
like "the end of a child" "$out" "watch: ok
spawned *
exit *.? on * status 0 signal 0
exit *.? on * status 0 signal 0
ended * status 0: "
out=$(dyn watch 3 , spawn hosts=node2 sh -c 'sleep 0.2; kill -SEGV $$' , until ended)
like "a child that crashes" "$out" "*exit +([0-9]).0 on +([0-9]) status 139 signal 11
ended * status 139: rank 0 on node2 was killed by signal 11*"
out=$(dyn watch 3 , spawn ranks=2 keep-going sh -c 'sleep 0.2; exit 4$DVM_RANK' , until ended)
like "how each rank ended" "$out" "*.0 on * status 40 signal 0*"
like "... and the other" "$out" "*.1 on * status 41 signal 0*"
out=$(dyn watch 3 , spawn sleep 60 , cancel , until ended)
like "a child that is cancelled" "$out" "*cancel: ok
exit *.0 on 1 status 143 signal 15
ended * status 1: cancelled by rank 0 of job *"
out=$(dvm run -q -n 2 -N 2 --keep-going sh -c 'cd '"$work"'
	[ "$DVM_RANK" = 0 ] && exec dyn watch 1 , meet watching , until exit
	exec dyn meet there watching , crash 9' 2> /dev/null)
like "a rank of the own job, on another node" "$out" "*exit *.1 on * status 137 signal 9"
is "nothing happens" "$(dyn watch , peek)" $'watch: ok\nno event'
like "who does not watch hears nothing" "$(dyn spawn true , until ended 700)" "*until: ETIMEDOUT: "
like "a job that is unknown" "$(dyn cancel 999)" "cancel: ENOENT: no job 999"

# ---- names ----

is "a name is published, found and taken back" "$(dyn publish a hello , lookup a , unpublish a , lookup a |
	sed 's/of .*/of J/')" "publish: ok
found hello of J
unpublish: ok
lookup: ENOENT: nobody has published a"
rm -f "$work/published" "$work/go"
begin dvm run -q -n 1 -H node3 dyn publish b 'of node3' , publish empty , meet "$work/published" "$work/go" \
	> "$work/server"
server=$pid
ok "a server is there" until_ok 10 test -e "$work/published"
like "another job finds it" "$(dyn lookup b)" "found of node3 of *.0"
like "... from each node" "$(dvm run -q -n 1 -H node2 dyn lookup b)" "found of node3 of *.0"
like "... though it says nothing" "$(dyn lookup empty)" "found  of *.0"
like "its name is taken" "$(dyn publish b)" "publish: EEXIST: b is published by job +([0-9])"
like "... and nobody else's to take back" "$(dyn unpublish b)" "unpublish: ENOENT: *"
touch "$work/go"
ends "the server ends" 0 "$server" 10
is "... and its names with it" "$(dyn lookup b)" "lookup: ENOENT: nobody has published b"
begin dvm run -q -n 1 -H node2 dyn meet "$work/late" , lookup late 30000 > "$work/found"
late=$pid
ok "somebody waits for a name" until_ok 10 test -e "$work/late"
rm -f "$work/go"
begin dvm run -q -n 1 -H node3 dyn publish late news , meet "$work/published" "$work/go" > "$work/server"
server=$pid
ends "... and finds it when it comes" 0 "$late" 10
like "... what it says" "$(cat "$work/found")" "found news of *.0"
touch "$work/go"
ends "... from where it came" 0 "$server" 10
is "nobody publishes it: the time is over" "$(dyn lookup never 300)" "lookup: ETIMEDOUT: no answer in time"

# ---- hosts ----

like "the machine's nodes" "$(dyn hosts)" "host 1 node1 up slots 2
host * node2 up slots 2
host * node3 up slots 2"
like "a node more" "$(dyn watch , add , until joined , hosts)" "watch: ok
add: ok
joined node4
*host * node4 up slots *"
like "... can be used" "$(dyn spawn hosts=node4 true)" "spawned *"
out=$(dyn watch , remove node4 , until left , hosts)
like "... and removed" "$out" "watch: ok
remove: ok
*left node4
host 1 node1 *
host * node2 *
host * node3 *"
ok "... by a leader that goes on" alive "$(dvmd_pid node1)"
is "a node that is unknown" "$(dyn remove node9)" "remove: ENOENT: no node is called node9"
like "the node that leads" "$(dyn remove node1)" "remove: EBUSY: *"
like "a host that cannot be reached" "$(dyn add nowhere.invalid)" "add: *"
is "a host that is an option" "$(dyn add a,-x)" 'add: EINVAL: the name of a host does not begin with "-"'
begin dvm run -q -n 1 dyn watch 28 , meet "$work/watching2" , until lost 30000 , until joined 30000 > "$work/hosts"
watcher=$pid
ok "somebody watches the hosts" until_ok 10 test -e "$work/watching2"
kill -9 "$(dvmd_pid node3)"
ok "a daemon is killed" until_ok 20 is_state node3 down
ok "... and started again" dvm up -q
ends "... which is seen" 0 "$watcher" 40
is "... as it was" "$(cat "$work/hosts")" "watch: ok
lost node3
joined node3"
ok "no process stays" until_ok 5 no_job_left

# A whole node: its daemon and its shepherds in one blow.
rm -f "$work/born" "$work/go"
begin dvm run -q -n 1 -H node1 dyn watch 3 , spawn keep-going ranks=2 hosts=node2:1,node3:1 sleep 60 , \
	meet "$work/born" "$work/go" , until exit 30000 , cancel , until ended 30000 > "$work/out"
asker=$pid
ok "a child on two nodes" until_ok 10 test -e "$work/born"
touch "$work/go"
# shellcheck disable=SC2046
kill -9 "$(dvmd_pid node3)" $(shepherds node3)
ends "... one is lost" 0 "$asker" 60
like "... which its parent hears, and of the other rank later" "$(cat "$work/out")" "watch: ok
spawned *
exit *.1 on * status -1 signal 0
cancel: ok
exit *.0 on * status 143 signal 15
ended *"
ok "... the node comes back" dvm up -q

# ---- the daemons, under way ----

rm -f "$work/born" "$work/go"
begin dvm run -q -n 1 -H node2 dyn watch 3 , spawn hosts=node3 keep-going sleep 60 , \
	meet "$work/born" "$work/go" , cancel , until ended , publish a , lookup a > "$work/out"
asker=$pid
ok "a family of two nodes" until_ok 10 test -e "$work/born"
kill -9 "$(dvmd_pid node2)"
ok "the daemon of one is killed and comes back" dvm up -q
touch "$work/go"
ends "... the rank goes on asking" 0 "$asker" 40
like "... and hears" "$(cat "$work/out")" "watch: ok
spawned *
cancel: ok
*ended * status 1: cancelled by rank 0 of job *
publish: ok
found  of *"
rm -f "$work/born" "$work/go"
begin dvm run -q -n 1 -H node2 dyn publish kept here , meet "$work/born" "$work/go" , lookup kept > "$work/out"
asker=$pid
ok "a name" until_ok 10 test -e "$work/born"
kill -9 "$(dvmd_pid node1)"
ok "the leader is killed and comes back" dvm up -q
like "... it is still there" "$(dyn lookup kept)" "found here of *.0"
touch "$work/go"
ends "... for its job, too" 0 "$asker" 20
like "... which has heard" "$(cat "$work/out")" "publish: ok
found here of *.0"
rm -f "$work"/born* "$work"/go*
on node2 begin dvm run -q -n 1 -H node2 dyn meet "$work/born" "$work/go" , spawn true , lookup x , \
	meet "$work/born2" "$work/go2" , spawn true , lookup x > "$work/out"
asker=$pid
ok "a rank away from the leader" until_ok 10 test -e "$work/born"
kill -9 "$(dvmd_pid node1)"
touch "$work/go"
ok "... asks without one" until_ok 60 test -e "$work/born2"
like "... and is told so" "$(cat "$work/out")" "spawn: *the machine's leader does not answer*
lookup: *the machine's leader does not answer*"
ok "the leader comes back" dvm up -q
touch "$work/go2"
ends "... and answers" 0 "$asker" 30
like "... as before" "$(tail -n 2 "$work/out")" "spawned *
lookup: ENOENT: nobody has published x"
ok "no process stays" until_ok 5 no_job_left

done_testing
