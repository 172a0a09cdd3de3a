/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "kvm-node/virtq.h"
#include "kvm-node/virtq_away.h"

#define get(p)	       __atomic_load_n(&(p), __ATOMIC_RELAXED)
#define get_first(p)   __atomic_load_n(&(p), __ATOMIC_ACQUIRE)
#define put(p, v)      __atomic_store_n(&(p), (v), __ATOMIC_RELAXED)
#define put_last(p, v) __atomic_store_n(&(p), (v), __ATOMIC_RELEASE)

void vmm_virtq_reset(struct vmm_virtq *q)
{
	if (q->away)
		vmm_away_clear(q->away);
	*q = (struct vmm_virtq){ .mem = q->mem, .away = q->away, .max = q->max, .num = q->max };
}

static int break_queue(struct vmm_virtq *q, int why)
{
	q->broken = true;
	return why;
}

int vmm_virtq_enable(struct vmm_virtq *q)
{
	size_t n = q->num;

	if (!n || n > q->max || (n & (n - 1)) || q->desc % 16 || q->avail % 2 || q->used % 4)
		return break_queue(q, -EINVAL);
	/* The event index behind the ring belongs to it, whether it is used or not. */
	q->descs = vmm_gmem_at(q->mem, q->desc, n * sizeof *q->descs);
	q->availp = vmm_gmem_at(q->mem, q->avail, sizeof *q->availp + 2 * n + 2);
	q->usedp = vmm_gmem_at(q->mem, q->used, sizeof *q->usedp + 8 * n + 2);
	if (!q->descs || !q->availp || !q->usedp)
		return break_queue(q, -EINVAL);
	q->seen = q->next = q->signalled = 0;
	q->broken = false;
	q->ready = true;
	return 0;
}

/* Descriptors of one chain: the queue's own table, then perhaps one that a buffer holds. */
struct walk {
	const struct vring_desc *table;
	uint32_t size, at, steps;
	bool indirect;
};

/* Once, whatever the compiler thinks; a table in a buffer may lie anywhere. */
static struct vring_desc read_desc(const struct vring_desc *table, uint32_t at)
{
	struct vring_desc d;

	memcpy(&d, (const char *)table + at * sizeof d, sizeof d);
	__asm__ volatile("" : "+m"(d));
	return d;
}

static int add_buffer(const struct vmm_virtq *q, struct vmm_chain *c, const struct vring_desc *d)
{
	bool in = d->flags & VRING_DESC_F_WRITE;

	if (!in && c->nin)
		return -EPROTO; /* what we read comes before what we write */
	if (!d->len)
		return 0;
	if (c->nout + c->nin == VMM_CHAIN_MAX)
		return -EPROTO;
	void *p = vmm_gmem_at(q->mem, d->addr, d->len);
	if (!p)
		return -EPROTO;
	c->gpa[c->nout + c->nin] = d->addr;
	c->iov[c->nout + c->nin] = (struct iovec){ .iov_base = p, .iov_len = d->len };
	*(in ? &c->nin : &c->nout) += 1;
	*(in ? &c->in_len : &c->out_len) += d->len;
	return c->in_len > UINT32_MAX || c->out_len > UINT32_MAX ? -EPROTO : 0;
}

static int enter_indirect(const struct vmm_virtq *q, struct walk *w, const struct vring_desc *d)
{
	uint32_t n = d->len / (uint32_t)sizeof *d;

	if (!q->indirect || w->indirect || (d->flags & VRING_DESC_F_NEXT))
		return -EPROTO;
	if (d->len % sizeof *d || !n || n > 2 * VMM_CHAIN_MAX)
		return -EPROTO;
	*w = (struct walk){ .table = vmm_gmem_at(q->mem, d->addr, d->len),
			    .size = n,
			    .indirect = true };
	return w->table ? 0 : -EPROTO;
}

/* A chain visits no more descriptors than its table has: what goes on longer, goes round. */
static int walk_chain(const struct vmm_virtq *q, struct vmm_chain *c)
{
	struct walk w = { .table = q->descs, .size = q->num, .at = c->head };
	int rc;

	for (;;) {
		if (w.at >= w.size || w.steps++ == w.size)
			return -EPROTO;
		struct vring_desc d = read_desc(w.table, w.at);
		if (d.flags & VRING_DESC_F_INDIRECT) {
			rc = enter_indirect(q, &w, &d);
			if (rc < 0)
				return rc;
			continue;
		}
		rc = add_buffer(q, c, &d);
		if (rc < 0 || !(d.flags & VRING_DESC_F_NEXT))
			return rc;
		w.at = d.next;
	}
}

