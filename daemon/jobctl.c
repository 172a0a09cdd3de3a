/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jobs as the leader sees them. A job is a list of shares, one per node; every decision follows
 * from what the shares last reported, so a report may be repeated, late or sent to a new leader.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "daemon/jobctl_private.h"
#include "dvm/error.h"
#include "libdvm/base/buf.h"
#include "libdvm/base/hostlist.h"

#define SETTLE	     (300 * DVMI_MSEC) /* in which nodes that cannot start say so together */
#define ORPHAN_GRACE (2 * DVMI_SEC)   /* in which children may end by themselves */
#define HOLD	     (150 * DVMI_MSEC) /* of a mere exit code, in which its cause may be told elsewhere */
#define RESTARTS_MAX 100	       /* of one that loses node after node */
#define REASON_MAX   2048 /* bytes of a reason that goes to the log, which refuses longer ones */

enum event { EV_STARTED, EV_FAIL, EV_FINAL, EVENTS };

static const Pb__JobState transitions[][EVENTS] = {
	/*              all shares run  something failed  no share is left */
	[S(LAUNCHING)] = { S(RUNNING), S(ENDING), S(DONE) },
	[S(RUNNING)] = { S(RUNNING), S(ENDING), S(DONE) },
	[S(ENDING)] = { S(ENDING), S(ENDING), S(DONE) },
	[S(DONE)] = { S(DONE), S(DONE), S(DONE) },
};

bool dvmd_jobctl_is_running(const struct share *s)
{
	return s->status && (s->status->phase == PB__SHARE_PHASE__SHARE_RUNNING ||
			     s->status->phase == PB__SHARE_PHASE__SHARE_DONE);
}

static bool every_share(const struct job *j, bool (*is)(const struct share *))
{
	for (size_t i = 0; i < j->nshares; i++)
		if (!is(&j->shares[i]))
			return false;
	return true;
}

/* ---- actions ---- */

static char *reason_of(const struct job *j)
{
	return j->reason ? j->reason : (char *)protobuf_c_empty_string;
}

struct dvmd_jobctl_action *dvmd_jobctl_push(struct dvmd_jobctl *c, enum dvmd_jobctl_do what,
				       uint64_t job)
{
	struct queued *q = calloc(1, sizeof *q);

	if (!q)
		return NULL; /* the tick tries again: each action follows from what is kept */
	q->action.what = what;
	q->action.job = job;
	LL_APPEND(c->queue, q);
	return &q->action;
}

void dvmd_jobctl_push_event(struct dvmd_jobctl *c, const struct job *j, Pb__JobEvent__Kind kind,
		       const char *text)
{
	struct dvmd_jobctl_action *a = dvmd_jobctl_push(c, DVMD_DO_EVENT, j->id);
	Pb__JobEvent event = PB__JOB_EVENT__INIT;

	event.job = j->id;
	event.kind = kind;
	event.text = (char *)text;
	if (a)
		a->event = dvmi_pb_dup(&event);
}

static Pb__OutputEnd *make_end(const struct share *s)
{
	Pb__OutputEnd *end = malloc(sizeof *end);

	if (!end)
		return NULL;
	pb__output_end__init(end);
	end->node = s->node;
	end->lost = s->dead;
	end->seq = s->status ? s->status->output_seq : 0;
	return end;
}

/* How much output there is of each share; NULL: out of memory. */
static Pb__JobEnds *make_ends(const struct job *j)
{
	Pb__JobEnds *ends = malloc(sizeof *ends);

	if (!ends)
		return NULL;
	pb__job_ends__init(ends);
	ends->nodes = calloc(j->nshares + 1, sizeof *ends->nodes);
	for (size_t i = 0; ends->nodes && i < j->nshares; i++)
		if ((ends->nodes[ends->n_nodes] = make_end(&j->shares[i])))
			ends->n_nodes++;
	return ends;
}

static Pb__JobUsage usage_of(const struct job *j)
{
	Pb__JobUsage u = PB__JOB_USAGE__INIT;

	u.how = j->exit_code ? j->how : HOW(DONE);
	u.signal = j->signal;
	for (size_t i = 0; i < j->nshares; i++) {
		const Pb__JobStatus *st = j->shares[i].status;
		if (st && st->ran_ns > u.ran_ns)
			u.ran_ns = st->ran_ns;
		for (size_t k = 0; st && k < st->n_ranks; k++) {
			u.cpu_ns += st->ranks[k]->cpu_ns;
			if (st->ranks[k]->rss_peak > u.rss_peak)
				u.rss_peak = st->ranks[k]->rss_peak;
		}
	}
	return u;
}

