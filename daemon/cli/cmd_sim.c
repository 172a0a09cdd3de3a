/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm sim: a trace through the queue of sched/, offline: needs no machine. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/show.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"
#include "sched/dsched_replay.h"

#define NODES_MAX 1000000u
#define SLOTS_MAX 65536u
#define COLUMNS	  60
#define ROWS	  10
#define SECOND	  UINT64_C(1000000000)

enum { TRACE = 1, NODES, SLOTS, ORDER, DEPTH, JSON, JOBS };

static const struct dvmi_opt options[] = {
	{ TRACE, 0, "trace", NULL, "FILE", "What",
	  "jobs in the Standard Workload Format (- for standard input)", "@file" },
	{ NODES, 'N', "nodes", NULL, "N", NULL, "nodes of the machine (default: the trace's own machine, else 16)", NULL },
	{ SLOTS, 0, "slots", NULL, "N", NULL, "slots of each (default: the same, else 8)", NULL },
	{ ORDER, 0, "order", NULL, "fifo|easy|conservative", "How",
	  "how jobs may pass others (default: easy)", "fifo easy conservative" },
	{ DEPTH, 0, "depth", NULL, "N", NULL, "jobs that get a date (default: 1, or 50)", NULL },
	{ JOBS, 0, "jobs", NULL, NULL, "Output", "a line for each job, too", NULL },
	{ JSON, 0, "json", NULL, NULL, NULL, "print JSON", NULL },
	CLI_GENERAL_OPTIONS,
};

struct sim {
	const char *path;
	uint32_t nodes, slots;
	struct dsched_policy policy;
	bool json, jobs;
	struct dsched_trace trace;
	struct dsched_replay r;
};

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct sim *s = arg;

	switch (id) {
	case TRACE:
		s->path = p->arg;
		return 0;
	case NODES:
		return dvmi_opt_u32(p, 1, NODES_MAX, &s->nodes, err);
	case SLOTS:
		return dvmi_opt_u32(p, 1, SLOTS_MAX, &s->slots, err);
	case ORDER:
		if (dsched_order_parse(&s->policy.order, p->arg) == 0)
			return 0;
		return dvmi_opt_bad(p, err, "expected fifo, easy or conservative");
	case DEPTH:
		return dvmi_opt_u32(p, 1, 10000, &s->policy.depth, err);
	case JSON:
		s->json = true;
		return 0;
	default:
		s->jobs = true;
		return 0;
	}
}

static int read_trace(struct sim *s, FILE *f, dvm_error_t *err)
{
	cleanup_free char *line = NULL;
	size_t cap = 0;
	int rc = 0;

	for (unsigned n = 1; rc >= 0 && getline(&line, &cap, f) >= 0; n++)
		if ((rc = dsched_swf_line(&s->trace, line)) < 0)
			dvmi_error_set(err, rc, "%s, line %u: %s", s->path, n,
				       rc == -EINVAL ? "expected 18 numbers, 5 at least" : dvm_strerror(rc));
	if (rc >= 0 && ferror(f))
		return dvmi_error_code(err, -EIO, "%s", s->path);
	if (rc >= 0 && !s->trace.n)
		return dvmi_error_set(err, -EINVAL, "%s has no job", s->path);
	return rc < 0 ? rc : 0;
}

static int load(struct sim *s, dvm_error_t *err)
{
	bool in = !strcmp(s->path, "-");
	FILE *f = in ? stdin : fopen(s->path, "re");

	if (!f)
		return dvmi_error_code(err, -errno, "%s", s->path);
	int rc = read_trace(s, f, err);
	if (!in)
		fclose(f);
	return rc;
}

/* As the head of the trace has it, if that can be: equal nodes, or one of all slots. */
static void choose_machine(struct sim *s)
{
	const struct dsched_trace *t = &s->trace;
	bool equal = t->max_nodes && t->max_procs % t->max_nodes == 0 && t->max_nodes <= NODES_MAX;

	if (!s->nodes && !s->slots && t->max_procs && (equal || t->max_procs <= SLOTS_MAX)) {
		s->nodes = equal ? t->max_nodes : 1;
		s->slots = t->max_procs / s->nodes;
	}
	s->nodes = s->nodes ? s->nodes : 16;
	s->slots = s->slots ? s->slots : 8;
}

static int replay(struct sim *s, dvm_error_t *err)
{
	choose_machine(s);
	struct dsched_snapshot snap = { .size = sizeof snap, .nnodes = s->nodes };
	cleanup_free struct dsched_node *nodes = calloc(s->nodes, sizeof *nodes);
	cleanup_free char(*names)[16] = calloc(s->nodes, sizeof *names);

	if (!nodes || !names)
		return dvmi_error_code(err, -ENOMEM, "the machine");
	for (uint32_t i = 0; i < s->nodes; i++) {
		snprintf(names[i], sizeof names[i], "node%u", i + 1);
		nodes[i] = (struct dsched_node){ .id = i + 1, .name = names[i], .slots = s->slots };
	}
	snap.nodes = nodes;
	int rc = dsched_replay(&s->trace, &snap, &s->policy, &s->r);
	return rc < 0 ? dvmi_error_code(err, rc, "the replay") : 0;
}

/* ---- what came of it ---- */

static double seconds(uint64_t ns)
{
	return (double)ns / (double)SECOND;
}

