/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm up: a machine on this host, or with others over ssh; started again where it has died. */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/grow.h"
#include "daemon/cli/local.h"
#include "daemon/cli/net.h"
#include "daemon/cli/start.h"
#include "daemon/hostmem.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/hostlist.h"

#define NODES_MAX     1000u
#define REACH_TIMEOUT (5 * DVMI_SEC)

enum { NODES = 1, SLOTS, PREFIX, HOSTS, SSH, INTERFACE, PORT, CONFIG, TIMEOUT, QUIET };

struct choice {
	uint32_t nodes, slots; /* 0: not said */
	const char *prefix, *hosts, *ssh, *interface, *config;
	uint32_t port;
	uint64_t timeout; /* ns */
	bool quiet;
};

static const struct dvmi_opt options[] = {
	{ NODES, 'n', "nodes", "-np", "N", "On this host", "start N nodes (default: 1)", NULL },
	{ SLOTS, 's', "slots", NULL, "S", NULL,
	  "slots of each node (default: its share of the cores, at least 2)", NULL },
	{ PREFIX, 0, "name-prefix", NULL, "NAME", NULL, "call them NAME1, NAME2, … (default: node)",
	  NULL },
	{ HOSTS, 'H', "host", "--hosts", "LIST", "With other hosts",
	  "found the machine here and start a node on each of these through ssh", "@host" },
	{ SSH, 0, "ssh", NULL, "COMMAND", NULL, "what to reach them with (default: ssh)", NULL },
	{ INTERFACE, 0, "interface", NULL, "IF", NULL,
	  "the interface all planes use: a name, an address or a network (10.1.0.0/16)", NULL },
	{ PORT, 0, "port", NULL, "PORT", "How", "control port (default: 7117)", NULL },
	{ CONFIG, 0, "config", NULL, "FILE", NULL, "configuration of the daemons: see dvm.conf(5)",
	  "@file" },
	{ TIMEOUT, 0, "timeout", NULL, "TIME", NULL, "give up after TIME (default: 30s)", NULL },
	{ QUIET, 'q', "quiet", NULL, NULL, NULL, "say nothing when it goes well", NULL },
	CLI_GENERAL_OPTIONS,
};

static int set_name_prefix(struct dvmi_opt_parser *p, struct choice *c, dvm_error_t *err)
{
	size_t n =
		strspn(p->arg, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

	if (!n || p->arg[n] || *p->arg == '.' || *p->arg == '-' || n > 40)
		return dvmi_opt_bad(p, err, "names are made of letters, digits, -, _ and .");
	c->prefix = p->arg;
	return 0;
}

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct choice *c = arg;

	switch (id) {
	case NODES:
		return dvmi_opt_u32(p, 1, NODES_MAX, &c->nodes, err);
	case SLOTS:
		return dvmi_opt_u32(p, 1, 100000, &c->slots, err);
	case PREFIX:
		return set_name_prefix(p, c, err);
	case PORT:
		return dvmi_opt_u32(p, 1, 65535, &c->port, err);
	case TIMEOUT:
		return dvmi_opt_duration(p, &c->timeout, err);
	case QUIET:
		c->quiet = true;
		return 0;
	}
	*(id == HOSTS ? &c->hosts : id == SSH ? &c->ssh : id == INTERFACE ? &c->interface :
									    &c->config) = p->arg;
	return 0;
}

/* ---- the result ---- */

static void print_up(const struct cli *c, const struct choice *choice, const Pb__NodesReply *r,
		     uint64_t since)
{
	unsigned slots = 0;

	for (size_t i = 0; i < r->n_nodes; i++)
		slots += r->nodes[i]->slots;
	if (!choice->quiet)
		printf("machine %s: %zu node%s, %u slots, up in %.2f s\n", c->machine, r->n_nodes,
		       r->n_nodes == 1 ? "" : "s", slots,
		       (double)(dvmi_clock_mono() - since) / 1e9);
}

/* Waits until the machine counts N nodes as up, and tells. */
static int conclude(struct cli *c, const struct choice *choice, size_t n, uint64_t since)
{
	cleanup_pb Pb__NodesReply *r = NULL;
	dvm_error_t err;

	if (cli_grow_wait_up(c, n, since + choice->timeout, &r, &err) < 0)
		return cli_fail(c, &err);
	print_up(c, choice, r, since);
	return 0;
}

/* ---- a machine that is new ---- */

static unsigned cores_here(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) < 0 ? 1 : (unsigned)CPU_COUNT(&set);
}

