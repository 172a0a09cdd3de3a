/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm history: what has run, and what it has used. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/show.h"
#include "daemon/cli/submission.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/text.h"

#define ROWS_MAX     1000000u
#define ROWS_DEFAULT 100u
#define STATES	     "done failed cancelled timeout lost preempted requeued"

enum { USER = 1, ACCOUNT, SINCE, STATE, JOB, LAST, JSON };

static const struct dvmi_opt options[] = {
	{ USER, 'u', "user", NULL, "NAME", "Which", "of this user", "@user" },
	{ ACCOUNT, 'A', "account", NULL, "NAME", NULL, "charged to this account", NULL },
	{ SINCE, 0, "since", NULL, "WHEN", NULL,
	  "ended since WHEN: a time ago (2h, 7d), or 14:30 or 2027-01-31 here", NULL },
	{ STATE, 's', "state", NULL, "STATE", NULL,
	  "done, failed, cancelled, timeout, lost, preempted or requeued", STATES },
	{ JOB, 'j', "job", NULL, "JOB", NULL, "this job, or all tasks of this array", "@job" },
	{ LAST, 'n', "last", NULL, "N", NULL, "at most the last N (default: 100)", NULL },
	{ JSON, 0, "json", NULL, NULL, "Output", "print JSON", NULL },
	CLI_GENERAL_OPTIONS,
};

struct query {
	Pb__HistoryRequest req;
	uint32_t last;
	bool json;
	Pb__HistoryRow **rows; /* the newest first */
	size_t n;
	char *warning;
};

static int set_state(struct dvmi_opt_parser *p, Pb__HistoryRequest *req, dvm_error_t *err)
{
	static const char *const words[] = { "done", "failed", "cancelled", "timeout",
					     "lost", "preempted", "requeued", NULL };
	int i = dvmi_opt_choice(p, words, err);

	req->state = i < 0 ? req->state : (char *)words[i];
	return i < 0 ? i : 0;
}

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	struct query *q = arg;

	switch (id) {
	case USER:
		q->req.user = (char *)p->arg;
		return 0;
	case ACCOUNT:
		q->req.account = (char *)p->arg;
		return 0;
	case SINCE:
		return cli_submission_since(p->arg, dvmi_clock_wall(), &q->req.since, err);
	case STATE:
		return set_state(p, &q->req, err);
	case JOB:
		return cli_job_parse(p->arg, &q->req.job, err);
	case LAST:
		return dvmi_opt_u32(p, 1, ROWS_MAX, &q->last, err);
	default:
		q->json = true;
		return 0;
	}
}

/* ---- asking ---- */

static int take_rows(struct query *q, Pb__HistoryReply *r)
{
	Pb__HistoryRow **rows = reallocarray(q->rows, q->n + r->n_rows + 1, sizeof *rows);

	if (!rows)
		return -ENOMEM;
	q->rows = rows;
	if (r->n_rows)
		memcpy(rows + q->n, r->rows, r->n_rows * sizeof *rows);
	q->n += r->n_rows;
	r->n_rows = 0; /* they are ours now */
	if (*r->warning && !q->warning)
		q->warning = strdup(r->warning);
	return 0;
}

static int fetch(struct cli *c, struct query *q, dvm_error_t *err)
{
	bool more = true;

	while (more && q->n < q->last) {
		cleanup_pb Pb__HistoryReply *r = NULL;
		q->req.limit = (uint32_t)(q->last - q->n);
		q->req.before = q->n ? q->rows[q->n - 1]->row : 0;
		int rc = cli_ask(c, DVMI_MSG_HISTORY, &q->req, &pb__history_reply__descriptor, &r,
				 err);
		if (rc < 0)
			return rc;
		more = r->more && r->n_rows;
		rc = take_rows(q, r);
		if (rc < 0)
			return dvmi_error_code(err, rc, "the history");
	}
	return 0;
}

/* ---- showing ---- */