static void push_change(struct dvmd_jobctl *c, const struct job *j)
{
	struct dvmd_jobctl_action *a = dvmd_jobctl_push(c, DVMD_DO_CHANGE, j->id);
	Pb__JobChange change = PB__JOB_CHANGE__INIT;
	Pb__JobUsage usage = usage_of(j);

	change.id = j->id;
	change.state = j->state;
	char reason[REASON_MAX];

	snprintf(reason, sizeof reason, "%s", reason_of(j));
	change.exit_code = j->exit_code;
	change.reason = reason;
	change.ran = j->state == S(DONE) && every_share(j, dvmd_jobctl_is_running);
	change.ends = j->state == S(DONE) && !j->detached ? make_ends(j) : NULL;
	change.usage = j->state == S(DONE) ? &usage : NULL;
	change.again = j->state == S(DONE) && (j->again || (j->requeue && j->how == HOW(LOST)));
	if (a)
		a->change = dvmi_pb_dup(&change);
	dvmi_pb_free(change.ends);
}

void dvmd_jobctl_push_kill(struct dvmd_jobctl *c, const struct job *j, uint64_t grace)
{
	struct dvmd_jobctl_action *a = dvmd_jobctl_push(c, DVMD_DO_KILL, j->id);
	Pb__JobSignal kill = PB__JOB_SIGNAL__INIT;

	kill.job = j->id;
	kill.end = true;
	kill.grace_ns = grace;
	kill.signal = grace ? SIGTERM : SIGKILL; /* no grace period is not the same as none given */
	kill.reason = reason_of(j);
	if (a)
		a->kill = dvmi_pb_dup(&kill);
}

bool dvmd_jobctl_next(struct dvmd_jobctl *c, struct dvmd_jobctl_action *out)
{
	struct queued *q = c->queue;

	if (!q)
		return false;
	LL_DELETE(c->queue, q);
	*out = q->action;
	free(q);
	return true;
}

void dvmd_jobctl_action_free(struct dvmd_jobctl_action *a)
{
	dvmi_pb_free(a->change);
	dvmi_pb_free(a->kill);
	dvmi_pb_free(a->event);
	dvmi_pb_free(a->lost);
	*a = (struct dvmd_jobctl_action){ 0 };
}

/* ---- tables ---- */

struct job *dvmd_jobctl_find(const struct dvmd_jobctl *c, uint64_t id)
{
	struct job *j;

	HASH_FIND(hh, c->jobs, &id, sizeof id, j);
	return j;
}

static struct share *find_share(const struct job *j, uint32_t node)
{
	for (size_t i = 0; j && i < j->nshares; i++)
		if (j->shares[i].node == node)
			return &j->shares[i];
	return NULL;
}

static void job_free(struct job *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->nshares; i++) {
		free(j->shares[i].name);
		free(j->shares[i].failed);
		dvmi_pb_free(j->shares[i].status);
	}
	free(j->shares);
	free(j->reason);
	free(j);
}

int dvmd_jobctl_create(struct dvmd_jobctl **out, const struct dvmd_jobctl_config *config)
{
	struct dvmd_jobctl *c = calloc(1, sizeof *c);

	if (!c)
		return -ENOMEM;
	c->config = *config;
	*out = c;
	return 0;
}

void dvmd_jobctl_destroy(struct dvmd_jobctl *c)
{
	struct job *j, *tmp;
	struct dvmd_jobctl_action a;

	if (!c)
		return;
	while (dvmd_jobctl_next(c, &a))
		dvmd_jobctl_action_free(&a);
	HASH_ITER(hh, c->jobs, j, tmp)
	{
		HASH_DEL(c->jobs, j);
		job_free(j);
	}
	free(c);
}

size_t dvmd_jobctl_count(const struct dvmd_jobctl *c)
{
	return HASH_COUNT(c->jobs);
}

static int make_shares(struct job *j, const Pb__Placement *p)
{
	j->shares = calloc(p->n_nodes ? p->n_nodes : 1, sizeof *j->shares);
	if (!j->shares)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_nodes; i++) {
		j->shares[i].node = p->nodes[i]->node;
		j->shares[i].name = strdup(p->nodes[i]->name);
		if (!j->shares[i].name)
			return -ENOMEM;
		j->nshares++;
	}
	return 0;
}

