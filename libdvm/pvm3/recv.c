/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receiving: the oldest message that is wanted. One that is still coming in parts must not be
 * overtaken by a later one of the same task.
 */
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/clock.h"
#include "libdvm/pvm3/code.h"
#include "libdvm/pvm3/trace.h"
#include "libdvm/src/wait.h"

/* What is wanted; -1: any. */
struct want {
	int tid, tag, ctx;
	bool by_function; /* the program's own says */
};

static int number(struct pvmi_msg *m)
{
	return m->mid ? m->mid : pvmi_mids_add(&pvmi.mids, m);
}

static bool fits(const struct want *w, const struct pvmi_msg *m)
{
	return m->ctx == w->ctx && (w->tid == -1 || w->tid == m->src) &&
	       (w->tag == -1 || w->tag == m->tag);
}

/* Whether something of the same task is still coming in front of E. */
static bool overtakes(const struct pvmi_entry *e)
{
	if (!pvmi.ncoming)
		return false;
	for (const struct pvmi_entry *x = pvmi.first; x != e; x = x->next)
		if (x->coming && x->op.recv.key.source == e->op.recv.key.source)
			return true;
	return false;
}

static struct pvmi_msg *first_fit(const struct want *w)
{
	for (struct pvmi_entry *e = pvmi.first; e; e = e->next)
		if (!e->coming && fits(w, e->msg) && !overtakes(e))
			return e->msg;
	return NULL;
}

/*
 * The one the program likes best: 1 is taken at once, else the greatest number above 0. *RC: what it
 * says below 0, which ends the call.
 */
static struct pvmi_msg *best_fit(const struct want *w, int *rc)
{
	struct pvmi_msg *best = NULL;
	int most = 0;

	for (struct pvmi_entry *e = pvmi.first, *next; e; e = next) {
		next = e->next;
		if (e->coming || e->msg->ctx < 0 || overtakes(e) || number(e->msg) < 0)
			continue;
		int likes = pvmi.match(e->msg->mid, w->tid, w->tag);
		if (likes < 0) {
			*rc = likes;
			return NULL;
		}
		if (likes > most) {
			best = e->msg;
			most = likes;
		}
		if (likes == 1)
			break;
	}
	return best;
}

/* The message that is wanted, if it is here; NULL: not, or *RC says why not. */
static struct pvmi_msg *find(const struct want *w, int *rc)
{
	if (pvmi.nhandlers)
		pvmi_handle();
	return w->by_function && pvmi.match ? best_fit(w, rc) : first_fit(w);
}

/* The task whose messages alone are waited for, if it has a rank; or -1. */
static int only_rank(const struct want *w)
{
	if (w->tid == -1 || (w->by_function && pvmi.match) || pvmi.nhandlers)
		return -1;
	return pvmi_rank_if_known(w->tid);
}

/* Waits for it until END (ns; 0: for ever). NULL: it has not come; *RC: or why it cannot. */
static struct pvmi_msg *wait_for(const struct want *want, uint64_t end, int *rc)
{
	struct dvmi_wait w = { .until = end };
	const int rank = only_rank(want);
	struct pvmi_msg *m = NULL;

	if (rank < 0 || !((m = find(want, rc)) || pvmi_take_from(rank)))
		pvmi_pump();
	while (!m && !(m = find(want, rc))) {
		if (*rc < 0)
			return NULL;
		if (pvmi.d->broken || pvmi.fd < 0) {
			*rc = PvmSysErr;
			return NULL;
		}
		if (end && dvmi_clock_mono() >= end)
			return NULL;
		pvmi_wait(&w);
	}
	return m;
}

/* M becomes what is unpacked from. Its number. */
static int receive(struct pvmi_msg *m)
{
	int mid = number(m);

	if (mid < 0)
		return mid;
	pvmi_unqueue(m);
	if (pvmi.rbuf != m)
		pvmi_drop(pvmi.rbuf);
	pvmi.rbuf = m;
	m->mode = PVMI_FRESH;
	return mid;
}

int pvmi_receive(int tid, int tag, int ctx)
{
	const struct want w = { .tid = tid, .tag = tag, .ctx = ctx };
	int rc = 0;
	struct pvmi_msg *m = wait_for(&w, 0, &rc);

	return m ? receive(m) : rc;
}

static struct want wanted(int tid, int tag)
{
	return (struct want){ .tid = tid, .tag = tag, .ctx = pvmi.ctx, .by_function = true };
}

static void begins(int event, const struct want *w)
{
	PVMI_BEGINS(event, PVMI_INT(RST, w->tid), PVMI_INT(RMC, w->tag), PVMI_INT(RCX, w->ctx));
}

/* M is received; or why there is none. */
static int ends(int event, struct pvmi_msg *m, int rc)
{
	rc = m ? receive(m) : rc;
	if (pvmi_traced(event))
		pvmi_trace_received(event, rc > 0 ? m : NULL);
	return rc;
}

int pvm_recv(int tid, int tag)
{
	int rc = pvmi_enrol();

	if (rc < 0)
		return pvmi_result("pvm_recv", rc);
	const struct want w = wanted(tid, tag);
	begins(TEV_RECV, &w);
	struct pvmi_msg *m = wait_for(&w, 0, &rc);
	return pvmi_result("pvm_recv", ends(TEV_RECV, m, rc));
}

