/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/queues.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "kvm-node/borrow.h"
#include "kvm-node/inbox.h"

#define LENDERS 32u

/* Rings of another host's device. */
struct loan {
	struct loan *prev, *next;
	unsigned from, queue;
	uint32_t device;
	uint64_t bell;
	_Atomic bool kicked; /* to be walked by who has the lock, or by who gets it */
	pthread_mutex_t lock;
	bool told; /* ... that it is broken */
	struct vmm_borrow b;
};

struct vmm_queues {
	struct vmm_spread *spread;
	struct vmm_irq *irq;
	struct vmm_gmem mem;
	struct dvmi_log *log;
	struct vmm_lender lenders[LENDERS];
	_Atomic unsigned n_lenders;

	pthread_rwlock_t table; /* which loans there are */
	struct loan *loans;

	struct vmm_inbox *inbox; /* what is for the thread */

	_Atomic uint64_t borrowed, requests, carried, answers, bytes_out, bytes_in, bad;
};

/* ---- rings that were lent to us ---- */

static void say(struct vmm_queues *qs, const struct loan *l, enum vmm_msg_kind kind, bool flag,
		const struct dvmi_buf *b)
{
	const struct vmm_msg n = { .kind = (uint8_t)kind, .op = (uint8_t)l->queue, .code = l->device,
				   .flag = flag };

	vmm_spread_queue(qs->spread, l->from, &n, b ? b->data : NULL, b ? b->len : 0);
}

/* With the loan's lock: all that the driver has asked for goes. */
static void take_requests(struct vmm_queues *qs, struct loan *l)
{
	struct dvmi_buf out = { 0 };
	uint64_t requests = l->b.requests, carried = l->b.carried;
	int rc;

	do {
		rc = vmm_borrow_walk(&l->b, &out);
		if (out.err)
			l->b.q.broken = true;
		else if (out.len)
			say(qs, l, VMM_MSG_REQUESTS, false, &out);
		qs->bytes_out += out.len;
		out.len = 0;
	} while (rc == 1 && !out.err);
	dvmi_buf_free(&out);
	qs->requests += l->b.requests - requests;
	qs->carried += l->b.carried - carried;
	if (l->b.q.broken && !l->told) {
		l->told = true;
		say(qs, l, VMM_MSG_SIGNAL, true, NULL);
	}
}

/* Whoever has the lock looks again when he has given it back: nobody waits for it with news. */
static void walk(struct vmm_queues *qs, struct loan *l)
{
	while (atomic_load(&l->kicked) && pthread_mutex_trylock(&l->lock) == 0) {
		atomic_store(&l->kicked, false);
		take_requests(qs, l);
		pthread_mutex_unlock(&l->lock);
	}
}

bool vmm_queues_ring(struct vmm_queues *qs, uint64_t addr)
{
	struct loan *l;

	pthread_rwlock_rdlock(&qs->table);
	DL_SEARCH_SCALAR(qs->loans, l, bell, addr);
	if (l) {
		atomic_store(&l->kicked, true);
		walk(qs, l);
	}
	pthread_rwlock_unlock(&qs->table);
	return l != NULL;
}

static struct loan *find(struct vmm_queues *qs, unsigned from, const struct vmm_msg *n)
{
	struct loan *l;

	DL_FOREACH(qs->loans, l)
		if (l->from == from && l->device == n->code && l->queue == n->op)
			return l;
	return NULL;
}

