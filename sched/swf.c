/* SPDX-License-Identifier: BSD-3-Clause */
/* Workload traces in the Standard Workload Format: 18 numbers a line, -1 for what is not known. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/grow.h"
#include "sched/dsched_replay.h"

#define SECOND	 UINT64_C(1000000000)
#define FIELDS	 18
#define TIME_MAX (INT64_C(1) << 33) /* seconds: some 270 years, so that sums of times fit */

enum field {
	F_ID = 0,
	F_SUBMIT,
	F_RUNTIME = 3,
	F_USED_PROCS,
	F_ASKED_PROCS = 7,
	F_ASKED_TIME,
	F_ASKED_MEM, /* KiB, each processor */
	F_USER = 11,
	F_AFTER = 16,
	F_LEAST = F_USED_PROCS + 1, /* without these it is no job */
};

/* "; MaxProcs: 128", in some traces with several numbers behind it: the first one counts. */
static void take_head(struct dsched_trace *t, const char *line)
{
	const char *colon = strchr(line, ':');
	unsigned long n = colon ? strtoul(colon + 1, NULL, 10) : 0;

	line += 1 + strspn(line + 1, " \t");
	if (n == 0 || n > DSCHED_RANKS_MAX)
		return;
	if (!strncmp(line, "MaxProcs:", 9))
		t->max_procs = (uint32_t)n;
	else if (!strncmp(line, "MaxNodes:", 9))
		t->max_nodes = (uint32_t)n;
}

/* Number of fields, or -EINVAL. A comment may follow. */
static int split(const char *line, int64_t *v)
{
	int n = 0;

	for (;;) {
		char *end;
		while (*line == ' ' || *line == '\t' || *line == '\r' || *line == '\n')
			line++;
		if (!*line || *line == ';' || *line == '#')
			return n;
		/* Some traces have averages with decimals. */
		double d = strtod(line, &end);
		if (end == line || !(d >= -1e15 && d <= 1e15))
			return -EINVAL;
		if (n < FIELDS)
			v[n++] = (int64_t)d;
		line = end;
	}
}

static int append(struct dsched_trace *t, const struct dsched_trace_job *j)
{
	if (dvmi_grow(&t->jobs, t->n, &t->cap, sizeof *t->jobs) < 0)
		return -ENOMEM;
	t->jobs[t->n++] = *j;
	return 1;
}

static uint64_t ns(int64_t seconds)
{
	return seconds > 0 ? (uint64_t)seconds * SECOND : 0;
}

int dsched_swf_line(struct dsched_trace *t, const char *line)
{
	int64_t v[FIELDS];
	struct dsched_trace_job j = { .req.size = sizeof j.req };

	line += strspn(line, " \t");
	if (*line == ';')
		take_head(t, line);
	int n = split(line, v);
	if (n <= 0)
		return n;
	for (int i = n; i < FIELDS; i++)
		v[i] = -1;
	int64_t procs = v[F_ASKED_PROCS] > 0 ? v[F_ASKED_PROCS] : v[F_USED_PROCS];
	if (n < F_LEAST || v[F_ID] <= 0 || v[F_SUBMIT] > TIME_MAX || v[F_RUNTIME] > TIME_MAX ||
	    v[F_ASKED_TIME] > TIME_MAX || procs > (int64_t)DSCHED_RANKS_MAX)
		return -EINVAL;
	if (procs <= 0 || v[F_RUNTIME] <= 0) {
		t->left_out++;
		return 0;
	}
	j.id = (uint64_t)v[F_ID];
	j.submit = ns(v[F_SUBMIT]);
	j.runtime = ns(v[F_RUNTIME]);
	j.limit = ns(v[F_ASKED_TIME]);
	j.req.ranks = (uint32_t)procs;
	if (v[F_ASKED_MEM] > 0 && v[F_ASKED_MEM] < INT64_C(1) << 40)
		j.req.mem_per_rank = (uint64_t)v[F_ASKED_MEM] * 1024;
	j.user = v[F_USER] > 0 ? (uint32_t)v[F_USER] : 0;
	j.after = v[F_AFTER] > 0 ? (uint64_t)v[F_AFTER] : 0;
	return append(t, &j);
}

void dsched_trace_free(struct dsched_trace *t)
{
	free(t->jobs);
	*t = (struct dsched_trace){ 0 };
}
