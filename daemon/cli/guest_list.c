/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm guest list: which guests there are. */
#include <inttypes.h>

#include "daemon/cli/guest.h"
#include "daemon/cli/show.h"
#include "libdvm/base/clock.h"

enum { JSON = 1, ALL };

struct choice {
	bool json, all;
};

static const struct dvmi_opt options[] = {
	{ ALL, 'a', "all", NULL, NULL, "Showing", "list ended guests, too", NULL },
	{ JSON, 0, "json", NULL, NULL, NULL, "print JSON", NULL },
	CLI_GENERAL_OPTIONS,
};

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct choice *c = arg;

	c->json |= id == JSON;
	c->all |= id == ALL;
	return 0;
}

static void add_row(const Pb__JobInfo *j, const char *name, void *arg)
{
	struct cli_table *t = arg;
	char ago[CLI_TIME_MAX];

	cli_table_add(t, "%s", name);
	cli_table_add(t, "%s", j->state);
	cli_table_add(t, "%s", j->n_nodes ? j->nodes[0] : "-");
	cli_table_add(t, "%" PRIu64, j->id);
	cli_table_add(t, "%s", j->user);
	cli_table_add(t, "%s", cli_time_ago(j->submitted, dvmi_clock_wall(), ago));
}

static void add_object(const Pb__JobInfo *j, const char *name, void *arg)
{
	json_t *o = json_pack("{s:o, s:o, s:o, s:I, s:o}", "name", cli_json_string(name), "state",
			      cli_json_string(j->state), "nodes",
			      cli_json_strings(j->nodes, j->n_nodes), "job", (json_int_t)j->id, "user",
			      cli_json_string(j->user));

	json_object_set_new(o, "submitted", cli_json_time(j->submitted));
	json_object_set_new(o, "started", cli_json_time(j->started));
	json_object_set_new(o, "ended", cli_json_time(j->ended));
	json_object_set_new(o, "exit_code", j->ended ? json_integer(j->exit_code) : json_null());
	json_array_append_new(arg, o);
}

static int list_json(struct cli *c, bool all)
{
	json_t *guests = json_array();
	dvm_error_t err;
	int rc = cli_guest_each(c, all, add_object, guests, &err);

	if (rc < 0)
		rc = cli_fail(c, &err);
	else
		rc = cli_json_print(json_pack("{s:O}", "guests", guests)) < 0 ? CLI_FAILED : 0;
	json_decref(guests);
	return rc;
}

static int list_table(struct cli *c, bool all)
{
	struct cli_table t = { .columns = 6, .right = 0x28 };
	dvm_error_t err;

	cli_table_heading(&t, "NAME STATE NODE JOB USER AGE");
	int rc = cli_guest_each(c, all, add_row, &t, &err);
	if (rc < 0)
		rc = cli_fail(c, &err);
	else
		rc = cli_table_print(&t, stdout) < 0 ? CLI_FAILED : 0;
	cli_table_free(&t);
	return rc;
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct choice choice = { 0 };
	struct dvmi_opt_parser p;
	int rc = cli_options(c, cmd, argc, argv, &p, set, &choice);

	if (rc != CLI_GO)
		return rc;
	return choice.json ? list_json(c, choice.all) : list_table(c, choice.all);
}

const struct cli_command cli_guest_list_verb = {
	.opt = { .name = "dvm guest list",
		 .brief = "list guests",
		 .text = "Those that have not ended, of all users.",
		 .options = options },
	.family = "Guests",
	.run = run,
};