/* It has run for RAN ns of its limit. */
static void plan_end(struct job *j, uint64_t now, uint64_t ran)
{
	j->since = now - ran;
	j->ends_by = j->limit ? later(now, ran < j->limit ? j->limit - ran : 0) : UINT64_MAX;
	j->warn_at = j->ends_by > j->warn_before ? j->ends_by - j->warn_before : 0;
}

int dvmd_jobctl_add(struct dvmd_jobctl *c, const Pb__JobRecord *record, bool recovered,
		    uint64_t now)
{
	if (!record->spec || !record->placement || dvmd_jobctl_find(c, record->id))
		return -EINVAL;
	struct job *j = calloc(1, sizeof *j);
	if (!j || make_shares(j, record->placement) < 0) {
		job_free(j);
		return -ENOMEM;
	}
	j->id = record->id;
	j->origin = record->origin;
	j->detached = record->spec->detached;
	j->keep_going = record->spec->keep_going;
	j->requeue = record->spec->requeue && record->spec->detached && !record->spec->parent_job &&
		     record->restarts < RESTARTS_MAX;
	j->state = record->state;
	j->launch_by = later(now, c->config.launch_timeout);
	j->notice_at = later(now, c->config.notice_after);
	j->limit = record->spec->timeout_ns;
	j->warn_signal = j->limit ? record->spec->warn_signal : 0;
	j->warn_before = record->spec->warn_ns;
	plan_end(j, now, 0);
	j->stopped = recovered && record->suspended ? now : 0;
	j->settle_by = j->kill_by = j->give_up_by = j->orphan_by = j->hold_by = UINT64_MAX;
	j->wanted_by = record->wanted_by;
	j->leave_by = record->wanted_by ? later(now, record->grace_ns) : UINT64_MAX;
	j->parent = record->spec->outlives_parent ? 0 : record->spec->parent_job;
	j->one_fate = record->spec->one_fate;
	j->recovered = recovered;
	if (j->parent && recovered && !j->one_fate)
		j->orphan_by = later(now, ORPHAN_GRACE); /* has its parent ended meanwhile? */
	if (recovered && j->state == S(ENDING)) {
		/* Whoever was being killed is told again: the order may have been lost with us. */
		j->reason = record->reason && *record->reason ? strdup(record->reason) : NULL;
		j->exit_code = record->exit_code ? record->exit_code : 1;
		j->kill_by = now;
		j->give_up_by = later(now, c->config.kill_grace + c->config.end_timeout);
	}
	HASH_ADD(hh, c->jobs, id, sizeof j->id, j);
	return 0;
}

void dvmd_jobctl_has_run(struct dvmd_jobctl *c, uint64_t job, uint64_t ran, uint64_t now)
{
	struct job *j = dvmd_jobctl_find(c, job);

	if (j)
		plan_end(j, now, ran);
}

void dvmd_jobctl_limit(struct dvmd_jobctl *c, uint64_t job, const Pb__JobSpec *spec, uint64_t now)
{
	struct job *j = dvmd_jobctl_find(c, job);

	if (!j)
		return;
	uint64_t then = j->stopped ? j->stopped : now; /* what follows is added when it goes on */
	j->limit = spec->timeout_ns;
	j->warn_signal = j->limit ? spec->warn_signal : 0;
	plan_end(j, then, then - j->since);
}

void dvmd_jobctl_stopped(struct dvmd_jobctl *c, uint64_t job, bool stopped, uint64_t now)
{
	struct job *j = dvmd_jobctl_find(c, job);

	if (!j || stopped == (j->stopped != 0))
		return;
	if (!stopped)
		j->since += now - j->stopped;
	if (!stopped && j->ends_by != UINT64_MAX) {
		j->ends_by = later(j->ends_by, now - j->stopped);
		j->warn_at = later(j->warn_at, now - j->stopped);
	}
	j->stopped = stopped ? now : 0;
}

/* ---- decisions ---- */

bool dvmd_jobctl_is_final(const struct share *s)
{
	return s->dead || s->failed ||
	       (s->status && (s->status->phase == PB__SHARE_PHASE__SHARE_DONE ||
			      s->status->phase == PB__SHARE_PHASE__SHARE_FAILED));
}

