/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Long collectives from memory to memory: members tell each other in the area where their buffers
 * are, and the kernel copies once, each member its share at the same time. A last operation, in
 * which all wait for all, says that nobody touches another's buffer any more.
 *
 * Copies only read what is another's: a rank that gives up when a third one dies may use its buffer
 * for something else while we still copy. (Of two there is no third, see coll_direct_two.c.)
 */
#include <errno.h>
#include <string.h>

#include "libdvm/base/clock.h"
#include "libdvm/src/coll_shm_private.h"
#include "libdvm/src/wait.h"

#define PATIENCE (2 * DVMI_SEC) /* ns until a copy that failed must have a reason */

static bool reaches_all(const struct dvmi_area *a)
{
	struct dvmi_tport *t = a->g->d->shm;

	for (uint32_t m = 0; m < a->team.size; m++)
		if (m != a->team.rank &&
		    (!t->ops->reaches || !t->ops->reaches(t, dvmi_area_peer(a, m))))
			return false;
	return true;
}

int dvmi_shm_try_direct(struct dvmi_area *a)
{
	/* After this all have opened, and can be looked for. */
	int rc = dvmi_shm_barrier(a);

	if (rc == 0)
		rc = dvmi_area_enter(a, DVMI_COLL_BARRIER);
	if (rc < 0)
		return rc;
	bool direct = reaches_all(a);
	*dvmi_area_mine(a, 1) = direct;
	dvmi_area_publish(a);
	rc = dvmi_area_wait_all(a);
	for (uint32_t m = 0; m < a->team.size; m++)
		direct &= *dvmi_area_at(a, m, 1) == 1;
	a->direct = rc == 0 && direct;
	return rc;
}

int dvmi_direct_show(struct dvmi_area *a, uint64_t what, const void *in, void *out)
{
	int rc = dvmi_area_enter(a, what);

	if (rc < 0)
		return rc;
	struct dvmi_place *p = dvmi_place_of(a, a->team.rank);
	p->in = (uintptr_t)in;
	p->out = (uintptr_t)out;
	atomic_store_explicit(&p->gate, DVMI_GATE_OPEN, memory_order_relaxed);
	dvmi_area_publish(a);
	return 0;
}

/* Where member M's buffers are. */
static int find(struct dvmi_area *a, uint32_t m, struct dvmi_place *p)
{
	int rc = dvmi_area_wait(a, m);

	if (rc == 0) {
		p->in = dvmi_place_of(a, m)->in;
		p->out = dvmi_place_of(a, m)->out;
	}
	return rc;
}

int dvmi_direct_explain(struct dvmi_area *a, uint32_t m, int rc)
{
	struct dvmi_wait w = { .until = rc < 0 ? dvmi_clock_mono() + PATIENCE : 0 };

	while (rc < 0 && dvmi_clock_mono() < w.until) {
		int code = dvmi_area_lost(a, m);
		if (code < 0)
			return code;
		dvmi_wait_round(a->g->d, &w);
	}
	return rc;
}

int dvmi_direct_pull(struct dvmi_area *a, uint32_t m, void *to, uint64_t from, size_t len)
{
	struct dvmi_tport *t = a->g->d->shm;

	return len ? dvmi_direct_explain(a, m, t->ops->pull(t, dvmi_area_peer(a, m), to, from, len))
		   : 0;
}

int dvmi_direct_bcast(struct dvmi_area *a, uint8_t *buf, size_t len, uint32_t root)
{
	struct dvmi_place p;

	if (dvmi_direct_two(a))
		return dvmi_two_bcast(a, buf, len, root);
	int rc = dvmi_direct_show(a, dvmi_shm_what(DVMI_COLL_BCAST, root, len), NULL, buf);
	if (rc == 0 && a->team.rank != root)
		rc = find(a, root, &p);
	if (rc == 0 && a->team.rank != root)
		rc = dvmi_direct_pull(a, root, buf, p.out, len);
	return rc < 0 ? rc : dvmi_shm_barrier(a);
}

int dvmi_direct_scatter(struct dvmi_area *a, const uint8_t *in, uint8_t *out, size_t len,
			uint32_t root)
{
	int rc = dvmi_direct_show(a, dvmi_shm_what(DVMI_COLL_SCATTER, root, len), in, NULL);
	struct dvmi_place p;

	if (rc == 0 && a->team.rank == root && out != in + root * len)
		memcpy(out, in + root * len, len);
	if (rc == 0 && a->team.rank != root)
		rc = find(a, root, &p);
	if (rc == 0 && a->team.rank != root)
		rc = dvmi_direct_pull(a, root, out, p.in + a->team.rank * len, len);
	return rc < 0 ? rc : dvmi_shm_barrier(a);
}

int dvmi_direct_gather(struct dvmi_area *a, const uint8_t *in, size_t len, uint8_t *out,
		       uint32_t root)
{
	int rc = dvmi_direct_show(a, dvmi_shm_what(DVMI_COLL_GATHER, root, len), in, NULL);
	bool is_root = a->team.rank == root;

	if (rc == 0 && is_root && out + root * len != in)
		memcpy(out + root * len, in, len);
	for (uint32_t m = 0; is_root && m < a->team.size && rc == 0; m++) {
		struct dvmi_place p;
		rc = m == root ? 0 : find(a, m, &p);
		if (rc == 0 && m != root)
			rc = dvmi_direct_pull(a, m, out + m * len, p.in, len);
	}
	return rc < 0 ? rc : dvmi_shm_barrier(a);
}

