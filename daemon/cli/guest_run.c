/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/cli/guest_run.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/show.h"
#include "daemon/paths.h"
#include "daemon/spec.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/text.h"

#define PREFIX	   DVMD_SPEC_GUEST
#define NAME_MAX_  40u
#define SAY_AFTER  (5 * DVMI_SEC)
#define SOON	   DVMI_SEC
#define SOON_NS	   20000000L  /* between two looks until then */
#define LATER_NS   200000000L /* and from then on */

void cli_guest_add(struct cli_guest_line *l, const char *word)
{
	if (l->n == (int)CLI_GUEST_WORDS)
		l->full = true;
	else
		l->words[l->n++] = word;
}

int cli_guest_check_name(const char *name, dvm_error_t *err)
{
	size_t n = strlen(name);
	bool good = n && n <= NAME_MAX_ && isalnum((unsigned char)*name);

	for (size_t i = 0; i < n; i++)
		good &= isalnum((unsigned char)name[i]) || strchr("._-", name[i]);
	return good ? 0 : dvmi_error_set(err, -EINVAL,
					 "\"%s\" cannot be a guest's name: letters, digits and ._- , "
					 "at most %u",
					 name, NAME_MAX_);
}

/* ---- which there are ---- */

static int ask_each(const struct cli *c, Pb__JobsRequest *req, cli_guest_each_fn *each, void *arg,
		    dvm_error_t *err)
{
	cleanup_pb Pb__JobsReply *r = NULL;
	int rc = cli_ask(c, DVMI_MSG_JOBS, req, &pb__jobs_reply__descriptor, &r, err);

	for (size_t i = 0; rc >= 0 && i < r->n_jobs; i++)
		if (!strncmp(r->jobs[i]->name, PREFIX, strlen(PREFIX)))
			each(r->jobs[i], r->jobs[i]->name + strlen(PREFIX), arg);
	return rc < 0 ? rc : 0;
}

int cli_guest_each(const struct cli *c, bool all, cli_guest_each_fn *each, void *arg,
		   dvm_error_t *err)
{
	Pb__JobsRequest req = PB__JOBS_REQUEST__INIT;

	req.all = all;
	return ask_each(c, &req, each, arg, err);
}

struct search {
	const char *name;
	struct cli_guest *g;
};

/*
 * A monitor answers to the number of its user, which nodes may call otherwise. Who is not told it
 * goes by names as daemons have them, of who has none the number; an old job may have none at all.
 */
static bool is_mine(const Pb__JobInfo *j)
{
	const struct passwd *pw = getpwuid(geteuid());
	char number[16];

	if (j->owner)
		return j->owner - 1 == geteuid();
	snprintf(number, sizeof number, "%u", (unsigned)geteuid());
	return !*j->user || !strcmp(j->user, pw ? pw->pw_name : number);
}

static void fill(struct cli_guest *g, const Pb__JobInfo *j, const char *name)
{
	*g = (struct cli_guest){ .job = j->id,
				 .next = j->next,
				 .mine = is_mine(j),
				 .ended = j->ended != 0,
				 .exit_code = j->exit_code,
				 .submitted = j->submitted };
	snprintf(g->user, sizeof g->user, "%s", j->user);
	snprintf(g->name, sizeof g->name, "%s", name);
	snprintf(g->state, sizeof g->state, "%s", j->state);
	snprintf(g->reason, sizeof g->reason, "%s", j->reason);
	if (j->n_nodes)
		snprintf(g->node, sizeof g->node, "%s", j->nodes[0]);
}

/*
 * Is J meant rather than G? Guests of one name may be anybody's, and one that waits may be called like
 * one that runs: it is one that has not ended, then one's own, then one that has run, then of those that
 * have not ended the oldest, and of those that have the newest.
 */
static bool is_meant(const Pb__JobInfo *j, const struct cli_guest *g)
{
	bool ended = j->ended != 0, mine = is_mine(j), has_node = j->n_nodes > 0;

	if (ended != g->ended)
		return g->ended;
	if (mine != g->mine)
		return mine;
	if (has_node != (*g->node != 0))
		return has_node;
	return ended ? j->id > g->job : j->id < g->job;
}

static void compare(const Pb__JobInfo *j, const char *name, void *arg)
{
	struct search *s = arg;

	if (!strcmp(name, s->name) && (!s->g->job || is_meant(j, s->g)))
		fill(s->g, j, name);
}

/* By its job, of which a node that does not know it yet asks the one that leads. */
static int find_job(const struct cli *c, const char *name, uint64_t job, struct cli_guest *g,
		    dvm_error_t *err)
{
	Pb__JobsRequest req = PB__JOBS_REQUEST__INIT;
	struct search s = { name, g };

	req.all = true;
	req.job = job;
	*g = (struct cli_guest){ 0 };
	int rc = ask_each(c, &req, compare, &s, err);
	if (rc < 0 || g->job)
		return rc;
	return dvmi_error_set(err, -ENOENT, "job %" PRIu64 " is no guest called %s", job, name);
}

