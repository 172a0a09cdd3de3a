/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Those that combine elements: always in the order of members, by one of them or by all alike, so
 * that everybody gets the same bits.
 */
#include <string.h>

#include "libdvm/src/coll_shm_private.h"

/* One operation's worth of a reduction. */
struct piece {
	struct dvmi_area *a;
	const struct dvmi_combine *op;
	const uint8_t *in; /* this member's operand */
	uint8_t *out;
	size_t n, len; /* elements, bytes */
	bool in_slot;  /* the operand is in our slot as well */
};

/*
 * Member M's operand, from element FROM on. Ours is read where it lies, unless the result
 * overwrites it before its turn comes.
 */
static const uint8_t *operand(const struct piece *p, uint32_t m, size_t from)
{
	bool ours = m == p->a->team.rank;

	return (ours && !p->in_slot ? p->in : dvmi_area_at(p->a, m, p->len)) + from * p->op->each;
}

/* OUT gets N elements, from FROM on, of members 0 … TO - 1 combined. */
static void combine(const struct piece *p, uint8_t *out, size_t from, size_t n, uint32_t to)
{
	if (!n)
		return;
	const uint8_t *first = operand(p, 0, from);
	if (to == 1 && out != first)
		memmove(out, first, n * p->op->each);
	for (uint32_t m = 1; m < to; m++) {
		dvmi_combine(p->op, out, first, operand(p, m, from), n);
		first = out;
	}
}

/* Whether our operand must be in the slot although only we shall read it there. */
static bool endangered(const struct dvmi_area *a, const struct dvmi_vector *v)
{
	return v->in == v->out && a->team.rank >= 2;
}

static struct piece piece_of(struct dvmi_area *a, const struct dvmi_combine *op,
			     const struct dvmi_vector *v, size_t at, size_t most)
{
	size_t n = v->count - at < most ? v->count - at : most;

	return (struct piece){
		.a = a,
		.op = op,
		.in = v->in + at * v->each,
		.out = v->out ? v->out + at * v->each : NULL,
		.n = n,
		.len = n * v->each,
	};
}

static int reduce_piece(struct piece *p, uint32_t root, bool keep, uint64_t what)
{
	struct dvmi_area *a = p->a;
	bool is_root = a->team.rank == root;
	int rc = dvmi_area_enter(a, what);

	if (rc < 0)
		return rc;
	p->in_slot = !is_root || keep;
	if (p->in_slot)
		memcpy(dvmi_area_mine(a, p->len), p->in, p->len);
	dvmi_area_publish(a);
	if (!is_root)
		return 0;
	rc = dvmi_area_wait_all(a);
	if (rc == 0)
		combine(p, p->out, 0, p->n, a->team.size);
	return rc;
}

int dvmi_shm_reduce(struct dvmi_area *a, const struct dvmi_combine *op, const struct dvmi_vector *v,
		    uint32_t root)
{
	uint64_t what = dvmi_shm_what(DVMI_COLL_REDUCE, root, v->count * v->each);
	size_t most = dvmi_shm_flow(a) / v->each;
	bool keep = a->team.rank == root && endangered(a, v);
	int rc = 0;

	for (size_t at = 0; at < v->count && rc == 0; at += most) {
		struct piece p = piece_of(a, op, v, at, most);
		rc = reduce_piece(&p, root, keep, what);
	}
	return rc;
}

static int everything_alone(struct piece *p, uint64_t what)
{
	struct dvmi_area *a = p->a;
	int rc = dvmi_area_enter(a, what);

	if (rc < 0)
		return rc;
	memcpy(dvmi_area_mine(a, p->len), p->in, p->len);
	p->in_slot = true;
	dvmi_area_publish(a);
	rc = dvmi_area_wait_all(a);
	if (rc == 0)
		combine(p, p->out, 0, p->n, a->team.size);
	return rc;
}

int dvmi_shm_allreduce_line(struct dvmi_area *a, dvmi_reduce_fn *fn, const void *in, void *out,
			    size_t count, size_t len)
{
	int rc = dvmi_area_enter(a, dvmi_shm_what(DVMI_COLL_ALLREDUCE, 0, len));

	if (rc < 0)
		return rc;
	if (len == 8)
		memcpy(dvmi_area_mine(a, 8), in, 8);
	else
		memcpy(dvmi_area_mine(a, len), in, len);
	dvmi_area_publish(a);
	rc = dvmi_area_wait_all(a);
	const void *acc = dvmi_area_at(a, 0, len);
	for (uint32_t m = 1; m < a->team.size && rc == 0; m++) {
		fn(out, acc, dvmi_area_at(a, m, len), count);
		acc = out;
	}
	return rc;
}

/* Our operand into our slot, without the part [FROM, TO) that is ours to combine. */
static void give(struct piece *p, size_t from, size_t to)
{
	uint8_t *slot = dvmi_area_mine(p->a, p->len);
	size_t each = p->op->each;

	if (p->in_slot) {
		memcpy(slot, p->in, p->len);
		return;
	}
	memcpy(slot, p->in, from * each);
	memcpy(slot + to * each, p->in + to * each, (p->n - to) * each);
}

