/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Long collectives of two ranks: each does half of the bytes, always the same half, so that the
 * half of all buffers stays in its cache. It reads from the other's memory and writes to it.
 *
 * A rank whose context is revoked meanwhile gives up; then its buffer is its own again, and nobody
 * may write to it. So who writes goes through a gate in the line of the one it writes to, and who
 * gives up closes its gate, or waits until the other has left it or is dead.
 */
#include "libdvm/src/coll_shm_private.h"
#include "libdvm/src/wait.h"

#define PAGE 4096u

/* One of these operations. */
struct two {
	struct dvmi_area *a;
	uint32_t m; /* the other one */
	struct dvmi_place *mine, *its;
};

/* Where this rank's half begins and ends. */
static size_t half_from(const struct dvmi_area *a, size_t half)
{
	return a->team.rank ? half : 0;
}

static size_t half_to(const struct dvmi_area *a, size_t half, size_t all)
{
	return a->team.rank ? all : half;
}

static int begin(struct two *t, struct dvmi_area *a, uint64_t what, const void *in, void *out)
{
	int rc = dvmi_direct_show(a, what, in, out);

	*t = (struct two){ .a = a, .m = 1 - a->team.rank };
	if (rc < 0)
		return rc;
	t->mine = dvmi_place_of(a, a->team.rank);
	t->its = dvmi_place_of(a, t->m);
	return dvmi_area_wait(a, t->m);
}

static int enter_gate(const struct two *t)
{
	uint64_t open = DVMI_GATE_OPEN;

	if (atomic_compare_exchange_strong(&t->its->gate, &open, DVMI_GATE_BUSY))
		return 0;
	return dvmi_direct_explain(t->a, t->m, -DVM_EPEERLOST);
}

static void leave_gate(const struct two *t)
{
	atomic_store(&t->its->gate, DVMI_GATE_DONE);
}

/* Nobody writes to this rank's memory any more when this returns. */
static void close_gate(const struct two *t)
{
	const dvm_group_t *g = t->a->g;
	const struct dvmi_peer *peer = &g->d->p2p.peers[dvmi_area_peer(t->a, t->m)];
	struct dvmi_wait w = { 0 };
	uint64_t open = DVMI_GATE_OPEN;

	if (!t->mine || atomic_compare_exchange_strong(&t->mine->gate, &open, DVMI_GATE_CLOSED))
		return;
	while (atomic_load(&t->mine->gate) == DVMI_GATE_BUSY && !peer->down)
		dvmi_wait_round(g->d, &w);
}

/* Both are done, or this one has failed with RC. */
static int end(const struct two *t, int rc)
{
	if (rc == 0)
		rc = dvmi_shm_barrier(t->a);
	if (rc < 0)
		close_gate(t);
	return rc;
}

static int push(const struct two *t, uint64_t to, const void *from, size_t len)
{
	struct dvmi_tport *tport = t->a->g->d->shm;

	return len ? tport->ops->push(tport, dvmi_area_peer(t->a, t->m), to, from, len) : 0;
}

static int send_half(const struct two *t, const uint8_t *buf, size_t from, size_t to)
{
	int rc = enter_gate(t);

	if (rc < 0)
		return rc;
	rc = push(t, t->its->out + from, buf + from, to - from);
	leave_gate(t);
	return dvmi_direct_explain(t->a, t->m, rc);
}

int dvmi_two_bcast(struct dvmi_area *a, uint8_t *buf, size_t len, uint32_t root)
{
	size_t half = len / 2 / PAGE * PAGE;
	size_t from = half_from(a, half), to = half_to(a, half, len);
	struct two t;
	int rc = begin(&t, a, dvmi_shm_what(DVMI_COLL_BCAST, root, len), NULL, buf);

	if (rc == 0 && a->team.rank == root)
		rc = send_half(&t, buf, from, to);
	else if (rc == 0)
		rc = dvmi_direct_pull(a, t.m, buf + from, t.its->out + from, to - from);
	return end(&t, rc);
}

/*
 * The other's operand, N elements at byte AT, comes to where the result will be, or next to it
 * where our own operand is there; the result goes to the other at once, while it is in the cache.
 */
static int combine_block(const struct two *t, const struct dvmi_combine *op,
			 const struct dvmi_vector *v, size_t at, size_t n)
{
	size_t len = n * op->each;
	uint8_t *out = v->out + at,
		*theirs = v->in == v->out ? dvmi_area_mine(t->a, t->a->slot) : out;
	int rc = dvmi_direct_pull(t->a, t->m, theirs, t->its->in + at, len);

	if (rc < 0)
		return rc;
	if (t->m == 0)
		dvmi_combine(op, out, theirs, v->in + at, n);
	else
		dvmi_combine(op, out, v->in + at, theirs, n);
	return push(t, t->its->out + at, out, len);
}

/* Every second time from the end: what one has left in the cache the next one begins with. */
static int combine_half(const struct two *t, const struct dvmi_combine *op,
			const struct dvmi_vector *v, size_t from, size_t to)
{
	size_t most = dvmi_coll_two_block(t->a->slot, v->in == v->out) / op->each;
	size_t n = (to - from + most - 1) / most;
	bool turned = t->a->seq / 2 % 2; /* each operation here counts two */
	int rc = enter_gate(t);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n && rc == 0; i++) {
		size_t at = from + (turned ? n - 1 - i : i) * most;
		rc = combine_block(t, op, v, at * op->each, to - at < most ? to - at : most);
	}
	leave_gate(t);
	return dvmi_direct_explain(t->a, t->m, rc);
}

int dvmi_two_allreduce(struct dvmi_area *a, const struct dvmi_combine *op,
		       const struct dvmi_vector *v)
{
	size_t half = v->count / 2;
	struct two t;
	int rc = begin(&t, a, dvmi_shm_what(DVMI_COLL_ALLREDUCE, 1, v->count * v->each), v->in,
		       v->out);

	if (rc == 0)
		rc = combine_half(&t, op, v, half_from(a, half), half_to(a, half, v->count));
	return end(&t, rc);
}
