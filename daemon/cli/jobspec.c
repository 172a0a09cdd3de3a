/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cli/jobspec.h"
#include "daemon/cli/signals.h"
#include "daemon/name.h"
#include "daemon/pairs.h"
#include "daemon/spec.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/hostlist.h"
#include "libdvm/base/text.h"

#define RANKS_MAX    CLI_RANKS_MAX
#define TIER_MAX     100u
#define DEFAULT_WARNING (60 * DVMI_SEC)
#define HOSTFILE_MAX (4u << 20) /* bytes */

enum id {
	RANKS = 1,
	MOST_RANKS,
	NODES,
	PER_NODE,
	MAP_BY,
	BIND_TO,
	HOSTS,
	HOSTFILE,
	EXCLUDE,
	OVERSUBSCRIBE,
	NO_OVERSUBSCRIBE,
	EXCLUSIVE,
	MEM_PER_RANK,
	CPU_LIMIT,
	CPU_SHARES,
	ENV,
	WDIR,
	STDIN,
	OUTPUT,
	TAG_OUTPUT,
	TIMEOUT,
	LAUNCH_TIMEOUT,
	KEEP_GOING,
	MPI,
	DETACH,
	NAME,
	DRY_RUN,
	REPORT_BINDINGS,
	QUIET,
	MCA,
	GENV,
	NO_SLOTS,
	ACCOUNT,
	GRES,
	RESERVATION,
	REQUEUE,
	TIER,
	SIGNAL,
	NO_WAIT,
	IGNORED,
};

#define MAP_WORDS    "slot core node numa ppr:"
#define BIND_WORDS   "auto none core numa thread"
#define OUTPUT_WORDS "raw lines tag json dir="

/* A row a line reads better than a field a line. */
/* clang-format off */

/* Rows of several tables. */
#define OPT_ENV \
	{ ENV, 'x', "env", NULL, "VAR[=VALUE]", "The ranks' world", \
	  "set VAR for the ranks; the environment of this command goes to them anyway", NULL }
#define OPT_MPI \
	{ MPI, 0, "mpi", NULL, "auto|pmix|pmi|none", NULL, \
	  "how ranks of MPI find each other (default: auto, as the program's libraries tell)", \
	  "auto pmix pmi none" }
#define OPT_KEEP_GOING \
	{ KEEP_GOING, 0, "keep-going", NULL, NULL, NULL, \
	  "a rank that fails does not end the others", NULL }
#define OPT_QUIET \
	{ QUIET, 'q', "quiet", NULL, NULL, NULL, "no notes and warnings, only errors", NULL }
#define OPT_MAX \
	{ MOST_RANKS, 0, "max", NULL, "N", NULL, \
	  "the program may grow to N ranks while nobody waits for room; -n N-M says both", NULL }
/* The spelling of `dvm run` and `dvm submit`. */
#define PLACEMENT_OF_OURS \
	{ NODES, 'N', "nodes", NULL, "N", NULL, "spread them over N nodes", NULL }, \
	{ PER_NODE, 0, "per-node", "-ppn", "K", NULL, "K ranks on each node", NULL }, \
	{ MAP_BY, 0, "map-by", NULL, "HOW", NULL, \
	  "fill the nodes one by one (slot, core, numa), deal ranks out in turn (node), or put K " \
	  "on each node or NUMA domain (ppr:K:node, ppr:K:numa)", \
	  MAP_WORDS }, \
	{ BIND_TO, 0, "bind-to", NULL, "auto|none|core|numa|thread", NULL, \
	  "what each rank is bound to (default: what suits the placement)", BIND_WORDS }, \
	{ HOSTS, 'H', "host", NULL, "LIST", NULL, \
	  "nodes to use, with a number of slots where it is not their own: a,b:2,node[3-5]", \
	  "@node" }, \
	{ HOSTFILE, 0, "hostfile", NULL, "FILE", NULL, \
	  "the same from a file, one a line: NAME slots=N", "@file" }, \
	{ OVERSUBSCRIBE, 0, "oversubscribe", NULL, NULL, NULL, "allow more ranks than slots", \
	  NULL }

