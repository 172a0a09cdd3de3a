/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cli/jobspec_private.h"
#include "daemon/cli/signals.h"
#include "daemon/name.h"
#include "daemon/pairs.h"
#include "daemon/spec.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/text.h"

#define TIER_MAX        100u
#define DEFAULT_WARNING (60 * DVMI_SEC)

int cli_jobspec_init(struct cli_jobspec *js, char *const *envp, const char *wdir, uint32_t mask)
{
	*js = (struct cli_jobspec){ .spec = malloc(sizeof *js->spec) };
	if (!js->spec)
		return -ENOMEM;
	pb__job_spec__init(js->spec);
	js->spec->umask = mask;
	int rc = dvmd_spec_set_string(&js->spec->wdir, wdir);
	for (; rc == 0 && *envp; envp++)
		rc = strchr(*envp, '=') ? dvmd_spec_add_string(&js->spec->env, &js->spec->n_env, *envp) : 0;
	if (rc < 0)
		cli_jobspec_free(js);
	return rc;
}

/* The working directory as the user sees it: $PWD, where it says so truly, keeps their links. */
static char *working_directory(void)
{
	const char *pwd = getenv("PWD");
	struct stat a, b;

	if (pwd && *pwd == '/' && stat(pwd, &a) == 0 && stat(".", &b) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return strdup(pwd);
	return getcwd(NULL, 0);
}

static mode_t file_mask(void)
{
	mode_t mask = umask(077);

	umask(mask);
	return mask;
}

int cli_jobspec_here(struct cli_jobspec *js)
{
	cleanup_free char *wdir = working_directory();

	return wdir ? cli_jobspec_init(js, environ, wdir, file_mask()) : -errno;
}

void cli_jobspec_free(struct cli_jobspec *js)
{
	dvmi_pb_free(js->spec);
	js->spec = NULL;
}

static int stdin_to(Pb__JobSpec *spec, struct dvmi_opt_parser *p, dvm_error_t *err)
{
	static const char *const words[] = { "none", "0", "all", NULL };
	static const Pb__StdinTo values[] = { PB__STDIN_TO__STDIN_NONE, PB__STDIN_TO__STDIN_RANK0,
					      PB__STDIN_TO__STDIN_ALL };
	int i = dvmi_opt_choice(p, words, err);

	if (i >= 0)
		spec->stdin_to = values[i];
	return i;
}

static int mpi_kind(Pb__JobSpec *spec, struct dvmi_opt_parser *p, dvm_error_t *err)
{
	static const char *const words[] = { "auto", "pmix", "pmi", "none", NULL };
	static const Pb__MpiKind values[] = { PB__MPI_KIND__MPI_AUTO, PB__MPI_KIND__MPI_PMIX,
					      PB__MPI_KIND__MPI_PMI1, PB__MPI_KIND__MPI_NONE };
	int i = dvmi_opt_choice(p, words, err);

	if (i >= 0)
		spec->mpi = values[i];
	return i;
}

int cli_output_parse(const char *text, enum cli_output *output, const char **dir, dvm_error_t *err)
{
	static const char *const words[] = { "raw", "lines", "tag", "json", "dir=D", NULL };
	static const enum cli_output values[] = { CLI_OUTPUT_RAW, CLI_OUTPUT_LINES, CLI_OUTPUT_TAG,
						  CLI_OUTPUT_JSON };

	if (!strncmp(text, "dir=", 4) && text[4]) {
		*output = CLI_OUTPUT_DIR;
		*dir = text + 4;
		return 0;
	}
	for (size_t i = 0; i < 4; i++)
		if (!strcmp(text, words[i])) {
			*output = values[i];
			return 0;
		}
	const char *near = dvmi_text_nearest(text, words, 5);
	return dvmi_error_set(err, -EINVAL,
			      "--output %s: expected raw, lines, tag, json or dir=D%s%s%s", text,
			      near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static bool has_env(const Pb__JobSpec *spec, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < spec->n_env; i++)
		if (!strncmp(spec->env[i], name, n) && spec->env[i][n] == '=')
			return true;
	return false;
}

static int set_variable(struct cli_jobspec *js, struct dvmi_opt_parser *p, dvm_error_t *err)
{
	if (*p->arg == '=' || !*p->arg)
		return dvmi_opt_bad(p, err, "a variable needs a name");
	if (strchr(p->arg, '='))
		return dvmd_spec_set_env(js->spec, p->arg);
	/* Without a value it is exported already, with the rest of the environment. */
	if (!has_env(js->spec, p->arg))
		js->unset = p->arg;
	return 0;
}

/* Two words, "NAME VALUE": the parser knows one argument, the second is the next word. */
static int set_pair(Pb__JobSpec *spec, struct dvmi_opt_parser *p, const char *prefix,
		    dvm_error_t *err)
{
	const char *value = dvmi_opt_second(p, err);
	cleanup_free char *pair = NULL;

	if (!value)
		return -EINVAL;
	if (asprintf(&pair, "%s%s=%s", prefix, p->arg, value) < 0) {
		pair = NULL;
		return dvmi_error_code(err, -ENOMEM, "%s", p->spelled);
	}
	return dvmd_spec_set_env(spec, pair);
}

static int set_wdir(Pb__JobSpec *spec, const char *dir)
{
	cleanup_free char *path = NULL;

	if (*dir == '/')
		return dvmd_spec_set_string(&spec->wdir, dir);
	if (asprintf(&path, "%s/%s", spec->wdir, dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	return dvmd_spec_set_string(&spec->wdir, path);
}

int cli_job_named(const struct dvmi_opt_parser *p, int rc, dvm_error_t *err)
{
	return rc < 0 ? dvmi_error_prefix(err, "%s", p->spelled) : 0;
}

static int add_gres(Pb__JobSpec *spec, const struct dvmi_opt_parser *p, dvm_error_t *err)
{
	return cli_job_named(p, dvmd_gres_parse(p->arg, &spec->gres, &spec->n_gres, err), err);
}

static int set_name_of(char **field, const struct dvmi_opt_parser *p, const char *what,
		       dvm_error_t *err)
{
	int rc = dvmd_name_check(what, p->arg, err);

	return rc < 0 ? cli_job_named(p, rc, err) : dvmd_spec_set_string(field, p->arg);
}

/* SIG@TIME; a time alone is before the end, too, and the signal then TERM. */
static int set_warning(Pb__JobSpec *spec, const struct dvmi_opt_parser *p, dvm_error_t *err)
{
	const char *at = strchr(p->arg, '@');
	cleanup_free char *name = strndup(p->arg, at ? (size_t)(at - p->arg) : strlen(p->arg));
	uint64_t ns = DEFAULT_WARNING;

	if (!name)
		return -ENOMEM;
	int sig = 0;
	if (cli_signal_parse(name, &sig, NULL) < 0 ||
	    (at && (dvmi_text_duration_parse(at + 1, &ns) < 0 || !ns)))
		return dvmi_opt_bad(p, err, "expected a signal and a time, such as USR1@60");
	spec->warn_signal = sig;
	spec->warn_ns = ns;
	return 0;
}

/* Options of the queue; 1 where ID is none of them. */
static int set_queue(Pb__JobSpec *spec, struct dvmi_opt_parser *p, int id, dvm_error_t *err)
{
	switch (id) {
	case ACCOUNT:
		return set_name_of(&spec->account, p, "account", err);
	case GRES:
		return add_gres(spec, p, err);
	case RESERVATION:
		return set_name_of(&spec->reservation, p, "reservation", err);
	case REQUEUE:
		spec->requeue = true;
		return 0;
	case TIER:
		return dvmi_opt_u32(p, 0, TIER_MAX, &spec->tier, err);
	case SIGNAL:
		return set_warning(spec, p, err);
	default:
		return 1;
	}
}

/* Options of the ranks' surroundings; 1 where ID is none of them. */
static int set_world(Pb__JobSpec *spec, struct dvmi_opt_parser *p, int id, dvm_error_t *err)
{
	switch (id) {
	case MCA:
		return set_pair(spec, p, "OMPI_MCA_", err);
	case GENV:
		return set_pair(spec, p, "", err);
	case WDIR:
		return set_wdir(spec, p->arg);
	case STDIN:
		return stdin_to(spec, p, err);
	case MPI:
		return mpi_kind(spec, p, err);
	case TIMEOUT:
		return dvmi_opt_duration(p, &spec->timeout_ns, err);
	case KEEP_GOING:
		spec->keep_going = true;
		return 0;
	case DETACH:
		spec->detached = true;
		return 0;
	case NAME:
		return dvmd_spec_set_string(&spec->name, p->arg);
	default:
		return 1;
	}
}

int cli_jobspec_set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct cli_jobspec *js = arg;
	int rc = cli_job_place(js->spec, p, id, err);

	if (rc == 1)
		rc = set_queue(js->spec, p, id, err);
	if (rc == 1)
		rc = set_world(js->spec, p, id, err);
	if (rc < 1)
		return rc == -ENOMEM ? dvmi_error_code(err, rc, "%s", p->spelled) : rc;
	switch (id) {
	case ENV:
		return set_variable(js, p, err);
	case OUTPUT:
		return cli_output_parse(p->arg, &js->output, &js->dir, err);
	case TAG_OUTPUT:
		js->output = CLI_OUTPUT_TAG;
		return 0;
	case LAUNCH_TIMEOUT:
		return dvmi_opt_duration(p, &js->launch_timeout, err);
	case DRY_RUN:
		js->dry_run = true;
		return 0;
	case REPORT_BINDINGS:
		js->report_bindings = true;
		return 0;
	case NO_WAIT:
		js->no_wait = true;
		return 0;
	case QUIET:
		js->quiet = true;
		return 0;
	default:
		return 0; /* IGNORED */
	}
}

int cli_jobspec_set_own(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	static const enum cli_job_option own[] = { RANKS, WDIR, ENV, GENV, MCA, IGNORED };

	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		if (id == (int)own[i])
			return cli_jobspec_set(p, id, arg, err);
	return dvmi_error_set(err, -EINVAL,
			      "%s holds for the whole job: it goes in front of the first program",
			      p->spelled);
}

const char *cli_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

int cli_jobspec_finish(struct cli_jobspec *js, char **argv, size_t argc, dvm_error_t *err)
{
	Pb__JobSpec *s = js->spec;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < argc; i++)
		rc = dvmd_spec_add_string(&s->argv, &s->n_argv, argv[i]);
	if (rc == 0 && !*s->name)
		rc = dvmd_spec_set_string(&s->name, cli_base_name(argv[0]));
	if (rc < 0)
		return dvmi_error_code(err, rc, "the program's arguments");
	if (s->ranks && s->nodes > s->ranks)
		return dvmi_error_set(err, -EINVAL, "%u ranks cannot be spread over %u nodes",
				      s->ranks, s->nodes);
	if (s->ranks_max && s->ranks_max < s->ranks)
		return dvmi_error_set(err, -EINVAL, "%u ranks at first, but %u at most", s->ranks,
				      s->ranks_max);
	if (s->warn_signal && !s->timeout_ns)
		return dvmi_error_set(err, -EINVAL, "--signal needs a --time");
	if (s->detached)
		s->stdin_to = PB__STDIN_TO__STDIN_NONE;
	if (s->detached && js->output != CLI_OUTPUT_AUTO && !js->dry_run)
		return dvmi_error_set(err, -EINVAL,
				      "--output and --detach exclude each other; `dvm logs` and "
				      "`dvm attach` take --output");
	return 0;
}
