/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uthash.h>
#include <utlist.h>

#include "daemon/agent.h"
#include "daemon/agent_spawn.h"
#include "daemon/toposave.h"
#include "daemon/lead.h"
#include "daemon/origin.h"
#include "daemon/sweep.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define TICK_MS	      1000
/* A report is repeated, since it may be lost: soon while the log does not show it yet. */
#define REPORT_SOON   (DVMI_SEC - TICK_MS / 10 * DVMI_MSEC)
#define REPORT_EVERY  (5 * DVMI_SEC)
#define HELLO_TIMEOUT (5 * DVMI_SEC) /* for shepherds of before our restart: they retry each second */
#define STATUS_MAX    (4 << 20)     /* bytes */
#define WAITING_MAX   (4u << 20)    /* bytes */
#define SWEEP_MS      50
#define SWEEP_PASSES  100	     /* 5 s; what survives that hangs in the kernel */
#define RELEASED_MAX  (15 * DVMI_SEC) /* a shepherd that is still there then is stuck */
#define STRAY_EVERY   30	     /* ticks between looks for directories of forgotten jobs */

/* What came for a shepherd that is not (or not again) connected. */
struct waiting {
	struct waiting *next;
	uint16_t type;
	size_t len;
	uint8_t body[];
};

struct dvmd_share {
	UT_hash_handle hh;
	uint64_t job;
	uint32_t uid, origin;
	struct dvmd_agent *agent;
	Pb__Placement *placement;
	Pb__JobStatus *status;	    /* the last report */
	struct dvmi_stream *stream; /* to the shepherd, or NULL; the session owns it */
	struct dvmd_child *child;   /* our child, or NULL after a restart */
	uint8_t cookie[DVMD_COOKIE_BYTES];
	struct waiting *waiting;
	size_t waiting_bytes;
	uint64_t hello_by;	    /* without a stream: give up then */
	uint64_t reported, repeat_after; /* ns: when, and how soon again if it seems lost */
	uint64_t released_at;
	bool released;
	struct dvmd_interest interest;
};

/* A job whose leftovers are being killed. */
struct leftover {
	struct leftover *next;
	uint64_t job;
	unsigned passes;
};

struct dvmd_agent {
	struct dvmd *d;
	uv_timer_t timer, sweeper;
	int handles;
	unsigned ticks;
	struct dvmd_share *shares;
	struct leftover *leftovers;
};

static struct dvmd_share *find(struct dvmd_agent *a, uint64_t job)
{
	struct dvmd_share *s;

	HASH_FIND(hh, a->shares, &job, sizeof job, s);
	return s;
}

static void forget_waiting(struct dvmd_share *s)
{
	struct waiting *w, *tmp;

	LL_FOREACH_SAFE(s->waiting, w, tmp)
		free(w);
	s->waiting = NULL;
	s->waiting_bytes = 0;
}

static void share_free(struct dvmd_share *s)
{
	dvmd_child_forget(s->child);
	dvmi_pb_free(s->placement);
	dvmi_pb_free(s->status);
	forget_waiting(s);
	dvmd_interest_free(&s->interest);
	free(s);
}

static struct dvmd_share *share_add(struct dvmd_agent *a, uint64_t job, const Pb__JobSpec *spec,
				    const Pb__Placement *placement, uint32_t origin)
{
	struct dvmd_share *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->agent = a;
	s->job = job;
	s->uid = spec->uid;
	s->origin = origin;
	s->hello_by = dvmi_clock_mono() + HELLO_TIMEOUT;
	s->placement = dvmi_pb_dup(placement);
	if (!s->placement) {
		free(s);
		return NULL;
	}
	HASH_ADD(hh, a->shares, job, sizeof s->job, s);
	return s;
}

static void share_remove(struct dvmd_share *s)
{
	HASH_DEL(s->agent->shares, s);
	share_free(s);
}

static bool is_final(const Pb__JobStatus *st)
{
	return st && (st->phase == PB__SHARE_PHASE__SHARE_DONE ||
		      st->phase == PB__SHARE_PHASE__SHARE_FAILED);
}

/* ---- reports ---- */

