#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Lists, as tables and as JSON.
. "$DVM_SRC/tests/cli/lib.sh"

json() { # json FILE < CHECKS: Python statements about the document d
	command -v python3 >/dev/null || return 0 # then it is only known to have been printed
	{ printf 'import json\nd = json.load(open("%s"))\n' "$1"; cat; } | python3 -
}

nodes='nodes.0.id=1 nodes.0.name=node1 nodes.0.state=up nodes.0.address=127.9.0.1 nodes.0.port=7117 nodes.0.version=0.1.0 nodes.0.cores=8 nodes.0.slots=8 nodes.0.slots_used=3 nodes.0.mem_total=17179869184 nodes.0.mem_free=8589934592 nodes.0.load_100=125 nodes.0.since=1700000000000000000 nodes.0.leader=1 nodes.0.self=1 nodes.0.host=h1
nodes.1.id=2 nodes.1.name=node10 nodes.1.state=down nodes.1.address=127.9.0.10 nodes.1.slots=2 nodes.1.cores=2'

reply() { # reply TYPE FIELD…, then the command
	daemon <<-END
		accept
		expect $1
		reply $*
		eof
	END
}

reply NODES machine=m view=12 $nodes
capture $dvm nodes
is "$(cut -c 1-66 "$tmp/out")" "NAME    STATE  ADDRESS     SLOTS  USED  CORES  MEMORY   FREE  LOAD
node1*  up     127.9.0.1       8     3      8  16 GiB  8 GiB  1.25
node10  down   127.9.0.10      2     -      2     0 B      -     -" "nodes"
like "$(sed -n 2p "$tmp/out")" "*  [0-9]*d[0-9]*h  0.1.0" "nodes: since when"
daemon_ok "nodes"

reply NODES machine=m view=12 $nodes
capture $dvm nodes --json
json "$tmp/out" <<END
n = d["nodes"]
assert d["machine"] == "m" and d["view"] == 12 and len(n) == 2
assert n[0] == {"id": 1, "name": "node1", "state": "up", "address": "127.9.0.1", "port": 7117,
	"version": "0.1.0", "host": "h1", "leader": True, "self": True, "cores": 8, "slots": 8,
	"slots_used": 3, "memory_total": 1 << 34, "memory_free": 1 << 33, "load": 1.25,
	"since": "2023-11-14T22:13:20.000000Z", "drain": None, "kvm": None,
	"kvm_why": None}, n[0]
assert n[1]["since"] is None and n[1]["leader"] is False
END
ok "nodes --json"
daemon_ok "nodes --json"

lacking="nodes.0.kvm=KVM_USABLE nodes.1.kvm=KVM_LACKING nodes.1.kvm_why=/dev/kvm:\sgone"
reply NODES machine=m view=12 $nodes $lacking nodes.2.name=node11 nodes.2.state=up nodes.2.version=0.1.0
capture $dvm nodes
is "$(sed 's/.* //' "$tmp/out" | tr '\n' ' ')" "KVM yes no - " "nodes: which have KVM, where one has none"
daemon_ok "nodes and KVM"

reply NODES machine=m view=12 $nodes $lacking nodes.0.draining=1 nodes.0.drain_why=fans
capture $dvm nodes
is "$(awk '{ print $(NF - 1), $NF }' "$tmp/out" | tr '\n' ' ')" "KVM WHY yes fans no - " "... and why it drains"
daemon_ok "nodes, KVM and drains"

reply NODES machine=m view=12 $nodes $lacking
capture $dvm nodes --json
json "$tmp/out" <<END
n = d["nodes"]
assert n[0]["kvm"] is True and n[0]["kvm_why"] is None, n[0]
assert n[1]["kvm"] is False and n[1]["kvm_why"] == "/dev/kvm: gone", n[1]
END
ok "... as JSON"
daemon_ok "nodes, KVM, JSON"

jobs='jobs.0.id=3 jobs.0.name=solve jobs.0.user=ann jobs.0.state=done jobs.0.ranks=8 jobs.0.nodes.0=node2 jobs.0.nodes.1=node1 jobs.0.submitted=1700000000000000000 jobs.0.started=1700000001000000000 jobs.0.ended=1700000011000000000 jobs.0.exit_code=2 jobs.0.reason=rank\s1\sfailed jobs.0.argv.0=./solve jobs.0.argv.1=a\sb jobs.0.origin=node1'
reply JOBS $jobs
capture $dvm jobs -a
like "$out" "ID  STATE  RANKS  NODES      USER*
 3  done       8  node\[1-2\]  ann *  10s     2  solve" "jobs"
