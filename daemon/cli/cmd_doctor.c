/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <unistd.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/show.h"
#include "libdvm/base/text.h"

struct choice {
	bool json, all;
};

enum { JSON = 1, ALL };

static const struct dvmi_opt options[] = {
	{ ALL, 'a', "all", NULL, NULL, "Output", "list the checks that went well, too", NULL },
	{ JSON, 0, "json", NULL, NULL, NULL, "print JSON", NULL },
	CLI_GENERAL_OPTIONS,
};

static const char *verdict(const Pb__DoctorCheck *k)
{
	return k->ok ? "ok" : k->warning ? "warning" : "FAILED";
}

static void print_check(const Pb__DoctorCheck *k)
{
	char took[DVMI_TEXT_UNIT_MAX];

	printf("%-7s  %s%s%s: %s", verdict(k), k->from, *k->to ? " → " : "", k->to, k->what);
	if (*k->detail)
		printf(": %s", k->detail);
	if (k->ns)
		printf(" (%s)", dvmi_text_duration_format(k->ns, took));
	putchar('\n');
}

static json_t *check_json(const Pb__DoctorCheck *k)
{
	return json_pack("{s:o, s:o, s:o, s:b, s:b, s:o, s:o}", "from", cli_json_string(k->from),
			 "to", *k->to ? cli_json_string(k->to) : json_null(), "what",
			 cli_json_string(k->what), "ok", k->ok, "warning", k->warning, "detail",
			 cli_json_string(k->detail), "round_trip_ns",
			 k->ns ? json_integer((json_int_t)k->ns) : json_null());
}

static int print_json(const Pb__DoctorReply *r)
{
	json_t *checks = json_array();

	for (size_t i = 0; i < r->n_checks; i++)
		json_array_append_new(checks, check_json(r->checks[i]));
	return cli_json_print(json_pack("{s:o}", "checks", checks));
}

static void count(const Pb__DoctorReply *r, unsigned *warnings, unsigned *failures)
{
	for (size_t i = 0; i < r->n_checks; i++) {
		*warnings += !r->checks[i]->ok && r->checks[i]->warning;
		*failures += !r->checks[i]->ok && !r->checks[i]->warning;
	}
}

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct choice *c = arg;

	c->json |= id == JSON;
	c->all |= id == ALL;
	return 0;
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	unsigned warnings = 0, failures = 0;
	struct choice choice = { 0 };
	struct dvmi_opt_parser p;
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, set, &choice);

	if (rc != CLI_GO)
		return rc;
	cleanup_pb Pb__DoctorReply *r = NULL;
	if (cli_ask(c, DVMI_MSG_DOCTOR, NULL, &pb__doctor_reply__descriptor, &r, &err) < 0)
		return cli_fail(c, &err);
	count(r, &warnings, &failures);
	if (choice.json) {
		print_json(r);
		return failures ? CLI_FAILED : 0;
	}
	for (size_t i = 0; i < r->n_checks; i++)
		if (choice.all || !r->checks[i]->ok)
			print_check(r->checks[i]);
	printf("%zu checks: %u failed, %u warnings\n", r->n_checks, failures, warnings);
	return failures ? CLI_FAILED : 0;
}

const struct cli_command cli_cmd_doctor = {
	.opt = { .name = "dvm doctor",
		 .brief = "check every node and every pair of nodes",
		 .text = "Names what is blocked, and in which direction. The exit code is 1 when a "
			 "check failed; warnings leave it 0.",
		 .options = options },
	.family = "When something is wrong",
	.run = run,
};