static void report(struct dvmd_agent *a, const Pb__JobStatus *st)
{
	struct dvmi_buf b = { 0 };

	if (dvmd_leads(a->d)) {
		dvmd_lead_status(a->d->lead, st);
		return;
	}
	dvmi_pb_pack(&b, st);
	if (!b.err)
		dvmd_transport_send(a->d->wire, DVMD_LEADER, DVMI_MSG_JOB_STATUS, b.data, b.len);
	dvmi_buf_free(&b);
}

static void report_share(struct dvmd_share *s)
{
	s->reported = dvmi_clock_mono();
	if (s->status)
		report(s->agent, s->status);
}

static void take_status(struct dvmd_share *s, Pb__JobStatus *st)
{
	st->job = s->job;
	st->node = s->agent->d->self;
	dvmi_pb_free(s->status);
	s->status = st;
	s->repeat_after = REPORT_SOON;
	report_share(s);
}

/* Does the log not show yet what we have reported? Perhaps because others are not so far. */
static bool is_news(const struct dvmd_share *s, const Pb__JobRecord *r)
{
	if (!r || s->status->phase == PB__SHARE_PHASE__SHARE_STARTING)
		return false;
	if (s->status->phase == PB__SHARE_PHASE__SHARE_RUNNING)
		return r->state == PB__JOB_STATE__JOB_LAUNCHING;
	return r->state != PB__JOB_STATE__JOB_DONE;
}

static void repeat_report(struct dvmd_share *s, const Pb__JobRecord *r, uint64_t now)
{
	if (now - s->reported < (is_news(s, r) ? s->repeat_after : REPORT_EVERY))
		return;
	s->repeat_after = s->repeat_after < REPORT_EVERY / 2 ? 2 * s->repeat_after : REPORT_EVERY;
	report_share(s);
}

/* What a share without a shepherd has to say for itself. */
static void report_failed(struct dvmd_agent *a, struct dvmd_share *s, uint64_t job, int code,
			  const char *text)
{
	Pb__JobStatus st = PB__JOB_STATUS__INIT;

	st.job = job;
	st.node = a->d->self;
	st.serial = UINT64_MAX; /* nothing can come after it */
	st.phase = PB__SHARE_PHASE__SHARE_FAILED;
	st.code = code;
	st.text = (char *)text;
	if (s && s->status) {
		/* Keep what is known of the ranks and of the output. */
		st.ranks = s->status->ranks;
		st.n_ranks = s->status->n_ranks;
		st.output_seq = s->status->output_seq;
	}
	if (!s) {
		report(a, &st);
		return;
	}
	Pb__JobStatus *copy = dvmi_pb_dup(&st);
	if (copy)
		take_status(s, copy);
}

/* ---- to the shepherd ---- */

static void keep_waiting(struct dvmd_share *s, uint16_t type, const uint8_t *body, size_t len)
{
	struct waiting *w = s->waiting_bytes + len < WAITING_MAX ? malloc(sizeof *w + len) : NULL;

	if (!w)
		return;
	w->type = type;
	w->len = len;
	memcpy(w->body, body, len);
	LL_APPEND(s->waiting, w);
	s->waiting_bytes += len;
}

static void to_shepherd(struct dvmd_share *s, uint16_t type, const uint8_t *body, size_t len)
{
	if (s->stream)
		dvmi_stream_send(s->stream, (struct dvmi_envelope){ .type = type }, body, len);
	else
		keep_waiting(s, type, body, len);
}

static void flush_waiting(struct dvmd_share *s)
{
	const struct waiting *w;

	LL_FOREACH(s->waiting, w)
		to_shepherd(s, w->type, w->body, w->len);
	forget_waiting(s);
}

/* ---- for others to know and to tell ---- */

struct dvmd_share *dvmd_agent_share(struct dvmd_agent *a, uint64_t job)
{
	return find(a, job);
}

void dvmd_agent_each(struct dvmd_agent *a, void (*fn)(struct dvmd_share *s, void *arg), void *arg)
{
	struct dvmd_share *s, *tmp;

	HASH_ITER(hh, a->shares, s, tmp)
		fn(s, arg);
}

