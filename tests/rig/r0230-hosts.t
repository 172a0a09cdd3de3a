#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What becomes of a guest over two hosts when one of them dies (while the kernel boots, while programs
# compute on both, amid a reset) or stands still for a while, or a link between two of three breaks; and
# that guests are paused, resumed, reset and rebooted again and again with nothing restarted on the hosts,
# and nothing left behind there.
# It is part of `make check-long`.

# shellcheck disable=SC2317 # called by until_ok
# shellcheck source=tests/rig/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/rig/machine.sh
. "$lib_dir/machine.sh"
# shellcheck source=tests/rig/spread.sh
. "$lib_dir/spread.sh"

kernel=$(cloud_kernels | head -n 1)
[ -n "$kernel" ] || skip_all "there is no cloud kernel in /boot"
pack_guest "$lib_temp/overlay" "$kernel"
# A host that is silent for 8 s is not to be dead yet; it is after some 17 s then, and later where all is slow.
mkdir -p "$lib_temp/overlay/etc/dvm"
echo 'failure_timeout: 40s' > "$lib_temp/overlay/etc/dvm/dvm.conf"

rig_start 3 --mem 700M --disk 64 --overlay "$lib_temp/overlay"
ok "a machine is founded" found_machine
ok "host2 joins" join_machine host2

# A stock kernel with a CPU on each host.
tux_over() # HOSTS NAME VERBS
{
	start_over "$1" "$2" --stay-apart --cpus "$1" --mem 384M --kernel "/guest/${kernel##*/}" \
		--initrd /guest/initrd --append "console=ttyS0 quiet nokaslr panic=-1 do=$3"
}
tux() # NAME VERBS
{
	tux_over 2 "$@"
}

# What the machine knows of a guest that has ended.
is_lost() # NAME
{
	ok "... the guest ends" until_ok 60 ended_by "$1"
	like "... the machine knows why" "$(on host1 dvm guest wait "$1" 2>&1)" "dvm: guest $1: *host2*"
	ok "... and its log names the host" says "$1" "host host2 is lost, and the guest with it"
	ok "... nothing of it is left" until_ok 10 nothing_runs dvm-vmm host1
	ok "... nor of its job" until_ok 10 no_litter host1
}

host2_is_back()
{
	ok "host2 is there again" rig on host2
	ok "... a member" on host2 /usr/local/libexec/dvm/dvmd
	ok "... for all" until_ok 20 all_see "host1=up host2=up" host1 host2
}

# --- a host dies -----------------------------------------------------------------------------

ok "a kernel boots" tux boot up,wait
ok "... its CPUs run" until_ok 20 state_is boot running
not_ok "... and have not come far" says boot "guest: up"
rig off host2
is_lost boot
host2_is_back

ok "the next guest is started" tux work echo,up,stresses
ok "... its CPUs go to their hosts" until_ok 90 spread_is work false
begins_work()
{
	types work end
	says work "guest: up"
}
ok "... and compute on both" until_ok 90 begins_work
rig off host2
is_lost work
host2_is_back

ok "another one is started" tux again wait
ok "... its CPUs go to their hosts" until_ok 90 spread_is again false
rig pause host2
ok "it is reset, which host2 does not hear" on host1 dvm guest reset again
ok "... so that is waited for" until_ok 15 says again "the guest waits for host host2"
rig off host2
is_lost again
host2_is_back

# --- a host stands still ---------------------------------------------------------------------

# shellcheck disable=SC2016 # the host's own
descriptors() # HOST
{
	on "$1" sh -c 'ls /proc/$(pidof dvmd)/fd | wc -l'
}

# Of the daemons, when nothing runs.
settled()
{
	echo "$(descriptors host1) $(descriptors host2)"
}
have_settled() # HOW
{
	[ "$(settled)" = "$1" ]
}

past() # SECONDS of this shell
{
	[ "$SECONDS" -ge "$1" ]
}