/* Several nodes on one host share its cores, but each is worth having. */
static uint32_t slots_each(const struct choice *choice)
{
	unsigned share = cores_here() / choice->nodes;

	if (choice->slots)
		return choice->slots;
	return share > 2 || choice->nodes == 1 ? share : 2;
}

/* What each node may give to jobs: several share the host's memory evenly. */
static uint64_t memory_each(const struct choice *choice)
{
	struct dvmd_hostmem mem;

	if (choice->nodes <= 1 || dvmd_hostmem_read(&mem, "", NULL) < 0)
		return 0;
	return mem.total / choice->nodes;
}

/* The first node. */
static int found(struct cli *c, const struct cli_start *how, uint64_t deadline)
{
	struct cli_started s;
	dvm_error_t err;
	int rc = cli_start(&s, how, &err);

	if (rc < 0)
		rc = cli_fail(c, &err);
	else if (cli_start_wait(&s, 1, deadline, NULL) == 0) {
		cli_start_report(c, &s, 1);
		rc = CLI_FAILED;
	}
	cli_started_free(&s);
	return rc;
}

static int up_here(struct cli *c, const struct choice *choice, uint64_t since)
{
	char address[CLI_ADDRESS_MAX], name[64];
	struct dvmd_paths paths;
	dvm_error_t err;
	int d = cli_net_find_d(c->machine, geteuid(), choice->nodes, (uint16_t)choice->port, &err);

	snprintf(name, sizeof name, "%s1", choice->prefix);
	if (d < 0 || cli_grow_paths(&paths, c->machine, name, &err) < 0)
		return cli_fail(c, &err);
	cli_net_loopback((unsigned)d, 1, address);
	struct cli_start how = { .paths = &paths,
				 .address = address,
				 .config = choice->config,
				 .port = (uint16_t)choice->port,
				 .slots = slots_each(choice),
				 .memory = memory_each(choice) };
	struct cli_grow grow = { .machine = c->machine,
				 .prefix = choice->prefix,
				 .first = 2,
				 .n = choice->nodes - 1,
				 .d = (unsigned)d,
				 .how = how,
				 .deadline = since + choice->timeout };
	int rc = found(c, &how, since + choice->timeout);
	if (rc == 0 && grow.n)
		rc = cli_grow_here(c, &grow);
	return rc ? rc : conclude(c, choice, choice->nodes, since);
}

/* ---- with other hosts ---- */

/*
 * Founds the machine on a real interface: the one named, or the one towards PEER. Other hosts are
 * to be in it, so it does not end when this one starts anew: it is found again then.
 */
static int found_on_network(struct cli *c, const struct choice *choice, const char *peer,
			    uint64_t deadline)
{
	char address[CLI_ADDRESS_MAX], name[256] = "";
	struct dvmd_paths_want want = { .machine = c->machine, .node = name };
	struct dvmd_paths paths;
	dvm_error_t err;

	gethostname(name, sizeof name - 1);
	name[strcspn(name, ".")] = '\0';
	if (cli_net_own_address(choice->interface, peer, address, &err) < 0 ||
	    dvmd_paths_node(&paths, &want, &err) < 0)
		return cli_fail(c, &err);
	struct cli_start how = { .paths = &paths,
				 .address = address,
				 .config = choice->config,
				 .port = (uint16_t)choice->port,
				 .slots = choice->slots };
	return found(c, &how, deadline);
}

static int up_alone(struct cli *c, const struct choice *choice, uint64_t since)
{
	int rc = found_on_network(c, choice, NULL, since + choice->timeout);

	return rc ? rc : conclude(c, choice, 1, since);
}

static int up_hosts(struct cli *c, const struct choice *choice, uint64_t since)
{
	struct dvmi_hostlist hosts = { 0 };
	uint64_t deadline = since + choice->timeout;
	dvm_error_t err;

	if (dvmi_hostlist_parse(&hosts, choice->hosts, &err) < 0)
		return cli_fail(c, &err);
	int rc = found_on_network(c, choice, hosts.names[0], deadline);
	if (rc == 0)
		rc = cli_grow_hosts(c, (const char *const *)hosts.names, hosts.n, choice->ssh,
				    choice->interface, deadline);
	if (rc == 0)
		rc = conclude(c, choice, hosts.n + 1, since);
	dvmi_hostlist_free(&hosts);
	return rc;
}

/* ---- a machine that is there ---- */