uint64_t dvmd_share_job(const struct dvmd_share *s)
{
	return s->job;
}

uint32_t dvmd_share_uid(const struct dvmd_share *s)
{
	return s->uid;
}

struct dvmd_interest *dvmd_share_interest(struct dvmd_share *s)
{
	return &s->interest;
}

void dvmd_share_tell(struct dvmd_share *s, uint16_t type, const void *msg)
{
	if (s->stream && !s->released)
		dvmi_stream_send_pb(s->stream, (struct dvmi_envelope){ .type = type }, msg);
}

/* ---- starting ---- */

static struct dvmd_place place_of(const struct dvmd_agent *a, uint64_t job)
{
	return (struct dvmd_place){ .run_dir = a->d->setup.run_dir,
				    .machine = a->d->setup.machine,
				    .node = a->d->self,
				    .job = job };
}

static bool sweep_pass(struct dvmd_agent *a, struct leftover *l)
{
	const struct dvmd_place place = place_of(a, l->job);
	int n = dvmd_sweep_job(&place);

	if (n > 0 && ++l->passes < SWEEP_PASSES)
		return false;
	if (n > 0)
		dvmi_log(&a->d->log, "job", LOG_ERR, "job %llu: %d processes cannot be killed",
			 (unsigned long long)l->job, n);
	return true;
}

static void on_sweeper(uv_timer_t *t)
{
	struct dvmd_agent *a = t->data;
	struct leftover *l, *tmp;

	LL_FOREACH_SAFE(a->leftovers, l, tmp)
	{
		if (!sweep_pass(a, l))
			continue;
		LL_DELETE(a->leftovers, l);
		free(l);
	}
	if (!a->leftovers)
		uv_timer_stop(t);
}

/* Kills what a job has left here, now and, where it takes time, a few times more. */
static void clean_up(struct dvmd_agent *a, uint64_t job)
{
	struct leftover *l = calloc(1, sizeof *l);

	if (!l)
		return;
	l->job = job;
	if (sweep_pass(a, l)) {
		free(l);
		return;
	}
	LL_PREPEND(a->leftovers, l);
	uv_timer_start(&a->sweeper, on_sweeper, SWEEP_MS, SWEEP_MS);
}

/*
 * The shepherd is dead. Its ranks died with it; what they had started is swept. One that ended in
 * ORDER has seen to that itself.
 */
static void shepherd_dead(struct dvmd_share *s, const char *how, bool order)
{
	struct dvmd_agent *a = s->agent;
	const struct dvmd_place place = place_of(a, s->job);

	if (order)
		dvmd_sweep_tidy(&place);
	else
		clean_up(a, s->job);
	if (s->released) {
		/* With a stream it is the session's, too: its end follows, and removes it. */
		if (!s->stream)
			share_remove(s);
		return;
	}
	if (!is_final(s->status)) {
		char text[128];
		snprintf(text, sizeof text, "the shepherd of the job %s", how);
		dvmi_log(&a->d->log, "job", LOG_ERR, "job %llu: %s", (unsigned long long)s->job,
			 text);
		report_failed(a, s, s->job, -DVM_EPEERLOST, text);
	}
}

static void on_child_exit(int status, int signal, void *arg)
{
	struct dvmd_share *s = arg;
	char how[64];

	s->child = NULL;
	if (signal)
		snprintf(how, sizeof how, "was killed by signal %d", signal);
	else
		snprintf(how, sizeof how, "ended with code %d", status);
	shepherd_dead(s, how, status == 0 && signal == 0 && is_final(s->status));
}

static const Pb__NodeShare *own_share(const struct dvmd *d, const Pb__Placement *p)
{
	for (size_t i = 0; p && i < p->n_nodes; i++)
		if (p->nodes[i]->node == d->self)
			return p->nodes[i];
	return NULL;
}

