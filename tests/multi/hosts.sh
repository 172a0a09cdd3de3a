# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# For tests of hosts with names and cards of their own on this kernel: each is a network and a UTS
# namespace on a bridge. Takes the place of lib.sh.
#
#	. "$(dirname "$0")/hosts.sh"
#	hosts_up 3
#	in_host 1 dvm up -H host2 --ssh fake-ssh --interface "$net.0/24"

# An ordinary user gets by in a user namespace.
if [ "$(id -u)" -ne 0 ] && unshare --map-root-user true 2> /dev/null; then
	exec unshare --map-root-user "$BASH" "$0" "$@"
fi
# shellcheck source=tests/multi/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ -n "$lib_private" ] || skip_all "no namespaces of our own"
command -v ip > /dev/null || skip_all "no ip"

net=10.117.0
hosts=(x) # from 1 on: a process whose namespaces are the host's

# A process that holds new namespaces; its number is in $held.
hold()
{
	env -u DVM_MULTI unshare --net --uts sleep infinity &
	held=$!
	until_ok 5 sh -c "! [ /proc/$held/ns/net -ef /proc/self/ns/net ] &&
		grep -q sleep /proc/$held/comm" && nsenter -t $held -n ip link set lo up
}

in_host() # N CMD...
{
	local n=$1
	shift
	DVM_RUN_BASE=$work/h$n DVM_STATE_BASE=$work/s$n DVM_CONFIG=$work/dvm.conf \
		nsenter -t "${hosts[n]}" -n -u timeout -k 5 "${limit:-40}" "$@"
}

plug_in() # N
{
	hold || return 1
	hosts[$1]=$held
	ip link add "p$1" netns "$switch" type veth peer name eth0 netns "$held" &&
		nsenter -t "$switch" -n ip link set "p$1" master br0 up &&
		nsenter -t "$held" -u hostname "host$1" &&
		in_host "$1" ip address add "$net.$1/24" dev eth0 &&
		in_host "$1" ip link set eth0 up
}

build_network() # N
{
	local n
	hold || return 1
	switch=$held
	nsenter -t "$switch" -n ip link add br0 type bridge &&
		nsenter -t "$switch" -n ip link set br0 up || return 1
	for ((n = 1; n <= $1; n++)); do
		plug_in $n || return 1
	done
}

hosts_up() # N
{
	local n
	build_network "$1" > "$work/net" 2>&1 ||
		skip_all "no network of our own: $(tail -n 1 "$work/net")"
	for ((n = 1; n <= $1; n++)); do
		echo "$net.$n host$n"
	done > "$work/hosts"
	echo 127.0.0.1 localhost >> "$work/hosts"
	mount --bind "$work/hosts" /etc/hosts || skip_all "no names of our own"
	: > "$work/dvm.conf"
	printf '%s\n' "${hosts[@]:1}" > "$work/holders"
	make_ssh
}

# ssh HOST COMMAND, as far as dvm can tell.
make_ssh()
{
	cat > "$lib_temp/bin/fake-ssh" <<-EOT
		#!/bin/sh
		n=\${1#host}
		pid=\$(sed -n "\${n}p" "$work/holders")
		export DVM_RUN_BASE="$work/h\$n" DVM_STATE_BASE="$work/s\$n"
		exec nsenter -t "\$pid" -n -u sh -c "\$2"
	EOT
	chmod +x "$lib_temp/bin/fake-ssh"
}

halt_all()
{
	in_host 1 dvm halt --force
}
