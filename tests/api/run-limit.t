#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Segments of ranks whose memory is limited by control groups, each by one of its own: refused when it
# is too much, else used without anybody being killed for want of memory. Needs a group that may be
# made: root, or a delegated one.
run=$DVM_BUILD/tests/api/mini-run
mib=64
n=0
failed=0
tmp=$(mktemp -d)

# Version 2 of control groups, or the older one: where ours is, and what the limit is called.
find_groups() {
	path=$(sed -n 's/^0:://p' /proc/self/cgroup)
	for root in /sys/fs/cgroup /sys/fs/cgroup/unified; do
		if grep -qw memory "$root$path/cgroup.subtree_control" 2>/dev/null; then
			top=$root$path/dvm-limit-$$ max=memory.max swap=memory.swap.max
			return
		fi
	done
	path=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
	top=/sys/fs/cgroup/memory$path/dvm-limit-$$ max=memory.limit_in_bytes swap=memory.swappiness
}

clean() {
	rmdir "$top"/rank* "$top" 2>/dev/null
	rm -rf "$tmp"
}
trap clean EXIT

find_groups
if ! mkdir "$top" 2>/dev/null; then
	echo "1..0 # SKIP no control group can be made"
	exit 77
fi
(echo +memory >"$top/cgroup.subtree_control") 2>/dev/null
for rank in 0 1; do
	mkdir "$top/rank$rank" && echo $((mib << 20)) >"$top/rank$rank/$max" || {
		echo "1..0 # SKIP no limit can be set"
		exit 77
	}
	(echo 0 >"$top/rank$rank/$swap") 2>/dev/null
done
cat >"$tmp/within" <<EOF
#!/bin/sh
echo \$\$ >"$top/rank\$DVM_RANK/cgroup.procs" && exec "\$@"
EOF
chmod +x "$tmp/within"

limited() { # CONSISTENCY
	n=$((n + 1))
	if out=$("$run" -t 120 -n 2 -N 2 "$tmp/within" "$DVM_BUILD/tests/api/job" mem_limited 0 0 1 0 $mib "$1" 2>&1); then
		echo "ok $n - segments of ranks with $mib MiB each, consistency $1$2"
	else
		failed=1
		echo "not ok $n - segments of ranks with $mib MiB each, consistency $1$2"
		echo "$out" | sed 's/^/# /'
	fi
}

limited 0
limited 1
DVM_SHM_UFFD=missing limited 0 ", as on Linux 6.1"
n=$((n + 1))
if cat "$top"/rank*/memory.events "$top"/rank*/memory.oom_control 2>/dev/null | grep -q "oom_kill [1-9]"; then
	failed=1
	echo "not ok $n - nobody was killed for want of memory"
else
	echo "ok $n - nobody was killed for want of memory"
fi
echo "1..$n"
exit $failed