int dvmd_agent_launch(struct dvmd_agent *a, const uint8_t *body, size_t len, dvm_error_t *err)
{
	cleanup_pb Pb__Launch *l = NULL;

	if (dvmi_pb_unpack(&pb__launch__descriptor, body, len, &l) < 0 || !l->spec ||
	    !own_share(a->d, l->placement))
		return dvmi_error_set(err, -DVM_EPROTO, "malformed launch");
	const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state(a->d), l->job);
	if (find(a, l->job) || (r && r->state == PB__JOB_STATE__JOB_DONE))
		return 0; /* told twice, or too late */
	struct dvmd_share *s = share_add(a, l->job, l->spec, l->placement, l->origin);
	if (!s)
		return dvmi_error_code(err, -ENOMEM, "launch");
	dvmd_toposave(a->d);
	int rc = dvmd_child_spawn(&s->child, a->d, body, len, s->cookie, on_child_exit, s, err);
	if (rc < 0)
		share_remove(s);
	return rc;
}

struct dvmd_share *dvmd_agent_hello(struct dvmd_agent *a, struct dvmi_stream *stream,
				    const struct dvmi_peercred *cred, const uint8_t *body,
				    size_t len, dvm_error_t *err)
{
	cleanup_pb Pb__ShepherdHello *h = NULL;

	if (dvmi_pb_unpack(&pb__shepherd_hello__descriptor, body, len, &h) < 0) {
		dvmi_error_set(err, -DVM_EPROTO, "malformed hello");
		return NULL;
	}
	struct dvmd_share *s = find(a, h->job);
	if (!a->d->ready || (!s && h->job >= dvmd_cstate_next_job(dvmd_state(a->d)))) {
		dvmi_error_set(err, -EAGAIN, "this node does not know of job %llu yet",
			       (unsigned long long)h->job);
		return NULL;
	}
	if (!s || s->released) {
		dvmi_error_set(err, -ENOENT, "job %llu is over", (unsigned long long)h->job);
		return NULL;
	}
	/* The kernel's word on the user is what counts; after a restart there is no cookie. */
	if (cred->uid != s->uid && cred->uid != 0 && cred->uid != getuid()) {
		dvmi_error_set(err, -EPERM, "job %llu is not yours", (unsigned long long)h->job);
		return NULL;
	}
	if (s->child && (h->cookie.len != sizeof s->cookie ||
			 memcmp(h->cookie.data, s->cookie, sizeof s->cookie))) {
		dvmi_error_set(err, -DVM_EAUTH, "wrong cookie");
		return NULL;
	}
	if (s->stream) {
		dvmi_error_set(err, -EAGAIN, "job %llu has its shepherd",
			       (unsigned long long)h->job);
		return NULL;
	}
	s->stream = stream;
	if (h->status)
		take_status(s, dvmi_pb_dup(h->status));
	return s;
}

void dvmd_agent_greeted(struct dvmd_share *s)
{
	flush_waiting(s);
}

void dvmd_agent_shepherd_gone(struct dvmd_agent *a, struct dvmd_share *s)
{
	s->stream = NULL;
	s->hello_by = dvmi_clock_mono() + HELLO_TIMEOUT;
	/* A child's end is told by the loop; of an older shepherd only the socket tells. */
	if (!s->child && s->released) {
		clean_up(a, s->job);
		share_remove(s);
	}
}

/* ---- messages ---- */

/* A shepherd runs as the job's user: it may speak for its own share only. */
static bool speaks_for(const struct dvmd_share *s, uint16_t type, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__Output *out = NULL;
	cleanup_pb Pb__StdinAck *ack = NULL;
	uint32_t self = s->agent->d->self;

	if (type == DVMI_MSG_OUTPUT)
		return dvmi_pb_unpack(&pb__output__descriptor, body, len, &out) == 0 &&
		       out->job == s->job && out->node == self;
	return dvmi_pb_unpack(&pb__stdin_ack__descriptor, body, len, &ack) == 0 &&
	       ack->job == s->job && ack->node == self;
}

static void to_origin(struct dvmd_share *s, uint16_t type, const uint8_t *body, size_t len)
{
	struct dvmd *d = s->agent->d;

	if (!speaks_for(s, type, body, len))
		return;
	if (s->origin == d->self)
		dvmd_origin_to_client(d->origin, type, body, len);
	else
		dvmd_transport_send(d->wire, s->origin, type, body, len);
}

