/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/clog.h"
#include "daemon/live.h"
#include "daemon/replica.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define FETCH_ENTRIES 1024	   /* in one answer */
#define FETCH_BYTES   (4u << 20)
#define FETCH_TIMEOUT (5 * DVMI_SEC)

struct dvmd_replica {
	struct dvmd *d;
	struct dvmd_clog *log;
	struct dvmd_cstate *state;
	uv_prepare_t flush;   /* pushes once a turn what the turn has appended */
	uint64_t pushed;      /* last index told to the others */
	bool fetching, holding;
};

const struct dvmd_cstate *dvmd_replica_state(const struct dvmd_replica *r)
{
	return r->state;
}

/* ---- writing ---- */

static void compact_if_due(struct dvmd_replica *r)
{
	dvm_error_t err = { 0 };

	if (!dvmd_clog_is_long(r->log))
		return;
	/* A failure costs space, not safety: the long log is still whole. */
	if (dvmd_clog_compact(r->log, r->state, &err) < 0)
		dvmi_log(&r->d->log, "state", LOG_WARNING, "%s", err.text);
}

static int append(struct dvmd_replica *r, uint64_t index, const void *p, size_t len,
		  const Pb__Command *cmd, dvm_error_t *err)
{
	int rc = dvmd_clog_append(r->log, index, p, len, err);

	if (rc == 0 && (rc = dvmd_cstate_apply(r->state, index, cmd)) < 0)
		dvmi_error_code(err, rc, "applying entry %llu", (unsigned long long)index);
	if (rc < 0)
		return rc;
	r->d->log.view = index;
	dvmd_applied(r->d, cmd);
	if (!r->holding)
		compact_if_due(r);
	return 0;
}

/* What is on the disk counts. */
static void go_back(struct dvmd_replica *r)
{
	struct dvmd_cstate *fresh = NULL, *old = r->state;
	dvm_error_t err = { 0 };

	if (dvmd_clog_reload(r->log, &fresh, &err) < 0) {
		dvmi_log(&r->d->log, "state", LOG_ERR, "%s", err.text);
		return;
	}
	r->state = fresh;
	r->d->log.view = dvmd_cstate_index(fresh);
	dvmd_resync(r->d, old);
	dvmd_cstate_destroy(old);
}

void dvmd_replica_hold(struct dvmd_replica *r)
{
	r->holding = true;
	dvmd_clog_hold(r->log);
}

int dvmd_replica_release(struct dvmd_replica *r, dvm_error_t *err)
{
	r->holding = false;
	int rc = dvmd_clog_release(r->log, err);
	if (rc == 0 && dvmd_clog_last(r->log) != dvmd_cstate_index(r->state))
		rc = dvmi_error_set(err, -EIO, "some entries could not be written");
	if (rc < 0)
		go_back(r);
	else
		compact_if_due(r);
	return rc;
}

int dvmd_replica_propose(struct dvmd_replica *r, Pb__Command *cmd, dvm_error_t *err)
{
	struct dvmi_buf b = { 0 };

	cmd->wall = dvmd_steady_now(&r->d->clock);
	int rc = dvmd_cstate_check(r->state, cmd, err);
	if (rc < 0)
		return rc;
	dvmi_pb_pack(&b, cmd);
	rc = b.err ? dvmi_error_code(err, b.err, "state") :
		     append(r, dvmd_cstate_index(r->state) + 1, b.data, b.len, cmd, err);
	dvmi_buf_free(&b);
	return rc;
}

/* ---- telling the others ---- */

static int push_to(const Pb__Member *m, void *arg)
{
	struct {
		struct dvmd *d;
		struct dvmi_buf *b;
	} *push = arg;

	if (m->id != push->d->self && m->state == PB__MEMBER_STATE__MEMBER_UP)
		dvmd_transport_send(push->d->wire, m->id, DVMI_MSG_STATE_PUSH, push->b->data,
				    push->b->len);
	return 0;
}

/* The entries from FROM on, as many as fit one message; their storage is the caller's. */
static size_t gather(const struct dvmd_replica *r, uint64_t from, Pb__Entry *entries,
		     Pb__Entry **list, size_t max)
{
	size_t n = 0, bytes = 0, len;

	while (n < max && bytes < FETCH_BYTES) {
		const void *p = dvmd_clog_get(r->log, from + n, &len);
		if (!p)
			break;
		pb__entry__init(&entries[n]);
		entries[n].index = from + n;
		entries[n].command = (ProtobufCBinaryData){ .len = len, .data = (uint8_t *)p };
		list[n] = &entries[n];
		bytes += len;
		n++;
	}
	return n;
}

