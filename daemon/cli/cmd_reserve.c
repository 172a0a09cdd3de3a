/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm reserve: nodes set apart for a while. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/show.h"
#include "daemon/cli/submission.h"
#include "daemon/spec.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/hostlist.h"

#define COUNT_MAX 1048576u

enum { NODES = 1, COUNT, START, DURATION, USERS, JSON };

static const struct dvmi_opt options[] = {
	{ NODES, 'H', "host", "--nodelist", "LIST", "create", "these nodes", "@node" },
	{ COUNT, 'N', "nodes", NULL, "N", NULL, "N nodes, those with the fewest jobs now", NULL },
	{ START, 0, "start", NULL, "WHEN", NULL,
	  "from WHEN on, as --begin of `dvm submit` (default: now)", NULL },
	{ DURATION, 't', "duration", "--time", "TIME", NULL, "for so long (default: 1h)", NULL },
	{ USERS, 'u', "users", NULL, "NAME,…", NULL,
	  "for jobs of these users (default: of everybody who names it)", "@user" },
	{ JSON, 0, "json", NULL, NULL, "list", "print JSON", NULL },
	CLI_GENERAL_OPTIONS,
};

struct reserve {
	Pb__ReserveCreate create;
	bool json;
};

static int add_nodes(Pb__ReserveCreate *r, const char *text, dvm_error_t *err)
{
	struct dvmi_hostlist list = { 0 };
	int rc = dvmi_hostlist_parse(&list, text, err);

	for (size_t i = 0; rc >= 0 && i < list.n; i++)
		if ((rc = dvmd_spec_add_string(&r->nodes, &r->n_nodes, list.names[i])) < 0)
			dvmi_error_code(err, rc, "%s", text);
	dvmi_hostlist_free(&list);
	return rc < 0 ? rc : 0;
}

static int add_users(Pb__ReserveCreate *r, const char *text, dvm_error_t *err)
{
	char *copy = strdup(text), *save, *word = copy ? strtok_r(copy, ",", &save) : NULL;
	int rc = copy ? 0 : -ENOMEM;

	for (; rc == 0 && word; word = strtok_r(NULL, ",", &save))
		rc = dvmd_spec_add_string(&r->users, &r->n_users, word);
	free(copy);
	return rc < 0 ? dvmi_error_code(err, rc, "--users") : 0;
}

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct reserve *r = arg;

	switch (id) {
	case NODES:
		return add_nodes(&r->create, p->arg, err);
	case COUNT:
		return dvmi_opt_u32(p, 1, COUNT_MAX, &r->create.count, err);
	case START:
		return cli_submission_begin(p->arg, dvmi_clock_wall(), &r->create.delay_ns, err);
	case DURATION:
		return dvmi_opt_duration(p, &r->create.duration_ns, err);
	case USERS:
		return add_users(&r->create, p->arg, err);
	default:
		r->json = true;
		return 0;
	}
}

/* ---- showing ---- */

static void put_list(struct dvmi_buf *b, char **v, size_t n, const char *none)
{
	dvmi_hostlist_fold((const char *const *)v, n, b);
	if (!n)
		dvmi_buf_printf(b, "%s", none);
	dvmi_buf_put_u8(b, 0);
}

static void add_row(struct cli_table *t, const Pb__ReserveInfo *r, uint64_t now)
{
	struct dvmi_buf nodes = { 0 }, users = { 0 };
	char text[CLI_TIME_MAX];

	put_list(&nodes, r->nodes, r->n_nodes, "-");
	put_list(&users, r->users, r->n_users, "(all)");
	cli_table_add(t, "%s", r->name);
	cli_table_add(t, "%s", r->start > now ? "later" : r->end > now ? "now" : "over");
	cli_table_add(t, "%s", cli_time_rfc3339(r->start / DVMI_SEC * DVMI_SEC, text));
	cli_table_add(t, "%s", cli_time_span(r->end - r->start, text));
	cli_table_add(t, "%s", nodes.err ? "?" : (char *)nodes.data);
	cli_table_add(t, "%s", users.err ? "?" : (char *)users.data);
	dvmi_buf_free(&nodes);
	dvmi_buf_free(&users);
}