static void forget(struct loan *l)
{
	vmm_borrow_end(&l->b);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* ---- what the thread does ---- */

/* There may be requests since before the rings were ours. */
static void do_lend(struct vmm_queues *qs, const struct vmm_letter *w)
{
	struct loan *l = find(qs, w->from, &w->msg) ? NULL : calloc(1, sizeof *l);
	struct vmm_loan terms;

	if (!l) {
		qs->bad++;
		return;
	}
	memcpy(&terms, w->text, sizeof terms);
	pthread_mutex_init(&l->lock, NULL);
	l->from = w->from;
	l->device = w->msg.code;
	l->queue = w->msg.op;
	l->bell = terms.bell;
	l->kicked = true;
	(void)vmm_borrow_begin(&l->b, &qs->mem, &terms); /* a broken one is said to be so */
	pthread_rwlock_wrlock(&qs->table);
	DL_APPEND(qs->loans, l);
	pthread_rwlock_unlock(&qs->table);
	qs->borrowed++;
	walk(qs, l);
}

static void interrupt(struct vmm_queues *qs, const struct loan *l, const struct vmm_msg *n)
{
	if (n->flag)
		vmm_irq_msi(qs->irq, n->addr, (uint32_t)n->value);
	else
		say(qs, l, VMM_MSG_SIGNAL, false, NULL);
}

static void do_answers(struct vmm_queues *qs, const struct vmm_letter *w)
{
	struct loan *l = find(qs, w->from, &w->msg);

	if (!l) {
		qs->bad++;
		return;
	}
	pthread_mutex_lock(&l->lock);
	uint64_t answers = l->b.answers;
	if (vmm_borrow_answers(&l->b, w->text, w->len) < 0)
		l->b.q.broken = true;
	qs->answers += l->b.answers - answers;
	qs->bytes_in += w->len;
	if (!w->msg.vector && vmm_borrow_wants_signal(&l->b))
		interrupt(qs, l, &w->msg);
	if (l->b.stalled || l->b.q.broken)
		atomic_store(&l->kicked, true);
	pthread_mutex_unlock(&l->lock);
	walk(qs, l);
}

/* Who is walking ends that first. */
static void do_recall(struct vmm_queues *qs, const struct vmm_letter *w)
{
	uint64_t state = VMM_LOAN_BROKEN;

	pthread_rwlock_wrlock(&qs->table);
	struct loan *l = find(qs, w->from, &w->msg);
	if (l)
		DL_DELETE(qs->loans, l);
	pthread_rwlock_unlock(&qs->table);
	if (l) {
		state = vmm_loan_state(&l->b.q);
		forget(l);
	}
	vmm_spread_returned(qs->spread, w->from, w->msg.id, state);
}

static void see_to(void *arg, const struct vmm_letter *w)
{
	switch (w->msg.kind) {
	case VMM_MSG_LEND: do_lend(arg, w); break;
	case VMM_MSG_USED: do_answers(arg, w); break;
	default: do_recall(arg, w);
	}
}

/* ---- both sides ---- */

int vmm_queues_hear(struct vmm_queues *qs, unsigned from, const struct vmm_msg *n, const void *text,
		    size_t len)
{
	if (n->kind != VMM_MSG_REQUESTS && n->kind != VMM_MSG_SIGNAL)
		return vmm_inbox_put(qs->inbox, from, n, text, len);
	if (n->code >= atomic_load(&qs->n_lenders)) {
		qs->bad++;
		return 0;
	}
	const struct vmm_lender *l = &qs->lenders[n->code];
	if (n->kind == VMM_MSG_SIGNAL)
		l->signal(l->arg, from, n->op, n->flag);
	else
		l->requests(l->arg, from, n->op, text, len);
	return 0;
}

bool vmm_queues_rung(struct vmm_queues *qs, unsigned from, uint64_t addr)
{
	unsigned n = atomic_load(&qs->n_lenders);

	for (unsigned i = 0; i < n; i++)
		if (qs->lenders[i].rung(qs->lenders[i].arg, from, addr))
			return true;
	return false;
}

int vmm_queues_add(struct vmm_queues *qs, const struct vmm_lender *l)
{
	unsigned n = atomic_load(&qs->n_lenders);

	if (n == LENDERS)
		return -ENOSPC;
	qs->lenders[n] = *l;
	atomic_store(&qs->n_lenders, n + 1);
	return (int)n;
}

void vmm_queues_stat(struct vmm_queues *qs, struct dvmi_buf *out)
{
	const struct {
		const char *name;
		uint64_t n;
	} all[] = {
		{ "queues_borrowed", qs->borrowed },	{ "queue_requests", qs->requests },
		{ "queue_carried", qs->carried },	{ "queue_answers", qs->answers },
		{ "queue_bytes_sent", qs->bytes_out },	{ "queue_bytes_got", qs->bytes_in },
		{ "queue_bad", qs->bad },
	};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		dvmi_buf_printf(out, ",\"%s\":%" PRIu64, all[i].name, all[i].n);
}

/* ---- life ---- */

static void *mem_at(void *ctx, uint64_t gpa, uint64_t len)
{
	return vmm_mem_at(ctx, gpa, len);
}

void vmm_queues_set_mem(struct vmm_queues *qs, struct vmm_mem *mem)
{
	qs->mem = (struct vmm_gmem){ .at = mem_at, .ctx = mem };
}

struct vmm_spread *vmm_queues_spread(const struct vmm_queues *qs)
{
	return qs->spread;
}

int vmm_queues_create(struct vmm_queues **out, struct vmm_spread *s, struct vmm_irq *irq,
		      struct dvmi_log *log)
{
	struct vmm_queues *qs = calloc(1, sizeof *qs);

	if (!qs)
		return -ENOMEM;
	qs->spread = s;
	qs->irq = irq;
	qs->log = log;
	pthread_rwlock_init(&qs->table, NULL);
	/* vCPUs compute all the time, and wait for this thread. */
	int rc = vmm_inbox_create(&qs->inbox, &(struct vmm_reader){ .name = "queues",
								    .first = true,
								    .read = see_to,
								    .arg = qs });
	if (rc < 0)
		vmm_queues_destroy(qs);
	else
		*out = qs;
	return rc;
}

void vmm_queues_destroy(struct vmm_queues *qs)
{
	struct loan *l, *next;

	if (!qs)
		return;
	vmm_inbox_destroy(qs->inbox);
	DL_FOREACH_SAFE(qs->loans, l, next)
		forget(l);
	pthread_rwlock_destroy(&qs->table);
	free(qs);
}