daemon_ok "jobs"

reply JOBS $jobs
capture $dvm jobs 3
like "$out" "*command    ./solve 'a b'*exit code  2*reason     rank 1 failed*" "one job"
daemon_ok "one job"

reply JOBS $jobs
capture $dvm jobs --json
json "$tmp/out" <<END
j = d["jobs"][0]
assert j["id"] == 3 and j["argv"] == ["./solve", "a b"] and j["exit_code"] == 2
assert j["nodes"] == ["node2", "node1"] and j["ended"] == "2023-11-14T22:13:31.000000Z"
END
ok "jobs --json"
daemon_ok "jobs --json"

reply PS procs.0.job=3 procs.0.node=node2 procs.0.rank.rank=1 procs.0.rank.pid=20 procs.0.rank.exited=1 procs.0.rank.status=139 procs.0.rank.signalled=1 procs.1.job=3 procs.1.node=node1 procs.1.rank.rank=0 procs.1.rank.pid=10 procs.1.rank.cpu_ns=1500000000 procs.1.rank.rss_peak=1048576 procs.1.rank.connected=1
capture $dvm ps
is "$out" "JOB  RANK  NODE   PID  STATE         CPU   PEAK  LIBDVM
  3     0  node1   10  running      1.5s  1 MiB  yes
  3     1  node2   20  signal SEGV    0s    0 B  no" "ps, in the order of ranks"
daemon_ok "ps"

reply DOCTOR checks.0.from=a checks.0.to=b checks.0.what=control\\splane checks.0.ok=1 checks.1.from=b checks.1.to=a checks.1.what=control\\splane checks.1.detail=port\\s7117\\sis\\sblocked checks.2.from=a checks.2.what=cgroups checks.2.warning=1
capture $dvm doctor
is "$rc" 1 "doctor: a failed check is a failure"
is "$out" "FAILED   b → a: control plane: port 7117 is blocked
warning  a: cgroups
3 checks: 1 failed, 1 warnings" "doctor"
daemon_ok "doctor"

reply TOKEN token=dvm-abc address=10.0.0.1 port=7117
capture $dvm token
is "$out" "dvm-abc" "token: nothing else on stdout"
like "$err" "*dvm join 10.0.0.1:7117*" "token: how to use it"
daemon_ok "token"

reply INFO machine=m node=1 name=node1 address=127.9.0.1 port=7117 version=0.1.0 pid=99 run_dir=/r state_dir=/s leader=1 view=4 ready=1
capture $dvm info
like "$out" "machine      m
node         node1 (1), leads*" "info"
daemon_ok "info"

reply LOG lines.0.wall=1 lines.0.level=6 lines.0.line=level=info\\stext
capture $dvm log
is "$out" "level=info text" "log"
daemon_ok "log"

reply NODES machine=m
$dvm nodes --json >/dev/full 2>"$tmp/err"
is $? 1 "a full disk under a list"
like "$(cat "$tmp/err")" "*No space left on device*" "is told"
daemon_ok "a full disk"

# A reader that has gone before there is anything to read.
gone() { # gone COMMAND…: with it, and the script of the daemon until then on stdin
	rm -f "$tmp/closed" "$tmp/rc"
	daemon
	{
		$dvm "$@" 2>"$tmp/err"
		echo $? >"$tmp/rc"
	} | {
		exec 0<&-
		: >"$tmp/closed"
	}
	wait_for -s "$tmp/rc"
	is "$(cat "$tmp/rc"):$(cat "$tmp/err")" "141:" "dvm $*: as if SIGPIPE had killed it, quietly"
	daemon_ok "dvm $*"
}

gone nodes <<END
accept
expect NODES
wait $tmp/closed
reply NODES machine=m
eof
END
# More than stdio keeps: what fails is the writing of a list, not the end of the command.
gone jobs -a --json <<END
accept
expect JOBS
wait $tmp/closed
reply JOBS $(for i in $(seq 0 49); do echo "jobs.$i.id=$((i + 1))"; done | tr '\n' ' ')
eof
END
gone logs 5 <<END
accept
expect JOBS
reply JOBS jobs.0.id=5
accept
expect LOGS
wait $tmp/closed
more OUTPUT chunks.0.data=x\\n chunks.0.stream=1
eof
END

done_testing