static int already_up(struct cli *c, const struct choice *choice, const struct cli_local *l)
{
	bool as_asked = !choice->hosts && (!choice->nodes || choice->nodes == l->n);

	if (as_asked && choice->quiet)
		return 0;
	cli_say(c,
		"machine %s is already up (%zu node%s); dvm add, dvm halt, or dvm -M NAME up for a "
		"second one",
		c->machine, l->n, l->n == 1 ? "" : "s");
	return as_asked ? 0 : CLI_FAILED;
}

/* Those of L that are dead and can be started: begun in V, which has room for all. */
static size_t begin_dead(const struct cli_local *l, struct cli_started *v)
{
	dvm_error_t err;
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (l->nodes[i].alive)
			continue;
		if (cli_start_again(&v[n], &l->nodes[i], &err) < 0)
			snprintf(v[n].why, sizeof v[n].why, "%s", err.text);
		n++;
	}
	return n;
}

/* Starts the dead nodes; how many there were is in *dead. Exit status. */
static int start_dead(struct cli *c, const struct choice *choice, const struct cli_local *l,
		      size_t *dead, uint64_t since)
{
	struct cli_started *v = calloc(l->n, sizeof *v);

	if (!v)
		return cli_failf(c, "out of memory");
	*dead = begin_dead(l, v);
	size_t up = cli_start_wait(v, *dead, since + choice->timeout, NULL);
	for (size_t i = 0; i < *dead; i++)
		if (v[i].up && !choice->quiet)
			cli_say(c, "%s had died and was started again", v[i].name);
	cli_start_report(c, v, *dead);
	for (size_t i = 0; i < *dead; i++)
		cli_started_free(&v[i]);
	free(v);
	return up == *dead ? 0 : CLI_FAILED;
}

static int up_again(struct cli *c, const struct choice *choice, const struct cli_local *l,
		    uint64_t since)
{
	size_t dead = 0;
	int rc = start_dead(c, choice, l, &dead, since);

	if (rc == 0 && dead == 0)
		return already_up(c, choice, l);
	if (rc && dead == l->n)
		cli_say(c, "`dvm halt` removes what is left of machine %s", c->machine);
	if (rc)
		return rc;
	uint64_t deadline = since + choice->timeout, soon = dvmi_clock_mono() + REACH_TIMEOUT;
	cli_grow_wait_reachable(c, soon < deadline ? soon : deadline);
	return conclude(c, choice, l->n, since);
}

/* ---- */

static int up(struct cli *c, struct choice *choice)
{
	uint64_t since = dvmi_clock_mono();
	struct cli_local l = { 0 };
	char base[PATH_MAX];
	dvm_error_t err;
	int rc;

	c->machine = c->machine ? c->machine : "default";
	if (dvmd_paths_run_base(geteuid(), base, &err) < 0)
		return cli_fail(c, &err);
	dvmd_paths_sweep(base, c->machine, NULL); /* what is in nobody's way can stay */
	if (cli_local_list(&l, c->machine, &err) < 0)
		return cli_fail(c, &err);
	cli_local_verify(&l);
	if (l.n) {
		rc = up_again(c, choice, &l, since);
	} else if (choice->hosts) {
		rc = up_hosts(c, choice, since);
	} else if (choice->interface) {
		rc = up_alone(c, choice, since);
	} else {
		choice->nodes = choice->nodes ? choice->nodes : 1;
		rc = up_here(c, choice, since);
	}
	cli_local_free(&l);
	return rc;
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct choice choice = {
		.prefix = "node", .ssh = "ssh", .port = CLI_PORT, .timeout = 30 * DVMI_SEC
	};
	struct dvmi_opt_parser p;
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, set, &choice);

	if (rc != CLI_GO)
		return rc;
	if (choice.nodes && (choice.hosts || choice.interface)) {
		dvmi_error_set(&err, -EINVAL,
			       "-n starts nodes on this host alone, -H and --interface are for "
			       "machines of several");
		return cli_usage(c, cmd, &err);
	}
	return up(c, &choice);
}

const struct cli_command cli_cmd_up = {
	.opt = { .name = "dvm up",
		 .brief = "start a machine, here or with other hosts",
		 .text = "Without -H and --interface all nodes are on this host, each a daemon "
			 "with "
			 "an address of its own in 127/8. With --interface others can join: see "
			 "`dvm token`. Nodes of the machine that have died here are started again. "
			 "`dvm halt` ends it.",
		 .options = options },
	.family = "The machine",
	.run = run,
};