int cli_guest_find(const struct cli *c, const char *name, struct cli_guest *g, dvm_error_t *err)
{
	struct search s = { name, g };

	*g = (struct cli_guest){ 0 };
	int rc = cli_guest_each(c, true, compare, &s, err);
	if (rc < 0 || g->job)
		return rc;
	return dvmi_error_set(err, -ENOENT, "there is no guest called %s", name);
}

static json_t *as_json(const struct cli_guest *g)
{
	return json_pack("{s:o, s:I, s:o}", "name", cli_json_string(g->name), "job",
			 (json_int_t)g->job, "node", cli_json_string(g->node));
}

int cli_guest_print(const struct cli_guest *g, const char *key, json_t *value)
{
	json_t *o = as_json(g);

	json_object_set_new(o, key, value);
	return cli_json_print(o);
}

/* ---- what is done to them ---- */

static int run_line(struct cli *c, const struct cli_command *cmd, struct cli_guest_line *l)
{
	if (l->full)
		return cli_failf(c, "that is too much for one command line");
	l->words[l->n] = NULL;
	return cmd->run(c, cmd, l->n, (char **)(uintptr_t)l->words);
}

/* The same with its output, and perhaps its errors, to elsewhere: who asked for a guest has asked for
 * no job. */
static int run_with(struct cli *c, const struct cli_command *cmd, struct cli_guest_line *l, int to,
		    bool errors)
{
	cleanup_fd int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	cleanup_fd int err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	fflush(stdout);
	if (to >= 0 && out >= 0 && err >= 0) {
		dup2(to, STDOUT_FILENO);
		dup2(errors ? to : err, STDERR_FILENO);
	}
	int rc = run_line(c, cmd, l);
	fflush(stdout);
	if (to >= 0 && out >= 0 && err >= 0) {
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
	}
	return rc;
}

/* The same for a job that goes on by itself, whose id `dvm run` prints. */
static int run_detached(struct cli *c, struct cli_guest_line *l, uint64_t *job)
{
	cleanup_fd int out = memfd_create("job", MFD_CLOEXEC);
	char text[24] = "";

	if (out < 0)
		return cli_failf(c, "no memory for the job's number: %s", strerror(errno));
	int rc = run_with(c, &cli_cmd_run, l, out, false);
	if (rc)
		return rc;
	ssize_t n = pread(out, text, sizeof text - 1, 0);
	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = 0;
	return dvmi_text_u64(text, 1, UINT64_MAX, job) < 0 ?
		       cli_failf(c, "the guest's job has no number: \"%s\"", text) :
		       0;
}

static int run_silenced(struct cli *c, const struct cli_command *cmd, struct cli_guest_line *l,
			bool errors)
{
	cleanup_fd int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	return run_with(c, cmd, l, null, errors);
}

static int find_monitor(struct cli *c, char path[PATH_MAX])
{
	dvm_error_t err;

	return dvmd_paths_program(path, PATH_MAX, "dvm-vmm", &err) < 0 ? cli_fail(c, &err) : 0;
}

static void begin_run(struct cli_guest_line *l, const char *ranks, const char *host)
{
	const char *const words[] = { "dvm run", "-n", ranks, "--bind-to", "none", "--mpi", "none" };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		cli_guest_add(l, words[i]);
	if (host && *host) {
		cli_guest_add(l, "--hosts");
		cli_guest_add(l, host);
	}
}

int cli_guest_ask(struct cli *c, const struct cli_guest *g, const char *what, const char *output)
{
	struct cli_guest_line l = { .n = 0 };
	char path[PATH_MAX], job[24];

	if (!g->mine)
		return cli_failf(c, "guest %s is %s's, who alone can ask it", g->name, g->user);
	int rc = find_monitor(c, path);
	if (rc)
		return rc;
	snprintf(job, sizeof job, "%" PRIu64, g->job);
	if (!*g->node)
		return cli_failf(c, "guest %s has no node yet; `dvm why %s` says what it waits for",
				 g->name, job);
	begin_run(&l, "1", g->node);
	cli_guest_add(&l, "--quiet");
	cli_guest_add(&l, "--wdir"); /* ours need not be there */
	cli_guest_add(&l, "/");
	if (strcmp(what, "console") != 0) { /* our input is our caller's, a script perhaps */
		cli_guest_add(&l, "--stdin");
		cli_guest_add(&l, "none");
	}
	cli_guest_add(&l, "--beside");
	cli_guest_add(&l, job);
	cli_guest_add(&l, "--output");
	cli_guest_add(&l, output);
	cli_guest_add(&l, path);
	cli_guest_add(&l, "--control");
	cli_guest_add(&l, g->name);
	cli_guest_add(&l, "--ask");
	cli_guest_add(&l, what);
	return !strcmp(what, "ping") ? run_silenced(c, &cli_cmd_run, &l, true) :
				       run_line(c, &cli_cmd_run, &l);
}