static size_t pack_entries(const struct dvmd_replica *r, uint64_t from, struct dvmi_buf *b)
{
	Pb__Entry *entries = calloc(FETCH_ENTRIES, sizeof *entries);
	Pb__Entry **list = calloc(FETCH_ENTRIES, sizeof *list);
	Pb__StateEntries msg = PB__STATE_ENTRIES__INIT;
	size_t n = entries && list ? gather(r, from, entries, list, FETCH_ENTRIES) : 0;

	msg.leader = r->d->self;
	msg.entries = list;
	msg.n_entries = n;
	if (n)
		dvmi_pb_pack(b, &msg);
	free(entries);
	free(list);
	return n;
}

static void on_flush(uv_prepare_t *h)
{
	struct dvmd_replica *r = h->data;
	struct dvmi_buf b = { 0 };
	struct {
		struct dvmd *d;
		struct dvmi_buf *b;
	} push = { r->d, &b };

	if (!dvmd_leads(r->d) || r->pushed >= dvmd_cstate_index(r->state))
		return;
	size_t n = pack_entries(r, r->pushed + 1, &b);
	if (n && !b.err)
		dvmd_cstate_each_member(r->state, push_to, &push);
	/* What compaction has taken away meanwhile, the others fetch as a snapshot. */
	r->pushed = n ? r->pushed + n : dvmd_cstate_index(r->state);
	dvmi_buf_free(&b);
	dvmd_live_applied(r->d->live, dvmd_cstate_index(r->state));
}

void dvmd_replica_fetched(struct dvmd_replica *r, const uint8_t *body, size_t len,
			  struct dvmd_reply_to reply)
{
	cleanup_pb Pb__StateFetch *f = NULL;
	cleanup_pb Pb__StateSnapshot *snap = NULL;
	struct dvmi_buf b = { 0 };

	if (dvmi_pb_unpack(&pb__state_fetch__descriptor, body, len, &f) < 0) {
		dvmd_transport_reply_error(r->d->wire, reply, -DVM_EPROTO, "malformed fetch");
	} else if (pack_entries(r, f->from, &b)) {
		dvmd_transport_reply(r->d->wire, reply, DVMI_MSG_STATE_FETCH, b.data, b.len);
	} else if (f->from > dvmd_cstate_index(r->state)) {
		dvmd_transport_reply(r->d->wire, reply, DVMI_MSG_OK, NULL, 0);
	} else if (dvmd_cstate_snapshot(r->state, &snap) == 0) {
		dvmi_pb_pack(&b, snap);
		dvmd_transport_reply(r->d->wire, reply, DVMI_MSG_STATE_SNAPSHOT, b.data, b.len);
	} else {
		dvmd_transport_reply_error(r->d->wire, reply, -ENOMEM, "out of memory");
	}
	dvmi_buf_free(&b);
}

/* ---- following ---- */

static int apply_entry(struct dvmd_replica *r, const Pb__Entry *e)
{
	cleanup_pb Pb__Command *cmd = NULL;
	dvm_error_t err = { 0 };

	if (e->index <= dvmd_cstate_index(r->state))
		return 0;
	if (e->index != dvmd_cstate_index(r->state) + 1)
		return -EAGAIN; /* a gap */
	if (dvmi_pb_unpack(&pb__command__descriptor, e->command.data, e->command.len, &cmd) < 0) {
		dvmi_log(&r->d->log, "state", LOG_ERR, "entry %llu is malformed",
			 (unsigned long long)e->index);
		return -DVM_EPROTO;
	}
	int rc = append(r, e->index, e->command.data, e->command.len, cmd, &err);
	if (rc < 0)
		dvmi_log(&r->d->log, "state", LOG_ERR, "%s", err.text);
	return rc;
}

static int apply_entries(struct dvmd_replica *r, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__StateEntries *msg = NULL;
	int rc = dvmi_pb_unpack(&pb__state_entries__descriptor, body, len, &msg);
	dvm_error_t err = { 0 };

	dvmd_replica_hold(r);
	for (size_t i = 0; rc == 0 && i < msg->n_entries; i++)
		rc = apply_entry(r, msg->entries[i]);
	if (dvmd_replica_release(r, &err) < 0)
		dvmi_log(&r->d->log, "state", LOG_ERR, "%s", err.text);
	dvmd_live_applied(r->d->live, dvmd_cstate_index(r->state));
	if (rc == -EAGAIN && msg->n_entries)
		dvmd_replica_catch_up(r, msg->entries[msg->n_entries - 1]->index);
	return rc;
}

