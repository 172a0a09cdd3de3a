/* SPDX-License-Identifier: BSD-3-Clause */
/* Ends of nodes: dvm halt for all, dvm remove for one, dvm leave for this one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/local.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define GONE_TIMEOUT (15 * DVMI_SEC) /* jobs get their grace period first */
#define GONE_POLL    (5 * DVMI_MSEC)

static const struct dvmi_opt halt_options[] = {
	{ 1, 0, "force", NULL, NULL, "How", "although jobs are running: they are ended", NULL },
	CLI_GENERAL_OPTIONS,
};

static const struct dvmi_opt remove_options[] = {
	{ 1, 0, "force", NULL, NULL, "How", "although it runs ranks, or cannot be reached", NULL },
	CLI_GENERAL_OPTIONS,
};

static const struct dvmi_opt leave_options[] = { CLI_GENERAL_OPTIONS };

static int set_force(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	*(bool *)arg = true;
	return 0;
}

/* Does any of the machine's nodes here, or the one called NAME, still run? */
static bool still_there(const char *base, const char *name)
{
	struct cli_local l = { 0 };
	bool there = false;

	if (cli_local_list(&l, base, NULL) < 0)
		return false;
	for (size_t i = 0; i < l.n; i++)
		there |= l.nodes[i].alive && (!name || !strcmp(l.nodes[i].name, name));
	cli_local_free(&l);
	return there;
}

static bool wait_gone(const char *base, const char *name)
{
	const struct timespec poll = { .tv_nsec = GONE_POLL };
	uint64_t deadline = dvmi_clock_mono() + GONE_TIMEOUT;

	while (still_there(base, name)) {
		if (dvmi_clock_mono() > deadline)
			return false;
		nanosleep(&poll, NULL);
	}
	return true;
}

/* What nodes that do not run have left on this host. */
static size_t sweep(const char *base, const char *name)
{
	struct cli_local l = { 0 };
	size_t n = 0;

	if (cli_local_list(&l, base, NULL) < 0)
		return 0;
	for (size_t i = 0; i < l.n; i++)
		if (!l.nodes[i].alive && (!name || !strcmp(l.nodes[i].name, name)))
			n += cli_local_remove(base, l.nodes[i].name) == 0;
	cli_local_free(&l);
	cli_local_remove_base(base);
	return n;
}

static int halt(struct cli *c, bool force, const char *base)
{
	Pb__HaltRequest req = PB__HALT_REQUEST__INIT;
	dvm_error_t err;

	if (!still_there(base, NULL)) {
		size_t n = sweep(base, NULL);

		if (n) {
			printf("machine %s was not running; removed what %zu nodes had left\n",
			       c->machine, n);
			return 0;
		}
	}
	req.force = force;
	if (cli_ask(c, DVMI_MSG_HALT, &req, NULL, NULL, &err) < 0)
		return cli_fail(c, &err);
	if (!wait_gone(base, NULL))
		return cli_failf(c, "machine %s is halting, but some of its daemons here still run",
				 c->machine);
	sweep(base, NULL);
	printf("machine %s halted\n", c->machine);
	return 0;
}

static int run_halt(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct dvmi_opt_parser p;
	bool force = false;
	int rc = cli_options(c, cmd, argc, argv, &p, set_force, &force);

	if (rc != CLI_GO)
		return rc;
	cleanup_free char *base = cli_local_base(c->machine);
	return base ? halt(c, force, base) : cli_failf(c, "out of memory");
}

static int run_remove(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	Pb__NodeRef req = PB__NODE_REF__INIT;
	struct dvmi_opt_parser p;
	bool force = false;
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, set_force, &force);

	if (rc != CLI_GO)
		return rc;
	cleanup_free char *base = cli_local_base(c->machine);
	req.name = p.operands[0];
	req.force = force;
	if (cli_ask(c, DVMI_MSG_REMOVE, &req, NULL, NULL, &err) < 0)
		return cli_fail(c, &err);
	if (base && wait_gone(base, req.name))
		sweep(base, req.name);
	printf("%s has left machine %s\n", req.name, c->machine);
	return 0;
}

/* The name of the node we would speak for, from the daemon itself. */
static int own_name(struct cli *c, char **name, dvm_error_t *err)
{
	cleanup_pb Pb__InfoReply *r = NULL;
	int rc = cli_ask(c, DVMI_MSG_INFO, NULL, &pb__info_reply__descriptor, &r, err);

	if (rc < 0)
		return rc;
	*name = strdup(r->name);
	return *name ? 0 : dvmi_error_code(err, -ENOMEM, "name");
}

static int run_leave(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	cleanup_free char *name = NULL, *base = NULL;
	struct dvmi_opt_parser p;
	struct cli_local l = { 0 };
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, NULL, NULL);

	if (rc != CLI_GO)
		return rc;
	base = cli_local_base(c->machine);
	if (!base || cli_local_list(&l, base, &err) < 0)
		return cli_failf(c, "%s", base ? err.text : "out of memory");
	size_t alive = l.alive;
	cli_local_free(&l);
	if (alive > 1)
		return cli_failf(
			c,
			"%zu nodes of machine %s run here; `dvm remove NODE` takes out one, "
			"`dvm halt` ends all",
			alive, c->machine);
	if (own_name(c, &name, &err) < 0 || cli_ask(c, DVMI_MSG_LEAVE, NULL, NULL, NULL, &err) < 0)
		return cli_fail(c, &err);
	if (!wait_gone(base, name))
		return cli_failf(c, "%s is leaving, but its daemon still runs", name);
	sweep(base, name);
	printf("%s has left machine %s\n", name, c->machine);
	return 0;
}

const struct cli_command cli_cmd_halt = {
	.opt = { .name = "dvm halt",
		 .brief = "end the machine and everything that belongs to it",
		 .text = "Refuses while jobs are running, and names them, unless --force is given. "
			 "A "
			 "machine whose daemons are all dead is cleaned up.",
		 .options = halt_options },
	.family = "The machine",
	.run = run_halt,
};

const struct cli_command cli_cmd_remove = {
	.opt = { .name = "dvm remove",
		 .operands = "NODE",
		 .brief = "take a node out of the machine",
		 .options = remove_options,
		 .words = "@node",
		 .min_operands = 1,
		 .max_operands = 1 },
	.family = "The machine",
	.run = run_remove,
};

const struct cli_command cli_cmd_leave = {
	.opt = { .name = "dvm leave",
		 .brief = "take this host's node out of the machine",
		 .options = leave_options },
	.family = "The machine",
	.run = run_leave,
};