/* What the tables of run say in the same words. */
#define COMMON_PLACEMENT \
	{ EXCLUDE, 0, "exclude", NULL, "LIST", NULL, "nodes that are not to be used", "@node" }, \
	{ MEM_PER_RANK, 0, "mem-per-rank", NULL, "SIZE", NULL, \
	  "memory each rank is promised and limited to (512M, 2G)", NULL }, \
	{ CPU_LIMIT, 0, "cpu-limit", NULL, "CPUS", NULL, \
	  "processors' time each rank may use (0.5, 2)", NULL }, \
	{ CPU_SHARES, 0, "cpu-shares", NULL, "N", NULL, \
	  "weight of each rank where processors are short, 1 to 10000 (default: 100)", NULL }, \
	{ EXCLUSIVE, 0, "exclusive", NULL, NULL, NULL, \
	  "no other job on the nodes of this one", NULL }, \
	{ GRES, 0, "gres", NULL, "NAME[:COUNT],…", NULL, \
	  "so many of a generic resource of each node it uses (see dvm.conf(5))", NULL }, \
	{ RESERVATION, 0, "reservation", NULL, "R", NULL, \
	  "on the nodes of this reservation; see `dvm reserve`", NULL }, \
	{ ACCOUNT, 'A', "account", NULL, "NAME", NULL, \
	  "whom its use is charged to: fair share, `dvm history`", NULL }

#define COMMON_RUN \
	OPT_ENV, \
	{ WDIR, 0, "wdir", NULL, "DIR", NULL, \
	  "working directory of the ranks (default: the one here)", "@dir" }, \
	{ STDIN, 'i', "stdin", NULL, "none|0|all", NULL, \
	  "which ranks read this command's input (default: 0)", "none 0 all" }, \
	{ OUTPUT, 0, "output", NULL, "HOW", NULL, \
	  "raw, lines (whole lines), tag (lines behind \"[RANK] \"), json (an object a line) or " \
	  "dir=D (files D/rank.N.out and .err); default: raw to a terminal, else lines", \
	  OUTPUT_WORDS }, \
	OPT_MPI, \
	{ TIMEOUT, 0, "timeout", NULL, "TIME", "How it runs", \
	  "end the job after TIME (90, 10m, 1h30m); exit code 124", NULL }, \
	{ LAUNCH_TIMEOUT, 0, "launch-timeout", NULL, "TIME", NULL, \
	  "give up when the ranks do not run after TIME", NULL }, \
	OPT_KEEP_GOING, \
	{ NO_WAIT, 0, "no-wait", NULL, NULL, NULL, \
	  "fail at once where it would have to wait for room, or for those who came before", NULL }, \
	{ DETACH, 'd', "detach", NULL, NULL, NULL, \
	  "print the job's id and leave; see `dvm attach`, `dvm logs`, `dvm wait`", NULL }, \
	{ NAME, 0, "name", NULL, "NAME", NULL, "what the job is called in lists", NULL }, \
	{ DRY_RUN, 0, "dry-run", NULL, NULL, NULL, \
	  "show where the ranks would go, start nothing", NULL }, \
	{ REPORT_BINDINGS, 0, "report-bindings", NULL, NULL, NULL, \
	  "say on stderr where each rank goes and what it is bound to", NULL }, \
	OPT_QUIET

/* Spellings of mpirun and mpiexec that are understood everywhere and listed nowhere. */
#define UNLISTED(id, spellings, arg, words) { id, 0, NULL, spellings, arg, NULL, NULL, words }
#define COMMON_UNLISTED \
	UNLISTED(RANKS, "--np --n", "N", NULL), \
	UNLISTED(PER_NODE, "--ppn -npernode --npernode -perhost", "K", NULL), \
	UNLISTED(MAP_BY, "-map-by", "HOW", MAP_WORDS), \
	UNLISTED(BIND_TO, "-bind-to", "WHAT", BIND_WORDS), \
	UNLISTED(HOSTS, "--hosts -hosts", "LIST", "@node"), \
	UNLISTED(HOSTFILE, "-hostfile -machinefile --machinefile", "FILE", "@file"), \
	UNLISTED(OVERSUBSCRIBE, "-oversubscribe", NULL, NULL), \
	UNLISTED(NO_OVERSUBSCRIBE, "-nooversubscribe", NULL, NULL), \
	UNLISTED(WDIR, "-wdir -wd", "DIR", "@dir"), \
	UNLISTED(STDIN, "-stdin", "none|0|all", "none 0 all"), \
	UNLISTED(TIMEOUT, "-timeout", "TIME", NULL), \
	UNLISTED(DRY_RUN, "-dry-run --do-not-launch -do-not-launch", NULL, NULL), \
	UNLISTED(REPORT_BINDINGS, "-report-bindings", NULL, NULL), \
	UNLISTED(TAG_OUTPUT, "-tag-output", NULL, NULL), \
	UNLISTED(MCA, "-mca --gmca -gmca", "NAME VALUE", NULL), \
	UNLISTED(GENV, "-env", "NAME VALUE", NULL), \
	UNLISTED(NO_SLOTS, "--no-slots", NULL, NULL), \
	UNLISTED(IGNORED, "-allow-run-as-root -genvall -quiet", NULL, NULL)