ok "both daemons have started something" on host1 dvm run -n 2 --map-by node true
before=$(settled)
ok "one that answers is started" tux slow echo
ok "... its CPUs go to their hosts" until_ok 120 spread_is slow false
rig pause host2
until_ok 10 past $((SECONDS + 8))
rig resume host2
ok "a host that stands still for 8 s is named" until_ok 10 says slow "the guest waits for host host2"
ok "... and when it is heard again" until_ok 20 says slow "host host2 is heard again"
says_twice() # NAME TEXT
{
	[ "$(on host1 dvm guest log "$1" | grep -c -- "$2")" -ge 2 ]
}
lines=0
hears() # NAME LINE
{
	types "$1" "$2"
	says "$1" "guest: heard $2"
}
goes_on() # NAME: its init answers to something new
{
	lines=$((lines + 1))
	until_ok 30 hears "$1" "line $lines."
}
ok "... the guest goes on" goes_on slow
types slow "do see"
ok "... with one time on both hosts" until_ok 60 says slow "moves, clock went back 0 times"
rig pause host1
until_ok 10 past $((SECONDS + 8))
rig resume host1
ok "the first host stands still, and the guest goes on" goes_on slow
types slow "do see"
ok "... with one time on both hosts" until_ok 60 says_twice slow "moves, clock went back 0 times"

# --- again and again -------------------------------------------------------------------------

monitors()
{
	on host1 pidof dvm-vmm
	on host2 pidof dvm-vmm
}

pause_and_resume() # NAME
{
	on host1 dvm guest pause "$1" && until_ok 20 state_is "$1" paused &&
		on host1 dvm guest resume "$1" && until_ok 20 state_is "$1" running
}

has_resets() # NAME N
{
	[[ $(on host1 dvm guest stat "$1") =~ \"resets\":([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge "$2" ]
}

ok "it is paused and resumed" pause_and_resume slow
same=$(monitors)
good=0
for ((i = 0; i < 20; i++)); do pause_and_resume slow && good=$((good + 1)); done > /dev/null
is "... twenty times" $good 20
ok "... and goes on" goes_on slow
good=0
for ((i = 1; i <= 10; i++)); do
	on host1 dvm guest reset slow && until_ok 30 has_resets slow $i && good=$((good + 1))
done > /dev/null
is "it is reset ten times" $good 10
ok "... boots again" until_ok 60 goes_on slow
ok "... and is on both hosts again" until_ok 120 spread_is slow false
is "the monitors are the same" "$(monitors)" "$same"
end_guest slow

ok "one that restarts itself" tux anew up,restart
ok "... does so three times" until_ok 120 has_resets anew 3
like "... each time from the beginning" "$(on host1 dvm guest log anew 2>&1)" \
	"*guest: up*guest: restarting*guest: up*guest: restarting*guest: up*"
end_guest anew
ok "daemons have as many descriptors as before ($before)" until_ok 10 have_settled "$before"

# --- a link between two of three breaks ------------------------------------------------------

# Each takes the other one for another card.
breaks_link()
{
	on host2 ip neigh replace 10.77.0.3 lladdr 02:00:00:00:00:99 dev eth0 nud permanent &&
		on host3 ip neigh replace 10.77.0.2 lladdr 02:00:00:00:00:99 dev eth0 nud permanent
}
mends_link()
{
	on host2 ip neigh del 10.77.0.3 dev eth0 && on host3 ip neigh del 10.77.0.2 dev eth0
}

ok "host3 joins" join_machine host3
ok "one over three hosts is started" tux_over 3 three echo
ok "... its CPUs go to their hosts" until_ok 120 spread_is three false 3
ok "host2 and host3 do not hear each other" breaks_link
ok "... which host2 says" until_ok 20 says three "waits for host host3, of which nothing is heard"
ok "... and host3" until_ok 20 says three "waits for host host2, of which nothing is heard"
ok "the link is there again" mends_link
ok "... which host2 says" until_ok 60 says three "host host3 is heard again"
ok "... and host3" until_ok 60 says three "host host2 is heard again"
ok "... the guest goes on" goes_on three
end_guest three
ok "nothing of them is left" until_ok 10 nothing_runs dvm-vmm host1 host2 host3
ok "the hosts' kernels are calm" kernels_are_calm
done_testing
