/* SPDX-License-Identifier: BSD-3-Clause */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/src/agree.h"

#define NOBODY UINT32_MAX

enum kind {
	REPORT = 1,  /* to the coordinator: what I give, or the proposal I have accepted */
	PROPOSE = 2, /* from it: accept this */
	ACCEPT = 3,
	DECIDE = 4, /* the result */
	ASK = 5,    /* from a new coordinator: who has the result already? */
};

/* Little-endian; those with a value have its words behind. */
struct head {
	uint32_t kind, seq, round, unused;
};

static size_t value_size(const struct dvmi_agree *a)
{
	return (1 + 2 * (size_t)a->words) * sizeof(uint64_t);
}

/* A value as what it is: words. */
static uint64_t *words_of(const struct dvmi_agree_value *v)
{
	return (uint64_t *)(uintptr_t)v;
}

static bool has_value(uint32_t kind)
{
	return kind == REPORT || kind == PROPOSE || kind == DECIDE;
}

static void *cut(uint8_t **at, size_t n)
{
	void *p = *at;

	*at += n;
	return p;
}

int dvmi_agree_init(struct dvmi_agree *a, uint32_t n, uint32_t self,
		    void (*send)(void *arg, uint32_t to, const void *msg, size_t len), void *arg)
{
	*a = (struct dvmi_agree){ .n = n, .self = self, .words = DVMI_AGREE_WORDS(n) };
	a->send = send;
	a->arg = arg;
	size_t bits = a->words * sizeof(uint64_t), value = value_size(a);
	/* The last value is what a message brings. */
	uint8_t *at = calloc(1, 4 * bits + 7 * value + sizeof(struct head) + 2 * value);
	if (!at)
		return -ENOMEM;
	a->dead = cut(&at, bits);
	a->got = cut(&at, bits);
	a->mine = cut(&at, value);
	a->seen = cut(&at, value);
	a->last = cut(&at, value);
	for (int i = 0; i < 2; i++) {
		a->counts[i].from = cut(&at, bits);
		a->counts[i].merged = cut(&at, value);
		a->counts[i].best = cut(&at, value);
	}
	a->msg = at;
	return 0;
}

void dvmi_agree_fini(struct dvmi_agree *a)
{
	free(a->dead); /* the first of one piece */
	*a = (struct dvmi_agree){ 0 };
}

static void send_to(struct dvmi_agree *a, uint32_t to, enum kind kind, uint32_t seq, uint32_t round,
		    const struct dvmi_agree_value *v)
{
	struct head h = { .kind = htole32(kind), .seq = htole32(seq), .round = htole32(round) };
	size_t n = sizeof h;

	memcpy(a->msg, &h, sizeof h);
	for (size_t i = 0; v && i < 1 + 2 * (size_t)a->words; i++, n += sizeof(uint64_t)) {
		uint64_t word = htole64(words_of(v)[i]);
		memcpy(a->msg + n, &word, sizeof word);
	}
	a->send(a->arg, to, a->msg, n);
}

static void send_all(struct dvmi_agree *a, enum kind kind, uint32_t seq, uint32_t round,
		     const struct dvmi_agree_value *v)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (i != a->self && !dvmi_bit(a->dead, i))
			send_to(a, i, kind, seq, round, v);
}

static bool all_of(const struct dvmi_agree *a, const uint64_t *bits)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (!dvmi_bit(a->dead, i) && !dvmi_bit(bits, i))
			return false;
	return true;
}

static uint32_t coordinator(const struct dvmi_agree *a)
{
	uint32_t i = 0;

	while (i != a->self && dvmi_bit(a->dead, i))
		i++;
	return i;
}

/* Agreement done + 1 has the result V. */
static void decide(struct dvmi_agree *a, const struct dvmi_agree_value *v)
{
	memmove(a->last, v, value_size(a));
	a->done++;
	a->active = false;
}

static void try_decide(struct dvmi_agree *a)
{
	if (!a->active || !a->proposed || !all_of(a, a->got))
		return;
	decide(a, a->seen);
	send_all(a, DECIDE, a->done, 0, a->last);
}

/* The proposal of somebody who may have decided it, else what all have given. */
static void choose(struct dvmi_agree *a, const struct dvmi_agree_count *c)
{
	if (c->round) {
		memcpy(a->seen, c->best, value_size(a));
		return;
	}
	memcpy(a->seen, c->merged, value_size(a));
	a->seen->flags = (uint32_t)a->seen->flags | (a->mine->flags >> 32 << 32);
	for (uint32_t i = 0; i < a->words; i++)
		a->seen->bits[i] &= c->from[i] & ~a->dead[i];
}

static void try_propose(struct dvmi_agree *a)
{
	const struct dvmi_agree_count *c = &a->counts[(a->done + 1) % 2];

	if (!a->active || a->proposed || a->told != a->self || !all_of(a, c->from))
		return;
	choose(a, c);
	a->round = a->self + 1;
	a->proposed = true;
	memset(a->got, 0, a->words * sizeof *a->got);
	dvmi_bit_set(a->got, a->self);
	send_all(a, PROPOSE, a->done + 1, a->round, a->seen);
	try_decide(a);
}

static void merge(const struct dvmi_agree *a, struct dvmi_agree_value *to,
		  const struct dvmi_agree_value *v)
{
	for (size_t i = 0; i < 1 + 2 * (size_t)a->words; i++)
		words_of(to)[i] &= words_of(v)[i];
}