uint16_t vmm_virtq_waiting(const struct vmm_virtq *q)
{
	if (!q->ready || q->broken)
		return 0;
	unsigned sent = q->away ? vmm_away_waiting(q->away) : 0;
	return vmm_away_lent(q) ? (uint16_t)sent :
				  (uint16_t)(sent + get_first(q->availp->idx) - q->seen);
}

bool vmm_virtq_some(const struct vmm_virtq *q)
{
	return vmm_virtq_waiting(q);
}

static int pop_ring(struct vmm_virtq *q, struct vmm_chain *c)
{
	uint16_t waiting = (uint16_t)(get_first(q->availp->idx) - q->seen);
	if (!waiting)
		return 0;
	if (waiting > q->num)
		return break_queue(q, -EPROTO);
	c->head = get(q->availp->ring[q->seen % q->num]);
	c->nout = c->nin = 0;
	c->out_len = c->in_len = 0;
	if (walk_chain(q, c) < 0)
		return break_queue(q, -EPROTO);
	q->seen++;
	return 1;
}

/* What has come by message came before what is in the ring. */
int vmm_virtq_pop(struct vmm_virtq *q, struct vmm_chain *c)
{
	if (q->broken)
		return -EPROTO;
	if (!q->ready)
		return 0;
	if (!q->away)
		return pop_ring(q, c);
	int rc = vmm_away_pop(q, c);
	if (rc || vmm_away_lent(q))
		return rc;
	rc = pop_ring(q, c);
	q->away->ring_pops += rc > 0;
	return rc;
}

void vmm_virtq_unpop(struct vmm_virtq *q, unsigned n)
{
	if (q->away)
		n = vmm_away_unpop(q->away, n);
	q->seen = (uint16_t)(q->seen - n);
}

void vmm_virtq_fill(struct vmm_virtq *q, unsigned i, uint16_t head, uint32_t written)
{
	if (!q->ready || q->broken || (q->away && vmm_away_fill(q, i, head, written)))
		return;
	vring_used_elem_t *e = &q->usedp->ring[(uint16_t)(q->next + i) % q->num];
	put(e->id, head);
	put(e->len, written);
}

void vmm_virtq_publish(struct vmm_virtq *q, unsigned n)
{
	if (!q->ready || q->broken || (q->away && vmm_away_publish(q, n)))
		return;
	q->next = (uint16_t)(q->next + n);
	put_last(q->usedp->idx, q->next);
}

void vmm_virtq_push(struct vmm_virtq *q, uint16_t head, uint32_t written)
{
	vmm_virtq_fill(q, 0, head, written);
	vmm_virtq_publish(q, 1);
}

static uint16_t *used_event(const struct vmm_virtq *q)
{
	return &q->availp->ring[q->num];
}

static uint16_t *avail_event(const struct vmm_virtq *q)
{
	return (void *)&q->usedp->ring[q->num];
}

bool vmm_virtq_wants_signal(struct vmm_virtq *q)
{
	uint16_t old = q->signalled, now = q->next;

	if (!q->ready || q->broken || old == now || vmm_away_lent(q))
		return false;
	__sync_synchronize(); /* the index is out before we look who cares */
	q->signalled = now;
	if (!q->event_idx)
		return !(get(q->availp->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	return vring_need_event(get(*used_event(q)), now, old);
}

bool vmm_virtq_await(struct vmm_virtq *q, uint16_t had)
{
	if (!q->ready || q->broken)
		return false;
	if (vmm_away_lent(q))
		return vmm_virtq_waiting(q) != had; /* who has the rings looks to that */
	if (q->event_idx)
		put(*avail_event(q), (uint16_t)(q->seen + had));
	else
		put(q->usedp->flags, 0);
	__sync_synchronize(); /* ... before we look for the last time */
	return vmm_virtq_waiting(q) != had;
}

bool vmm_virtq_kicks(struct vmm_virtq *q, bool on)
{
	if (on)
		return vmm_virtq_await(q, 0);
	if (q->ready && !q->broken && !q->event_idx && !vmm_away_lent(q))
		put(q->usedp->flags, VRING_USED_F_NO_NOTIFY);
	return false;
}
