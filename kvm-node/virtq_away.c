/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/virtq_away.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* ---- life ---- */

int vmm_away_create(struct vmm_virtq *q)
{
	struct vmm_away *a = calloc(1, sizeof *a);

	if (!a)
		return -ENOMEM;
	a->borrower = VMM_AWAY_NOBODY;
	pthread_mutex_init(&a->lock, NULL);
	q->away = a;
	return 0;
}

static void free_sent(struct vmm_sent *s)
{
	free(s->p);
	free(s->in);
	free(s);
}

static void free_all(struct vmm_sent **list)
{
	struct vmm_sent *s, *next;

	DL_FOREACH_SAFE(*list, s, next)
		free_sent(s);
	*list = NULL;
}

void vmm_away_clear(struct vmm_away *a)
{
	pthread_mutex_lock(&a->lock);
	a->borrower = VMM_AWAY_NOBODY;
	vmm_parcels_clear(&a->stream);
	free_all(&a->inbox);
	a->waiting = 0;
	a->bad = false;
	pthread_mutex_unlock(&a->lock);
	free_all(&a->popped);
	a->ring_pops = a->n_staged = 0;
	dvmi_buf_free(&a->answers);
}

void vmm_away_destroy(struct vmm_virtq *q)
{
	if (!q->away)
		return;
	vmm_away_clear(q->away);
	pthread_mutex_destroy(&q->away->lock);
	free(q->away);
	q->away = NULL;
}

/* ---- whose the rings are ---- */

uint64_t vmm_loan_state(const struct vmm_virtq *q)
{
	return q->seen | (uint64_t)q->next << 16 | (uint64_t)q->signalled << 32 |
	       (q->broken ? VMM_LOAN_BROKEN : 0);
}

void vmm_loan_set_state(struct vmm_virtq *q, uint64_t state)
{
	q->seen = (uint16_t)state;
	q->next = (uint16_t)(state >> 16);
	q->signalled = (uint16_t)(state >> 32);
	q->broken |= (state & VMM_LOAN_BROKEN) != 0;
}

bool vmm_away_may_lend(const struct vmm_virtq *q)
{
	return q->away && q->ready && !q->broken && !vmm_away_lent(q) && !vmm_away_waiting(q->away) &&
	       !vmm_away_bad(q->away);
}

void vmm_away_lend(struct vmm_virtq *q, unsigned host, struct vmm_loan *l)
{
	*l = (struct vmm_loan){
		.desc = q->desc,
		.avail = q->avail,
		.used = q->used,
		.num = q->num,
		.seen = q->seen,
		.next = q->next,
		.signalled = q->signalled,
		.event_idx = q->event_idx,
		.indirect = q->indirect,
	};
	q->away->borrower = (int)host;
}

void vmm_away_return(struct vmm_virtq *q, uint64_t state)
{
	q->away->borrower = VMM_AWAY_NOBODY;
	q->away->ring_pops = 0;
	vmm_loan_set_state(q, state);
}

/* ---- what comes ---- */

static void take(void *arg, struct vmm_parcel *p)
{
	struct vmm_away *a = arg;
	struct vmm_sent *s = a->waiting < VMM_VIRTQ_MAX ? calloc(1, sizeof *s) : NULL;

	if (!s) {
		free(p);
		a->bad = true;
		return;
	}
	s->p = p;
	DL_APPEND(a->inbox, s);
	a->waiting++;
}

int vmm_away_hear(struct vmm_away *a, const void *bytes, size_t len)
{
	pthread_mutex_lock(&a->lock);
	int rc = vmm_parcels_feed(&a->stream, bytes, len, take, a);
	a->bad |= rc < 0;
	pthread_mutex_unlock(&a->lock);
	return rc;
}

void vmm_away_set_bad(struct vmm_away *a)
{
	pthread_mutex_lock(&a->lock);
	a->bad = true;
	pthread_mutex_unlock(&a->lock);
}