/* Member SRC has reported V for agreement SEQ to us. */
static void count(struct dvmi_agree *a, uint32_t src, uint32_t seq, uint32_t round,
		  const struct dvmi_agree_value *v)
{
	struct dvmi_agree_count *c = &a->counts[seq % 2];

	if (c->seq != seq) {
		c->seq = seq;
		c->round = 0;
		memset(c->from, 0, a->words * sizeof *c->from);
		memset(c->merged, 0xff, value_size(a));
	}
	if (dvmi_bit(c->from, src))
		return;
	dvmi_bit_set(c->from, src);
	if (round > c->round) {
		c->round = round;
		memcpy(c->best, v, value_size(a));
	} else if (!round) {
		merge(a, c->merged, v);
	}
}

/* Reports to whoever coordinates now, once. */
static void report(struct dvmi_agree *a)
{
	const struct dvmi_agree_value *v = a->round ? a->seen : a->mine;
	uint32_t to = coordinator(a);

	if (to == a->told)
		return;
	a->told = to;
	if (to != a->self) {
		send_to(a, to, REPORT, a->done + 1, a->round, v);
		return;
	}
	count(a, a->self, a->done + 1, a->round, v);
	if (a->self)
		send_all(a, ASK, a->done + 1, 0, NULL);
}

void dvmi_agree_start(struct dvmi_agree *a, uint32_t flags, uint32_t ctx, const uint64_t *acked)
{
	a->mine->flags = flags | (uint64_t)ctx << 32;
	for (uint32_t i = 0; i < a->words; i++) {
		a->mine->bits[i] = ~a->dead[i];
		a->mine->bits[a->words + i] = acked ? acked[i] : 0;
	}
	a->active = true;
	a->proposed = false;
	a->round = 0;
	a->told = NOBODY;
	report(a);
	try_propose(a);
}

void dvmi_agree_down(struct dvmi_agree *a, uint32_t who)
{
	dvmi_bit_set(a->dead, who);
	if (!a->active)
		return;
	report(a);
	try_propose(a);
	try_decide(a);
}

static void on_report(struct dvmi_agree *a, uint32_t src, const struct head *h,
		      const struct dvmi_agree_value *v)
{
	if (h->seq == a->done) {
		send_to(a, src, DECIDE, a->done, 0, a->last);
		return;
	}
	count(a, src, h->seq, h->round, v);
	try_propose(a);
}

/* Whoever has taken us for the coordinator and reported waits for the result from us. */
static void on_decide(struct dvmi_agree *a, const struct head *h, const struct dvmi_agree_value *v)
{
	const struct dvmi_agree_count *c = &a->counts[h->seq % 2];

	if (!a->active || h->seq != a->done + 1)
		return;
	decide(a, v);
	for (uint32_t i = 0; i < a->n && c->seq == h->seq; i++)
		if (i != a->self && dvmi_bit(c->from, i) && !dvmi_bit(a->dead, i))
			send_to(a, i, DECIDE, a->done, 0, a->last);
}

/* Only from whom we have reported to: others may not have heard of what we have accepted. */
static void on_propose(struct dvmi_agree *a, uint32_t src, const struct head *h,
		       const struct dvmi_agree_value *v)
{
	if (!a->active || h->seq != a->done + 1 || src != a->told || h->round != src + 1)
		return;
	memcpy(a->seen, v, value_size(a));
	a->round = h->round;
	send_to(a, src, ACCEPT, h->seq, h->round, NULL);
}

static void on_accept(struct dvmi_agree *a, uint32_t src, const struct head *h)
{
	if (!a->active || !a->proposed || h->seq != a->done + 1 || h->round != a->self + 1)
		return;
	dvmi_bit_set(a->got, src);
	try_decide(a);
}

/* Reads message MSG into H and, if there is one, the value behind into V. */
static int decode(const struct dvmi_agree *a, const void *msg, size_t len, struct head *h,
		  struct dvmi_agree_value *v)
{
	size_t words = 1 + 2 * (size_t)a->words;

	if (len < sizeof *h)
		return -DVM_EPROTO;
	memcpy(h, msg, sizeof *h);
	h->kind = le32toh(h->kind);
	h->seq = le32toh(h->seq);
	h->round = le32toh(h->round);
	size_t want = sizeof *h + (has_value(h->kind) ? words * sizeof(uint64_t) : 0);
	/* Nobody can be further ahead: the next but one needs us in the next. */
	if (h->kind < REPORT || h->kind > ASK || len != want || h->round > a->n ||
	    h->seq - a->done > 2)
		return -DVM_EPROTO;
	for (size_t i = 0; has_value(h->kind) && i < words; i++) {
		uint64_t word;
		memcpy(&word, (const uint8_t *)msg + sizeof *h + i * sizeof word, sizeof word);
		words_of(v)[i] = le64toh(word);
	}
	return 0;
}

int dvmi_agree_take(struct dvmi_agree *a, uint32_t src, const void *msg, size_t len)
{
	struct dvmi_agree_value *v = (struct dvmi_agree_value *)(void *)
		(a->msg + sizeof(struct head) + value_size(a));
	struct head h;

	if (src >= a->n || src == a->self || decode(a, msg, len, &h, v) < 0)
		return -DVM_EPROTO;
	switch (h.kind) {
	case REPORT:
		on_report(a, src, &h, v);
		break;
	case PROPOSE:
		on_propose(a, src, &h, v);
		break;
	case ACCEPT:
		on_accept(a, src, &h);
		break;
	case DECIDE:
		on_decide(a, &h, v);
		break;
	default: /* ASK */
		if (h.seq == a->done)
			send_to(a, src, DECIDE, a->done, 0, a->last);
	}
	return 0;
}