const struct dvmi_opt cli_run_options[] = {
	{ RANKS, 'n', "ranks", "-np --min", "N", "Placement", "start N ranks (default: one a slot)",
	  NULL },
	OPT_MAX,
	PLACEMENT_OF_OURS,
	COMMON_PLACEMENT,
	COMMON_RUN,
	UNLISTED(HOSTS, "-host", "LIST", "@node"),
	UNLISTED(TAG_OUTPUT, "--tag-output", NULL, NULL),
	UNLISTED(NO_OVERSUBSCRIBE, "--nooversubscribe", NULL, NULL),
	UNLISTED(MCA, "--mca", "NAME VALUE", NULL),
	UNLISTED(GENV, "--genv -genv", "NAME VALUE", NULL),
	UNLISTED(IGNORED, "--allow-run-as-root", NULL, NULL),
	COMMON_UNLISTED,
	CLI_GENERAL_OPTIONS,
};

const struct dvmi_opt cli_dvmrun_options[] = {
	{ RANKS, 'n', "np", "-np -c", "N", "Placement", "start N ranks (default: one a slot)",
	  NULL },
	{ PER_NODE, 'N', "npernode", "-ppn", "K", NULL, "K ranks on each node", NULL },
	{ MAP_BY, 0, "map-by", NULL, "HOW", NULL,
	  "slot, core, node, numa, ppr:K:node or ppr:K:numa; :oversubscribe may follow",
	  MAP_WORDS },
	{ BIND_TO, 0, "bind-to", NULL, "none|core|numa|hwthread", NULL,
	  "what each rank is bound to", "none core numa hwthread socket" },
	{ HOSTS, 'H', "host", "-host", "LIST", NULL,
	  "nodes to use, with a number of slots where it is not their own: a,b:2", "@node" },
	{ HOSTFILE, 'f', "hostfile", NULL, "FILE", NULL,
	  "the same from a file, one a line: NAME slots=N", "@file" },
	{ OVERSUBSCRIBE, 0, "oversubscribe", NULL, NULL, NULL, "allow more ranks than slots",
	  NULL },
	{ NO_OVERSUBSCRIBE, 0, "nooversubscribe", NULL, NULL, NULL, "do not (the default)", NULL },
	{ NODES, 0, "nodes", NULL, "N", NULL, "spread the ranks over N nodes", NULL },
	COMMON_PLACEMENT,
	COMMON_RUN,
	{ TAG_OUTPUT, 'l', "tag-output", NULL, NULL, NULL, "the same as --output tag", NULL },
	{ MCA, 0, "mca", NULL, "NAME VALUE", "Taken for mpirun's sake",
	  "for ranks that are Open MPI programs: OMPI_MCA_NAME=VALUE in their environment", NULL },
	{ GENV, 0, "genv", "-genv", "NAME VALUE", NULL,
	  "as MPICH's mpiexec has it: the same as -x NAME=VALUE", NULL },
	{ IGNORED, 0, "allow-run-as-root", NULL, NULL, NULL, "accepted and without effect", NULL },
	UNLISTED(RANKS, "--ranks", "N", NULL),
	COMMON_UNLISTED,
	CLI_GENERAL_OPTIONS,
};