bool vmm_away_bad(struct vmm_away *a)
{
	pthread_mutex_lock(&a->lock);
	bool bad = a->bad;
	pthread_mutex_unlock(&a->lock);
	return bad;
}

unsigned vmm_away_waiting(struct vmm_away *a)
{
	pthread_mutex_lock(&a->lock);
	unsigned n = a->waiting;
	pthread_mutex_unlock(&a->lock);
	return n;
}

/* ---- to the device ---- */

static struct vmm_sent *next_sent(struct vmm_away *a)
{
	pthread_mutex_lock(&a->lock);
	struct vmm_sent *s = a->inbox;
	if (s) {
		DL_DELETE(a->inbox, s);
		a->waiting--;
	}
	pthread_mutex_unlock(&a->lock);
	return s;
}

/* Never bytes of ours to the guest: what the device does not write is zero. */
static int make_room(struct vmm_sent *s)
{
	for (unsigned i = 0; i < s->p->nin; i++)
		s->in_len += s->p->piece[s->p->nout + i].len;
	s->in = s->in_len ? calloc(1, s->in_len) : NULL;
	return s->in_len && !s->in ? -ENOMEM : 0;
}

static uint8_t *place(const struct vmm_virtq *q, const struct vmm_sent *s, const struct vmm_piece *piece,
		      uint64_t out_at, uint64_t in_at, bool in)
{
	if (!(s->p->flags & VMM_PARCEL_CARRIED))
		return vmm_gmem_at(q->mem, piece->gpa, piece->len);
	return in ? s->in + in_at : (uint8_t *)(uintptr_t)vmm_parcel_data(s->p) + out_at;
}

static int as_chain(const struct vmm_virtq *q, const struct vmm_sent *s, struct vmm_chain *c)
{
	const struct vmm_parcel *p = s->p;

	c->head = p->head;
	c->nout = p->nout;
	c->nin = p->nin;
	c->out_len = c->in_len = 0;
	if (c->nout + c->nin > VMM_CHAIN_MAX)
		return -EPROTO;
	for (unsigned i = 0; i < c->nout + c->nin; i++) {
		bool in = i >= c->nout;
		uint8_t *at = place(q, s, &p->piece[i], c->out_len, c->in_len, in);
		if (!at)
			return -EPROTO;
		c->iov[i] = (struct iovec){ at, p->piece[i].len };
		c->gpa[i] = p->piece[i].gpa;
		*(in ? &c->in_len : &c->out_len) += p->piece[i].len;
	}
	return 0;
}

int vmm_away_pop(struct vmm_virtq *q, struct vmm_chain *c)
{
	struct vmm_away *a = q->away;
	struct vmm_sent *s = next_sent(a);
	int rc = 0;

	if (!s)
		return 0;
	DL_APPEND(a->popped, s);
	a->ring_pops = 0;
	if ((s->p->flags & VMM_PARCEL_CARRIED) && !s->in)
		rc = make_room(s);
	if (rc == 0)
		rc = as_chain(q, s, c);
	if (rc == 0)
		return 1;
	q->broken = true;
	return -EPROTO;
}

unsigned vmm_away_unpop(struct vmm_away *a, unsigned n)
{
	unsigned from_rings = n < a->ring_pops ? n : a->ring_pops;

	a->ring_pops -= from_rings;
	a->n_staged = 0;
	pthread_mutex_lock(&a->lock);
	for (n -= from_rings; n && a->popped; n--) {
		struct vmm_sent *s = a->popped->prev; /* the last one */
		DL_DELETE(a->popped, s);
		s->staged = false;
		DL_PREPEND(a->inbox, s);
		a->waiting++;
	}
	pthread_mutex_unlock(&a->lock);
	return from_rings;
}

/* ---- from the device ---- */

/* A driver that gives one request twice has two answers. */
static struct vmm_sent *find(struct vmm_away *a, uint16_t head)
{
	struct vmm_sent *s;

