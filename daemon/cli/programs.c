/* SPDX-License-Identifier: BSD-3-Clause */
/* Several programs in one job, as mpirun has them: -n 2 a X : -n 3 --wdir /d b Y */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cli/jobspec.h"
#include "daemon/spec.h"
#include "libdvm/base/err.h"

/* One of the programs, and the words that say it. */
struct part {
	char **argv;
	size_t argc;
	uint32_t ranks;
	const char *wdir; /* "": the job's */
	char **env;	  /* [n_env]: its own variables, which env(1) sets: the job has one environment */
	size_t n_env;
};

static size_t up_to_colon(char **words, size_t n)
{
	size_t i = 0;

	while (i < n && strcmp(words[i], ":"))
		i++;
	return i;
}

static int add_words(Pb__App *a, const struct part *part)
{
	int rc = part->n_env ? dvmd_spec_add_string(&a->argv, &a->n_argv, "env") : 0;

	for (size_t i = 0; rc == 0 && i < part->n_env; i++)
		rc = dvmd_spec_add_string(&a->argv, &a->n_argv, part->env[i]);
	for (size_t i = 0; rc == 0 && i < part->argc; i++)
		rc = dvmd_spec_add_string(&a->argv, &a->n_argv, part->argv[i]);
	return rc;
}

static int add(Pb__JobSpec *spec, const struct part *part)
{
	Pb__App **apps = reallocarray(spec->apps, spec->n_apps + 1, sizeof(Pb__App *));
	Pb__App *a = malloc(sizeof *a);
	int rc = apps && a ? 0 : -ENOMEM;

	if (apps)
		spec->apps = apps;
	if (rc < 0) {
		free(a);
		return rc;
	}
	pb__app__init(a);
	apps[spec->n_apps++] = a;
	a->ranks = part->ranks ? part->ranks : 1;
	rc = add_words(a, part);
	return rc < 0 || !*part->wdir ? rc : dvmd_spec_set_string(&a->wdir, part->wdir);
}

/* WORDS[0] is the colon. The job's own directory is what a relative one is relative to. */
static int read_part(const struct cli_jobspec *js, const struct dvmi_opt_command *cmd, char **words,
		     size_t n, dvm_error_t *err)
{
	static char *const nothing[] = { NULL };
	struct dvmi_opt_parser p;
	struct cli_jobspec own;
	int id, rc = cli_jobspec_init(&own, nothing, js->spec->wdir, 0);

	if (rc < 0)
		return dvmi_error_code(err, rc, "the programs");
	dvmi_opt_init(&p, cmd, (int)n, words);
	while (rc >= 0 && (id = dvmi_opt_next(&p, err)) != 0)
		rc = id < 0 ? id : cli_jobspec_set_own(&p, id, &own, err);
	if (rc >= 0) {
		const struct part part = { .argv = p.operands,
					   .argc = (size_t)p.n_operands,
					   .ranks = own.spec->ranks,
					   .wdir = own.spec->wdir,
					   .env = own.spec->env,
					   .n_env = own.spec->n_env };
		rc = add(js->spec, &part);
		if (rc < 0)
			dvmi_error_code(err, rc, "the programs");
	}
	cli_jobspec_free(&own);
	return rc;
}

static int sum_ranks(Pb__JobSpec *spec, dvm_error_t *err)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < spec->n_apps; i++)
		sum += spec->apps[i]->ranks;
	if (sum > CLI_RANKS_MAX)
		return dvmi_error_set(err, -EINVAL, "a job has at most %u ranks", CLI_RANKS_MAX);
	spec->ranks = (uint32_t)sum;
	return 0;
}

int cli_programs_finish(struct cli_jobspec *js, const struct dvmi_opt_command *cmd, char **words,
			size_t n, dvm_error_t *err)
{
	size_t len = up_to_colon(words, n);
	const struct part first = {
		.argv = words, .argc = len, .ranks = js->spec->ranks, .wdir = ""
	};
	int rc = 0;

	if (len == n)
		return cli_jobspec_finish(js, words, n, err);
	if (len == 0)
		return dvmi_error_set(err, -EINVAL, "a program is expected in front of \":\"");
	if (add(js->spec, &first) < 0)
		return dvmi_error_code(err, -ENOMEM, "the programs");
	for (size_t at = len; rc == 0 && at < n; at += len) {
		len = 1 + up_to_colon(words + at + 1, n - at - 1);
		rc = read_part(js, cmd, words + at, len, err);
	}
	if (rc == 0)
		rc = sum_ranks(js->spec, err);
	return rc < 0 ? rc : cli_jobspec_finish(js, words, first.argc, err);
}