const struct dvmi_opt cli_submit_options[] = {
	{ RANKS, 'n', "ranks", "-np --np --n --min", "N", "Placement", "start N ranks (default: 1)", NULL },
	OPT_MAX,
	PLACEMENT_OF_OURS,
	COMMON_PLACEMENT,
	{ TIMEOUT, 't', "time", "--timeout", "TIME", "When",
	  "end the job when it has run for TIME (90, 10m, 1h30m); the less, the sooner it may fit in",
	  NULL },
	{ CLI_SUBMIT_AFTER, 0, "after", "--dependency", "JOB[:WHEN],…", NULL,
	  "not before JOB has ended (any), ended well (ok) or not (notok), or started", "@job" },
	{ CLI_SUBMIT_BEGIN, 0, "begin", NULL, "WHEN", NULL,
	  "not before WHEN: a time from now (10m), or 14:30 or 2027-01-31T14:30 here", NULL },
	{ CLI_SUBMIT_HOLD, 0, "hold", NULL, NULL, NULL, "not before `dvm release`", NULL },
	{ CLI_SUBMIT_PRIORITY, 0, "priority", NULL, "P", NULL,
	  "-1000 … 1000: before or behind others (default: 0)", NULL },
	{ CLI_SUBMIT_ARRAY, 'a', "array", NULL, "LIST[%K]", NULL,
	  "a job for each number of LIST (1-100, 1,3,7), at most K running at a time; it is in "
	  "$DVM_ARRAY_TASK",
	  NULL },
	{ TIER, 0, "tier", "--qos", "T", NULL,
	  "jobs of lower tiers may have to make room (default: 0); see queue_tiers in dvm.conf(5)",
	  NULL },
	{ REQUEUE, 0, "requeue", NULL, NULL, NULL,
	  "when a node is lost, wait and run again, as a new job", NULL },
	{ SIGNAL, 0, "signal", NULL, "SIG@TIME", NULL,
	  "send SIG to its ranks so long before --time is up (USR1@60)", NULL },
	OPT_ENV,
	{ WDIR, 0, "wdir", "--chdir", "DIR", NULL,
	  "working directory of the ranks (default: the one here)", "@dir" },
	OPT_MPI,
	OPT_KEEP_GOING,
	{ NAME, 0, "name", "--job-name", "NAME", NULL, "what the job is called in lists", NULL },
	{ CLI_SUBMIT_JSON, 0, "json", NULL, NULL, "Output", "print JSON", NULL },
	OPT_QUIET,
	CLI_GENERAL_OPTIONS,
};

/* clang-format on */

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

/* ---- values ---- */

/* "slots=N" or "max_slots=N" behind a name; what other launchers have there is not guessed at. */
static int host_line(Pb__JobSpec *spec, char *line, dvm_error_t *err)
{
	char *save, *name = strtok_r(line, " \t\r", &save), *word;
	size_t first = spec->n_hosts;
	uint64_t slots = 0;

	if (!name)
		return 0;
	int rc = dvmd_spec_host(spec, name, strlen(name), err);
	while (rc == 0 && (word = strtok_r(NULL, " \t\r", &save))) {
		char *value = strchr(word, '=');

		if (!value || dvmi_text_u64(value + 1, 1, RANKS_MAX, &slots) < 0)
			return dvmi_error_set(err, -EINVAL, "\"%s\": expected slots=N", word);
		if (!strncmp(word, "max", 3))
			continue;
		if (strncmp(word, "slots=", 6) != 0)
			return dvmi_error_set(err, -EINVAL, "\"%s\": expected slots=N", word);
		for (size_t i = first; i < spec->n_hosts; i++)
			spec->hosts[i]->slots = (uint32_t)slots;
	}
	return rc;
}

int cli_jobspec_hostfile(Pb__JobSpec *spec, const char *text, dvm_error_t *err)
{
	cleanup_free char *copy = strdup(text);
	char *next = copy;
	int rc = copy ? 0 : dvmi_error_code(err, -ENOMEM, "host file");

	for (unsigned n = 1; rc == 0 && next; n++) {
		char *line = strsep(&next, "\n");

		line[strcspn(line, "#")] = '\0';
		rc = host_line(spec, line, err);
		if (rc < 0)
			dvmi_error_prefix(err, "line %u", n);
	}
	return rc;
}

static int read_hostfile(Pb__JobSpec *spec, const char *path, dvm_error_t *err)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct dvmi_buf b = { 0 };
	ssize_t n = 1;

	if (fd < 0)
		return dvmi_error_code(err, -errno, "%s", path);
	while (n > 0 && b.len <= HOSTFILE_MAX && !b.err) {
		char chunk[4096];

		n = read(fd, chunk, sizeof chunk);
		if (n > 0)
			dvmi_buf_put(&b, chunk, (size_t)n);
	}
	int rc = n < 0 ? -errno : b.len > HOSTFILE_MAX ? -EFBIG : b.err;
	dvmi_buf_put_u8(&b, 0);
	if (rc < 0 || b.err)
		rc = dvmi_error_code(err, rc < 0 ? rc : b.err, "%s", path);
	else if ((rc = cli_jobspec_hostfile(spec, (char *)b.data, err)) < 0)
		dvmi_error_prefix(err, "%s", path);
	else if (!spec->n_hosts)
		rc = dvmi_error_set(err, -EINVAL, "%s names no host", path);
	dvmi_buf_free(&b);
	return rc;
}