/* To a shepherd of another job, in the name of this one and of its user. */
static void to_other_job(struct dvmd_share *s, Pb__PeerMessage *m)
{
	struct dvmd *d = s->agent->d;
	struct dvmi_buf b = { 0 };

	m->from = d->self;
	m->uid = s->uid;
	dvmi_pb_pack(&b, m);
	if (!b.err && m->to == d->self)
		dvmd_agent_from_origin(s->agent, DVMI_MSG_PEER, b.data, b.len);
	else if (!b.err)
		dvmd_transport_send(d->wire, m->to, DVMI_MSG_PEER, b.data, b.len);
	dvmi_buf_free(&b);
}

static void to_peers(struct dvmd_share *s, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__PeerMessage *m = NULL;
	struct dvmd *d = s->agent->d;

	if (dvmi_pb_unpack(&pb__peer_message__descriptor, body, len, &m) < 0)
		return;
	if (m->from_job && m->from_job == s->job && m->job != s->job)
		to_other_job(s, m);
	if (m->from_job || m->job != s->job)
		return;
	for (size_t i = 0; i < s->placement->n_nodes; i++) {
		uint32_t node = s->placement->nodes[i]->node;
		if (node != d->self && (m->to == 0 || m->to == node))
			dvmd_transport_send(d->wire, node, DVMI_MSG_PEER, body, len);
	}
}

void dvmd_agent_message(struct dvmd_agent *a, struct dvmd_share *s,
			const struct dvmi_envelope *env, const uint8_t *body, size_t len)
{
	Pb__JobStatus *st = NULL;

	switch (env->type) {
	case DVMI_MSG_JOB_STATUS:
		if (dvmi_pb_unpack(&pb__job_status__descriptor, body, len, &st) == 0)
			take_status(s, st);
		break;
	case DVMI_MSG_OUTPUT:
	case DVMI_MSG_STDIN_ACK:
		to_origin(s, env->type, body, len);
		break;
	case DVMI_MSG_PEER:
		to_peers(s, body, len);
		break;
	default:
		dvmi_log(&a->d->log, "job", LOG_WARNING, "unexpected message %#x of a shepherd",
			 env->type);
	}
}

static int on_kill(struct dvmd_agent *a, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__JobSignal *sig = NULL;

	if (dvmi_pb_unpack(&pb__job_signal__descriptor, body, len, &sig) < 0)
		return -DVM_EPROTO;
	struct dvmd_share *s = find(a, sig->job);
	if (s)
		to_shepherd(s, DVMI_MSG_JOB_KILL, body, len);
	else
		report_failed(a, NULL, sig->job, -ENOENT, "the job is not known on this node");
	return 0;
}

static int on_release(struct dvmd_agent *a, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__JobRef *ref = NULL;

	if (dvmi_pb_unpack(&pb__job_ref__descriptor, body, len, &ref) < 0)
		return -DVM_EPROTO;
	struct dvmd_share *s = find(a, ref->job);
	if (!s)
		return 0;
	if (!s->released)
		s->released_at = dvmi_clock_mono();
	s->released = true;
	to_shepherd(s, DVMI_MSG_JOB_RELEASE, body, len);
	if (!s->stream && !s->child)
		share_remove(s);
	return 0;
}

static int on_lost(struct dvmd_agent *a, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__RanksState *lost = NULL;

	if (dvmi_pb_unpack(&pb__ranks_state__descriptor, body, len, &lost) < 0)
		return -DVM_EPROTO;
	struct dvmd_share *s = find(a, lost->job);
	if (s)
		to_shepherd(s, DVMI_MSG_RANKS_LOST, body, len);
	return 0;
}

static int on_status_wanted(struct dvmd_agent *a, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__JobRef *ref = NULL;

	if (dvmi_pb_unpack(&pb__job_ref__descriptor, body, len, &ref) < 0)
		return -DVM_EPROTO;
	struct dvmd_share *s = find(a, ref->job);
	if (!s) {
		report_failed(a, NULL, ref->job, -ENOENT, "the job never started on this node");
		return 0;
	}
	report_share(s);
	/* What its ranks have used has changed since. */
	if (s->stream && !is_final(s->status))
		to_shepherd(s, DVMI_MSG_STATUS_WANTED, body, len);
	return 0;
}

