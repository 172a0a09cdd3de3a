/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/pvm3/lend.h"

/*
 * How much of an arena others map. Whoever lends more than they take back falls back to messages
 * that are copied, as he does with more ranges than this.
 */
#define WINDOW	   (UINT64_C(256) << 20)
#define PLACES_MAX 512u
#define IDLE_MAX   (UINT64_C(64) << 20) /* bytes that are kept for the next messages */
#define CAP_BITS   28			/* of the greatest blob: the window */
#define LOOKS	   4			/* at blobs of the right size, whether they are back */

struct loan {
	uint32_t rank, index;
};

/* A blob of ours, or one that we have borrowed. */
struct place {
	struct pvmi_blob blob; /* first */
	struct pvmi_lend *l;
	struct place *prev, *next; /* all of a lender's */
	struct pvmi_lent *head;
	int64_t offset;
	uint64_t bytes;
	bool borrowed;
	uint32_t local, loan;	/* of a borrowed one */
	struct place *next_idle; /* of ours */
	struct loan *loans;	/* [nloans], of those that were not seen back yet */
	uint32_t nloans, room;
};

/* Blobs of a size that nobody here uses. */
struct idle_list {
	struct place *first, **tail; /* lent when they were last seen, the oldest first */
	struct place *back;	     /* the others: the one that was used last, whose bytes are near */
};

struct pvmi_lend {
	struct dvmi_heap *heap;
	uint32_t self, n;
	uint8_t **windows; /* [n] by local rank; NULL: not mapped yet */
	struct place *all;
	uint32_t nplaces;
	uint64_t idle_bytes;
	struct idle_list idle[CAP_BITS + 1]; /* by the power of two that their room is */
};

static struct place *place_of(const struct pvmi_blob *b)
{
	return (struct place *)(uintptr_t)b;
}

/* ---- windows ---- */

static uint8_t *window(struct pvmi_lend *l, uint32_t local)
{
	void *p;

	if (!l->windows[local] && dvmi_heap_map(l->heap, local, 0, WINDOW, &p) == 0)
		l->windows[local] = p;
	return l->windows[local];
}

int pvmi_lend_open(struct pvmi_lend **out, struct dvmi_heap *heap, uint32_t self, uint32_t n)
{
	struct pvmi_lend *l = calloc(1, sizeof *l);

	if (!l)
		return -ENOMEM;
	*l = (struct pvmi_lend){ .heap = heap, .self = self, .n = n };
	l->windows = calloc(n, sizeof *l->windows);
	for (int i = 0; i <= CAP_BITS; i++)
		l->idle[i].tail = &l->idle[i].first;
	if (!l->windows || self >= n) {
		free(l->windows);
		free(l);
		return -ENOMEM;
	}
	*out = l;
	return 0;
}

/* ---- places ---- */

static void add_place(struct pvmi_lend *l, struct place *p)
{
	p->l = l;
	p->next = l->all;
	if (l->all)
		l->all->prev = p;
	l->all = p;
}

/* P is a blob like any other, without bytes: nobody knows where it was. */
static void detach(struct place *p)
{
	struct pvmi_lend *l = p->l;

	if (p->next)
		p->next->prev = p->prev;
	if (p->prev)
		p->prev->next = p->next;
	else
		l->all = p->next;
	free(p->loans);
	p->loans = NULL;
}

static void remove_place(struct place *p)
{
	detach(p);
	free(p);
}

/* ---- ours ---- */

/* Forgets the loans of P that are back. True: no other is left. */
static bool settled(struct place *p)
{
	for (uint32_t i = 0; i < p->nloans;) {
		if (atomic_load_explicit(&p->head->open[p->loans[i].index], memory_order_acquire))
			i++;
		else
			p->loans[i] = p->loans[--p->nloans];
	}
	if (!p->nloans)
		p->head->loans = 0;
	return !p->nloans;
}

static void push_idle(struct idle_list *q, struct place *p)
{
	p->next_idle = NULL;
	*q->tail = p;
	q->tail = &p->next_idle;
}

static struct place *pop_idle(struct idle_list *q)
{
	struct place *p = q->first;