static int exclude(Pb__JobSpec *spec, const char *text, dvm_error_t *err)
{
	struct dvmi_hostlist list = { 0 };
	int rc = dvmi_hostlist_parse(&list, text, err);

	for (size_t i = 0; rc >= 0 && i < list.n; i++)
		rc = dvmd_spec_add_string(&spec->exclude, &spec->n_exclude, list.names[i]);
	dvmi_hostlist_free(&list);
	return rc;
}

/* ppr:K:node, ppr:K:numa */
static int map_per_resource(Pb__JobSpec *spec, const char *arg, const struct dvmi_opt_parser *p,
			    dvm_error_t *err)
{
	uint64_t k;
	cleanup_free char *number = strndup(arg + 4, strcspn(arg + 4, ":"));

	if (!number)
		return dvmi_error_code(err, -ENOMEM, "--map-by");
	const char *what = arg + 4 + strlen(number);
	if (dvmi_text_u64(number, 1, RANKS_MAX, &k) < 0)
		return dvmi_opt_bad(p, err,
				    "expected ppr:K:node or ppr:K:numa with K of 1 or more");
	if (!strcmp(what, ":node"))
		spec->map_by = PB__MAP_BY__MAP_PPR_NODE;
	else if (!strcmp(what, ":numa") || !strcmp(what, ":socket") || !strcmp(what, ":package"))
		spec->map_by = PB__MAP_BY__MAP_PPR_NUMA;
	else
		return dvmi_opt_bad(p, err, "expected ppr:K:node or ppr:K:numa");
	spec->per = (uint32_t)k;
	return 0;
}

/* Takes ":oversubscribe" and the like off the end of mpirun's --map-by. */
static void take_modifiers(Pb__JobSpec *spec, char *how)
{
	for (char *colon; (colon = strrchr(how, ':'));) {
		if (!strcasecmp(colon + 1, "oversubscribe"))
			spec->oversubscribe = true;
		else if (!strcasecmp(colon + 1, "nooversubscribe"))
			spec->oversubscribe = false;
		else
			return;
		*colon = '\0';
	}
}

#define SHARES_MAX 10000

/* "1.5": thousandths are kept. */
static int cpu_limit(Pb__JobSpec *spec, const struct dvmi_opt_parser *p, dvm_error_t *err)
{
	char *end;
	double cpus = strtod(p->arg, &end);

	if (end == p->arg || *end || !(cpus >= 0.01 && cpus <= 4096))
		return dvmi_opt_bad(p, err, "a number of processors is wanted, 0.01 to 4096");
	spec->cpu_limit = (uint32_t)(cpus * 1000 + 0.5);
	return 0;
}

static int map_by(Pb__JobSpec *spec, struct dvmi_opt_parser *p, dvm_error_t *err)
{
	static const char *const words[] = { "slot",   "node",	  "core",     "numa",
					     "socket", "package", "hwthread", NULL };
	static const Pb__MapBy values[] = { PB__MAP_BY__MAP_SLOT, PB__MAP_BY__MAP_NODE,
					    PB__MAP_BY__MAP_CORE, PB__MAP_BY__MAP_NUMA,
					    PB__MAP_BY__MAP_NUMA, PB__MAP_BY__MAP_NUMA,
					    PB__MAP_BY__MAP_CORE };
	cleanup_free char *how = strdup(p->arg);

	if (!how)
		return dvmi_error_code(err, -ENOMEM, "--map-by");
	take_modifiers(spec, how);
	if (!strncmp(how, "ppr:", 4))
		return map_per_resource(spec, how, p, err);
	struct dvmi_opt_parser q = *p;
	q.arg = how;
	int i = dvmi_opt_choice(&q, words, err);
	if (i < 0)
		return i;
	spec->map_by = values[i];
	spec->per = 0;
	return 0;
}

