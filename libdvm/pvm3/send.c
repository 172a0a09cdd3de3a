/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sending. It never waits for the receiver: what does not go at once is in flight, with a reference
 * to its bytes, and whoever writes to the buffer meanwhile writes to a copy.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/pvm3/code.h"
#include "libdvm/pvm3/trace.h"
#include "libdvm/pvm3/wire.h"

bool pvmi_sending(void)
{
	return pvmi.flights != NULL;
}

/* BLOB with H in front of its bytes: itself, or a copy where a flight has another head. */
static struct pvmi_blob *with_head(struct pvmi_blob *b, const struct pvmi_head *h, size_t len)
{
	if (pvmi_lend_theirs(b) || (b->refs > 2 && memcmp(b->bytes, h, sizeof *h) != 0)) {
		struct pvmi_blob *copy = pvmi_blob_new(len);
		if (!copy)
			return NULL;
		memcpy(copy->bytes + PVMI_HEAD, pvmi_blob_data(b), len);
		b = copy;
	} else {
		pvmi_blob_ref(b);
	}
	memcpy(b->bytes, h, sizeof *h);
	return b;
}

/* Takes the reference to BLOB. */
static int fly(int rank, struct pvmi_blob *b, size_t len)
{
	struct pvmi_flight *f = malloc(sizeof *f);

	if (!f) {
		pvmi_blob_unref(b);
		return PvmNoMem;
	}
	f->blob = b;
	f->next = pvmi.flights;
	pvmi.flights = f;
	dvmi_p2p_send(&pvmi.d->p2p, &f->op, (uint32_t)rank, 0, 0, b->bytes, PVMI_HEAD + len);
	return 0;
}

/* A task of this node, that has the memory which its tasks share. */
static bool shares(int rank)
{
	return pvmi.lend && pvmi.d->map.node_of[rank] == pvmi.d->env.node;
}

/* Tells RANK where the bytes are. */
static int send_note(int rank, struct pvmi_blob *b, const struct pvmi_note *note)
{
	int rc = dvmi_p2p_send_now(&pvmi.d->p2p, (uint32_t)rank, 0, 0, note, sizeof *note);

	if (rc == -EAGAIN) {
		struct pvmi_blob *copy = pvmi_blob_new(sizeof note->ref);
		if (!copy) {
			pvmi_lend_undo(b, &note->ref);
			return PvmNoMem;
		}
		memcpy(copy->bytes, note, sizeof *note);
		return fly(rank, copy, sizeof note->ref);
	}
	if (rc < 0)
		pvmi_lend_undo(b, &note->ref);
	return 0;
}

static int send_to_self(const struct pvmi_msg *as, struct pvmi_blob *b, size_t len)
{
	struct pvmi_msg *m = pvmi_msg_new(as->enc);

	if (!m)
		return PvmNoMem;
	m->src = m->dst = pvmi.tid;
	m->tag = as->tag;
	m->ctx = as->ctx;
	m->wid = as->wid;
	m->blob = pvmi_blob_ref(b);
	m->len = len;
	pvmi_enqueue(m);
	return 0;
}

static int send_to_service(int tid, const struct pvmi_msg *as, struct pvmi_blob *b, size_t len)
{
	struct dvmi_buf args = { 0 };

	dvmi_buf_put_u32(&args, (uint32_t)tid);
	dvmi_buf_put_u32(&args, (uint32_t)as->tag);
	dvmi_buf_put_u32(&args, (uint32_t)as->ctx);
	dvmi_buf_put_u32(&args, (uint32_t)as->enc);
	dvmi_buf_put_blob(&args, pvmi_blob_data(b), (uint32_t)len);
	dvmi_buf_put_u32(&args, (uint32_t)as->wid);
	int rc = pvmi_frame_send(PVMI_POST, 0, &args);
	dvmi_buf_free(&args);
	return rc;
}

int pvmi_send_blob(int tid, const struct pvmi_msg *as, struct pvmi_blob *blob, size_t len)
{
	const struct pvmi_head h = {
		.src = pvmi.tid, .ctx = as->ctx, .tag = as->tag, .enc = as->enc, .wid = as->wid,
		.direct = pvmi.route == PvmRouteDirect,
	};

	if (tid == pvmi.tid)
		return send_to_self(as, blob, len);
	if ((unsigned)tid & PVMI_TIDPVMD)
		return send_to_service(tid, as, blob, len);
	int rank = pvmi_rank_of(tid);
	if (rank < 0)
		return rank == PvmNoTask ? 0 : rank;
	if (h.direct)
		pvmi_route_add(tid);
	struct pvmi_note note = { .head = h };
	if (shares(rank) && pvmi_lend_out(blob, (uint32_t)rank, len, &note.ref) == 0) {
		note.head.lent = 1;
		return send_note(rank, blob, &note);
	}
	struct pvmi_blob *b = with_head(blob, &h, len);
	if (!b)
		return PvmNoMem;
	int rc = dvmi_p2p_send_now(&pvmi.d->p2p, (uint32_t)rank, 0, 0, b->bytes, PVMI_HEAD + len);
	if (rc == -EAGAIN)
		return fly(rank, b, len);
	pvmi_blob_unref(b);
	return 0; /* to whoever has ended a message may be sent, too */
}