	q->first = p->next_idle;
	if (!q->first)
		q->tail = &q->first;
	return p;
}

/* Some that are back. They mostly come in order; one that does not goes behind the others. */
static void look_at_idle(struct idle_list *q)
{
	for (int i = 0; i < LOOKS && q->first; i++) {
		struct place *p = pop_idle(q);
		if (!settled(p)) {
			push_idle(q, p);
			return;
		}
		p->next_idle = q->back;
		q->back = p;
	}
}

static struct place *take_idle(struct idle_list *q)
{
	look_at_idle(q);
	struct place *p = q->back;
	if (p)
		q->back = p->next_idle;
	return p;
}

static int bits_of(size_t cap)
{
	int bits = 0;

	while (bits < CAP_BITS && (size_t)1 << bits < cap)
		bits++;
	return bits;
}

static struct place *new_place(struct pvmi_lend *l, int bits)
{
	uint64_t bytes = PVMI_LENT_HEAD + (UINT64_C(1) << bits);
	uint8_t *base = l->nplaces < PLACES_MAX ? window(l, l->self) : NULL;
	struct place *p = base ? calloc(1, sizeof *p) : NULL;
	int64_t offset = p ? dvmi_heap_alloc(l->heap, bytes) : -1;

	if (offset < 0 || (uint64_t)offset + bytes > WINDOW) {
		dvmi_heap_free(l->heap, offset);
		free(p);
		return NULL;
	}
	p->head = (struct pvmi_lent *)(void *)(base + offset);
	p->offset = offset;
	p->bytes = bytes;
	p->head->magic = PVMI_LENT_MAGIC;
	p->head->bytes = bytes;
	p->blob.bytes = (uint8_t *)p->head + PVMI_LENT_HEAD - PVMI_HEAD;
	p->blob.cap = (size_t)1 << bits;
	p->blob.lender = l;
	add_place(l, p);
	l->nplaces++;
	return p;
}

struct pvmi_blob *pvmi_lend_take(struct pvmi_lend *l, size_t cap)
{
	int bits = bits_of(cap);

	if (cap > (size_t)1 << bits)
		return NULL;
	struct place *p = take_idle(&l->idle[bits]);
	if (p)
		l->idle_bytes -= p->bytes;
	else
		p = new_place(l, bits);
	if (!p)
		return NULL;
	p->blob.refs = 1;
	return &p->blob;
}

static void give_back(struct place *p)
{
	dvmi_heap_free(p->l->heap, p->offset);
	p->l->nplaces--;
	remove_place(p);
}

/* Not more than so much is kept: the longest go first. */
static void trim(struct pvmi_lend *l)
{
	for (int bits = CAP_BITS; bits >= 0 && l->idle_bytes > IDLE_MAX; bits--) {
		struct place *p;
		while (l->idle_bytes > IDLE_MAX && (p = take_idle(&l->idle[bits]))) {
			l->idle_bytes -= p->bytes;
			give_back(p);
		}
	}
}

int pvmi_lend_out(struct pvmi_blob *b, uint32_t rank, size_t len, struct pvmi_ref *ref)
{
	struct place *p = place_of(b);

	if (!b->lender || p->borrowed || len < PVMI_LEND_MIN)
		return -EAGAIN;
	settled(p);
	if (p->head->loans == PVMI_LOANS_MAX)
		return -EAGAIN;
	if (p->nloans == p->room) {
		struct loan *more = realloc(p->loans, (p->room + 4) * sizeof *more);
		if (!more)
			return -EAGAIN;
		p->loans = more;
		p->room += 4;
	}
	uint32_t index = p->head->loans++;
	atomic_store_explicit(&p->head->open[index], 1, memory_order_relaxed);
	p->loans[p->nloans++] = (struct loan){ rank, index };
	*ref = (struct pvmi_ref){ p->l->self, index, p->offset, p->bytes, len };
	return 0;
}

void pvmi_lend_undo(struct pvmi_blob *b, const struct pvmi_ref *ref)
{
	atomic_store_explicit(&place_of(b)->head->open[ref->loan], 0, memory_order_relaxed);
}

