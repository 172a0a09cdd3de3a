// SPDX-License-Identifier: BSD-3-Clause
/*
 * Jobs: tasks that were spawned with their output to the console or a file. Their output comes as
 * messages, one tag for each job, and so does its end.
 */
#include <stdlib.h>
#include <string.h>

#include "libdvm/pvm3/console/console.h"
#include "pvmproto.h"

#define TAG_BASE   0x10000   /* of the messages of a job: plus its number */
#define OUTPUT_MAX (1 << 20) /* bytes in a message */

struct job {
	struct job *next;
	int number;
	FILE *out;
	bool started; /* all that was to be has been spawned */
	int *tids;    /* whose output may still come */
	int num_tids;
};

struct jobs {
	struct job *first;
	int last_number;
};

struct jobs *jobs_new(void)
{
	return calloc(1, sizeof(struct jobs));
}

static void job_free(struct job *j)
{
	if (j->out != stdout)
		fclose(j->out);
	free(j->tids);
	free(j);
}

void jobs_free(struct jobs *j)
{
	struct job *next;

	if (!j)
		return;
	for (struct job *i = j->first; i; i = next) {
		next = i->next;
		job_free(i);
	}
	free(j);
}

int jobs_begin(struct jobs *j, FILE *out)
{
	struct job *job = calloc(1, sizeof(*job)), **last = &j->first;

	if (!job)
		return PvmNoMem;
	job->number = ++j->last_number;
	job->out = out;
	while (*last)
		last = &(*last)->next;
	*last = job;
	return job->number;
}

void jobs_attach(int number)
{
	pvm_setopt(PvmOutputTid, pvm_mytid());
	pvm_setopt(PvmOutputCode, TAG_BASE + number);
}

void jobs_detach(void)
{
	pvm_setopt(PvmOutputTid, 0);
	pvm_setopt(PvmOutputCode, 0);
}

/* ---- whose output may come ---- */

static int find_tid(const struct job *job, int tid)
{
	for (int i = 0; i < job->num_tids; i++)
		if (job->tids[i] == tid)
			return i;
	return -1;
}

static void add_tid(struct job *job, int tid)
{
	int *tids;

	if (find_tid(job, tid) >= 0)
		return;
	tids = realloc(job->tids, (size_t)(job->num_tids + 1) * sizeof(*tids));
	if (!tids)
		return; /* its end will not be waited for */
	job->tids = tids;
	tids[job->num_tids++] = tid;
}

static void remove_tid(struct job *job, int tid)
{
	int i = find_tid(job, tid);

	if (i >= 0)
		job->tids[i] = job->tids[--job->num_tids];
}

static struct job **find_job(struct jobs *j, int number)
{
	struct job **at = &j->first;

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

/* When nobody is left of it, it says so, and is no more. */
static void look_for_end(struct jobs *j, int number)
{
	struct job **at = find_job(j, number), *job = *at;

	if (!job || !job->started || job->num_tids > 0)
		return;
	*at = job->next;
	printf("[%d] finished\n", number);
	job_free(job);
}

void jobs_started(struct jobs *j, int number, const int *tids, int n)
{
	struct job *job = *find_job(j, number);

	if (!job)
		return;
	/* Those whose end has come already are not added: nothing is looked at while we spawn. */
	for (int i = 0; i < n; i++)
		add_tid(job, tids[i]);
	job->started = true;
	look_for_end(j, number);
}

bool jobs_running(const struct jobs *j)
{
	return j->first != NULL;
}

void jobs_print(const struct jobs *j, bool with_tasks)
{
	if (with_tasks)
		tasks_heading(false);
	for (const struct job *job = j->first; job; job = job->next) {
		struct task_filter f = { .all = true,
					 .only = job->tids,
					 .num_only = job->num_tids };

		printf(" %d:\n", job->number);
		if (with_tasks)
			tasks_print(&f);
	}
}

/* ---- output ---- */

/* Line by line, each with who has written it. */
static void print_output(const struct job *job, int tid, char *text)
{
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n")) != NULL)
		if (rest || *line)
			fprintf(job->out, "[%d:t%x] %s\n", job->number, (unsigned)tid, line);
}

static void take_output(const struct job *job, int tid, int len)
{
	char *text = len <= OUTPUT_MAX ? calloc((size_t)len + 1, 1) : NULL;

	if (text && pvm_upkbyte(text, len, 1) == PvmOk)
		print_output(job, tid, text);
	free(text);
}

static void take_message(struct job *job)
{
	int tid, what;

	if (pvm_upkint(&tid, 1, 1) < 0 || pvm_upkint(&what, 1, 1) < 0)
		return;
	if (what > 0)
		take_output(job, tid, what);
	else if (what == TO_SPAWN || what == TO_NEW)
		add_tid(job, tid);
	else if (what == TO_EOF) {
		fprintf(job->out, "[%d:t%x] EOF\n", job->number, (unsigned)tid);
		remove_tid(job, tid);
	}
}

static void poll_job(struct job *job)
{
	while (pvm_nrecv(-1, TAG_BASE + job->number) > 0)
		take_message(job);
	fflush(job->out);
}

void jobs_poll(struct jobs *j)
{
	struct job *next;

	for (struct job *job = j->first; job; job = next) {
		next = job->next;
		poll_job(job);
		look_for_end(j, job->number);
	}
	fflush(stdout);
}
