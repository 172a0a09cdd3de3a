/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm guest start: the options that are the monitor's, and those that are the job's. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/cli/guest.h"
#include "libdvm/base/err.h"

#define OPTIONS_MAX 64
#define WORD_MAX    24

struct choice {
	struct cli_guest_line vmm; /* options that are the monitor's */
	char words[OPTIONS_MAX][WORD_MAX]; /* their names, with dashes */
	unsigned n_words;
	const char *host;
	bool kernel;
};

enum { HOST = 1, KERNEL, PASS };

static const struct dvmi_opt options[] = {
	{ KERNEL, 'k', "kernel", NULL, "FILE", "Boot", "bzImage, vmlinux, or a bare program",
	  "@file" },
	{ PASS, 'i', "initrd", NULL, "FILE", NULL, "initial file system", "@file" },
	{ PASS, 'a', "append", NULL, "TEXT", NULL,
	  "the kernel's command line (default: console=ttyS0)", NULL },
	{ PASS, 0, "no-reboot", NULL, NULL, NULL, "a reset ends the guest", NULL },
	{ PASS, 'c', "cpus", NULL, "N", "Machine", "virtual CPUs (default: 1)", NULL },
	{ PASS, 'm', "mem", "--memory", "SIZE", NULL, "memory (default: 256M)", NULL },
	{ PASS, 0, "numa", NULL, "N", NULL, "NUMA nodes to spread them over (default: 1)", NULL },
	{ PASS, 0, "node", NULL, "cpus=N,mem=SIZE", NULL,
	  "one more NUMA node, instead of --cpus, --mem and --numa", NULL },
	{ PASS, 0, "distance", NULL, "D", NULL,
	  "between NUMA nodes, 10 being local (default: 20)", NULL },
	{ PASS, 0, "cpu", NULL, "MODEL", NULL,
	  "host, or x86-64-v1 to x86-64-v4 for a guest that may move (default: host)",
	  "host x86-64-v1 x86-64-v2 x86-64-v3 x86-64-v4" },
	{ PASS, 'd', "disk", NULL, "FILE[,format=raw|qcow2][,ro][,snapshot]", "Devices",
	  "a disk; may be repeated", "@file" },
	{ PASS, 0, "net", NULL, "user|tap=IF|none[,mac=ADDR]", NULL,
	  "a network card; may be repeated", "user none" },
	{ PASS, 0, "share", NULL, "DIR[,tag=NAME][,ro]", NULL, "a directory of the host", "@dir" },
	{ PASS, 0, "vsock", NULL, "CID[,path=PATH]", NULL, "sockets between guest and host", NULL },
	{ PASS, 0, "rng", NULL, NULL, NULL, "a source of randomness", NULL },
	{ PASS, 0, "balloon", NULL, NULL, NULL, "give unused memory back to the host", NULL },
	{ HOST, 'H', "host", NULL, "HOST", "Place", "the node it runs on (default: any)", "@node" },
	CLI_GENERAL_OPTIONS,
};

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct choice *c = arg;

	if (id == HOST) {
		c->host = p->arg;
		return 0;
	}
	c->kernel |= id == KERNEL;
	if (c->n_words == OPTIONS_MAX)
		return dvmi_opt_bad(p, err, "too many options");
	snprintf(c->words[c->n_words], WORD_MAX, "--%s", p->opt->name);
	cli_guest_add(&c->vmm, c->words[c->n_words++]);
	if (p->arg)
		cli_guest_add(&c->vmm, p->arg);
	return 0;
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct choice choice = { .vmm.n = 0 };
	struct dvmi_opt_parser p;
	struct cli_guest g;
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, set, &choice);

	if (rc != CLI_GO)
		return rc;
	const char *name = p.operands[0];
	if (!choice.kernel)
		return cli_failf(c, "a guest needs a --kernel");
	if (cli_guest_check_name(name, &err) < 0)
		return cli_fail(c, &err);
	rc = cli_guest_find(c, name, &g, &err);
	if (rc < 0 && rc != -ENOENT)
		return cli_fail(c, &err);
	if (rc == 0 && !g.ended)
		return cli_failf(c, "guest %s is there already, on %s", name, g.node);
	return cli_guest_start(c, name, choice.host, &choice.vmm);
}

const struct cli_command cli_guest_start_verb = {
	.opt = { .name = "dvm guest start",
		 .operands = "NAME",
		 .brief = "boot a kernel in a virtual machine of its own",
		 .text = "Starts the guest on a node that has KVM, or on the one that is named, and "
			 "comes back when it runs. Files are looked for on that node, from this "
			 "directory.",
		 .options = options,
		 .min_operands = 1,
		 .max_operands = 1 },
	.family = "Guests",
	.run = run,
};