int dvmd_agent_from_leader(struct dvmd_agent *a, uint16_t type, const uint8_t *body, size_t len)
{
	switch (type) {
	case DVMI_MSG_JOB_KILL:
		return on_kill(a, body, len);
	case DVMI_MSG_JOB_RELEASE:
		return on_release(a, body, len);
	case DVMI_MSG_RANKS_LOST:
		return on_lost(a, body, len);
	case DVMI_MSG_STATUS_WANTED:
		return on_status_wanted(a, body, len);
	default:
		return -DVM_EPROTO;
	}
}

void dvmd_agent_from_origin(struct dvmd_agent *a, uint16_t type, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__Stdin *in = NULL;
	cleanup_pb Pb__OutputAck *ack = NULL;
	cleanup_pb Pb__PeerMessage *peer = NULL;
	uint64_t job = 0;

	if (type == DVMI_MSG_STDIN && !dvmi_pb_unpack(&pb__stdin__descriptor, body, len, &in))
		job = in->job;
	if (type == DVMI_MSG_OUTPUT_ACK &&
	    !dvmi_pb_unpack(&pb__output_ack__descriptor, body, len, &ack))
		job = ack->job;
	if (type == DVMI_MSG_PEER && !dvmi_pb_unpack(&pb__peer_message__descriptor, body, len, &peer))
		job = peer->job;
	struct dvmd_share *s = find(a, job);
	/* Jobs of two users have nothing to say to each other. */
	if (s && peer && peer->from_job && peer->uid != s->uid)
		return;
	if (s)
		to_shepherd(s, type, body, len);
}

/* ---- after a restart, and time ---- */

/* The file is the user's: nothing in it or about it is taken on trust. */
static int open_status(const struct dvmd_share *s, size_t *size)
{
	char path[512];
	struct stat st;

	snprintf(path, sizeof path, "%s/jobs/%llu/status", s->agent->d->setup.run_dir,
		 (unsigned long long)s->job);
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (st.st_uid != s->uid && st.st_uid != getuid()) || st.st_size > STATUS_MAX)
		return -1;
	*size = (size_t)st.st_size;
	return take_fd(fd);
}

static Pb__JobStatus *read_status(const struct dvmd_share *s)
{
	size_t size = 0;
	cleanup_fd int fd = open_status(s, &size);
	cleanup_free uint8_t *buf = fd < 0 ? NULL : malloc(size + 1);
	Pb__JobStatus *st = NULL;

	if (!buf || read(fd, buf, size) != (ssize_t)size ||
	    dvmi_pb_unpack(&pb__job_status__descriptor, buf, size, &st) < 0)
		return NULL;
	if (st->job == s->job)
		return st;
	dvmi_pb_free(st);
	return NULL;
}

/* No shepherd has come: either it had finished while we were away, or it is dead. */
static void hello_missed(struct dvmd_share *s)
{
	Pb__JobStatus *st = read_status(s);

	s->hello_by = UINT64_MAX;
	if (is_final(st)) {
		take_status(s, st);
		return;
	}
	dvmi_pb_free(st);
	shepherd_dead(s, "is gone", false);
}

/* A shepherd takes its socket with it, unless it is killed. */
static bool has_socket(const struct dvmd_agent *a, uint64_t job)
{
	char path[512];

	snprintf(path, sizeof path, "%s/jobs/%llu/shep.sock", a->d->setup.run_dir,
		 (unsigned long long)job);
	return access(path, F_OK) == 0;
}

static int recover_record(const Pb__JobRecord *r, void *arg)
{
	struct dvmd_agent *a = arg;

	if (!own_share(a->d, r->placement) || find(a, r->id))
		return 0;
	if (r->state != PB__JOB_STATE__JOB_DONE)
		share_add(a, r->id, r->spec, r->placement, r->origin);
	else if (has_socket(a, r->id))
		clean_up(a, r->id);
	return 0;
}

