#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Guests, as far as the command line alone decides.
. "$DVM_SRC/tests/cli/lib.sh"

# Nothing is run here, but the monitor has to be there.
export DVM_LIBEXECDIR="$tmp/libexec"
mkdir "$DVM_LIBEXECDIR"
printf '#!/bin/sh\n' >"$DVM_LIBEXECDIR/dvm-vmm"
chmod +x "$DVM_LIBEXECDIR/dvm-vmm"

guest='jobs.0.id=7 jobs.0.name=guest:one jobs.0.state=running jobs.0.nodes.0=node2'

asked() { # asked FIELD…: the guest is looked for, and the request that asks it has these fields
	daemon <<-END
		accept
		expect JOBS all=1
		reply JOBS $guest
		eof
		accept
		expect RUN spec.beside=7 spec.hosts.0.name=node2 $*
		reply RUN $placed
		send JOB_EVENT job=5 kind=ENDED
		eof
	END
}

asked spec.stdin_to=STDIN_NONE
rest=$(printf 'one\ntwo\n' | { read -r name && $dvm guest stop "$name" && cat; })
is "$rest" two "a list of guests is a script's, not the guest's"
daemon_ok "... and the guest is asked without input"

asked spec.stdin_to=STDIN_RANK0
$dvm guest console one </dev/null
ok "the console is typed at"
daemon_ok "... from our input"

done_testing