/* As programs hear of it, how it has ended included. */
static int print_start(const struct cli_guest *g)
{
	json_t *o = as_json(g);

	json_object_set_new(o, "state", cli_json_string(g->state));
	json_object_set_new(o, "submitted", cli_json_time(g->submitted));
	json_object_set_new(o, "exit_code", g->ended ? json_integer(g->exit_code) : json_null());
	return cli_json_print(o);
}

/* A guest that has failed at once has said why. */
static int show_end(struct cli *c, const struct cli_guest *g, bool anywhere)
{
	struct cli_guest_line l = { .n = 0 };
	char job[24];

	snprintf(job, sizeof job, "%" PRIu64, g->job);
	cli_guest_add(&l, "dvm logs");
	cli_guest_add(&l, job);
	run_with(c, &cli_cmd_logs, &l, STDERR_FILENO, false);
	return cli_failf(c, "guest %s has not come up on %s (job %s)%s", g->name, g->node, job,
			 anywhere ? "; `dvm doctor` says which nodes can run guests, --host takes one" :
				    "");
}

static int tell_start(struct cli *c, const struct cli_guest *g, bool anywhere, bool json)
{
	bool failed = g->ended && g->exit_code;

	if (json && print_start(g) < 0)
		return CLI_FAILED;
	if (failed)
		return show_end(c, g, anywhere);
	if (!json)
		printf("guest %s %s %s (job %" PRIu64 ")\n", g->name,
		       g->ended ? "has ended on" : "runs on", g->node, g->job);
	return 0;
}

/* Most are up within a moment. */
static void nap(uint64_t waited)
{
	nanosleep(&(struct timespec){ .tv_nsec = waited < SOON ? SOON_NS : LATER_NS }, NULL);
}

/* While it waits again or is launched there is nobody to answer. */
static bool is_up(struct cli *c, const struct cli_guest *g)
{
	return *g->node && strcmp(g->state, "launching") != 0 && cli_guest_ask(c, g, "ping", "raw") == 0;
}

/* For as long as JOB goes on: a host may be slow, and who starts it may leave by Ctrl-C. */
static int wait_until_up(struct cli *c, const char *name, uint64_t job, bool anywhere, bool json)
{
	uint64_t since = dvmi_clock_mono(), waited;
	struct cli_guest g;
	dvm_error_t err;

	for (bool said = false;; nap(waited)) {
		if (find_job(c, name, job, &g, &err) < 0)
			return cli_fail(c, &err);
		job = g.next ? g.next : job;
		g.mine = true; /* whatever its node calls us */
		/* One that ends at once may answer to nobody. */
		if (!g.next && (g.ended || is_up(c, &g)))
			return tell_start(c, &g, anywhere, json);
		waited = dvmi_clock_mono() - since;
		if (waited > SAY_AFTER && !said)
			cli_say(c, "guest %s does not answer yet (%s%s%s); Ctrl-C leaves it as it is",
				name, g.state, *g.node ? " on " : "", g.node);
		said |= waited > SAY_AFTER;
	}
}

static void add_all(struct cli_guest_line *l, const struct cli_guest_line *more)
{
	for (int i = 0; i < more->n; i++)
		cli_guest_add(l, more->words[i]);
	l->full |= more->full;
}

int cli_guest_start(struct cli *c, const char *name, const struct cli_guest_place *place,
		    const struct cli_guest_line *run, const struct cli_guest_line *vmm, bool json)
{
	struct cli_guest_line l = { .n = 0 };
	char path[PATH_MAX], job_name[sizeof PREFIX + NAME_MAX_], hosts[12];
	bool several = place->hosts > 1;
	uint64_t job;
	int rc = find_monitor(c, path);

	if (rc)
		return rc;
	snprintf(job_name, sizeof job_name, "%s%s", PREFIX, name);
	snprintf(hosts, sizeof hosts, "%" PRIu32, several ? place->hosts : 1);
	begin_run(&l, hosts, place->host);
	if (several) {
		cli_guest_add(&l, "--per-node");
		cli_guest_add(&l, "1");
	}
	cli_guest_add(&l, "--detach");
	cli_guest_add(&l, "--sole");
	cli_guest_add(&l, "--guest");
	cli_guest_add(&l, "--name");
	cli_guest_add(&l, job_name);
	add_all(&l, run);
	cli_guest_add(&l, path);
	cli_guest_add(&l, "--name");
	cli_guest_add(&l, name);
	cli_guest_add(&l, "--control");
	cli_guest_add(&l, name);
	if (several) {
		cli_guest_add(&l, "--hosts");
		cli_guest_add(&l, hosts);
	}
	add_all(&l, vmm);
	rc = run_detached(c, &l, &job);
	return rc ? rc : wait_until_up(c, name, job, !place->host, json);
}