/* The names of the shares that are not IS, folded: "node[1-3]". The caller frees. */
char *dvmd_jobctl_names_not(const struct job *j, bool (*is)(const struct share *))
{
	const char **names = calloc(j->nshares + 1, sizeof *names);
	struct dvmi_buf b = { 0 };
	size_t n = 0;

	for (size_t i = 0; names && i < j->nshares; i++)
		if (!is(&j->shares[i]))
			names[n++] = j->shares[i].name;
	if (names)
		dvmi_hostlist_fold(names, n, &b);
	dvmi_buf_put_u8(&b, 0);
	free(names);
	if (b.err) {
		dvmi_buf_free(&b);
		return strdup("some nodes");
	}
	return (char *)b.data;
}

/*
 * Remembers the first failure only: what follows is its consequence. Unless the first one is weak:
 * a rank that exits because it has noticed a crash on another node is often heard of before that.
 */
void dvmd_jobctl_blame(struct job *j, Pb__JobHow how,
							 int exit_code, const char *fmt, ...)
{
	va_list ap;

	if (j->exit_code && !j->weak)
		return;
	j->weak = false;
	j->how = how;
	j->exit_code = exit_code;
	free(j->reason);
	va_start(ap, fmt);
	if (vasprintf(&j->reason, fmt, ap) < 0)
		j->reason = NULL;
	va_end(ap);
}

static void end_children(struct dvmd_jobctl *c, const struct job *parent, uint64_t now,
			 uint64_t grace);

static void share_fate(struct dvmd_jobctl *c, const struct job *j, uint64_t now);

static bool ran(const struct job *j)
{
	return j->state == S(RUNNING) || every_share(j, dvmd_jobctl_is_running);
}

void dvmd_jobctl_begin_end(struct dvmd_jobctl *c, struct job *j, uint64_t now, uint64_t grace)
{
	if (j->state == S(ENDING) || j->state == S(DONE))
		return;
	bool has_run = ran(j);
	j->state = transitions[j->state][EV_FAIL];
	if (has_run)
		share_fate(c, j, now);
	j->weak = false;
	j->hold_by = UINT64_MAX;
	j->kill_by = later(now, grace + 2 * DVMI_SEC); /* said again to who may have missed it */
	j->give_up_by = later(now, grace + c->config.end_timeout);
	push_change(c, j);
	dvmd_jobctl_push_kill(c, j, grace);
	end_children(c, j, now, grace);
}

/*
 * A job that failed takes its spawner along, whose ranks wait for its ranks; unless it never ran,
 * which the spawner is told as an answer.
 */
static void share_fate(struct dvmd_jobctl *c, const struct job *j, uint64_t now)
{
	struct job *parent = j->one_fate ? dvmd_jobctl_find(c, j->parent) : NULL;

	if (!parent || !j->exit_code || parent->keep_going || parent->state == S(ENDING))
		return;
	dvmd_jobctl_blame(parent, HOW(FAILED), j->exit_code,
			  "job %llu, which it has spawned, has failed: %s",
			  (unsigned long long)j->id, reason_of(j));
	dvmd_jobctl_begin_end(c, parent, now, c->config.kill_grace);
}

/* As deep as jobs have spawned jobs; one that is ending already is not visited again. */
static void end_children(struct dvmd_jobctl *c, const struct job *parent, uint64_t now,
			 uint64_t grace)
{
	struct job *j, *tmp;

	HASH_ITER(hh, c->jobs, j, tmp)
		if (j->parent == parent->id && j->state != S(ENDING)) {
			dvmd_jobctl_blame(j, HOW(CANCELLED), 1,
					  "job %llu, which spawned it, is ended",
					  (unsigned long long)parent->id);
			dvmd_jobctl_begin_end(c, j, now, grace);
		}
}

/* The parent has ended by itself: so may its children, for a moment. */
static void orphan_children(struct dvmd_jobctl *c, uint64_t parent, uint64_t now)
{
	for (struct job *j = c->jobs; j; j = j->hh.next)
		if (j->parent == parent && j->orphan_by == UINT64_MAX && !j->one_fate)
			j->orphan_by = later(now, ORPHAN_GRACE);
}