static void add_row(struct cli_table *t, const Pb__HistoryRow *r)
{
	char text[CLI_TIME_MAX], size[DVMI_TEXT_UNIT_MAX];

	cli_table_add(t, "%" PRIu64, r->job);
	cli_table_add(t, "%s", r->state);
	cli_table_add(t, "%s", r->user);
	cli_table_add(t, "%s", *r->account ? r->account : "-");
	cli_table_add(t, "%u", r->ranks);
	cli_table_add(t, "%s", *r->nodes ? r->nodes : "-");
	cli_table_add(t, "%s", cli_time_rfc3339(r->ended / DVMI_SEC * DVMI_SEC, text));
	cli_table_add(t, "%s", r->started ? cli_time_span(r->ended - r->started, text) : "-");
	cli_table_add(t, "%s", r->started ? cli_time_span(r->cpu_ns, text) : "-");
	cli_table_add(t, "%s", r->started ? dvmi_text_size_format(r->rss_peak, size) : "-");
	if (r->signal)
		cli_table_add(t, "%d:%s", r->exit_code, sigabbrev_np(r->signal));
	else
		cli_table_add(t, "%d", r->exit_code);
	cli_table_add(t, "%s", r->name);
}

static int print_table(const struct query *q)
{
	struct cli_table t = { .columns = 12, .right = 0x391 };

	cli_table_heading(&t, "JOB STATE USER ACCOUNT RANKS NODES ENDED TIME CPU MEMORY EXIT NAME");
	for (size_t i = q->n; i-- > 0;)
		add_row(&t, q->rows[i]);
	int rc = cli_table_print(&t, stdout);
	cli_table_free(&t);
	return rc;
}

static json_t *row_json(const Pb__HistoryRow *r)
{
	json_t *o = json_pack("{s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:i, s:I, s:I, s:i, s:i}", "job",
			      (json_int_t)r->job, "state", r->state, "name",
			      cli_json_string(r->name), "user", cli_json_string(r->user), "account",
			      *r->account ? cli_json_string(r->account) : json_null(), "command",
			      cli_json_string(r->command), "nodes",
			      *r->nodes ? cli_json_string(r->nodes) : json_null(), "ranks",
			      (int)r->ranks, "cpu_ns", (json_int_t)r->cpu_ns, "memory_peak",
			      (json_int_t)r->rss_peak, "exit_code", (int)r->exit_code, "restarts",
			      (int)r->restarts);

	json_object_set_new(o, "submitted", cli_json_time(r->submitted));
	json_object_set_new(o, "started", cli_json_time(r->started));
	json_object_set_new(o, "ended", cli_json_time(r->ended));
	json_object_set_new(o, "signal", r->signal ? json_integer(r->signal) : json_null());
	json_object_set_new(o, "reason", *r->reason ? cli_json_string(r->reason) : json_null());
	json_object_set_new(o, "array",
			    r->array ? json_integer((json_int_t)r->array) : json_null());
	json_object_set_new(o, "task", r->array ? json_integer(r->task) : json_null());
	json_object_set_new(o, "parent",
			    r->parent ? json_integer((json_int_t)r->parent) : json_null());
	return o;
}

static int print_json(const struct query *q)
{
	json_t *list = json_array();

	for (size_t i = q->n; i-- > 0;)
		json_array_append_new(list, row_json(q->rows[i]));
	return cli_json_print(json_pack("{s:o, s:o}", "runs", list, "warning",
					q->warning ? cli_json_string(q->warning) : json_null()));
}

static void query_free(struct query *q)
{
	for (size_t i = 0; i < q->n; i++)
		dvmi_pb_free(q->rows[i]);
	free(q->rows);
	free(q->warning);
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct query q = { .req = PB__HISTORY_REQUEST__INIT, .last = ROWS_DEFAULT };
	struct dvmi_opt_parser p;
	dvm_error_t err = { 0 };
	int rc = cli_options(c, cmd, argc, argv, &p, set, &q);

	if (rc != CLI_GO)
		return rc;
	if (fetch(c, &q, &err) < 0)
		rc = cli_fail(c, &err);
	else
		rc = (q.json ? print_json(&q) : print_table(&q)) < 0 ? CLI_FAILED : 0;
	if (q.warning)
		cli_say(c, "%s", q.warning);
	query_free(&q);
	return rc;
}

const struct cli_command cli_cmd_history = {
	.opt = { .name = "dvm history",
		 .brief = "show what has run, and what it has used",
		 .text = "A line for each run of a job that has ended, the last ones at the end: TIME "
			 "is how long it ran, CPU the processor time of its ranks, MEMORY the peak of "
			 "its largest rank, EXIT its code and the signal, if one ended it.",
		 .options = options },
	.family = "The queue",
	.run = run,
};