/* Who can be sent to: a task of some host; or a daemon, by who has said that it knows. */
static bool is_task(int tid)
{
	unsigned t = (unsigned)tid;

	if (t & TIDPVMD)
		return pvmi.resv_tids && !(t & (TIDGID | TIDLOCAL));
	return pvmi_is_task(tid);
}

/* Negative ones are the system's, unless a program has said that it knows. */
static bool bad_tag(int tag)
{
	return tag < 0 && !pvmi.resv_tids;
}

/* The current send buffer as it is called while it is sent with TAG in CTX. */
static struct pvmi_msg sent_as(int tag, int ctx)
{
	struct pvmi_msg as = *pvmi.sbuf;

	as.tag = tag;
	as.ctx = ctx;
	as.enc = as.enc == PVMI_ENC_PLACE ? PVMI_ENC_RAW : as.enc;
	return as;
}

int pvmi_send_current(const int *tids, int n, int tag, int ctx)
{
	size_t len;
	int rc = 0;

	if (!pvmi.sbuf)
		return PvmNoBuf;
	struct pvmi_msg as = sent_as(tag, ctx);
	struct pvmi_blob *b = pvmi_msg_bytes(pvmi.sbuf, &len);
	if (!b)
		return PvmNoMem;
	for (int i = 0; i < n && rc == 0; i++)
		rc = pvmi_send_blob(tids[i], &as, b, len);
	pvmi_blob_unref(b);
	pvmi.sbuf->tag = tag;
	pvmi.sbuf->ctx = ctx;
	if (n)
		pvmi.sbuf->dst = tids[n - 1];
	if (pvmi.nhandlers) {
		pvmi_pump();
		pvmi_handle();
	}
	return rc;
}

static int send(int tid, int tag)
{
	int rc = pvmi_enrol();

	if (rc < 0)
		return rc;
	if (bad_tag(tag) || !is_task(tid))
		return PvmBadParam;
	if (!pvmi.sbuf)
		return PvmNoBuf;
	PVMI_BEGINS(TEV_SEND, PVMI_INT(MNB, (int)pvmi.sbuf->len), PVMI_INT(DST, tid),
		    PVMI_INT(MC, tag), PVMI_INT(MCX, pvmi.ctx));
	return pvmi_ends(TEV_SEND, pvmi_send_current(&tid, 1, tag, pvmi.ctx));
}

int pvm_send(int tid, int tag)
{
	return pvmi_result("pvm_send", send(tid, tag));
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* Each once, and not ourselves. */
static int mcast(const int *tids, int n, int tag)
{
	int count = 0, rc = 0;

	for (int i = 0; i < n; i++)
		if (!is_task(tids[i]))
			return PvmBadParam;
	if (!pvmi.sbuf)
		return PvmNoBuf;
	PVMI_BEGINS(TEV_MCAST, PVMI_INT(MNB, (int)pvmi.sbuf->len), PVMI_INT(MC, tag),
		    PVMI_INT(MCX, pvmi.ctx), PVMI_INTS(MDL, tids, n));
	int *to = malloc(((size_t)n + 1) * sizeof *to);
	if (!to)
		return PvmNoMem;
	if (n)
		memcpy(to, tids, (size_t)n * sizeof *to);
	qsort(to, (size_t)n, sizeof *to, by_number);
	for (int i = 0; i < n; i++)
		if (to[i] != pvmi.tid && (!count || to[count - 1] != to[i]))
			to[count++] = to[i];
	rc = pvmi_send_current(to, count, tag, pvmi.ctx);
	free(to);
	return pvmi_ends(TEV_MCAST, rc);
}

int pvm_mcast(int *tids, int count, int tag)
{
	int rc = pvmi_enrol();

	if (rc == 0)
		rc = count < 0 || (count && !tids) || bad_tag(tag) ? PvmBadParam :
								     mcast(tids, count, tag);
	return pvmi_result("pvm_mcast", rc);
}

/* What is sent in one go is as it lies in memory. */
static int psend(int tid, int tag, const void *data, int count, int type)
{
	struct pvmi_msg m = { .enc = PVMI_ENC_RAW, .tag = tag, .ctx = pvmi.ctx, .mode = PVMI_PACKED };
	size_t len;

	if (bad_tag(tag) || !is_task(tid))
		return PvmBadParam;
	PVMI_BEGINS(TEV_PSEND, PVMI_INT(DST, tid), PVMI_INT(MC, tag), PVMI_INT(MCX, pvmi.ctx),
		    PVMI_ADDRESS(PDA, data), PVMI_INT(PC, count), PVMI_INT(PDT, type));
	int rc = pvmi_pack(&m, type, data, count < 0 ? 0 : count, 1);
	struct pvmi_blob *b = rc == 0 ? pvmi_msg_bytes(&m, &len) : NULL;
	if (rc == 0)
		rc = b ? pvmi_send_blob(tid, &m, b, len) : PvmNoMem;
	pvmi_blob_unref(b);
	pvmi_blob_unref(m.blob);
	return pvmi_ends(TEV_PSEND, rc);
}

int pvm_psend(int tid, int tag, void *data, int count, int type)
{
	int rc = type == PVM_STR ? PvmNotImpl : pvmi_enrol();

	return pvmi_result("pvm_psend", rc < 0 ? rc : psend(tid, tag, data, count, type));
}