int dvmi_direct_allgather(struct dvmi_area *a, const uint8_t *in, size_t len, uint8_t *out)
{
	uint32_t me = a->team.rank;
	int rc = dvmi_direct_show(a, dvmi_shm_what(DVMI_COLL_ALLGATHER, 1, len), in, NULL);

	if (rc == 0 && out + me * len != in)
		memcpy(out + me * len, in, len);
	for (uint32_t k = 1; k < a->team.size && rc == 0; k++) {
		uint32_t m = dvmi_team_before(&a->team, k);
		struct dvmi_place p;
		rc = find(a, m, &p);
		if (rc == 0)
			rc = dvmi_direct_pull(a, m, out + m * len, p.in, len);
	}
	return rc < 0 ? rc : dvmi_shm_barrier(a);
}

int dvmi_direct_alltoall(struct dvmi_area *a, const uint8_t *in, uint8_t *out, size_t len)
{
	uint32_t me = a->team.rank;
	int rc = dvmi_direct_show(a, dvmi_shm_what(DVMI_COLL_ALLTOALL, 1, len), in, NULL);

	if (rc == 0 && out + me * len != in + me * len)
		memcpy(out + me * len, in + me * len, len);
	for (uint32_t k = 1; k < a->team.size && rc == 0; k++) {
		uint32_t m = dvmi_team_before(&a->team, k);
		struct dvmi_place p;
		rc = find(a, m, &p);
		if (rc == 0)
			rc = dvmi_direct_pull(a, m, out + m * len, p.in + me * len, len);
	}
	return rc < 0 ? rc : dvmi_shm_barrier(a);
}

/*
 * N elements of our part, at byte FROM of everybody's vector. What is read comes block by block
 * into our slot, in whose other half our own operand is where the result would overwrite it before
 * its turn. In order of members.
 */
static int combine_block(struct dvmi_area *a, const struct dvmi_combine *op,
			 const struct dvmi_vector *v, size_t from, size_t n)
{
	size_t len = n * op->each;
	uint8_t *tmp = dvmi_area_mine(a, a->slot), *own = tmp + len, *out = v->out + from;
	const uint8_t *mine = v->in + from, *acc = NULL;
	bool in_place = v->in == v->out;
	int rc = 0;

	if (in_place && a->team.rank >= 2)
		mine = memcpy(own, mine, len);
	for (uint32_t m = 0; m < a->team.size && rc == 0; m++) {
		const uint8_t *next = mine;
		struct dvmi_place p;
		if (m != a->team.rank) {
			rc = find(a, m, &p);
			next = acc || (in_place && a->team.rank == 1) ? tmp : out;
			if (rc == 0)
				rc = dvmi_direct_pull(a, m, (uint8_t *)(uintptr_t)next, p.in + from,
						      len);
		}
		if (rc == 0 && acc)
			dvmi_combine(op, out, acc, next, n);
		acc = acc ? out : next;
	}
	return rc;
}

static int combine_part(struct dvmi_area *a, const struct dvmi_combine *op,
			const struct dvmi_vector *v, size_t from, size_t to)
{
	size_t most = dvmi_coll_direct_block(a->slot) / op->each;
	int rc = 0;

	for (size_t at = from; at < to && rc == 0; at += most)
		rc = combine_block(a, op, v, at * op->each, to - at < most ? to - at : most);
	return rc;
}

/* The parts that the others have combined. */
static int collect(struct dvmi_area *a, const struct dvmi_vector *v)
{
	uint32_t size = a->team.size;
	int rc = 0;

	for (uint32_t k = 1; k < size && rc == 0; k++) {
		uint32_t m = dvmi_team_before(&a->team, k);
		size_t from = dvmi_split(v->count, size, m) * v->each;
		size_t to = dvmi_split(v->count, size, m + 1) * v->each;
		struct dvmi_place p;
		rc = find(a, m, &p);
		if (rc == 0)
			rc = dvmi_direct_pull(a, m, v->out + from, p.out + from, to - from);
	}
	return rc;
}

int dvmi_direct_allreduce(struct dvmi_area *a, const struct dvmi_combine *op,
			  const struct dvmi_vector *v)
{
	uint32_t size = a->team.size, me = a->team.rank;
	uint64_t what = dvmi_shm_what(DVMI_COLL_ALLREDUCE, 1, v->count * v->each);

	if (dvmi_direct_two(a))
		return dvmi_two_allreduce(a, op, v);
	int rc = dvmi_direct_show(a, what, v->in, v->out);

	if (rc == 0)
		rc = combine_part(a, op, v, dvmi_split(v->count, size, me),
				  dvmi_split(v->count, size, me + 1));
	if (rc == 0)
		rc = dvmi_direct_show(a, what, v->in, v->out);
	if (rc == 0)
		rc = collect(a, v);
	return rc < 0 ? rc : dvmi_shm_barrier(a);
}