static double utilisation(const struct dsched_replay *r)
{
	double all = (double)r->slots * seconds(r->end - r->begin);

	return all > 0 ? (double)r->used / all : 0;
}

/* Slots in use in each of the stretches that the time is cut into, as parts of all. */
static void stretches(const struct dsched_replay *r, double *use)
{
	uint64_t span = r->end - r->begin, width = span / COLUMNS + 1;

	memset(use, 0, COLUMNS * sizeof *use);
	for (size_t i = 0; i + 1 < r->npoints; i++)
		for (uint64_t at = r->points[i].at; at < r->points[i + 1].at;) {
			uint64_t k = (at - r->begin) / width, end = r->begin + (k + 1) * width;
			if (end > r->points[i + 1].at)
				end = r->points[i + 1].at;
			use[k] += (double)r->points[i].used * (double)(end - at);
			at = end;
		}
	for (int k = 0; k < COLUMNS; k++)
		use[k] /= (double)r->slots * (double)width;
}

static void plot(const struct dsched_replay *r)
{
	double use[COLUMNS];
	char text[CLI_TIME_MAX];

	stretches(r, use);
	puts("");
	for (int row = ROWS; row > 0; row--) {
		printf("%4d%% ", row * 100 / ROWS);
		for (int k = 0; k < COLUMNS; k++)
			fputs(use[k] * ROWS >= row - 0.5 ? "█" : " ", stdout);
		puts("");
	}
	printf("      0%*s\n", COLUMNS - 1, cli_time_span(r->end - r->begin, text));
}

static void print_jobs(const struct sim *s)
{
	for (size_t i = 0; i < s->trace.n; i++) {
		const struct dsched_trace_job *j = &s->trace.jobs[i];
		if (j->start == DSCHED_NEVER)
			printf("%" PRIu64 " never\n", j->id);
		else
			printf("%" PRIu64 " submitted %.0f started %.0f ended %.0f\n", j->id,
			       seconds(j->submit), seconds(j->start), seconds(j->end));
	}
}

static double mean(uint64_t sum, size_t n)
{
	return n ? (double)sum / (double)n : 0;
}

static void print_text(const struct sim *s)
{
	const struct dsched_replay *r = &s->r;
	char text[CLI_TIME_MAX];

	if (s->jobs)
		print_jobs(s);
	printf("jobs         %zu run, %zu do not fit this machine\n", r->started, r->impossible);
	if (s->trace.left_out)
		printf("left out     %zu without processors or run time\n", s->trace.left_out);
	printf("machine      %u nodes, %" PRIu64 " slots, %s\n", s->nodes, r->slots,
	       dsched_order_name(s->policy.order));
	printf("time         %s, utilisation %.1f %%\n", cli_time_span(r->end - r->begin, text),
	       100 * utilisation(r));
	printf("wait         %.0f s on average, %.0f s at most\n",
	       mean(r->wait_sum, r->started) / (double)SECOND, seconds(r->wait_max));
	printf("slowdown     %.2f (bounded, 10 s)\n", mean(r->slowdown_sum, r->started) / 1000);
	printf("backfilled   %zu\n", r->passed);
	plot(r);
}

static int print_json(const struct sim *s)
{
	const struct dsched_replay *r = &s->r;
	double use[COLUMNS];
	json_t *list = json_array();

	stretches(r, use);
	for (int k = 0; k < COLUMNS; k++)
		json_array_append_new(list, json_real(use[k]));
	return cli_json_print(json_pack(
		"{s:I, s:I, s:I, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:o}", "run",
		(json_int_t)r->started, "impossible", (json_int_t)r->impossible, "left_out",
		(json_int_t)s->trace.left_out, "order",
		dsched_order_name(s->policy.order), "slots", (json_int_t)r->slots, "seconds",
		seconds(r->end - r->begin), "utilisation", utilisation(r), "wait_mean_s",
		mean(r->wait_sum, r->started) / (double)SECOND, "wait_max_s", seconds(r->wait_max),
		"slowdown", mean(r->slowdown_sum, r->started) / 1000, "backfilled",
		(json_int_t)r->passed, "use", list));
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct sim s = { .policy = { .size = sizeof s.policy, .order = DSCHED_EASY } };
	struct dvmi_opt_parser p;
	dvm_error_t err = { 0 };
	int rc = cli_options(c, cmd, argc, argv, &p, set, &s);

	if (rc != CLI_GO)
		return rc;
	if (!s.path) {
		dvmi_error_set(&err, -EINVAL, "--trace FILE is needed");
		return cli_usage(c, cmd, &err);
	}
	rc = load(&s, &err);
	if (rc == 0)
		rc = replay(&s, &err);
	if (rc < 0)
		rc = cli_fail(c, &err);
	else if (s.json)
		rc = print_json(&s) < 0;
	else
		print_text(&s);
	dsched_trace_free(&s.trace);
	dsched_replay_free(&s.r);
	return rc;
}

const struct cli_command cli_cmd_sim = {
	.opt = { .name = "dvm sim",
		 .operands = "",
		 .brief = "replay a workload through the queue, without a machine",
		 .text = "What the queue would have made of a trace: waiting times, utilisation, "
			 "and a "
			 "plot of it.",
		 .options = options },
	.family = "The queue",
	.run = run,
};
