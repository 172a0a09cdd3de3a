#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Three hosts with a network between them, each a network namespace on a bridge: joined over ssh
# (a stand-in for it) and by token, cut off, half blocked, with packets lost.
# shellcheck disable=SC2016,SC2317

# shellcheck source=tests/multi/hosts.sh
. "$(dirname "$0")/hosts.sh"

hosts_up 3
echo 'failure_timeout: 3s' > "$work/dvm.conf"

node_is() # NODE STATE SEEN-BY
{
	in_host "$3" dvm nodes | awk -v n="$1" -v s="$2" \
		'{ sub(/\*/, "", $1) } $1 == n && $2 == s { ok = 1 } END { exit !ok }' ||
		! in_host "$3" dvm nodes
}

all_up()
{
	local n
	for n in 1 2 3; do
		node_is host1 up "$n" && node_is host2 up "$n" && node_is host3 up "$n" || return 1
	done
}

is_unknown() # NODE
{
	! in_host 1 dvm nodes | grep "^$1"
}

deaths()
{
	cat "$work"/h?/*/*/dvmd.log | grep -c 'is dead'
}

# ---- a machine ----

ok "dvm up -H, through ssh" in_host 1 dvm up -H host2 --ssh fake-ssh --interface "$net.0/24"
token=$(in_host 1 dvm token -q)
ok "dvm join by token, without it" in_host 3 dvm join host1 --token "$token" --name host3
ok "three nodes are up for each" until_ok 10 all_up
is "each has its address" "$(in_host 2 dvm nodes --json | grep -o "$net\\.[0-9]*" | sort | xargs)" \
	"$net.1 $net.2 $net.3"
is "a job on all" "$(in_host 2 dvm run -n 3 -N 3 hostname | sort | xargs)" "host1 host2 host3"
if [ -x "$DVM_BUILD/examples/ring" ]; then
	ok "libdvm between them" in_host 1 dvm run -n 3 -N 3 "$DVM_BUILD/examples/ring"
else
	skip "libdvm between them" "not built"
fi
ok "doctor finds nothing wrong" in_host 1 dvm doctor

# ---- a cable ----

in_host 1 dvm run -q -n 3 -N 3 sh -c "echo > $work/there.\$DVM_NODENAME; sleep 301" 2> "$work/err" &
job=$!
ok "a job is on all" until_ok 10 test -e "$work/there.host1" -a -e "$work/there.host2" -a \
	-e "$work/there.host3"
in_host 1 dvm run -q -n 1 -H host1 "$DVM_BUILD/tests/multi/dyn" watch , spawn keep-going ranks=2 \
	hosts=host2:1,host3:1 sleep 302 , meet "$work/watching" , until lost 30000 , until exit 30000 , \
	cancel , until joined 60000 > "$work/events" &
watcher=$!
[ ! -x "$DVM_BUILD/tests/multi/dyn" ] || ok "a program watches" until_ok 10 test -e "$work/watching"
in_host 3 ip link set eth0 down
ends "a host cut off ends the job" 1 $job 10
like "... and the user is told" "$(cat "$work/err")" "dvm: *host3*lost*"
ok "... it is down for the leader" until_ok 5 node_is host3 down 1
ok "... and for the other" until_ok 5 node_is host3 down 2
ok "... the rest runs jobs" in_host 2 dvm run -n 2 -N 2 true
in_host 3 ip link set eth0 up
ok "cable in: it comes back by itself" until_ok 30 all_up
if [ -x "$DVM_BUILD/tests/multi/dyn" ]; then
	ends "the program that watches has seen both" 0 "$watcher" 30
	like "... and its rank there is lost" "$(sort "$work/events")" "*exit *.1 on * status -1 signal 0
*joined host3
lost host3*"
fi
ok "... and ends what it ran" until_ok 15 no_process '*sleep 30[12]*'
ok "... and runs jobs" in_host 3 dvm run -n 3 -N 3 true

# ---- half a wall ----

wall() # add|del FROM TO
{
	in_host "$2" ip rule "$1" to "$net.$3" ipproto tcp dport 7117 priority 10 blackhole
}

before=$(deaths)
if out=$(wall add 2 3 2>&1); then
	out=$(in_host 1 dvm doctor 2>&1)
	like "a blocked direction is named" "$? $out" "1 *host2*host3*"
	is "... and only that" "$(grep -c 'host3 *\(->\|→\|to\) *host2' <<< "$out")" 0
	ok "... nobody is dead: others ask for them" [ "$(deaths)" -eq "$before" ]
	wall del 2 3
	ok "... and when it is open, all is well" until_ok 15 in_host 1 dvm doctor
else
	skip "a blocked direction is named" "${out%%$'\n'*}"
fi
in_host 2 ip route add blackhole "$net.3"
out=$(in_host 1 dvm doctor 2>&1)
like "a missing route is named" "$? $out" "1 *host2*host3*"
in_host 2 ip route del blackhole "$net.3"
ok "... and the route back" until_ok 15 in_host 1 dvm doctor
ok "all are up" until_ok 15 all_up

# ---- a bad network ----

before=$(deaths)
for i in 1 2 3 4; do # a fifth of the limit at most
	in_host 2 ip link set eth0 down
	sleep 0.3
	in_host 2 ip link set eth0 up
	ok "a loose cable, $i" until_ok 10 in_host 2 dvm run -n 3 -N 3 true
done
is "... kills nobody" "$(deaths)" "$before"

# One frame in twenty is lost, whatever it carries.
mkfifo "$work/plug"
nsenter -t "$switch" -n python3 "$lib_dir/lossy.py" 0.05 "${SEED:-1}" p1 p2 p3 \
	< "$work/plug" > "$work/frames" &
hub=$!
exec 5> "$work/plug"
ok "a network that loses packets" until_ok 10 grep -q ready "$work/frames"
nsenter -t "$switch" -n sh -c 'for n in 1 2 3; do ip link set p$n nomaster; done'
before=$(deaths) bad=0
for ((i = 0; i < 10; i++)); do
	in_host 1 dvm run -q -n 3 -N 3 seq 200 > "$work/out"
	[ "$(sort -n "$work/out" | uniq -c | awk '$1 == 3' | wc -l)" -eq 200 ] || bad=$((bad + 1))
	[ "$(in_host 2 dvm run -q -n 3 -N 3 seq 100 | wc -l)" -eq 300 ] || bad=$((bad + 1))
done
is "jobs run though packets are lost" $bad 0
is "... and nobody is declared dead" "$(deaths)" "$before"
exec 5>&-
wait $hub
read -r passed lost < <(tail -n 1 "$work/frames")
ok "... where there were some: $lost of $((passed + lost))" [ "$lost" -ge 20 ]
for n in 1 2 3; do nsenter -t "$switch" -n ip link set "p$n" master br0; done

ok "a node leaves" in_host 3 dvm leave
ok "... and is forgotten" until_ok 5 is_unknown host3

done_testing
