/* SPDX-License-Identifier: BSD-3-Clause */
/* Ends of nodes: dvm halt for all, dvm remove for one, dvm leave for this one. */
#include <errno.h>
#include <inttypes.h>
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
static bool still_there(const char *machine, const char *name)
{
	struct cli_local l = { 0 };
	bool there = false;

	if (cli_local_list(&l, machine, NULL) < 0)
		return false;
	for (size_t i = 0; i < l.n; i++)
		there |= l.nodes[i].alive && (!name || !strcmp(l.nodes[i].node, name));
	cli_local_free(&l);
	return there;
}

static bool wait_gone(const char *machine, const char *name)
{
	const struct timespec poll = { .tv_nsec = GONE_POLL };
	uint64_t deadline = dvmi_clock_mono() + GONE_TIMEOUT;

	while (still_there(machine, name)) {
		if (dvmi_clock_mono() > deadline)
			return false;
		nanosleep(&poll, NULL);
	}
	return true;
}

/* What nodes that do not run have left on this host; returns of how many. */
static size_t sweep(const char *machine, const char *name)
{
	struct cli_local l = { 0 };
	size_t n = 0;

	if (cli_local_list(&l, machine, NULL) < 0)
		return 0;
	for (size_t i = 0; i < l.n; i++)
		if (!l.nodes[i].alive && (!name || !strcmp(l.nodes[i].node, name)))
			n += cli_local_remove(&l.nodes[i], NULL) == 0;
	cli_local_free(&l);
	return n;
}

/* Who is in the way. */
static void name_jobs(struct cli *c)
{
	Pb__JobsRequest req = PB__JOBS_REQUEST__INIT;
	cleanup_pb Pb__JobsReply *r = NULL;

	if (cli_ask(c, DVMI_MSG_JOBS, &req, &pb__jobs_reply__descriptor, &r, NULL) < 0)
		return;
	for (size_t i = 0; i < r->n_jobs; i++)
		cli_say(c, "job %" PRIu64 " of %s: %s", r->jobs[i]->id, r->jobs[i]->user,
			r->jobs[i]->name);
}

static int halt(struct cli *c, bool force)
{
	Pb__HaltRequest req = PB__HALT_REQUEST__INIT;
	dvm_error_t err;

	if (!still_there(c->machine, NULL)) {
		size_t n = sweep(c->machine, NULL);

		if (n) {
			printf("machine %s did not run; removed what %zu nodes had left\n",
			       c->machine, n);
			return 0;
		}
	}
	req.force = force;
	if (cli_ask(c, DVMI_MSG_HALT, &req, NULL, NULL, &err) < 0) {
		if (err.code == -EBUSY)
			name_jobs(c);
		return cli_fail(c, &err);
	}
	if (!wait_gone(c->machine, NULL))
		return cli_failf(c, "machine %s is halting, but some of its daemons here still run",
				 c->machine);
	sweep(c->machine, NULL);
	printf("machine %s halted\n", c->machine);
	return 0;
}

static int run_halt(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct dvmi_opt_parser p;
	bool force = false;
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, set_force, &force);

	if (rc != CLI_GO)
		return rc;
	return cli_local_machine(c, &err) < 0 ? cli_fail(c, &err) : halt(c, force);
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
	req.name = p.operands[0];
	req.force = force;
	if (cli_local_machine(c, &err) < 0 ||
	    cli_ask(c, DVMI_MSG_REMOVE, &req, NULL, NULL, &err) < 0)
		return cli_fail(c, &err);
	if (wait_gone(c->machine, req.name))
		sweep(c->machine, req.name);
	printf("%s has left machine %s\n", req.name, c->machine);
	return 0;
}

/* The name of the only node here, malloc'ed. */
static char *only_node(const struct cli *c, dvm_error_t *err)
{
	struct cli_local l = { 0 };
	char *name = NULL;

	if (cli_local_list(&l, c->machine, err) < 0)
		return NULL;
	for (size_t i = 0; l.alive == 1 && i < l.n; i++)
		if (l.nodes[i].alive)
			name = strdup(l.nodes[i].node);
	if (!name)
		dvmi_error_set(err, -ENOTUNIQ,
			       "%zu nodes of machine %s run here; `dvm remove NODE` takes out one, "
			       "`dvm halt` ends all",
			       l.alive, c->machine);
	cli_local_free(&l);
	return name;
}

static int run_leave(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	cleanup_free char *name = NULL;
	struct dvmi_opt_parser p;
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, NULL, NULL);

	if (rc != CLI_GO)
		return rc;
	if (cli_local_machine(c, &err) < 0 || !(name = only_node(c, &err)) ||
	    cli_ask(c, DVMI_MSG_LEAVE, NULL, NULL, NULL, &err) < 0)
		return cli_fail(c, &err);
	if (!wait_gone(c->machine, name))
		return cli_failf(c, "%s is leaving, but its daemon still runs", name);
	sweep(c->machine, name);
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