static const Pb__RankStatus *first_failed(const Pb__JobStatus *st)
{
	const Pb__RankStatus *first = NULL;

	for (size_t i = 0; i < st->n_ranks; i++) {
		const Pb__RankStatus *r = st->ranks[i];
		if (r->exited && r->status && (!first || r->order < first->order))
			first = r;
	}
	return first;
}

static void blame_rank(struct job *j, const struct share *s, const Pb__RankStatus *r)
{
	int code = r->status & 0xff ? r->status & 0xff : 1;

	if (r->signalled) {
		if (!j->exit_code || j->weak)
			j->signal = r->status - 128;
		dvmd_jobctl_blame(j, HOW(FAILED), code,
				  "rank %u on %s was killed by signal %d (%s)", r->rank, s->name,
				  r->status - 128, strsignal(r->status - 128));
	} else if (!j->exit_code) {
		dvmd_jobctl_blame(j, HOW(FAILED), code, "rank %u on %s exited with code %d",
				  r->rank, s->name, r->status);
		j->weak = j->nshares > 1 && j->state != S(ENDING) && !j->keep_going;
	}
}

/* Exit code as shells have it: 127 where the program is not there, 126 where it cannot run. */
static int start_exit_code(int code)
{
	return code == -ENOENT ? 127 : code == -EACCES || code == -ENOEXEC ? 126 : 1;
}

/* Takes over what the share's report says; true where it means that the job must end. */
static bool judge(struct job *j, const struct share *s)
{
	const Pb__JobStatus *st = s->status;
	const Pb__RankStatus *r;

	if (s->failed || (st && st->phase == PB__SHARE_PHASE__SHARE_FAILED)) {
		int code = s->failed ? s->failed_code : st->code;
		bool lost = s->crashed || code == -DVM_EPEERLOST;
		dvmd_jobctl_blame(j, lost ? HOW(LOST) : HOW(FAILED), start_exit_code(code),
				  "%s: %s", s->name, s->failed ? s->failed : st->text);
		return !(s->crashed && j->keep_going);
	}
	if (!st)
		return false;
	if (st->abort_text && *st->abort_text) {
		int code = st->abort_code & 0xff ? st->abort_code & 0xff : 1;
		dvmd_jobctl_blame(j, HOW(FAILED), code, "%s: %s", s->name, st->abort_text);
		return true;
	}
	if ((r = first_failed(st))) {
		blame_rank(j, s, r);
		return !j->keep_going;
	}
	return false;
}

static const char *start_failure(const struct share *s)
{
	if (s->failed)
		return s->failed;
	if (s->status && s->status->phase == PB__SHARE_PHASE__SHARE_FAILED)
		return s->status->text;
	return NULL;
}

/*
 * When several nodes could not start for one reason, the job's reason names them all, folded:
 * "node[1-3]: prog: no such file".
 */
static void fold_start_failures(struct job *j)
{
	const char **names = calloc(j->nshares + 1, sizeof *names), *text = NULL;
	struct dvmi_buf b = { 0 };
	size_t n = 0;

	for (size_t i = 0; names && i < j->nshares; i++) {
		const char *t = start_failure(&j->shares[i]);
		if (t && !text)
			text = t;
		if (t && !strcmp(t, text))
			names[n++] = j->shares[i].name;
	}
	if (n > 1 && j->reason && strstr(j->reason, text)) {
		dvmi_hostlist_fold(names, n, &b);
		dvmi_buf_printf(&b, ": %s", text);
		dvmi_buf_put_u8(&b, 0);
		if (!b.err) {
			free(j->reason);
			j->reason = strdup((char *)b.data);
		}
	}
	free(names);
	dvmi_buf_free(&b);
}

static void push_ended(struct dvmd_jobctl *c, const struct job *j)
{
	struct dvmd_jobctl_action *a = dvmd_jobctl_push(c, DVMD_DO_EVENT, j->id);
	Pb__JobEvent event = PB__JOB_EVENT__INIT;
	Pb__JobEnds *ends = make_ends(j);

	event.job = j->id;
	event.kind = PB__JOB_EVENT__KIND__ENDED;
	event.exit_code = j->exit_code;
	event.text = reason_of(j);
	event.ends = ends ? ends->nodes : NULL;
	event.n_ends = ends ? ends->n_nodes : 0;
	if (a)
		a->event = dvmi_pb_dup(&event);
	dvmi_pb_free(ends);
}

