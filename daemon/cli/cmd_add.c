/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/grow.h"
#include "daemon/cli/local.h"
#include "daemon/cli/net.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/hostlist.h"

enum { NODES = 1, SLOTS, SSH, INTERFACE, TIMEOUT, QUIET };

struct choice {
	uint32_t nodes, slots;
	const char *ssh, *interface;
	uint64_t timeout; /* ns */
	bool quiet;
};

static const struct dvmi_opt options[] = {
	{ NODES, 'n', "nodes", NULL, "K", "On this host", "K more nodes here (default: 1)", NULL },
	{ SLOTS, 's', "slots", NULL, "S", NULL, "slots of each (default: as the others here)",
	  NULL },
	{ SSH, 0, "ssh", NULL, "COMMAND", "On other hosts",
	  "what to reach them with (default: ssh)", NULL },
	{ INTERFACE, 0, "interface", NULL, "IF", NULL, "the interface all planes use there", NULL },
	{ TIMEOUT, 0, "timeout", NULL, "TIME", "How", "give up after TIME (default: 30s)", NULL },
	{ QUIET, 'q', "quiet", NULL, NULL, NULL, "say nothing when it goes well", NULL },
	CLI_GENERAL_OPTIONS,
};

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct choice *c = arg;

	switch (id) {
	case NODES:
		return dvmi_opt_u32(p, 1, 1000, &c->nodes, err);
	case SLOTS:
		return dvmi_opt_u32(p, 1, 100000, &c->slots, err);
	case TIMEOUT:
		return dvmi_opt_duration(p, &c->timeout, err);
	case QUIET:
		c->quiet = true;
		return 0;
	}
	*(id == SSH ? &c->ssh : &c->interface) = p->arg;
	return 0;
}

/* "node12" → 12 with the length of "node" in *len; 0 where there is no number. */
static unsigned number_of(const char *name, size_t *len)
{
	size_t n = strlen(name);

	while (n && name[n - 1] >= '0' && name[n - 1] <= '9')
		n--;
	*len = n;
	return (unsigned)strtoul(name + n, NULL, 10);
}

/* What the nodes that are here tell about the next: names and addresses go on where they end. */
struct series {
	char prefix[64];
	unsigned d, last;
	uint32_t slots;
	uint64_t memory; /* bytes */
	uint16_t port;
};

static int find_series(const Pb__NodesReply *r, struct series *s, dvm_error_t *err)
{
	for (size_t i = 0; i < r->n_nodes; i++) {
		const Pb__NodeInfo *n = r->nodes[i];
		unsigned d, k;
		size_t len;

		if (!cli_net_parse_loopback(n->address, &d, &k))
			continue;
		unsigned number = number_of(n->name, &len);
		if (!s->d)
			snprintf(s->prefix, sizeof s->prefix, "%.*s", (int)len, n->name);
		s->d = d;
		s->slots = n->slots;
		s->memory = n->mem_total;
		s->port = (uint16_t)n->port;
		s->last = k > s->last ? k : s->last;
		s->last = number > s->last ? number : s->last;
	}
	if (s->d)
		return 0;
	return dvmi_error_set(err, -EINVAL,
			      "the nodes of this machine are hosts of their own: "
			      "name the hosts to add, or use `dvm token`");
}

static int add_here(struct cli *c, const struct choice *choice, const Pb__NodesReply *r)
{
	struct series s = { 0 };
	dvm_error_t err;

	if (find_series(r, &s, &err) < 0)
		return cli_fail(c, &err);
	struct cli_grow g = { .machine = c->machine,
			      .prefix = s.prefix,
			      .first = s.last + 1,
			      .n = choice->nodes ? choice->nodes : 1,
			      .d = s.d,
			      .how = { .port = s.port,
				       .slots = choice->slots ? choice->slots : s.slots,
				       .memory = s.memory },
			      .deadline = dvmi_clock_mono() + choice->timeout };
	return cli_grow_here(c, &g);
}

static int add_hosts(struct cli *c, const struct choice *choice, char **names, int n)
{
	struct dvmi_hostlist hosts = { 0 };
	dvm_error_t err;
	int rc = 0;

	for (int i = 0; rc >= 0 && i < n; i++)
		rc = dvmi_hostlist_parse(&hosts, names[i], &err);
	rc = rc < 0 ? cli_fail(c, &err)
		    : cli_grow_hosts(c, (const char *const *)hosts.names, hosts.n, choice->ssh,
				     choice->interface, dvmi_clock_mono() + choice->timeout);
	dvmi_hostlist_free(&hosts);
	return rc;
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct choice choice = { .ssh = "ssh", .timeout = 30 * DVMI_SEC };
	cleanup_pb Pb__NodesReply *before = NULL, *after = NULL;
	struct dvmi_opt_parser p;
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, set, &choice);

	if (rc != CLI_GO)
		return rc;
	if (choice.nodes && p.n_operands) {
		dvmi_error_set(&err, -EINVAL, "-n adds nodes here, HOST others: one of the two");
		return cli_usage(c, cmd, &err);
	}
	if (cli_local_machine(c, &err) < 0 ||
	    cli_ask(c, DVMI_MSG_NODES, NULL, &pb__nodes_reply__descriptor, &before, &err) < 0)
		return cli_fail(c, &err);
	rc = p.n_operands ? add_hosts(c, &choice, p.operands, p.n_operands)
			  : add_here(c, &choice, before);
	if (rc == 0 &&
	    cli_ask(c, DVMI_MSG_NODES, NULL, &pb__nodes_reply__descriptor, &after, &err) < 0)
		return cli_fail(c, &err);
	if (rc == 0 && !choice.quiet)
		printf("machine %s: %zu nodes\n", c->machine, after->n_nodes);
	return rc;
}

const struct cli_command cli_cmd_add = {
	.opt = { .name = "dvm add",
		 .operands = "[HOST…]",
		 .brief = "add nodes to the machine, here or on other hosts",
		 .options = options,
		 .words = "@host" },
	.family = "The machine",
	.run = run,
};
