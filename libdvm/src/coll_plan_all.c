/* SPDX-License-Identifier: BSD-3-Clause */
/* Allgather and all to all. */
#include "libdvm/src/coll_plan.h"

void dvmi_plan_allgather_ring(struct dvmi_sched *s, const struct dvmi_team *t,
			      const struct dvmi_parts *out)
{
	for (uint32_t step = 0; step + 1 < t->size; step++) {
		uint32_t give = dvmi_team_before(t, step), take = dvmi_team_before(t, step + 1);
		dvmi_plan_recv(s, t, dvmi_team_before(t, 1), dvmi_part_at(out, take),
			       dvmi_part_len(out, take));
		dvmi_plan_send(s, t, dvmi_team_after(t, 1), dvmi_part_at(out, give),
			       dvmi_part_len(out, give));
		dvmi_sched_round(s);
	}
}

void dvmi_plan_allgather_once(struct dvmi_sched *s, const struct dvmi_team *t,
			      const struct dvmi_parts *out)
{
	for (uint32_t k = 1; k < t->size; k++) {
		uint32_t from = dvmi_team_before(t, k);
		dvmi_plan_recv(s, t, from, dvmi_part_at(out, from), dvmi_part_len(out, from));
	}
	for (uint32_t k = 1; k < t->size; k++)
		dvmi_plan_send(s, t, dvmi_team_after(t, k), dvmi_part_at(out, t->rank),
			       dvmi_part_len(out, t->rank));
	dvmi_sched_round(s);
}

/* TMP holds the parts from this rank's on; it is turned into place at the end. */
void dvmi_plan_allgather_bruck(struct dvmi_sched *s, const struct dvmi_team *t, const void *in,
			       size_t len, uint8_t *out)
{
	uint8_t *tmp = dvmi_sched_tmp(s, t->size * len);

	if (!tmp)
		return;
	dvmi_sched_copy(s, tmp, in, len);
	dvmi_sched_round(s);
	for (uint64_t have = 1; have < t->size; have *= 2) {
		size_t n = (have * 2 <= t->size ? have : t->size - have) * len;
		dvmi_plan_recv(s, t, dvmi_team_after(t, have), tmp + have * len, n);
		dvmi_plan_send(s, t, dvmi_team_before(t, have), tmp, n);
		dvmi_sched_round(s);
	}
	size_t head = (size_t)(t->size - t->rank) * len;
	dvmi_sched_copy(s, out + t->rank * len, tmp, head);
	dvmi_sched_copy(s, out, tmp + head, t->rank * len);
	dvmi_sched_round(s);
}

void dvmi_plan_alltoall(struct dvmi_sched *s, const struct dvmi_team *t,
			const struct dvmi_parts *in, const struct dvmi_parts *out, uint32_t window)
{
	dvmi_sched_copy(s, dvmi_part_at(out, t->rank), dvmi_part_at(in, t->rank),
			dvmi_part_len(in, t->rank));
	for (uint32_t low = 1; low < t->size; low += window) {
		uint32_t high = t->size - low > window ? low + window : t->size;
		for (uint32_t k = low; k < high; k++) {
			uint32_t i = dvmi_team_before(t, k);
			dvmi_plan_recv(s, t, i, dvmi_part_at(out, i), dvmi_part_len(out, i));
		}
		for (uint32_t k = low; k < high; k++) {
			uint32_t i = dvmi_team_after(t, k);
			dvmi_plan_send(s, t, i, dvmi_part_at(in, i), dvmi_part_len(in, i));
		}
		dvmi_sched_round(s);
	}
	dvmi_sched_round(s);
}

/* Those whose number has BIT go BIT ranks further; packed into GO, and what comes out of COME. */
static void bruck_step(struct dvmi_sched *s, const struct dvmi_team *t, uint8_t *tmp, size_t len,
		       uint64_t bit, uint8_t *go, uint8_t *come)
{
	size_t n = 0;

	for (uint64_t i = bit; i < t->size; i++)
		if (i & bit)
			dvmi_sched_copy(s, go + n++ * len, tmp + i * len, len);
	dvmi_sched_round(s);
	dvmi_plan_recv(s, t, dvmi_team_before(t, bit), come, n * len);
	dvmi_plan_send(s, t, dvmi_team_after(t, bit), go, n * len);
	n = 0;
	for (uint64_t i = bit; i < t->size; i++)
		if (i & bit)
			dvmi_sched_copy(s, tmp + i * len, come + n++ * len, len);
	dvmi_sched_round(s);
}

void dvmi_plan_alltoall_bruck(struct dvmi_sched *s, const struct dvmi_team *t, const uint8_t *in,
			      size_t len, uint8_t *out)
{
	size_t all = t->size * len;
	uint8_t *tmp = dvmi_sched_tmp(s, 3 * all);

	if (!tmp)
		return;
	for (uint32_t i = 0; i < t->size; i++)
		dvmi_sched_copy(s, tmp + i * len, in + dvmi_team_after(t, i) * len, len);
	dvmi_sched_round(s);
	for (uint64_t bit = 1; bit < t->size; bit *= 2)
		bruck_step(s, t, tmp, len, bit, tmp + all, tmp + 2 * all);
	for (uint32_t i = 0; i < t->size; i++)
		dvmi_sched_copy(s, out + dvmi_team_before(t, i) * len, tmp + i * len, len);
	dvmi_sched_round(s);
}