void dvmd_replica_pushed(struct dvmd_replica *r, const uint8_t *body, size_t len)
{
	if (r->d->ready)
		apply_entries(r, body, len);
}

static void on_fetch_answer(int code, const char *text, uint16_t type, const uint8_t *body,
			    size_t len, void *arg)
{
	struct dvmd_replica *r = arg;
	cleanup_pb Pb__StateSnapshot *snap = NULL;
	dvm_error_t err = { 0 };

	r->fetching = false;
	if (code < 0)
		return; /* the next message of the leader tells that we are behind, again */
	if (type == DVMI_MSG_STATE_FETCH)
		apply_entries(r, body, len);
	else if (type == DVMI_MSG_STATE_SNAPSHOT &&
		 dvmi_pb_unpack(&pb__state_snapshot__descriptor, body, len, &snap) == 0 &&
		 dvmd_replica_install(r, snap, &err) < 0)
		dvmi_log(&r->d->log, "state", LOG_ERR, "%s", err.text);
}

void dvmd_replica_catch_up(struct dvmd_replica *r, uint64_t index)
{
	Pb__StateFetch f = PB__STATE_FETCH__INIT;
	struct dvmi_buf b = { 0 };

	if (r->fetching || dvmd_leads(r->d) || index <= dvmd_cstate_index(r->state))
		return;
	f.from = dvmd_cstate_index(r->state) + 1;
	dvmi_pb_pack(&b, &f);
	r->fetching = !b.err && dvmd_transport_request(r->d->wire, DVMD_LEADER,
						       DVMI_MSG_STATE_FETCH, b.data, b.len,
						       FETCH_TIMEOUT, on_fetch_answer, r) == 0;
	dvmi_buf_free(&b);
}

int dvmd_replica_install(struct dvmd_replica *r, const Pb__StateSnapshot *snap, dvm_error_t *err)
{
	struct dvmd_cstate *fresh = NULL, *old = r->state;
	int rc = dvmd_cstate_restore(&fresh, snap, err);

	if (rc == 0)
		rc = dvmd_clog_compact(r->log, fresh, err);
	if (rc < 0) {
		dvmd_cstate_destroy(fresh);
		return rc;
	}
	r->state = fresh;
	r->d->log.view = dvmd_cstate_index(fresh);
	dvmd_resync(r->d, old);
	dvmd_cstate_destroy(old);
	return 0;
}

static int reopen(struct dvmd_replica *r, dvm_error_t *err)
{
	struct dvmd_cstate *fresh = NULL;

	dvmd_replica_forget(r);
	int rc = dvmd_clog_open(&r->log, r->d->setup.state_dir, &fresh, err);
	if (rc < 0)
		return rc;
	dvmd_cstate_destroy(r->state);
	r->state = fresh;
	return 0;
}

int dvmd_replica_begin(struct dvmd_replica *r, const Pb__StateSnapshot *snap, dvm_error_t *err)
{
	int rc = dvmd_cstate_index(r->state) ? reopen(r, err) : 0;

	return rc < 0 ? rc : dvmd_replica_install(r, snap, err);
}

void dvmd_replica_forget(struct dvmd_replica *r)
{
	char path[PATH_MAX];

	dvmd_clog_close(r->log);
	r->log = NULL;
	snprintf(path, sizeof path, "%s/log", r->d->setup.state_dir);
	unlink(path);
}

/* ---- life ---- */

int dvmd_replica_create(struct dvmd_replica **out, struct dvmd *d, dvm_error_t *err)
{
	struct dvmd_replica *r = calloc(1, sizeof *r);

	if (!r)
		return dvmi_error_code(err, -ENOMEM, "state");
	r->d = d;
	int rc = dvmd_clog_open(&r->log, d->setup.state_dir, &r->state, err);
	if (rc < 0) {
		free(r);
		return rc;
	}
	r->pushed = dvmd_cstate_index(r->state);
	d->log.view = r->pushed;
	uv_prepare_init(d->loop, &r->flush);
	r->flush.data = r;
	uv_prepare_start(&r->flush, on_flush);
	*out = r;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

void dvmd_replica_destroy(struct dvmd_replica *r)
{
	if (!r)
		return;
	dvmd_clog_close(r->log);
	dvmd_cstate_destroy(r->state);
	uv_close((uv_handle_t *)&r->flush, on_closed);
}
