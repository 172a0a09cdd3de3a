/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of dvm-vmm as a configuration. */
#ifndef VMM_OPTIONS_H
#define VMM_OPTIONS_H

#include <stdio.h>

#include "kvm-node/vmm.h"
#include "libdvm/base/opt.h"

struct vmm_options {
	struct vmm_config config;
	const char *stat_file; /* counters go here in the end, or NULL */
	FILE *stat;	       /* the same, opened; the caller's */
	const char *control; /* name of the guest's socket, or NULL */
	const char *ask;     /* what to ask the guest behind it; nothing is run then */
	unsigned hosts;	     /* ranks of the guest's job, each a monitor; 0: this is the only one */
	int log_level;
	bool isolate; /* shut in when all is open */
	bool help, version, check;
	bool follower; /* not the first of several; set by who finds out */
};

extern const struct dvmi_opt_command vmm_options_command;

/* ARGV's strings must live as long as O. */
int vmm_options_parse(struct vmm_options *o, int argc, char **argv, dvm_error_t *err);

#endif
