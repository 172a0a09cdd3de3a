/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What has come and was not received yet. libdvm's matching is left aside: PVM lets programs match
 * by functions of their own, and handlers take messages in any call. So every message is taken as
 * soon as it shows up, into memory of its own size, and waits here in the order of arrival.
 */
#include <stdlib.h>
#include <string.h>

#include "dvm/am.h"
#include "libdvm/pvm3/state.h"
#include "libdvm/pvm3/wire.h"
#include "libdvm/src/p2p_private.h"
#include "libdvm/src/wait.h"

static const struct dvmi_match_key any = { .source = DVMI_MATCH_ANY, .tag = DVMI_MATCH_ANY };

static struct pvmi_entry *new_entry(struct pvmi_msg *m)
{
	struct pvmi_entry *e = pvmi.spare;

	if (e)
		pvmi.spare = e->next;
	else
		e = malloc(sizeof *e);
	if (!e)
		return NULL;
	e->msg = m;
	e->coming = false;
	e->next = NULL;
	e->prev = pvmi.last;
	if (pvmi.last)
		pvmi.last->next = e;
	else
		pvmi.first = e;
	pvmi.last = e;
	return e;
}

static void remove_entry(struct pvmi_entry *e)
{
	if (e->prev)
		e->prev->next = e->next;
	else
		pvmi.first = e->next;
	if (e->next)
		e->next->prev = e->prev;
	else
		pvmi.last = e->prev;
	e->next = pvmi.spare;
	pvmi.spare = e;
}

void pvmi_enqueue(struct pvmi_msg *m)
{
	if (!pvmi_output_take(m) && !new_entry(m))
		pvmi_msg_free(m);
}

void pvmi_unqueue(struct pvmi_msg *m)
{
	for (struct pvmi_entry *e = pvmi.first; e; e = e->next)
		if (e->msg == m) {
			remove_entry(e);
			return;
		}
}

/* M has come as a note of TOTAL bytes that says where its own are. */
static bool borrow(struct pvmi_msg *m, size_t total)
{
	struct pvmi_note note;

	if (total != sizeof note || !pvmi.lend)
		return false;
	memcpy(&note, m->blob->bytes, sizeof note);
	struct pvmi_blob *b = pvmi_lend_in(pvmi.lend, &note.ref);
	if (!b)
		return false;
	pvmi_blob_unref(m->blob);
	m->blob = b;
	m->len = note.ref.len;
	return true;
}

/* All bytes of E are here: what it is called is in front of them. False: it makes no sense. */
static bool arrived(struct pvmi_entry *e)
{
	struct pvmi_msg *m = e->msg;
	struct pvmi_head h;

	if (e->op.code < 0 || e->op.total < PVMI_HEAD)
		return false;
	memcpy(&h, m->blob->bytes, sizeof h);
	m->len = e->op.total - PVMI_HEAD;
	if (h.lent && !borrow(m, e->op.total))
		return false;
	if (h.direct && pvmi.route != PvmDontRoute)
		pvmi_route_add(h.src);
	m->src = h.src;
	m->ctx = h.ctx;
	m->tag = h.tag;
	m->enc = h.enc;
	m->wid = h.wid;
	m->dst = pvmi.tid;
	return true;
}

static void arrives(struct pvmi_entry *e)
{
	e->coming = !dvmi_op_done(&e->op);
	if (e->coming || arrived(e))
		return;
	pvmi_msg_free(e->msg);
	remove_entry(e);
}

/* A place for a message whose bytes, with what goes in front of them, are LEN. NULL: no memory. */
static struct pvmi_entry *entry_for(uint64_t len)
{
	struct pvmi_msg *m = pvmi_msg_new(0);

	if (m)
		m->blob = pvmi_blob_new(len > PVMI_HEAD ? len - PVMI_HEAD : 0);
	struct pvmi_entry *e = m && m->blob ? new_entry(m) : NULL;
	if (!e)
		pvmi_msg_free(m);
	return e;
}

static size_t room_of(const struct pvmi_entry *e)
{
	return PVMI_HEAD + e->msg->blob->cap;
}

/* Takes the next message there is. False: none, or no memory for it. */
static bool take_one(void)
{
	struct dvmi_p2p *p = &pvmi.d->p2p;
	struct dvmi_unexpected *u;
	uint32_t source;
	int32_t tag;
	uint64_t len;

	if (dvmi_p2p_probe(p, &any, &source, &tag, &len) != 1)
		return false;
	struct pvmi_entry *e = entry_for(len);
	if (!e)
		return false;
	const struct dvmi_mem mem = { .buf = e->msg->blob->bytes, .len = room_of(e) };
	dvmi_p2p_take(p, &any, &u);
	dvmi_p2p_mrecv(p, &e->op, u, &mem);
	arrives(e);
	pvmi.ncoming += e->coming;
	return true;
}

/* The same from one rank, past all that is in between. */
static bool take_directly(const struct dvmi_match_key *key)
{
	struct pvmi_entry *e;
	size_t len;

	if (dvmi_p2p_peek_now(&pvmi.d->p2p, key, &len) != 1 || !(e = entry_for(len)))
		return false;
	dvmi_p2p_recv_now(&pvmi.d->p2p, &e->op, key, e->msg->blob->bytes, room_of(e));
	arrives(e);
	dvmi_wait_went_direct(pvmi.d);
	return true;
}

bool pvmi_take_from(int rank)
{
	const struct dvmi_match_key key = { .source = rank, .tag = DVMI_MATCH_ANY };

	if (pvmi.ncoming || pvmi.d->threads.on || !dvmi_p2p_direct(&pvmi.d->p2p, &key))
		return false;
	uint32_t spins = dvmi_wait_spins(pvmi.d);
	for (uint32_t i = 0; i < spins; i++) {
		if (i)
			dvmi_cpu_pause();
		if (take_directly(&key))
			return true;
	}
	return false;
}

/* Long ones come in parts. */
static void look_at_coming(void)
{
	for (struct pvmi_entry *e = pvmi.first, *next; e && pvmi.ncoming; e = next) {
		next = e->next;
		if (!e->coming || !dvmi_op_done(&e->op))
			continue;
		pvmi.ncoming--;
		arrives(e);
	}
}

static void look_at_flights(void)
{
	for (struct pvmi_flight **p = &pvmi.flights, *f; (f = *p);) {
		if (!dvmi_op_done(&f->op)) {
			p = &f->next;
			continue;
		}
		*p = f->next;
		pvmi_blob_unref(f->blob);
		free(f);
	}
}

static void take_all(void)
{
	while (take_one())
		;
	if (pvmi.ncoming)
		look_at_coming();
	if (pvmi.flights)
		look_at_flights();
}

/* Ends what pvmi_watch() has begun. */
static void unwatch(void)
{
	if (pvmi.d->watch.armed)
		dvm_progress(pvmi.d, 0);
}

void pvmi_pump(void)
{
	unwatch();
	dvmi_poll(pvmi.d);
	take_all();
}

void pvmi_watch(void)
{
	int timeout;

	while (pvmi.watched && dvm_arm(pvmi.d, &timeout) > 0) {
		dvm_progress(pvmi.d, 0);
		take_all();
	}
}

void pvmi_wait(struct dvmi_wait *w)
{
	if (!pvmi.d)
		return;
	unwatch();
	dvmi_wait_round(pvmi.d, w);
	take_all();
}