void pvmi_lend_gone(struct pvmi_lend *l, uint32_t rank)
{
	for (struct place *p = l->all; p; p = p->next)
		for (uint32_t i = 0; i < p->nloans; i++)
			if (p->loans[i].rank == rank)
				atomic_store_explicit(&p->head->open[p->loans[i].index], 0,
						      memory_order_relaxed);
}

/* ---- borrowed ---- */

static bool sensible(const struct pvmi_lend *l, const struct pvmi_ref *r)
{
	return r->local < l->n && r->loan < PVMI_LOANS_MAX && r->offset >= 0 &&
	       r->offset % PVMI_LENT_HEAD == 0 && r->bytes >= PVMI_LENT_HEAD &&
	       r->bytes <= WINDOW && (uint64_t)r->offset <= WINDOW - r->bytes &&
	       r->len <= r->bytes - PVMI_LENT_HEAD;
}

struct pvmi_blob *pvmi_lend_in(struct pvmi_lend *l, const struct pvmi_ref *r)
{
	uint8_t *base = sensible(l, r) ? window(l, r->local) : NULL;
	struct pvmi_lent *head = base ? (struct pvmi_lent *)(void *)(base + r->offset) : NULL;
	struct place *p = head && head->magic == PVMI_LENT_MAGIC && head->bytes == r->bytes ?
				  calloc(1, sizeof *p) :
				  NULL;

	if (!p)
		return NULL;
	p->head = head;
	p->offset = r->offset;
	p->bytes = r->bytes;
	p->borrowed = true;
	p->local = r->local;
	p->loan = r->loan;
	p->blob = (struct pvmi_blob){ .refs = 1,
				      .cap = r->len,
				      .bytes = (uint8_t *)head + PVMI_LENT_HEAD - PVMI_HEAD,
				      .lender = l };
	add_place(l, p);
	return &p->blob;
}

/* Its owner looks at the same two words in the other order: one of us sees the other's. */
static void end_loan(struct place *p)
{
	atomic_store_explicit(&p->head->open[p->loan], 0, memory_order_seq_cst);
	if (atomic_load_explicit(&p->head->heir, memory_order_seq_cst) && !pvmi_lent_out(p->head))
		dvmi_heap_drop(p->l->heap, p->local, p->offset, p->bytes);
}

/* ---- both ---- */

bool pvmi_lend_theirs(const struct pvmi_blob *b)
{
	return b->lender && place_of(b)->borrowed;
}

bool pvmi_lend_busy(const struct pvmi_blob *b)
{
	return b->lender && (place_of(b)->borrowed || !settled(place_of(b)));
}

void pvmi_lend_put(struct pvmi_blob *b)
{
	struct place *p = place_of(b);
	struct pvmi_lend *l = p->l;

	if (p->borrowed) {
		end_loan(p);
		remove_place(p);
		return;
	}
	push_idle(&l->idle[bits_of(b->cap)], p);
	l->idle_bytes += p->bytes;
	if (l->idle_bytes > IDLE_MAX)
		trim(l);
}

/* The bytes of P get a place of their own. False: there is no memory, they stay where they are. */
static bool move_out(struct place *p, bool ours)
{
	uint8_t *copy = malloc(PVMI_HEAD + p->blob.cap);

	if (copy) {
		memcpy(copy, p->blob.bytes, PVMI_HEAD + p->blob.cap);
		if (p->borrowed && ours)
			end_loan(p);
		p->blob.bytes = p->blob.own = copy;
	}
	detach(p);
	p->blob.lender = NULL;
	return copy != NULL;
}

void pvmi_lend_close(struct pvmi_lend *l, bool ours)
{
	bool needed = false;

	if (!l)
		return;
	for (struct place *p = l->all, *next; p; p = next) {
		next = p->next;
		if (p->blob.refs)
			needed |= !move_out(p, ours);
		else
			remove_place(p);
	}
	for (uint32_t i = 0; i < l->n && !needed; i++)
		dvmi_heap_unmap(l->windows[i], WINDOW);
	free(l->windows);
	free(l);
}