/* The message that is wanted if it is here. What comes while the descriptor is watched counts. */
static struct pvmi_msg *look(const struct want *w, int *rc)
{
	pvmi_pump();
	struct pvmi_msg *m = find(w, rc);
	if (!m && *rc == 0 && pvmi.watched) {
		pvmi_watch();
		m = find(w, rc);
	}
	if (!m && *rc == 0 && pvmi.fd < 0)
		*rc = PvmSysErr;
	return m;
}

int pvm_nrecv(int tid, int tag)
{
	int rc = pvmi_enrol();

	if (rc < 0)
		return pvmi_result("pvm_nrecv", rc);
	pvmi_drop(pvmi.rbuf); /* also where nothing comes */
	const struct want w = wanted(tid, tag);
	begins(TEV_NRECV, &w);
	struct pvmi_msg *m = look(&w, &rc);
	return pvmi_result("pvm_nrecv", ends(TEV_NRECV, m, rc));
}

/* When MOST is over; a time that makes no sense is over. */
static uint64_t end_of(const struct timeval *most)
{
	uint64_t now = dvmi_clock_mono();

	if (!most)
		return 0;
	if (most->tv_sec < 0 || most->tv_usec < 0)
		return now;
	if (most->tv_sec > 1000000000)
		return 0;
	return now + (uint64_t)most->tv_sec * DVMI_SEC + (uint64_t)most->tv_usec * DVMI_USEC;
}

int pvm_trecv(int tid, int tag, struct timeval *most)
{
	int rc = pvmi_enrol();

	if (rc < 0)
		return pvmi_result("pvm_trecv", rc);
	pvmi_drop(pvmi.rbuf); /* also where nothing comes */
	const struct want w = wanted(tid, tag);
	PVMI_BEGINS(TEV_TRECV, PVMI_INT(RST, tid), PVMI_INT(RMC, tag), PVMI_INT(RCX, pvmi.ctx),
		    PVMI_INT(MTS, most ? (int)most->tv_sec : -1),
		    PVMI_INT(MTU, most ? (int)most->tv_usec : -1));
	struct pvmi_msg *m = wait_for(&w, end_of(most), &rc);
	return pvmi_result("pvm_trecv", ends(TEV_TRECV, m, rc));
}

/* The message stays where it is, and keeps its number. */
int pvm_probe(int tid, int tag)
{
	int rc = pvmi_enrol();

	if (rc < 0)
		return pvmi_result("pvm_probe", rc);
	const struct want w = wanted(tid, tag);
	begins(TEV_PROBE, &w);
	struct pvmi_msg *m = look(&w, &rc);
	return pvmi_result("pvm_probe", pvmi_ends(TEV_PROBE, m ? number(m) : rc));
}

/* What fits of M into DATA. */
static int take_data(struct pvmi_msg *m, void *data, int count, int type)
{
	size_t each = pvmi_type_size(type), have;

	pvmi_msg_unpacking(m);
	if (m->enc == PVMI_ENC_XDR)
		return pvmi_unpack(m, type, data, count, 1);
	have = m->len / each;
	return pvmi_unpack(m, type, data, (size_t)count < have ? count : (int)have, 1);
}

static int precv(int tid, int tag, void *data, int count, int type, int *rtid, int *rtag,
		 int *rcount)
{
	const struct want w = wanted(tid, tag);
	int rc = 0;

	if (!pvmi_type_size(type))
		return type == PVM_STR ? PvmNotImpl : PvmBadParam;
	PVMI_BEGINS(TEV_PRECV, PVMI_INT(RST, tid), PVMI_INT(RMC, tag), PVMI_INT(RCX, pvmi.ctx),
		    PVMI_ADDRESS(PDA, data), PVMI_INT(PC, count), PVMI_INT(PDT, type));
	struct pvmi_msg *m = wait_for(&w, 0, &rc);
	if (!m)
		return rc;
	PVMI_ENDS(TEV_PRECV, PVMI_INT(CC, 0), PVMI_INT(MNB, (int)m->len), PVMI_INT(MC, m->tag),
		  PVMI_INT(MCX, m->ctx), PVMI_INT(SRC, m->src));
	if (rtid)
		*rtid = m->src;
	if (rtag)
		*rtag = m->tag;
	if (rcount)
		*rcount = (int)m->len;
	rc = take_data(m, data, count < 0 ? 0 : count, type);
	pvmi_drop(m);
	return rc == PvmNoData ? 0 : rc;
}

int pvm_precv(int tid, int tag, void *data, int count, int type, int *rtid, int *rtag, int *rcount)
{
	int rc = pvmi_enrol();

	if (rc == 0)
		rc = precv(tid, tag, data, count, type, rtid, rtag, rcount);
	return pvmi_result("pvm_precv", rc);
}

/* What a program gets that asks for the function in use where none is its own. */
static int match_default(int buffer, int tid, int tag)
{
	const struct pvmi_msg *m = pvmi_mids_get(&pvmi.mids, buffer);
	const struct want w = { .tid = tid, .tag = tag, .ctx = pvmi.ctx };

	return m ? fits(&w, m) : PvmNoSuchBuf;
}

int (*pvm_recvf(int (*match)(int buffer, int tid, int tag)))(int buffer, int tid, int tag)
{
	int (*before)(int, int, int) = pvmi.match ? pvmi.match : match_default;

	pvmi.match = match == match_default ? NULL : match;
	return before;
}