/* First operation: everybody combines a part. Second: the parts are handed round. */
static int a_part_each(struct piece *p, uint64_t what)
{
	struct dvmi_area *a = p->a;
	size_t each = p->op->each;
	uint32_t size = a->team.size, me = a->team.rank;
	size_t from = dvmi_split(p->n, size, me), to = dvmi_split(p->n, size, me + 1);

	int rc = dvmi_area_enter(a, what);
	if (rc < 0)
		return rc;
	give(p, from, to);
	dvmi_area_publish(a);
	rc = dvmi_area_wait_all(a);
	if (rc < 0)
		return rc;
	combine(p, p->out + from * each, from, to - from, size);
	rc = dvmi_area_enter(a, what);
	if (rc < 0)
		return rc;
	memcpy(dvmi_area_mine(a, p->len), p->out + from * each, (to - from) * each);
	dvmi_area_publish(a);
	for (uint32_t k = 1; k < size && rc == 0; k++) {
		uint32_t m = dvmi_team_before(&a->team, k);
		size_t at = dvmi_split(p->n, size, m) * each;
		rc = dvmi_area_wait(a, m);
		if (rc == 0)
			memcpy(p->out + at, dvmi_area_at(a, m, p->len),
			       dvmi_split(p->n, size, m + 1) * each - at);
	}
	return rc;
}

int dvmi_shm_allreduce(struct dvmi_area *a, const struct dvmi_combine *op,
		       const struct dvmi_vector *v)
{
	size_t len = v->count * v->each;
	uint64_t what = dvmi_shm_what(DVMI_COLL_ALLREDUCE, 0, len);
	bool alone = dvmi_coll_alone(v, a->team.size);
	size_t most = dvmi_shm_all(a) / v->each;
	int rc = 0;

	if (!alone && dvmi_shm_direct(a, DVMI_COLL_ALLREDUCE, len))
		return dvmi_direct_allreduce(a, op, v);
	for (size_t at = 0; at < v->count && rc == 0; at += most) {
		struct piece p = piece_of(a, op, v, at, most);
		p.in_slot = endangered(a, v);
		rc = alone ? everything_alone(&p, what) : a_part_each(&p, what);
	}
	return rc;
}

/* Elements of each member's part from AT on, at most MOST; where they begin in the input. */
struct parts {
	const size_t *counts;
	size_t count, at, most;
};

static size_t part_n(const struct parts *p, uint32_t m)
{
	size_t n = p->counts ? p->counts[m] : p->count;

	return n <= p->at ? 0 : n - p->at < p->most ? n - p->at : p->most;
}

static int reduce_scatter_piece(struct piece *p, const struct parts *parts, const uint8_t *in,
				uint64_t what)
{
	struct dvmi_area *a = p->a;
	uint32_t size = a->team.size, me = a->team.rank;
	size_t stride = parts->most * p->op->each, first = 0;
	int rc = dvmi_area_enter(a, what);

	if (rc < 0)
		return rc;
	for (uint32_t m = 0; m < size; m++) {
		size_t n = part_n(parts, m) * p->op->each;
		if (n)
			memcpy(dvmi_area_mine(a, p->len) + m * stride,
			       in + (first + parts->at) * p->op->each, n);
		first += parts->counts ? parts->counts[m] : parts->count;
	}
	p->in_slot = true;
	dvmi_area_publish(a);
	rc = dvmi_area_wait_all(a);
	if (rc == 0)
		combine(p, p->out, me * parts->most, part_n(parts, me), size);
	return rc;
}

/* In place, too: a piece of the result goes where no later piece of the input lies. */
int dvmi_shm_reduce_scatter(struct dvmi_area *a, const struct dvmi_combine *op,
			    const struct dvmi_vector *v, const size_t *counts)
{
	size_t longest = counts ? 0 : v->count, all = 0;

	for (uint32_t m = 0; counts && m < a->team.size; m++) {
		longest = counts[m] > longest ? counts[m] : longest;
		all += counts[m] * (m + 1);
	}
	struct parts parts = {
		.counts = counts,
		.count = v->count,
		.most = dvmi_shm_all(a) / v->each / a->team.size,
	};
	uint64_t what = dvmi_shm_what(DVMI_COLL_REDUCE_SCATTER, 0, counts ? all : longest);
	int rc = 0;
	if (parts.most > longest)
		parts.most = longest;
	for (; parts.at < longest && rc == 0; parts.at += parts.most) {
		struct piece p = {
			.a = a,
			.op = op,
			.out = v->out + parts.at * v->each,
			.len = parts.most * v->each * a->team.size,
		};
		rc = reduce_scatter_piece(&p, &parts, v->in, what);
	}
	return rc;
}

static int scan_piece(struct piece *p, bool exclusive, uint64_t what)
{
	struct dvmi_area *a = p->a;
	uint32_t me = a->team.rank;
	int rc = dvmi_area_enter(a, what);

	if (rc < 0)
		return rc;
	memcpy(dvmi_area_mine(a, p->len), p->in, p->len);
	p->in_slot = true;
	dvmi_area_publish(a);
	for (uint32_t m = 0; m < me && rc == 0; m++)
		rc = dvmi_area_wait(a, m);
	if (rc == 0 && (me || !exclusive))
		combine(p, p->out, 0, p->n, exclusive ? me : me + 1);
	return rc;
}

int dvmi_shm_scan(struct dvmi_area *a, const struct dvmi_combine *op, const struct dvmi_vector *v,
		  bool exclusive)
{
	enum dvmi_coll_kind kind = exclusive ? DVMI_COLL_EXSCAN : DVMI_COLL_SCAN;
	uint64_t what = dvmi_shm_what(kind, 0, v->count * v->each);
	size_t most = dvmi_shm_flow(a) / v->each;
	int rc = 0;

	for (size_t at = 0; at < v->count && rc == 0; at += most) {
		struct piece p = piece_of(a, op, v, at, most);
		rc = scan_piece(&p, exclusive, what);
	}
	return rc;
}