static void finish(struct dvmd_jobctl *c, struct job *j, uint64_t now)
{
	orphan_children(c, j->id, now);
	fold_start_failures(j);
	bool failed = j->state != S(ENDING) && ran(j);
	j->state = transitions[j->state][EV_FINAL];
	if (failed)
		share_fate(c, j, now);
	push_change(c, j);
	push_ended(c, j);
	dvmd_jobctl_push(c, DVMD_DO_RELEASE, j->id);
	HASH_DEL(c->jobs, j);
	job_free(j);
}

/*
 * A program that is missing is mostly missing on every node. The others are given a moment to say
 * so before they are killed, so that the reason names all of them.
 */
static bool may_settle(const struct job *j, uint64_t now)
{
	bool start_failed = false;

	for (size_t i = 0; i < j->nshares; i++) {
		const Pb__JobStatus *st = j->shares[i].status;
		bool failed = start_failure(&j->shares[i]) != NULL;
		start_failed |= failed;
		if (j->shares[i].dead ||
		    (st && !failed && (first_failed(st) || *st->abort_text)))
			return false;
	}
	return j->state == S(LAUNCHING) && start_failed && now < j->settle_by;
}

/* Others are not ended yet: the crash that the failure may follow from is still to be heard of. */
static bool may_hold(struct job *j, uint64_t now)
{
	if (j->weak && j->hold_by == UINT64_MAX)
		j->hold_by = later(now, HOLD);
	return j->weak && now < j->hold_by;
}

/* The one place where a job moves on, after anything was learnt about it. */
void dvmd_jobctl_reconsider(struct dvmd_jobctl *c, struct job *j, uint64_t now)
{
	bool must_end = false;

	for (size_t i = 0; i < j->nshares; i++)
		must_end |= judge(j, &j->shares[i]);
	if (every_share(j, dvmd_jobctl_is_final)) {
		finish(c, j, now);
		return;
	}
	if (must_end && j->settle_by == UINT64_MAX)
		j->settle_by = later(now, SETTLE);
	if (must_end && may_hold(j, now))
		return;
	if (must_end && !may_settle(j, now))
		dvmd_jobctl_begin_end(c, j, now, c->config.kill_grace);
	if (must_end)
		return;
	if (j->state == S(LAUNCHING) && every_share(j, dvmd_jobctl_is_running)) {
		j->state = transitions[j->state][EV_STARTED];
		push_change(c, j);
		dvmd_jobctl_push_event(c, j, PB__JOB_EVENT__KIND__STARTED, "");
	}
}

/* The ranks of a share whose node or shepherd has died, for the others to know. */
static void push_lost(struct dvmd_jobctl *c, const struct job *j, const struct share *s)
{
	struct dvmd_jobctl_action *a = dvmd_jobctl_push(c, DVMD_DO_LOST, j->id);
	Pb__RanksState lost = PB__RANKS_STATE__INIT;
	size_t n = s->status ? s->status->n_ranks : 0;
	uint32_t *gone = calloc(n + 1, sizeof *gone);

	lost.job = j->id;
	lost.node = s->node;
	for (size_t i = 0; gone && i < n; i++)
		gone[i] = s->status->ranks[i]->rank;
	lost.n_gone = gone ? n : 0;
	lost.gone = gone;
	if (a)
		a->lost = dvmi_pb_dup(&lost);
	free(gone);
}

/* What the report has to say that the last one had not; after a restart it has been said. */
static void push_notes(struct dvmd_jobctl *c, const struct job *j, const struct share *s,
		       const Pb__JobStatus *st)
{
	size_t said = s->status ? s->status->n_notes : j->recovered ? st->n_notes : 0;
	char text[512];

	for (size_t i = said; i < st->n_notes; i++) {
		snprintf(text, sizeof text, "%s: %s", s->name, st->notes[i]);
		dvmd_jobctl_push_event(c, j, PB__JOB_EVENT__KIND__WARNING, text);
	}
}

int dvmd_jobctl_status(struct dvmd_jobctl *c, const Pb__JobStatus *status, uint64_t now)
{
	struct job *j = dvmd_jobctl_find(c, status->job);
	struct share *s = find_share(j, status->node);

	if (!j)
		return -ENOENT;
	if (s && s->dead)
		return -ENOENT; /* it is back from the dead: the job goes on without it */
	if (!s || (s->status && s->status->serial >= status->serial))
		return 0;
	Pb__JobStatus *copy = dvmi_pb_dup(status);
	if (!copy)
		return -ENOMEM;
	push_notes(c, j, s, copy);
	dvmi_pb_free(s->status);
	s->status = copy;
	if (copy->phase == PB__SHARE_PHASE__SHARE_FAILED && j->state == S(RUNNING) &&
	    j->keep_going) {
		s->crashed = true;
		push_lost(c, j, s);
	}
	dvmd_jobctl_reconsider(c, j, now);
	return 0;
}

