/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One piece of work at a time is under way in a thread: rows that are written, or a question. The
 * database belongs to that thread while it is; what is collected meanwhile waits here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#include "daemon/histdb.h"
#include "daemon/history.h"
#include "daemon/history_row.h"
#include "daemon/queue.h"
#include "daemon/shares.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/grow.h"

#define KEEP_MAX 20000u /* rows that wait for the disk */
#define BATCH_MS 50	/* in which rows are collected for one transaction */
#define RETRY_MS 2000
#define MEMORY	 20 /* half-lives, after which nothing is left of a use */

struct rows {
	Pb__HistoryRow **list;
	size_t n, cap;
};

struct question {
	struct question *prev, *next;
	struct dvmd_call *call;
	Pb__HistoryRequest *req;
};

struct dvmd_history {
	struct dvmd *d;
	char path[512];
	uv_timer_t timer;
	uv_work_t work;
	bool working, closing, closed;
	struct rows fresh;	    /* to be written next */
	struct question *questions; /* to be answered next */
	uint64_t since;		    /* when what is counted for fair share began */
	uint64_t dropped;	    /* rows that no memory was left for */
	bool in_trouble;	    /* the last attempt to write has failed */
	dvm_error_t trouble;
	/* The thread's, while it works: */
	struct dvmd_histdb *db;
	struct rows writing;
	struct question *asked;
	Pb__HistoryReply *reply;
	dvm_error_t err, note;
	struct dvmd_shares users, accounts; /* what was used before this daemon began */
	bool opened; /* just now */
	int rc;
};

/* ---- rows ---- */

static int rows_add(struct rows *r, Pb__HistoryRow *row)
{
	if (dvmi_grow(&r->list, r->n, &r->cap, sizeof *r->list) < 0)
		return -ENOMEM;
	r->list[r->n++] = row;
	return 0;
}

static void rows_free(struct rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		dvmi_pb_free(r->list[i]);
	free(r->list);
	*r = (struct rows){ 0 };
}

static void question_free(struct question *q)
{
	if (!q)
		return;
	if (q->call)
		dvmd_call_error(&q->call, -ECANCELED, "stopping");
	dvmi_pb_free(q->req);
	free(q);
}

/* ---- in the thread ---- */

static void add_past(const Pb__HistoryRow *r, void *arg)
{
	struct dvmd_history *h = arg;
	uint64_t ms = r->ended > r->started ? (r->ended - r->started) / DVMI_MSEC : 0;

	dvmd_shares_charge(&h->users, r->user, ms * r->ranks / 1000, r->ended);
	dvmd_shares_charge(&h->accounts, r->account, ms * r->ranks / 1000, r->ended);
}

static void do_work(uv_work_t *w)
{
	struct dvmd_history *h = w->data;

	h->rc = 0;
	if (!h->db) {
		h->rc = dvmd_histdb_open(&h->db, h->path, &h->note);
		h->opened = h->rc == 0;
		if (h->opened)
			dvmd_histdb_each_run(h->db, h->since, add_past, h, &h->err);
	}
	if (h->rc < 0) {
		h->err = h->note;
		h->note = (dvm_error_t){ 0 };
		return;
	}
	if (h->writing.n)
		h->rc = dvmd_histdb_add(h->db, h->writing.list, h->writing.n, &h->err);
	else if (h->asked)
		h->rc = dvmd_histdb_query(h->db, h->asked->req, &h->reply, &h->err);
}

/* ---- and back ---- */

static void start(struct dvmd_history *h);

static void on_timer(uv_timer_t *t)
{
	start(t->data);
}

static void start_in(struct dvmd_history *h, uint64_t ms)
{
	if (!h->closing && !uv_is_active((uv_handle_t *)&h->timer))
		uv_timer_start(&h->timer, on_timer, ms, 0);
}

static void release(struct dvmd_history *h)
{
	if (h->working || !h->closed)
		return;
	dvmd_histdb_close(h->db);
	rows_free(&h->fresh);
	rows_free(&h->writing);
	dvmi_pb_free(h->reply);
	dvmd_shares_free(&h->users);
	dvmd_shares_free(&h->accounts);
	free(h);
}

