/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Long collectives from memory to memory: members tell each other in the area where their buffers
 * are, and the kernel copies once, each member its share at the same time. A last operation, in
 * which all wait for all, says that nobody touches another's buffer any more.
 */
#include <errno.h>
#include <string.h>

#include "libdvm/base/clock.h"
#include "libdvm/src/coll_shm_private.h"
#include "libdvm/src/wait.h"

#define PATIENCE (2 * DVMI_SEC) /* ns until a copy that failed must have a reason */

/* What a member's line says. */
struct place {
	uint64_t in, out; /* addresses in its process */
};

static uint32_t peer_of(const struct dvmi_area *a, uint32_t m)
{
	return dvmi_rankmap_peer(&a->g->map, dvmi_team_rank(&a->team, m));
}

static bool reaches_all(const struct dvmi_area *a)
{
	struct dvmi_tport *t = a->g->d->shm;

	for (uint32_t m = 0; m < a->team.size; m++)
		if (m != a->team.rank && (!t->ops->reaches || !t->ops->reaches(t, peer_of(a, m))))
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

/* Everybody says where its buffers are. Waiting for the others is the caller's. */
static int show(struct dvmi_area *a, uint64_t what, const void *in, void *out)
{
	struct place p = { .in = (uintptr_t)in, .out = (uintptr_t)out };
	int rc = dvmi_area_enter(a, what);

	if (rc < 0)
		return rc;
	memcpy(dvmi_area_mine(a, sizeof p), &p, sizeof p);
	dvmi_area_publish(a);
	return 0;
}

static int find(struct dvmi_area *a, uint32_t m, struct place *p)
{
	int rc = dvmi_area_wait(a, m);

	if (rc == 0)
		memcpy(p, dvmi_area_at(a, m, sizeof *p), sizeof *p);
	return rc;
}

/* A copy that fails has met a member that is gone, or memory that the kernel does not copy. */
static int explain(struct dvmi_area *a, uint32_t m, int rc)
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

static int pull(struct dvmi_area *a, uint32_t m, void *to, uint64_t from, size_t len)
{
	struct dvmi_tport *t = a->g->d->shm;

	return len ? explain(a, m, t->ops->pull(t, peer_of(a, m), to, from, len)) : 0;
}

static int push(struct dvmi_area *a, uint32_t m, uint64_t to, const void *from, size_t len)
{
	struct dvmi_tport *t = a->g->d->shm;

	return len ? explain(a, m, t->ops->push(t, peer_of(a, m), to, from, len)) : 0;
}

/*
 * Everybody takes it from the root; of two ranks in all, both copy half. Nobody else writes to
 * another's memory: a rank that gives up when a third one dies may use its buffer for something
 * else while we still copy.
 */
static int bcast_copy(struct dvmi_area *a, uint8_t *buf, size_t len, uint32_t root)
{
	size_t half = a->g->size == 2 && !a->crowded ? len / 2 : 0;
	bool is_root = a->team.rank == root;
	uint32_t m = is_root ? 1 - root : root;
	struct place p;

	if (is_root && !half)
		return 0;
	int rc = find(a, m, &p);
	if (rc < 0)
		return rc;
	return is_root ? push(a, m, p.out, buf, half)
		       : pull(a, m, buf + half, p.out + half, len - half);
}

int dvmi_direct_bcast(struct dvmi_area *a, uint8_t *buf, size_t len, uint32_t root)
{
	int rc = show(a, dvmi_shm_what(DVMI_COLL_BCAST, root, len), NULL, buf);

	if (rc == 0)
		rc = bcast_copy(a, buf, len, root);
	return rc < 0 ? rc : dvmi_shm_barrier(a);
}

int dvmi_direct_scatter(struct dvmi_area *a, const uint8_t *in, uint8_t *out, size_t len,
			uint32_t root)
{
	int rc = show(a, dvmi_shm_what(DVMI_COLL_SCATTER, root, len), in, NULL);
	struct place p;

	if (rc == 0 && a->team.rank == root && out != in + root * len)
		memcpy(out, in + root * len, len);
	if (rc == 0 && a->team.rank != root)
		rc = find(a, root, &p);
	if (rc == 0 && a->team.rank != root)
		rc = pull(a, root, out, p.in + a->team.rank * len, len);
	return rc < 0 ? rc : dvmi_shm_barrier(a);
}

int dvmi_direct_gather(struct dvmi_area *a, const uint8_t *in, size_t len, uint8_t *out,
		       uint32_t root)
{
	int rc = show(a, dvmi_shm_what(DVMI_COLL_GATHER, root, len), in, NULL);
	bool is_root = a->team.rank == root;

	if (rc == 0 && is_root && out + root * len != in)
		memcpy(out + root * len, in, len);
	for (uint32_t m = 0; is_root && m < a->team.size && rc == 0; m++) {
		struct place p;
		rc = m == root ? 0 : find(a, m, &p);
		if (rc == 0 && m != root)
			rc = pull(a, m, out + m * len, p.in, len);
	}
	return rc < 0 ? rc : dvmi_shm_barrier(a);
}

int dvmi_direct_allgather(struct dvmi_area *a, const uint8_t *in, size_t len, uint8_t *out)
{
	uint32_t me = a->team.rank;
	int rc = show(a, dvmi_shm_what(DVMI_COLL_ALLGATHER, 1, len), in, NULL);

	if (rc == 0 && out + me * len != in)
		memcpy(out + me * len, in, len);
	for (uint32_t k = 1; k < a->team.size && rc == 0; k++) {
		uint32_t m = dvmi_team_before(&a->team, k);
		struct place p;
		rc = find(a, m, &p);
		if (rc == 0)
			rc = pull(a, m, out + m * len, p.in, len);
	}
	return rc < 0 ? rc : dvmi_shm_barrier(a);
}

int dvmi_direct_alltoall(struct dvmi_area *a, const uint8_t *in, uint8_t *out, size_t len)
{
	uint32_t me = a->team.rank;
	int rc = show(a, dvmi_shm_what(DVMI_COLL_ALLTOALL, 1, len), in, NULL);

	if (rc == 0 && out + me * len != in + me * len)
		memcpy(out + me * len, in + me * len, len);
	for (uint32_t k = 1; k < a->team.size && rc == 0; k++) {
		uint32_t m = dvmi_team_before(&a->team, k);
		struct place p;
		rc = find(a, m, &p);
		if (rc == 0)
			rc = pull(a, m, out + m * len, p.in + me * len, len);
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
		struct place p;
		if (m != a->team.rank) {
			rc = find(a, m, &p);
			next = acc || (in_place && a->team.rank == 1) ? tmp : out;
			if (rc == 0)
				rc = pull(a, m, (uint8_t *)(uintptr_t)next, p.in + from, len);
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
		struct place p;
		rc = find(a, m, &p);
		if (rc == 0)
			rc = pull(a, m, v->out + from, p.out + from, to - from);
	}
	return rc;
}

int dvmi_direct_allreduce(struct dvmi_area *a, const struct dvmi_combine *op,
			  const struct dvmi_vector *v)
{
	uint32_t size = a->team.size, me = a->team.rank;
	uint64_t what = dvmi_shm_what(DVMI_COLL_ALLREDUCE, 1, v->count * v->each);
	int rc = show(a, what, v->in, v->out);

	if (rc == 0)
		rc = combine_part(a, op, v, dvmi_split(v->count, size, me),
				  dvmi_split(v->count, size, me + 1));
	if (rc == 0)
		rc = show(a, what, v->in, v->out);
	if (rc == 0)
		rc = collect(a, v);
	return rc < 0 ? rc : dvmi_shm_barrier(a);
}