void dvmd_jobctl_launch_failed(struct dvmd_jobctl *c, uint64_t job, uint32_t node, int code,
			       const char *text, uint64_t now)
{
	struct job *j = dvmd_jobctl_find(c, job);
	struct share *s = find_share(j, node);

	if (!s || s->status || s->failed)
		return;
	s->failed = strdup(text);
	s->failed_code = code;
	dvmd_jobctl_reconsider(c, j, now);
}

static void job_node_down(struct dvmd_jobctl *c, struct job *j, uint32_t node, const char *name,
			  uint64_t now)
{
	struct share *s = find_share(j, node);

	if (j->origin == node && !j->detached) {
		dvmd_jobctl_blame(j, HOW(LOST), 1, "node %s, where it was started, was lost", name);
		dvmd_jobctl_begin_end(c, j, now, c->config.kill_grace);
	}
	if (s && !dvmd_jobctl_is_final(s)) {
		s->dead = true;
		dvmd_jobctl_blame(j, HOW(LOST), 1, "node %s was lost", name);
		push_lost(c, j, s);
		if (!j->keep_going && !every_share(j, dvmd_jobctl_is_final))
			dvmd_jobctl_begin_end(c, j, now, c->config.kill_grace);
		dvmd_jobctl_reconsider(c, j, now);
	}
}

void dvmd_jobctl_node_down(struct dvmd_jobctl *c, uint32_t node, const char *name, uint64_t now)
{
	struct job *j, *tmp;

	HASH_ITER(hh, c->jobs, j, tmp)
		job_node_down(c, j, node, name, now);
}

int dvmd_jobctl_end(struct dvmd_jobctl *c, uint64_t job, int signal, const char *reason,
		    uint64_t grace, uint64_t now)
{
	struct job *j = dvmd_jobctl_find(c, job);

	if (!j)
		return -ENOENT;
	if (grace == DVMD_JOBCTL_GRACE)
		grace = c->config.kill_grace;
	if (!j->exit_code || j->weak)
		j->signal = signal;
	dvmd_jobctl_blame(j, HOW(CANCELLED), signal > 0 ? 128 + signal : 1, "%s", reason);
	if (j->state == S(ENDING) && grace == 0)
		dvmd_jobctl_push_kill(c, j, 0);
	dvmd_jobctl_begin_end(c, j, now, grace);
	return 0;
}

int dvmd_jobctl_again(struct dvmd_jobctl *c, uint64_t job, Pb__JobHow how, const char *reason,
		      uint64_t now)
{
	struct job *j = dvmd_jobctl_find(c, job);

	if (!j)
		return -ENOENT;
	if (j->exit_code || j->state == S(ENDING))
		return -EBUSY;
	j->again = true;
	j->signal = SIGTERM;
	dvmd_jobctl_blame(j, how, 128 + SIGTERM, "%s", reason);
	dvmd_jobctl_begin_end(c, j, now, c->config.kill_grace);
	return 0;
}

void dvmd_jobctl_leave(struct dvmd_jobctl *c, uint64_t job, uint64_t other, uint64_t grace,
		       uint64_t now)
{
	struct job *j = dvmd_jobctl_find(c, job);

	if (!j || j->wanted_by)
		return;
	j->wanted_by = other;
	j->leave_by = later(now, grace);
}

/* ---- questions ---- */

const Pb__JobStatus *dvmd_jobctl_share(const struct dvmd_jobctl *c, uint64_t job, uint32_t node)
{
	const struct share *s = find_share(dvmd_jobctl_find(c, job), node);

	return s ? s->status : NULL;
}

void dvmd_jobctl_reannounce(struct dvmd_jobctl *c, uint64_t job)
{
	const struct job *j = dvmd_jobctl_find(c, job);

	if (j && j->state != S(LAUNCHING))
		dvmd_jobctl_push_event(c, j, PB__JOB_EVENT__KIND__STARTED, "");
}