/* What could not be written is tried again, behind what has come meanwhile: rows have no order. */
static void keep(struct dvmd_history *h)
{
	for (size_t i = 0; i < h->writing.n; i++)
		if (h->fresh.n >= KEEP_MAX || rows_add(&h->fresh, h->writing.list[i]) < 0) {
			dvmi_pb_free(h->writing.list[i]);
			h->dropped++;
		}
	h->writing.n = 0; /* they have moved */
	rows_free(&h->writing);
}

/* The past, on the monotonic clock, for fair share. */
static void hand_over(struct dvmd_shares *from, struct dvmd_shares *to)
{
	uint64_t now = dvmi_clock_mono(), wall = dvmi_clock_wall();

	for (size_t i = 0; i < from->n; i++) {
		uint64_t ago = wall > from->list[i].at ? wall - from->list[i].at : 0;
		dvmd_shares_charge(to, from->list[i].name,
				   dsched_decay(from->list[i].used, ago, to->half_life), now);
	}
	dvmd_shares_free(from);
}

static void take_past(struct dvmd_history *h)
{
	h->opened = false;
	hand_over(&h->users, dvmd_queue_users(h->d));
	hand_over(&h->accounts, dvmd_queue_accounts(h->d));
}

static void written(struct dvmd_history *h)
{
	if (h->rc < 0 && !h->in_trouble)
		dvmi_log(&h->d->log, "job", LOG_WARNING,
			 "%s: what ends now is remembered and written later; jobs go on", h->err.text);
	if (h->rc == 0 && h->in_trouble)
		dvmi_log(&h->d->log, "job", LOG_NOTICE, "the history is written again, %llu rows are lost",
			 (unsigned long long)h->dropped);
	h->in_trouble = h->rc < 0;
	h->trouble = h->err;
	if (h->rc < 0)
		keep(h);
	else
		rows_free(&h->writing);
}

static void answer(struct dvmd_history *h)
{
	char warning[DVM_ERROR_TEXT_MAX + 64];
	struct question *q = h->asked;

	if (h->rc < 0) {
		dvmd_call_error(&q->call, h->rc, "%s", h->err.text);
	} else {
		snprintf(warning, sizeof warning, "%s: %zu runs are not in it yet", h->trouble.text,
			 h->fresh.n);
		char *own = h->reply->warning;
		h->reply->warning = h->in_trouble ? warning : own;
		dvmd_call_answer(&q->call, DVMI_MSG_HISTORY, h->reply);
		h->reply->warning = own;
	}
	dvmi_pb_free(h->reply);
	h->reply = NULL;
	h->asked = NULL;
	question_free(q);
}

static void on_done(uv_work_t *w, int status)
{
	struct dvmd_history *h = w->data;

	h->working = false;
	if (h->closing) {
		question_free(h->asked);
		release(h);
		return;
	}
	if (*h->note.text)
		dvmi_log(&h->d->log, "job", LOG_WARNING, "%s", h->note.text);
	if (h->opened)
		take_past(h);
	if (h->asked)
		answer(h);
	else
		written(h);
	if (h->questions)
		start(h);
	else if (h->fresh.n)
		start_in(h, h->in_trouble ? RETRY_MS : BATCH_MS);
}

/* Rows first, so that an answer has them; but not where they would fail again. */
static void start(struct dvmd_history *h)
{
	if (h->working || h->closing)
		return;
	if (h->fresh.n && !(h->in_trouble && h->questions)) {
		h->writing = h->fresh;
		h->fresh = (struct rows){ 0 };
	} else if (h->questions) {
		h->asked = h->questions;
		DL_DELETE(h->questions, h->asked);
	} else if (h->db || h->in_trouble) {
		return;
	}
	h->err = h->note = (dvm_error_t){ 0 };
	h->working = uv_queue_work(h->d->loop, &h->work, do_work, on_done) == 0;
}

/* ---- what ends ---- */