static int print_table(const Pb__ReserveReply *r)
{
	struct cli_table t = { .columns = 6 };

	cli_table_heading(&t, "NAME STATE START DURATION NODES USERS");
	for (size_t i = 0; i < r->n_reservations; i++)
		add_row(&t, r->reservations[i], dvmi_clock_wall());
	int rc = cli_table_print(&t, stdout);
	cli_table_free(&t);
	return rc;
}

static int print_json(const Pb__ReserveReply *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n_reservations; i++) {
		const Pb__ReserveInfo *v = r->reservations[i];
		json_array_append_new(
			list, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "name",
					cli_json_string(v->name), "start", cli_json_time(v->start),
					"end", cli_json_time(v->end), "nodes",
					cli_json_strings(v->nodes, v->n_nodes), "users",
					cli_json_strings(v->users, v->n_users), "by",
					cli_json_string(v->by)));
	}
	return cli_json_print(json_pack("{s:o}", "reservations", list));
}

/* ---- the command ---- */

/* What REQ is to say, from the words behind the command. */
static int choose(struct reserve *r, const struct dvmi_opt_parser *p, Pb__ReserveRequest *req,
		  dvm_error_t *err)
{
	static const char *const words[] = { "create", "list", "delete", NULL };
	const char *word = p->n_operands ? p->operands[0] : "list";
	const char *name = p->n_operands > 1 ? p->operands[1] : NULL;
	bool list = !strcmp(word, "list");

	if (!list && strcmp(word, "create") != 0 && strcmp(word, "delete") != 0)
		return dvmi_opt_unknown("action", word, words, err);
	if (list == (name != NULL))
		return dvmi_error_set(err, -EINVAL, list ? "list takes no name" : "%s needs a name",
				      word);
	if (list) {
		req->what_case = PB__RESERVE_REQUEST__WHAT_LIST;
		req->list = true;
	} else if (*word == 'd') {
		req->what_case = PB__RESERVE_REQUEST__WHAT_REMOVE;
		req->remove = (char *)name;
	} else if (!r->create.n_nodes == !r->create.count) {
		return dvmi_error_set(err, -EINVAL, "--host or --nodes: which nodes, or how many?");
	} else {
		req->what_case = PB__RESERVE_REQUEST__WHAT_CREATE;
		req->create = &r->create;
		r->create.name = (char *)name;
	}
	return 0;
}

static int ask(struct cli *c, const struct cli_command *cmd, struct reserve *r,
	       const struct dvmi_opt_parser *p)
{
	Pb__ReserveRequest req = PB__RESERVE_REQUEST__INIT;
	cleanup_pb Pb__ReserveReply *reply = NULL;
	dvm_error_t err;

	if (choose(r, p, &req, &err) < 0)
		return cli_usage(c, cmd, &err);
	if (cli_ask(c, DVMI_MSG_RESERVE, &req, &pb__reserve_reply__descriptor, &reply, &err) < 0)
		return cli_fail(c, &err);
	if (!req.list && !r->json)
		return 0;
	return (r->json ? print_json(reply) : print_table(reply)) < 0 ? CLI_FAILED : 0;
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct reserve r = { .create = PB__RESERVE_CREATE__INIT };
	struct dvmi_opt_parser p;

	r.create.duration_ns = 3600 * DVMI_SEC;
	int rc = cli_options(c, cmd, argc, argv, &p, set, &r);
	if (rc == CLI_GO)
		rc = ask(c, cmd, &r, &p);
	for (size_t i = 0; i < r.create.n_nodes; i++)
		free(r.create.nodes[i]);
	for (size_t i = 0; i < r.create.n_users; i++)
		free(r.create.users[i]);
	free(r.create.nodes);
	free(r.create.users);
	return rc;
}

const struct cli_command cli_cmd_reserve = {
	.opt = { .name = "dvm reserve",
		 .operands = "[create NAME|list|delete NAME]",
		 .brief = "set nodes apart for a while",
		 .text = "From its start to its end the nodes of a reservation take new jobs only with "
			 "--reservation NAME; jobs that would still be running there when it begins do "
			 "not start. What runs there already goes on.",
		 .options = options,
		 .words = "create list delete",
		 .max_operands = 2 },
	.family = "The queue",
	.run = run,
};