void dvmd_agent_recover(struct dvmd_agent *a)
{
	dvmd_cstate_each_job(dvmd_state(a->d), recover_record, a);
}

/* A shepherd that was told to go and has not: stopped by its user, or hung. */
static void end_stuck(struct dvmd_share *s)
{
	dvmi_log(&s->agent->d->log, "job", LOG_WARNING, "job %llu: its shepherd is stuck: killed",
		 (unsigned long long)s->job);
	s->released_at = dvmi_clock_mono();
	if (s->child)
		dvmd_child_kill(s->child);
	clean_up(s->agent, s->job);
}

/* Its job ended while we were away. What it left would carry on, were its shepherd killed, too. */
static void end_forgotten(struct dvmd_share *s)
{
	if (has_socket(s->agent, s->job))
		clean_up(s->agent, s->job);
	share_remove(s);
}

static void tick_share(struct dvmd_share *s, uint64_t now)
{
	/* A share of before a restart stays when it is done elsewhere: the log has the last word. */
	const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state(s->agent->d), s->job);

	if (s->released && now - s->released_at > RELEASED_MAX)
		end_stuck(s);
	else if (!s->stream && !s->child && !s->released && now > s->hello_by)
		hello_missed(s);
	else if (!s->stream && !s->child && r && r->state == PB__JOB_STATE__JOB_DONE)
		end_forgotten(s);
	else if (s->status && !s->released)
		repeat_report(s, r, now);
}

static bool in_use(uint64_t job, void *arg)
{
	return find(arg, job) != NULL;
}

static void on_tick(uv_timer_t *t)
{
	struct dvmd_agent *a = t->data;
	struct dvmd_share *s, *tmp;
	uint64_t now = dvmi_clock_mono();

	if (!a->d->ready)
		return;
	HASH_ITER(hh, a->shares, s, tmp)
		tick_share(s, now);
	if (a->ticks++ % STRAY_EVERY == 0)
		dvmd_child_remove_strays(a->d, in_use, a);
}

bool dvmd_agent_end_all(struct dvmd_agent *a)
{
	struct dvmd_share *s, *tmp;
	Pb__JobSignal kill = PB__JOB_SIGNAL__INIT;
	Pb__JobRef ref = PB__JOB_REF__INIT;
	struct dvmi_envelope release = { .type = DVMI_MSG_JOB_RELEASE };

	kill.end = true;
	kill.reason = (char *)"the machine is being halted";
	HASH_ITER(hh, a->shares, s, tmp)
	{
		ref.job = kill.job = s->job;
		if (s->stream && !s->released) {
			dvmi_stream_send_pb(s->stream,
					    (struct dvmi_envelope){ .type = DVMI_MSG_JOB_KILL },
					    &kill);
			dvmi_stream_send_pb(s->stream, release, &ref);
		}
		s->released = true;
		if (!s->stream && !s->child)
			share_remove(s);
	}
	return !a->shares && !a->leftovers;
}

int dvmd_agent_create(struct dvmd_agent **out, struct dvmd *d)
{
	struct dvmd_agent *a = calloc(1, sizeof *a);

	if (!a)
		return -ENOMEM;
	a->d = d;
	uv_timer_init(d->loop, &a->timer);
	uv_timer_init(d->loop, &a->sweeper);
	a->timer.data = a->sweeper.data = a;
	a->handles = 2;
	uv_timer_start(&a->timer, on_tick, TICK_MS, TICK_MS);
	*out = a;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct dvmd_agent *a = h->data;

	if (--a->handles == 0)
		free(a);
}

void dvmd_agent_destroy(struct dvmd_agent *a)
{
	struct dvmd_share *s, *tmp;
	struct leftover *l, *ltmp;

	if (!a)
		return;
	HASH_ITER(hh, a->shares, s, tmp)
		share_remove(s);
	LL_FOREACH_SAFE(a->leftovers, l, ltmp)
		free(l);
	uv_close((uv_handle_t *)&a->timer, on_closed);
	uv_close((uv_handle_t *)&a->sweeper, on_closed);
}
