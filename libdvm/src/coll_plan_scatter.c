/* SPDX-License-Identifier: BSD-3-Clause */
/* Reductions of which each rank gets something else: reduce_scatter, and the scans. */
#include "libdvm/src/coll_plan.h"

/* Elements of the part of rank I. */
static size_t part_count(const struct dvmi_vector *v, const size_t *counts, uint32_t i)
{
	return counts ? counts[i] : v->count;
}

static void send_part(struct dvmi_sched *s, const struct dvmi_team *t, const struct dvmi_vector *v,
		      const size_t *offs, const size_t *counts, uint32_t i)
{
	dvmi_plan_send(s, t, i, v->in + offs[i], part_count(v, counts, i) * v->each);
}

/* All operands of our part come at once and are then combined in order. */
static void in_one_round(struct dvmi_sched *s, const struct dvmi_team *t,
			 const struct dvmi_vector *v, const size_t *offs, const size_t *counts)
{
	size_t n = part_count(v, counts, t->rank), len = n * v->each;
	uint8_t *tmp = dvmi_sched_tmp(s, t->size * len), *acc = dvmi_sched_tmp(s, len);

	if (!tmp || !acc)
		return;
	for (uint32_t k = 1; k < t->size; k++) {
		uint32_t i = dvmi_team_before(t, k);
		dvmi_plan_recv(s, t, i, tmp + i * len, len);
	}
	for (uint32_t k = 1; k < t->size; k++)
		send_part(s, t, v, offs, counts, dvmi_team_after(t, k));
	const uint8_t *cur = t->rank ? tmp : v->in + offs[0];
	for (uint32_t i = 1; i < t->size; i++) {
		const uint8_t *next = i == t->rank ? v->in + offs[i] : tmp + i * len;
		dvmi_sched_reduce(s, acc, cur, next, n);
		cur = acc;
	}
	dvmi_sched_copy(s, v->out, cur, len);
	dvmi_sched_round(s);
}

/*
 * A peer a round. Operands come from the left, down to rank 0, and then from the last rank down to
 * our right: two runs, each growing at its lower end, that meet at the end.
 */
static void in_rounds(struct dvmi_sched *s, const struct dvmi_team *t, const struct dvmi_vector *v,
		      const size_t *offs, const size_t *counts)
{
	size_t n = part_count(v, counts, t->rank), len = n * v->each;
	uint8_t *tmp = dvmi_sched_tmp(s, len), *low = dvmi_sched_tmp(s, len);
	uint8_t *high = dvmi_sched_tmp(s, len);
	const uint8_t *cur = v->in + offs[t->rank];

	if (!tmp || !low || !high)
		return;
	for (uint32_t k = 1; k < t->size; k++) {
		bool first_high = k == t->rank + 1;
		dvmi_plan_recv(s, t, dvmi_team_before(t, k), first_high ? high : tmp, len);
		send_part(s, t, v, offs, counts, dvmi_team_after(t, k));
		if (k <= t->rank) {
			dvmi_sched_reduce(s, low, tmp, cur, n);
			cur = low;
		} else if (!first_high) {
			dvmi_sched_reduce(s, high, tmp, high, n);
		}
		dvmi_sched_round(s);
	}
	if (t->rank + 1 < t->size)
		dvmi_sched_reduce(s, v->out, cur, high, n);
	else
		dvmi_sched_copy(s, v->out, cur, len);
	dvmi_sched_round(s);
}

void dvmi_plan_reduce_scatter(struct dvmi_sched *s, const struct dvmi_team *t,
			      const struct dvmi_vector *v, const size_t *counts, bool once)
{
	size_t *offs = dvmi_sched_tmp(s, t->size * sizeof *offs);

	if (!offs)
		return;
	size_t at = 0;
	for (uint32_t i = 0; i < t->size; i++) {
		offs[i] = at;
		at += part_count(v, counts, i) * v->each;
	}
	if (once)
		in_one_round(s, t, v, offs, counts);
	else
		in_rounds(s, t, v, offs, counts);
}

void dvmi_plan_reduce_parts(struct dvmi_sched *s, const struct dvmi_team *t,
			    const struct dvmi_vector *v, uint32_t root)
{
	size_t *lens = dvmi_sched_tmp(s, 3 * (size_t)t->size * sizeof *lens);

	if (!lens)
		return;
	size_t *offs = lens + t->size, *counts = offs + t->size;
	for (uint32_t i = 0; i < t->size; i++) {
		size_t from = dvmi_split(v->count, t->size, i);
		counts[i] = dvmi_split(v->count, t->size, i + 1) - from;
		offs[i] = from * v->each;
		lens[i] = counts[i] * v->each;
	}
	struct dvmi_vector part = *v;
	struct dvmi_parts all = { .buf = v->out, .lens = lens, .offsets = offs };
	part.out = dvmi_sched_tmp(s, lens[t->rank]);
	if (!part.out)
		return;
	dvmi_plan_reduce_scatter(s, t, &part, counts, false);
	dvmi_plan_gather(s, t, part.out, lens[t->rank], &all, root);
}

/* ACC combines the ranks from some distance below up to this one. */
void dvmi_plan_scan(struct dvmi_sched *s, const struct dvmi_team *t, const struct dvmi_vector *v,
		    bool exclusive)
{
	size_t len = v->count * v->each;
	uint8_t *tmp = dvmi_sched_tmp(s, len), *acc = v->out;
	const uint8_t *cur = v->in;

	if (exclusive)
		acc = dvmi_sched_tmp(s, len);
	if (!tmp || (exclusive && !acc))
		return;
	for (uint64_t bit = 1; bit < t->size; bit *= 2) {
		if (t->rank >= bit)
			dvmi_plan_recv(s, t, t->rank - bit, tmp, len);
		if (t->rank + bit < t->size)
			dvmi_plan_send(s, t, t->rank + bit, cur, len);
		if (t->rank >= bit) {
			dvmi_sched_reduce(s, acc, tmp, cur, v->count);
			cur = acc;
			if (exclusive && bit == 1)
				dvmi_sched_copy(s, v->out, tmp, len);
			else if (exclusive)
				dvmi_sched_reduce(s, v->out, tmp, v->out, v->count);
		}
		dvmi_sched_round(s);
	}
	if (!exclusive)
		dvmi_sched_copy(s, v->out, cur, len);
	dvmi_sched_round(s);
}
