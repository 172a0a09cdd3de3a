/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cli/conn.h"
#include "daemon/cli/grow.h"
#include "daemon/cli/local.h"
#include "daemon/cli/net.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/hostlist.h"

#define POLL_NS (5 * DVMI_MSEC)

int cli_grow_token(struct cli *c, uint32_t uses, char **token, char **where, dvm_error_t *err)
{
	Pb__TokenRequest req = PB__TOKEN_REQUEST__INIT;
	cleanup_pb Pb__TokenReply *r = NULL;

	req.uses = uses;
	int rc = cli_ask(c, DVMI_MSG_TOKEN, &req, &pb__token_reply__descriptor, &r, err);
	if (rc < 0)
		return rc;
	*token = strdup(r->token);
	if (asprintf(where, strchr(r->address, ':') ? "[%s]:%u" : "%s:%u", r->address, r->port) < 0)
		*where = NULL;
	if (*token && *where)
		return 0;
	free(*token);
	free(*where);
	return dvmi_error_code(err, -ENOMEM, "token");
}

/* On a terminal, and only when it takes long enough to wonder. */
static void show_progress(size_t done, size_t all)
{
	if (all > 1 && isatty(STDERR_FILENO))
		fprintf(stderr, "\r%zu of %zu nodes%s", done, all, done == all ? "\r\033[K" : "");
}

int cli_grow_paths(struct dvmd_paths *out, const char *machine, const char *name, dvm_error_t *err)
{
	struct dvmd_paths_want want = { .machine = machine, .node = name, .with_host = true };

	return dvmd_paths_node(out, &want, err);
}

static int start_one(const struct cli_grow *g, unsigned k, struct cli_started *s, const char *token,
		     const char *where, dvm_error_t *err)
{
	char address[CLI_ADDRESS_MAX], name[64];
	struct cli_start how = g->how;
	struct dvmd_paths paths;

	*s = (struct cli_started){ .ready = -1, .said = -1 };
	snprintf(name, sizeof name, "%s%u", g->prefix, k);
	cli_net_loopback(g->d, k, address);
	int rc = cli_grow_paths(&paths, g->machine, name, err);
	if (rc < 0)
		return rc;
	how.paths = &paths;
	how.address = address;
	how.join = where;
	how.token = token;
	return cli_start(s, &how, err);
}

/* Starts all N; one that cannot be started has a `why`. */
static void start_all(const struct cli_grow *g, struct cli_started *v, const char *token,
		      const char *where)
{
	for (unsigned i = 0; i < g->n; i++) {
		dvm_error_t err;

		if (start_one(g, g->first + i, &v[i], token, where, &err) < 0)
			snprintf(v[i].why, sizeof v[i].why, "%s", err.text);
	}
}

int cli_grow_here(struct cli *c, const struct cli_grow *g)
{
	cleanup_free char *token = NULL, *where = NULL;
	struct cli_started *v = calloc(g->n, sizeof *v);
	dvm_error_t err;

	if (!v)
		return cli_failf(c, "out of memory");
	if (cli_grow_token(c, g->n, &token, &where, &err) < 0) {
		free(v);
		return cli_fail(c, &err);
	}
	start_all(g, v, token, where);
	size_t up = cli_start_wait(v, g->n, g->deadline, show_progress);
	cli_start_report(c, v, g->n);
	for (unsigned i = 0; i < g->n; i++)
		cli_started_free(&v[i]);
	free(v);
	return up == g->n ? 0 : CLI_FAILED;
}

/* ---- waiting ---- */

static size_t count_up(const Pb__NodesReply *r)
{
	size_t up = 0;

	for (size_t i = 0; i < r->n_nodes; i++)
		up += !strcmp(r->nodes[i]->state, "up");
	return up;
}

static int name_missing(const Pb__NodesReply *r, size_t n, dvm_error_t *err)
{
	const char **names = calloc(r->n_nodes + 1, sizeof *names);
	struct dvmi_buf b = { 0 };
	size_t missing = 0;

	for (size_t i = 0; names && i < r->n_nodes; i++)
		if (strcmp(r->nodes[i]->state, "up") != 0)
			names[missing++] = r->nodes[i]->name;
	if (missing)
		dvmi_hostlist_fold(names, missing, &b);
	free(names);
	int rc = dvmi_error_set(err, -ETIMEDOUT,
				"%zu of %zu nodes are up%s%.*s; see `dvm nodes`, `dvm log`",
				count_up(r), n, missing ? "; not up: " : "", (int)b.len,
				b.data ? (char *)b.data : "");
	dvmi_buf_free(&b);
	return rc;
}

int cli_grow_wait_up(struct cli *c, size_t n, uint64_t deadline, Pb__NodesReply **reply,
		     dvm_error_t *err)
{
	const struct timespec poll = { .tv_nsec = POLL_NS };

	for (;;) {
		cleanup_pb Pb__NodesReply *r = NULL;
		int rc = cli_ask(c, DVMI_MSG_NODES, NULL, &pb__nodes_reply__descriptor, &r, err);

		if (rc < 0 && rc != -EAGAIN)
			return rc;
		if (rc == 0 && count_up(r) >= n) {
			*reply = take_ptr(r);
			return 0;
		}
		if (dvmi_clock_mono() > deadline)
			return rc < 0 ? rc : name_missing(r, n, err);
		nanosleep(&poll, NULL);
	}
}

static bool all_reachable(struct cli *c)
{
	cleanup_pb Pb__DoctorReply *r = NULL;

	if (cli_ask(c, DVMI_MSG_DOCTOR, NULL, &pb__doctor_reply__descriptor, &r, NULL) < 0)
		return false;
	for (size_t i = 0; i < r->n_checks; i++)
		if (!r->checks[i]->ok && !r->checks[i]->warning)
			return false;
	return true;
}

void cli_grow_wait_reachable(struct cli *c, uint64_t deadline)
{
	const struct timespec poll = { .tv_nsec = 4 * POLL_NS };

	while (!all_reachable(c) && dvmi_clock_mono() < deadline)
		nanosleep(&poll, NULL);
}