	DL_FOREACH(a->popped, s)
		if (s->p->head == head && !s->staged)
			return s;
	return NULL;
}

/* Bytes [AT, AT + LEN) of what the device may write are one piece or more of an answer. */
static unsigned cut(const struct vmm_parcel *p, uint64_t at, uint64_t len, struct vmm_piece *out)
{
	unsigned n = 0;

	for (unsigned i = p->nout; i < p->nout + p->nin && len; i++) {
		uint64_t here = p->piece[i].len;
		if (at >= here) {
			at -= here;
			continue;
		}
		uint64_t some = here - at < len ? here - at : len;
		out[n++] = (struct vmm_piece){ p->piece[i].gpa + at, (uint32_t)some, 0 };
		len -= some;
		at = 0;
	}
	return n;
}

/*
 * What goes back is what was written, and the last byte, where some devices have their status whatever
 * they say of what is before it.
 */
static void put_answer(struct dvmi_buf *out, const struct vmm_sent *s, uint16_t head, uint32_t written,
		       uint8_t flags)
{
	struct vmm_piece pieces[VMM_PARCEL_PIECES];
	struct vmm_parcel p = { .head = head, .flags = flags, .written = written };
	size_t some = s && s->in_len < written ? s->in_len : written;
	size_t last = s && some < s->in_len ? 1 : 0;

	if (s && s->in) {
		p.flags |= VMM_PARCEL_CARRIED;
		p.nout = (uint16_t)cut(s->p, 0, some, pieces);
		p.nout = (uint16_t)(p.nout + cut(s->p, s->in_len - last, last, pieces + p.nout));
	} else {
		some = last = 0;
	}
	p.bytes = (uint32_t)(sizeof p + p.nout * sizeof *pieces + some + last);
	dvmi_buf_put(out, &p, sizeof p);
	dvmi_buf_put(out, pieces, p.nout * sizeof *pieces);
	if (s && s->in) {
		dvmi_buf_put(out, s->in, some);
		dvmi_buf_put(out, s->in + s->in_len - last, last);
	}
}

/* The rings are ours by now, and the bytes are not where the guest looks for them. */
static void deliver(struct vmm_virtq *q, const struct vmm_sent *s, uint32_t written)
{
	struct dvmi_buf b = { 0 };

	if (!s || !s->in)
		return;
	put_answer(&b, s, s->p->head, written, 0);
	if (b.err)
		q->broken = true;
	else
		vmm_parcel_deliver((const struct vmm_parcel *)(const void *)b.data, q->mem);
	dvmi_buf_free(&b);
}

bool vmm_away_fill(struct vmm_virtq *q, unsigned i, uint16_t head, uint32_t written)
{
	struct vmm_away *a = q->away;
	struct vmm_sent *s = find(a, head);

	if (i >= VMM_AWAY_STAGED) {
		q->broken = true;
		return true;
	}
	if (s)
		s->staged = true;
	a->staged[i].sent = s;
	a->staged[i].head = head;
	a->staged[i].written = written;
	a->n_staged = i + 1;
	return vmm_away_lent(q);
}

/* Until now the device may have written to what it has filled: a card counts buffers last. */
bool vmm_away_publish(struct vmm_virtq *q, unsigned n)
{
	struct vmm_away *a = q->away;
	bool lent = vmm_away_lent(q);

	for (unsigned i = 0; i < n && i < a->n_staged; i++) {
		struct vmm_sent *s = a->staged[i].sent;
		if (lent)
			put_answer(&a->answers, s, a->staged[i].head, a->staged[i].written,
				   i + 1 < n ? VMM_PARCEL_MORE : 0);
		else
			deliver(q, s, a->staged[i].written);
		if (!s)
			continue;
		DL_DELETE(a->popped, s);
		free_sent(s);
	}
	a->n_staged = 0;
	q->broken |= a->answers.err != 0;
	return lent;
}
