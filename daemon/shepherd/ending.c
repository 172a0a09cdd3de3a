/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/shepherd/ending.h"

static enum shep_ending_step take(struct shep_ending *e, enum shep_ending_step step, uint64_t next)
{
	e->step = step;
	e->next = next;
	return step;
}

enum shep_ending_step shep_ending_order(struct shep_ending *e, uint64_t now, uint64_t grace)
{
	uint64_t kill = grace < UINT64_MAX - now ? now + grace : UINT64_MAX;

	if (grace == 0 && e->step < SHEP_ENDING_KILL)
		return take(e, SHEP_ENDING_KILL, now + e->stuck_after);
	if (e->step == SHEP_ENDING_NOT)
		return take(e, SHEP_ENDING_TERM, kill);
	if (e->step == SHEP_ENDING_TERM && kill < e->next)
		e->next = kill;
	return SHEP_ENDING_NOT;
}

enum shep_ending_step shep_ending_tick(struct shep_ending *e, uint64_t now)
{
	if (e->step == SHEP_ENDING_NOT || now < e->next)
		return SHEP_ENDING_NOT;
	if (e->step == SHEP_ENDING_TERM)
		return take(e, SHEP_ENDING_KILL, now + e->stuck_after);
	if (e->step == SHEP_ENDING_KILL)
		return take(e, SHEP_ENDING_STUCK, UINT64_MAX);
	return SHEP_ENDING_NOT;
}

uint64_t shep_ending_next(const struct shep_ending *e)
{
	return e->step == SHEP_ENDING_NOT ? UINT64_MAX : e->next;
}
