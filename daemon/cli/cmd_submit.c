/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/show.h"
#include "daemon/cli/submission.h"
#include "daemon/spec.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/text.h"

struct submission {
	struct cli_jobspec js;
	Pb__Waiting job;
	Pb__SubmitRequest req;
	struct cli_script script;
	bool json;
};

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct submission *s = arg;

	switch (id) {
	case CLI_SUBMIT_AFTER:
		return cli_submission_after(&s->job, p->arg, err);
	case CLI_SUBMIT_ARRAY:
		return cli_submission_array(&s->req, p->arg, err);
	case CLI_SUBMIT_BEGIN:
		return cli_submission_begin(p->arg, dvmi_clock_wall(), &s->req.delay_ns, err);
	case CLI_SUBMIT_HOLD:
		s->job.held = true;
		return 0;
	case CLI_SUBMIT_PRIORITY:
		return cli_submission_priority(p->arg, &s->job.priority, err);
	case CLI_SUBMIT_JSON:
		s->json = true;
		return 0;
	default:
		return cli_jobspec_set(p, id, &s->js, err);
	}
}

/* ---- the script ---- */

/* At first only the script's name is wanted. */
static int ignore(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	return 0;
}

/* A file here that is a script is meant, though it has no slash and is not in PATH. */
static char *script_path(const char *program)
{
	char head[2] = "";
	struct stat st;

	if (stat(program, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	FILE *f = fopen(program, "re");
	bool script = f && fread(head, 1, 2, f) == 2 && head[0] == '#' && head[1] == '!';
	if (f)
		fclose(f);
	return script ? realpath(program, NULL) : NULL;
}

/* N words from FIRST on, all of one line. */
static int line_options(struct cli *c, const struct cli_command *cmd, const char *path,
			struct submission *s, size_t first, size_t n)
{
	struct dvmi_opt_parser p;
	char name[PATH_MAX + 32];
	cleanup_free char **argv = calloc(n + 2, sizeof *argv);

	if (!argv)
		return cli_failf(c, "out of memory");
	argv[0] = (char *)"submit";
	memcpy(argv + 1, s->script.argv + first, n * sizeof *argv);
	snprintf(name, sizeof name, "%s, line %u", path, s->script.lines[first]);
	const struct cli_command of_line = { .opt = { .name = name, .options = cmd->opt.options } };
	int rc = cli_options(c, &of_line, (int)n + 1, argv, &p, set, s);
	if (rc != CLI_GO || !p.n_operands)
		return rc;
	return cli_failf(c, "%s: \"%s\" is no option", name, p.operands[0]);
}

static int script_options(struct cli *c, const struct cli_command *cmd, const char *path,
			  struct submission *s)
{
	const struct cli_script *t = &s->script;
	int rc = CLI_GO;

	for (size_t at = 0, n; rc == CLI_GO && at < t->argc; at += n) {
		for (n = 1; at + n < t->argc && t->lines[at + n] == t->lines[at];)
			n++;
		rc = line_options(c, cmd, path, s, at, n);
	}
	return rc;
}

/* One that may not be executed is read by the interpreter that it names. */
static int put_program(struct submission *s, const char *path, dvm_error_t *err)
{
	Pb__JobSpec *spec = s->js.spec;
	char *save, *word;
	int rc = 0;

	if (access(path, X_OK) != 0 && s->script.interpreter)
		for (word = strtok_r(s->script.interpreter, " \t\r", &save); rc == 0 && word;
		     word = strtok_r(NULL, " \t\r", &save))
			rc = dvmd_spec_add_string(&spec->argv, &spec->n_argv, word);
	if (rc == 0)
		rc = dvmd_spec_add_string(&spec->argv, &spec->n_argv, path);
	return rc < 0 ? dvmi_error_code(err, rc, "the program") : 0;
}

static int finish_script(struct submission *s, const char *path, char **argv, size_t argc,
			 dvm_error_t *err)
{
	Pb__JobSpec *spec = s->js.spec;
	int rc = put_program(s, path, err);

	if (rc == 0 && !*spec->name)
		rc = dvmd_spec_set_string(&spec->name, cli_base_name(path));
	for (size_t i = 1; rc == 0 && i < argc; i++)
		rc = dvmd_spec_add_string(&spec->argv, &spec->n_argv, argv[i]);
	return rc;
}

/* ---- the request ---- */

static int print(const struct submission *s, const Pb__SubmitReply *r)
{
	if (s->json)
		return cli_json_print(
			json_pack("{s:I, s:i}", "job", (json_int_t)r->job, "count", (int)r->count));
	printf("%" PRIu64 "\n", r->job);
	return 0;
}

static int send(struct cli *c, struct submission *s)
{
	cleanup_pb Pb__SubmitReply *r = NULL;
	dvm_error_t err;

	if (!s->js.spec->ranks && s->js.spec->map_by != PB__MAP_BY__MAP_PPR_NODE &&
	    s->js.spec->map_by != PB__MAP_BY__MAP_PPR_NUMA)
		s->js.spec->ranks = s->js.spec->nodes ? s->js.spec->nodes : 1;
	if (s->js.unset && !s->js.quiet)
		cli_say(c, "-x %s: it is not set here, and will not be for the ranks", s->js.unset);
	s->job.spec = s->js.spec;
	s->req.job = &s->job;
	if (cli_ask(c, DVMI_MSG_SUBMIT, &s->req, &pb__submit_reply__descriptor, &r, &err) < 0)
		return cli_fail(c, &err);
	int rc = print(s, r);
	return rc < 0 ? cli_failf(c, "%s", dvm_strerror(rc)) : 0;
}

static int prepare(struct cli *c, const struct cli_command *cmd, int argc, char **argv,
		   struct submission *s)
{
	struct dvmi_opt_parser p;
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, ignore, NULL);

	if (rc != CLI_GO)
		return rc;
	cleanup_free char *script = script_path(p.operands[0]);
	if (script && cli_script_read(&s->script, script, &err) < 0)
		return cli_fail(c, &err);
	if (script && s->script.argc)
		rc = script_options(c, cmd, p.operands[0], s);
	if (rc == CLI_GO) /* what is said here wins over what the script says */
		rc = cli_options(c, cmd, argc, argv, &p, set, s);
	if (rc != CLI_GO)
		return rc;
	int code = script ? finish_script(s, script, p.operands, (size_t)p.n_operands, &err)
			  : cli_jobspec_finish(&s->js, p.operands, (size_t)p.n_operands, &err);
	return code < 0 ? cli_usage(c, cmd, &err) : CLI_GO;
}

static void submission_free(struct submission *s)
{
	for (size_t i = 0; i < s->job.n_after; i++)
		dvmi_pb_free(s->job.after[i]);
	free(s->job.after);
	free(s->req.tasks);
	cli_script_free(&s->script);
	cli_jobspec_free(&s->js);
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct submission s = { .job = PB__WAITING__INIT, .req = PB__SUBMIT_REQUEST__INIT };

	int rc = cli_jobspec_here(&s.js);
	if (rc < 0)
		return cli_failf(c, "the environment here: %s", dvm_strerror(rc));
	s.req.job = &s.job;
	rc = prepare(c, cmd, argc, argv, &s);
	if (rc == CLI_GO)
		rc = send(c, &s);
	submission_free(&s);
	return rc;
}

const struct cli_command cli_cmd_submit = {
	.opt = { .name = "dvm submit",
		 .operands = "SCRIPT|PROG [ARG]…",
		 .brief = "put a job into the queue",
		 .text = "Prints the job's id and leaves. The job starts by itself when there is "
			 "room "
			 "and it is its turn: see `dvm why`, `dvm jobs`, `dvm wait`, `dvm "
			 "logs`.\n\n"
			 "Lines \"#DVM OPTIONS\" at the head of a script are options, too; what is "
			 "said "
			 "here wins over them.",
		 .options = cli_submit_options,
		 .stop_at_operand = true,
		 .min_operands = 1 },
	.family = "The queue",
	.run = run,
};
