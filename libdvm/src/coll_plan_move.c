/* SPDX-License-Identifier: BSD-3-Clause */
/* Barrier, broadcast, gather and scatter. */
#include "libdvm/src/coll_plan.h"

void dvmi_plan_send(struct dvmi_sched *s, const struct dvmi_team *t, uint64_t i, const void *buf,
		    size_t len)
{
	dvmi_sched_send(s, dvmi_team_rank(t, i), buf, len);
}

void dvmi_plan_recv(struct dvmi_sched *s, const struct dvmi_team *t, uint64_t i, void *buf,
		    size_t len)
{
	dvmi_sched_recv(s, dvmi_team_rank(t, i), buf, len);
}

void dvmi_plan_barrier(struct dvmi_sched *s, const struct dvmi_team *t)
{
	for (uint64_t step = 1; step < t->size; step *= 2) {
		dvmi_plan_recv(s, t, dvmi_team_before(t, step), NULL, 0);
		dvmi_plan_send(s, t, dvmi_team_after(t, step), NULL, 0);
		dvmi_sched_round(s);
	}
}

void dvmi_plan_bcast_tree(struct dvmi_sched *s, const struct dvmi_team *t, uint8_t *buf, size_t len,
			  uint32_t root)
{
	uint32_t me = dvmi_team_before(t, root);
	uint64_t bit = 1;

	for (; bit < t->size; bit *= 2)
		if (me & bit) {
			dvmi_plan_recv(s, t, (me - bit + root) % t->size, buf, len);
			dvmi_sched_round(s);
			break;
		}
	for (bit /= 2; bit; bit /= 2)
		if (me + bit < t->size)
			dvmi_plan_send(s, t, (me + bit + root) % t->size, buf, len);
	dvmi_sched_round(s);
}

void dvmi_plan_bcast_ring(struct dvmi_sched *s, const struct dvmi_team *t, uint8_t *buf, size_t len,
			  uint32_t root)
{
	size_t *lens = dvmi_sched_tmp(s, 2 * (size_t)t->size * sizeof *lens);

	if (!lens)
		return;
	struct dvmi_parts parts = { .buf = buf, .lens = lens, .offsets = lens + t->size };
	for (uint32_t i = 0; i < t->size; i++) {
		lens[t->size + i] = dvmi_split(len, t->size, i);
		lens[i] = dvmi_split(len, t->size, i + 1) - lens[t->size + i];
	}
	dvmi_plan_scatter(s, t, &parts, dvmi_part_at(&parts, t->rank), lens[t->rank], root);
	dvmi_plan_allgather_ring(s, t, &parts);
}

void dvmi_plan_gather(struct dvmi_sched *s, const struct dvmi_team *t, const void *in, size_t len,
		      const struct dvmi_parts *out, uint32_t root)
{
	if (t->rank != root) {
		dvmi_plan_send(s, t, root, in, len);
	} else {
		for (uint32_t i = 0; i < t->size; i++)
			if (i != root)
				dvmi_plan_recv(s, t, i, dvmi_part_at(out, i),
					       dvmi_part_len(out, i));
		dvmi_sched_copy(s, dvmi_part_at(out, root), in, len);
	}
	dvmi_sched_round(s);
}

void dvmi_plan_scatter(struct dvmi_sched *s, const struct dvmi_team *t, const struct dvmi_parts *in,
		       void *out, size_t len, uint32_t root)
{
	if (t->rank != root) {
		dvmi_plan_recv(s, t, root, out, len);
	} else {
		for (uint32_t i = 0; i < t->size; i++)
			if (i != root)
				dvmi_plan_send(s, t, i, dvmi_part_at(in, i), dvmi_part_len(in, i));
		dvmi_sched_copy(s, out, dvmi_part_at(in, root), len);
	}
	dvmi_sched_round(s);
}

/* Ranks in the subtree of ME, counted from the root, that hangs on BIT. */
static uint64_t subtree(const struct dvmi_team *t, uint64_t me, uint64_t bit)
{
	return me + bit <= t->size ? bit : t->size - me;
}

/* TREE has the parts in the order in which ranks follow the root; PLAIN in that of ranks. */
static void turn(struct dvmi_sched *s, const struct dvmi_team *t, uint8_t *tree, uint8_t *plain,
		 size_t len, uint32_t root, bool to_tree)
{
	size_t head = (t->size - root) * len, tail = root * len;

	if (to_tree) {
		dvmi_sched_copy(s, tree, plain + tail, head);
		dvmi_sched_copy(s, tree + head, plain, tail);
	} else {
		dvmi_sched_copy(s, plain + tail, tree, head);
		dvmi_sched_copy(s, plain, tree + head, tail);
	}
}

void dvmi_plan_gather_tree(struct dvmi_sched *s, const struct dvmi_team *t, const void *in,
			   size_t len, uint8_t *out, uint32_t root)
{
	uint32_t me = dvmi_team_before(t, root);
	uint64_t top = me ? me & -me : t->size;
	uint8_t *acc = dvmi_sched_tmp(s, subtree(t, me, top) * len);

	if (!acc)
		return;
	dvmi_sched_copy(s, acc, in, len);
	dvmi_sched_round(s);
	for (uint64_t bit = 1; bit < top && me + bit < t->size; bit *= 2)
		dvmi_plan_recv(s, t, (me + bit + root) % t->size, acc + bit * len,
			       subtree(t, me + bit, bit) * len);
	if (me == 0)
		turn(s, t, acc, out, len, root, false);
	dvmi_sched_round(s);
	if (me)
		dvmi_plan_send(s, t, (me - top + root) % t->size, acc, subtree(t, me, top) * len);
	dvmi_sched_round(s);
}

void dvmi_plan_scatter_tree(struct dvmi_sched *s, const struct dvmi_team *t, const uint8_t *in,
			    size_t len, uint8_t *out, uint32_t root)
{
	uint32_t me = dvmi_team_before(t, root);
	uint64_t top = me ? me & -me : t->size, bit = 1;
	uint8_t *all = dvmi_sched_tmp(s, subtree(t, me, top) * len);

	if (!all)
		return;
	if (me)
		dvmi_plan_recv(s, t, (me - top + root) % t->size, all, subtree(t, me, top) * len);
	else
		turn(s, t, all, (uint8_t *)(uintptr_t)in, len, root, true);
	dvmi_sched_round(s);
	while (bit * 2 < top && me + bit * 2 < t->size)
		bit *= 2;
	for (; bit; bit /= 2)
		if (bit < top && me + bit < t->size)
			dvmi_plan_send(s, t, (me + bit + root) % t->size, all + bit * len,
				       subtree(t, me + bit, bit) * len);
	dvmi_sched_copy(s, out, all, len);
	dvmi_sched_round(s);
}
