/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm guest top: what a guest does now. One job asks the monitor, which goes on answering; a child
 * runs it, for it dies of what ends it, and its output is read here.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/cli/guest.h"
#include "daemon/cli/top.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/text.h"

#define CLEAR	     "\033[H\033[2J"
#define INTERVAL_MAX (86400 * DVMI_SEC) /* of a monitor, too */

enum { INTERVAL = 1, COUNT, JSON };

struct choice {
	const char *interval;
	uint32_t count; /* 0: without end */
	bool json;
};

static const struct dvmi_opt options[] = {
	{ INTERVAL, 'd', "interval", NULL, "TIME", "Showing", "how often (default: 2s)", NULL },
	{ COUNT, 'n', "count", NULL, "N", NULL, "end after N tables", NULL },
	{ JSON, 0, "json", NULL, NULL, NULL, "print the counters, a line of JSON each time", NULL },
	CLI_GENERAL_OPTIONS,
};

static int set_interval(const char *arg, const char **interval, dvm_error_t *err)
{
	uint64_t ns;

	if (dvmi_text_duration_parse(arg, &ns) < 0 || ns < DVMI_SEC / 10 || ns > INTERVAL_MAX ||
	    strlen(arg) > 20)
		return dvmi_error_set(err, -EINVAL,
				      "\"%s\" is not an interval (as 2s; from 100ms to 1d)", arg);
	*interval = arg;
	return 0;
}

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct choice *c = arg;

	switch (id) {
	case INTERVAL: return set_interval(p->arg, &c->interval, err);
	case COUNT: return dvmi_opt_u32(p, 1, UINT32_MAX, &c->count, err);
	default: c->json = true; return 0;
	}
}

/* ---- who asks ---- */

static void be_child(struct cli *c, const struct cli_guest *g, const char *interval, int out)
{
	char what[64];

	dup2(out, STDOUT_FILENO);
	snprintf(what, sizeof what, "stat %s", interval);
	exit(cli_guest_ask(c, g, what, "raw"));
}

/* Its output in *FROM. */
static int start_child(struct cli *c, const struct cli_guest *g, const char *interval, pid_t *pid,
		       FILE **from)
{
	int ends[2];

	if (pipe(ends) < 0)
		return -errno;
	fflush(stdout);
	*pid = fork();
	if (*pid == 0) {
		close(ends[0]);
		be_child(c, g, interval, ends[1]);
	}
	int rc = *pid < 0 ? -errno : 0;
	close(ends[1]);
	*from = rc < 0 ? NULL : fdopen(ends[0], "r");
	if (!*from)
		close(ends[0]);
	return rc;
}

static int end_child(pid_t pid)
{
	int status = 0;

	kill(pid, SIGTERM);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

/* ---- what is shown ---- */

static int show(const struct choice *o, const char *name, const char *line, const json_t *before,
		const json_t *now)
{
	if (o->json)
		fputs(line, stdout);
	else if (isatty(STDOUT_FILENO))
		fputs(CLEAR, stdout);
	else if (before)
		putchar('\n');
	int rc = o->json ? 0 : cli_top_print(stdout, name, before, now);
	fflush(stdout);
	return ferror(stdout) ? -EPIPE : rc;
}

/* The number of tables, or -E…. */
static int64_t show_all(const struct choice *o, const char *name, FILE *from)
{
	cleanup_free char *line = NULL;
	json_t *before = NULL, *now;
	size_t cap = 0;
	int64_t shown = 0;
	int rc = 0;

	while (rc == 0 && (!o->count || shown < o->count) && getline(&line, &cap, from) > 0) {
		now = json_loads(line, 0, NULL);
		if (!now)
			continue; /* it was cut off */
		rc = show(o, name, line, before, now);
		json_decref(before);
		before = now;
		shown++;
	}
	json_decref(before);
	return rc < 0 ? rc : shown;
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct choice choice = { .interval = "2s" };
	struct cli_guest g;
	FILE *from;
	pid_t pid = -1;
	int rc = cli_guest_begin(c, cmd, argc, argv, set, &choice, true, &g);

	if (rc != CLI_GO)
		return rc;
	rc = start_child(c, &g, choice.interval, &pid, &from);
	if (rc < 0)
		return cli_failf(c, "no process to ask %s: %s", g.name, strerror(-rc));
	signal(SIGINT, SIG_IGN); /* ends the child, and thereby us */
	signal(SIGPIPE, SIG_IGN);
	int64_t shown = from ? show_all(&choice, g.name, from) : -ENOMEM;
	if (from)
		fclose(from);
	rc = end_child(pid);
	if (shown < 0 && shown != -EPIPE)
		return cli_failf(c, "%s", strerror((int)-shown));
	return shown ? 0 : rc; /* who has shown nothing has failed, and said why */
}

const struct cli_command cli_guest_top_verb = {
	.opt = { .name = "dvm guest top",
		 .operands = "NAME",
		 .brief = "show what a guest does, again and again",
		 .text = "For each processor how busy it is, its exits and interrupts; for each host of "
			 "a guest over several ones its page faults with their times (P50, P99), what it "
			 "sends, and how much of the memory is there; then the pages that were taken "
			 "away most often, who took them, and at which instruction. The first table "
			 "is the average since the start. Ctrl-C ends it.",
		 .options = options,
		 .words = "@guest",
		 .min_operands = 1,
		 .max_operands = 1 },
	.family = "Guests",
	.run = run,
};