static int bind_to(Pb__JobSpec *spec, struct dvmi_opt_parser *p, dvm_error_t *err)
{
	static const char *const words[] = { "auto",	 "none",   "core",    "numa", "thread",
					     "hwthread", "socket", "package", NULL };
	static const Pb__BindTo values[] = { PB__BIND_TO__BIND_AUTO,   PB__BIND_TO__BIND_NONE,
					     PB__BIND_TO__BIND_CORE,   PB__BIND_TO__BIND_NUMA,
					     PB__BIND_TO__BIND_THREAD, PB__BIND_TO__BIND_THREAD,
					     PB__BIND_TO__BIND_NUMA,   PB__BIND_TO__BIND_NUMA };
	int i = dvmi_opt_choice(p, words, err);

	if (i >= 0)
		spec->bind_to = values[i];
	return i;
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

static int set_per_node(Pb__JobSpec *spec, struct dvmi_opt_parser *p, dvm_error_t *err)
{
	spec->map_by = PB__MAP_BY__MAP_PPR_NODE;
	return dvmi_opt_u32(p, 1, RANKS_MAX, &spec->per, err);
}

/* Puts the option in front of an error that does not know it. */
static int named(const struct dvmi_opt_parser *p, int rc, dvm_error_t *err)
{
	return rc < 0 ? dvmi_error_prefix(err, "%s", p->spelled) : 0;
}

/* "8", or "2-8" of one that may grow. */
static int set_ranks(Pb__JobSpec *spec, struct dvmi_opt_parser *p, dvm_error_t *err)
{
	const char *minus = strchr(p->arg, '-');
	uint64_t least, most;

	if (!minus)
		return dvmi_opt_u32(p, 1, RANKS_MAX, &spec->ranks, err);
	cleanup_free char *first = strndup(p->arg, (size_t)(minus - p->arg));
	if (!first)
		return dvmi_error_code(err, -ENOMEM, "%s", p->spelled);
	if (dvmi_text_u64(first, 1, RANKS_MAX, &least) < 0 ||
	    dvmi_text_u64(minus + 1, 1, RANKS_MAX, &most) < 0)
		return dvmi_opt_bad(p, err, "expected a number of ranks, or the least and the most: 2-8");
	spec->ranks = (uint32_t)least;
	spec->ranks_max = (uint32_t)most;
	return 0;
}

/* Options of placement; 1 where ID is none of them. */
static int set_placement(Pb__JobSpec *spec, struct dvmi_opt_parser *p, int id, dvm_error_t *err)
{
	switch (id) {
	case RANKS:
		return set_ranks(spec, p, err);
	case MOST_RANKS:
		return dvmi_opt_u32(p, 1, RANKS_MAX, &spec->ranks_max, err);
	case NODES:
		return dvmi_opt_u32(p, 1, RANKS_MAX, &spec->nodes, err);
	case PER_NODE:
		return set_per_node(spec, p, err);
	case MAP_BY:
		return map_by(spec, p, err);
	case BIND_TO:
		return bind_to(spec, p, err);
	case HOSTS:
		return named(p, dvmd_spec_hosts(spec, p->arg, err), err);
	case HOSTFILE:
		return named(p, read_hostfile(spec, p->arg, err), err);
	case EXCLUDE:
		return named(p, exclude(spec, p->arg, err), err);
	case MEM_PER_RANK:
		return dvmi_opt_size(p, &spec->mem_per_rank, err);
	case CPU_LIMIT:
		return cpu_limit(spec, p, err);
	case CPU_SHARES:
		return dvmi_opt_u32(p, 1, SHARES_MAX, &spec->cpu_shares, err);
	case OVERSUBSCRIBE:
		spec->oversubscribe = true;
		return 0;
	case NO_OVERSUBSCRIBE:
		spec->oversubscribe = false;
		return 0;
	case NO_SLOTS: /* for what mostly waits, as our own helpers do */
		spec->no_slots = spec->oversubscribe = true;
		return 0;
	case EXCLUSIVE:
		spec->exclusive = true;
		return 0;
	default:
		return 1;
	}
}

static int add_gres(Pb__JobSpec *spec, const struct dvmi_opt_parser *p, dvm_error_t *err)
{
	return named(p, dvmd_gres_parse(p->arg, &spec->gres, &spec->n_gres, err), err);
}

static int set_name_of(char **field, const struct dvmi_opt_parser *p, const char *what,
		       dvm_error_t *err)
{
	int rc = dvmd_name_check(what, p->arg, err);

	return rc < 0 ? named(p, rc, err) : dvmd_spec_set_string(field, p->arg);
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
	if (cli_signal_parse(name, &sig, NULL) < 0 || (at && (dvmi_text_duration_parse(at + 1, &ns) < 0 || !ns)))
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
	int rc = set_placement(js->spec, p, id, err);

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
	static const enum id own[] = { RANKS, WDIR, ENV, GENV, MCA, IGNORED };

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