void dvmd_history_add(struct dvmd *d, const Pb__JobRecord *r, const Pb__JobChange *end,
		      uint64_t wall)
{
	struct dvmd_history *h = d->history;
	Pb__HistoryRow *row = h && dvmd_leads(d) ? dvmd_history_row(r, end, wall) : NULL;

	if (!row)
		return;
	row->submitted = dvmd_steady_shown(&d->clock, row->submitted);
	row->started = dvmd_steady_shown(&d->clock, row->started);
	row->ended = dvmd_steady_shown(&d->clock, row->ended);
	if (row->ended < row->started) /* the offset is of each moment */
		row->ended = row->started;
	if (h->fresh.n >= KEEP_MAX || rows_add(&h->fresh, row) < 0) {
		dvmi_pb_free(row);
		h->dropped++;
	}
	start_in(h, h->in_trouble ? RETRY_MS : BATCH_MS);
}

void dvmd_history_applied(struct dvmd *d, const Pb__Command *cmd)
{
	uint64_t id = 0;

	if (cmd->what_case == PB__COMMAND__WHAT_JOB_CHANGE &&
	    cmd->job_change->state == PB__JOB_STATE__JOB_DONE)
		id = cmd->job_change->id;
	else if (cmd->what_case == PB__COMMAND__WHAT_QUEUE_END)
		id = cmd->queue_end->id;
	const Pb__JobRecord *r = id ? dvmd_cstate_job(dvmd_state(d), id) : NULL;
	if (r)
		dvmd_history_add(d, r, NULL, 0);
}

static int add_ended(const Pb__JobRecord *r, void *arg)
{
	if (r->state == PB__JOB_STATE__JOB_DONE)
		dvmd_history_add(arg, r, NULL, 0);
	return 0;
}

void dvmd_history_begin(struct dvmd *d)
{
	char old[sizeof d->history->path + 8];

	snprintf(old, sizeof old, "%s-wal", d->history->path);
	remove(old);
	snprintf(old, sizeof old, "%s.before", d->history->path);
	(void)!rename(d->history->path, old);
}

void dvmd_history_recover(struct dvmd *d)
{
	if (!dvmd_leads(d))
		return;
	dvmd_cstate_each_job(dvmd_state(d), add_ended, d);
	start(d->history);
}

/* ---- what is asked ---- */

void dvmd_history_serve(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	struct dvmd_history *h = call->d->history;
	struct question *q = calloc(1, sizeof *q);

	if (!q || dvmi_pb_unpack(&pb__history_request__descriptor, body, len, &q->req) < 0) {
		free(q);
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
		return;
	}
	q->call = call;
	DL_APPEND(h->questions, q);
	start(h);
}

/* ---- life ---- */

int dvmd_history_create(struct dvmd_history **out, struct dvmd *d)
{
	struct dvmd_history *h = calloc(1, sizeof *h);

	if (!h)
		return -ENOMEM;
	h->d = d;
	if (snprintf(h->path, sizeof h->path, "%s/history.db", d->setup.state_dir) >=
	    (int)sizeof h->path) {
		free(h);
		return -ENAMETOOLONG;
	}
	uint64_t past = MEMORY * d->setup.queue.half_life, wall = dvmi_clock_wall();
	h->since = past < wall ? wall - past : 0;
	h->users.half_life = h->accounts.half_life = d->setup.queue.half_life;
	uv_timer_init(d->loop, &h->timer);
	h->timer.data = h->work.data = h;
	*out = h;
	return 0;
}

static void on_closed(uv_handle_t *t)
{
	struct dvmd_history *h = t->data;

	h->closed = true;
	release(h);
}

void dvmd_history_destroy(struct dvmd_history *h)
{
	struct question *q, *tmp;

	if (!h)
		return;
	h->closing = true;
	DL_FOREACH_SAFE(h->questions, q, tmp)
	{
		DL_DELETE(h->questions, q);
		question_free(q);
	}
	if (h->asked && h->asked->call)
		dvmd_call_error(&h->asked->call, -ECANCELED, "stopping");
	uv_close((uv_handle_t *)&h->timer, on_closed);
}
