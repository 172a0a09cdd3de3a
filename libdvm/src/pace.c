/* SPDX-License-Identifier: BSD-3-Clause */
#include "libdvm/src/pace.h"

#define FIRST_TRIES    3u /* of each way before they are compared */
#define RUN	       4u /* samples of the loser, once it is tried */
#define RUN_MAX	       6u /* messages of a run, whether they can be timed or not */
#define INTERVAL_FIRST 64u
#define INTERVAL_MAX   1024u

static enum dvmi_way other(enum dvmi_way w)
{
	return w == DVMI_WAY_COPY ? DVMI_WAY_STREAM : DVMI_WAY_COPY;
}

static enum dvmi_way winner(const struct dvmi_pace *p)
{
	return p->cost[DVMI_WAY_STREAM] < p->cost[DVMI_WAY_COPY] ? DVMI_WAY_STREAM : DVMI_WAY_COPY;
}

/* Both have to be known first; the copy, which needs less of the machine, begins. */
static enum dvmi_way unknown(struct dvmi_pace *p)
{
	for (int w = DVMI_WAY_COPY; w >= DVMI_WAY_STREAM; w--)
		if (p->tries[w] < FIRST_TRIES) {
			p->tries[w]++;
			return (enum dvmi_way)w;
		}
	return p->cost[DVMI_WAY_STREAM] ? DVMI_WAY_STREAM : DVMI_WAY_COPY;
}

static void begin_run(struct dvmi_pace *p)
{
	p->loser = other(winner(p));
	p->wanted = RUN;
	p->left = RUN_MAX;
	p->seen = p->cost[winner(p)];
}

/* It is tried the more seldom the more often it has lost. */
static void end_run(struct dvmi_pace *p)
{
	bool lost = winner(p) != p->loser;

	p->wanted = 0;
	p->interval = !lost || !p->interval	   ? INTERVAL_FIRST
		      : p->interval < INTERVAL_MAX ? p->interval * 2
						   : INTERVAL_MAX;
	p->left = p->interval;
}

enum dvmi_way dvmi_pace_choose(struct dvmi_pace *p)
{
	if (!p->cost[DVMI_WAY_COPY] || !p->cost[DVMI_WAY_STREAM])
		return unknown(p);
	if (p->wanted && !p->left)
		end_run(p);
	if (!p->interval) {
		p->interval = p->left = INTERVAL_FIRST;
		p->seen = p->cost[winner(p)];
	}
	if (!p->left)
		begin_run(p);
	p->left--;
	return p->wanted ? p->loser : winner(p);
}

/* WEIGHT quarters of it are the new value. */
static void smooth(uint32_t *cost, uint64_t now, uint32_t weight)
{
	uint64_t c = now > UINT32_MAX / 4 ? UINT32_MAX / 4 : now ? now : 1;

	*cost = (uint32_t)(*cost ? (*cost * (UINT64_C(4) - weight) + c * weight) / 4 : c);
}

/*
 * The winner is three times as fast as when the loser was last tried, or slower by as much: more
 * than messages of one's own the other way make of it.
 */
static bool has_moved(const struct dvmi_pace *p)
{
	uint64_t now = p->cost[winner(p)];

	return p->seen && (now > p->seen * UINT64_C(3) || now * 3 < p->seen);
}

static uint64_t cost_of(uint64_t bytes, uint64_t ns)
{
	return ns > UINT64_MAX / DVMI_PACE_UNIT ? UINT64_MAX : ns * DVMI_PACE_UNIT / bytes;
}

/* Clearly no better than what was known of it: the run need not go on. */
static bool is_hopeless(const struct dvmi_pace *p, uint64_t cost)
{
	return cost / 3 >= p->cost[other(p->loser)] / 2;
}

void dvmi_pace_sample(struct dvmi_pace *p, enum dvmi_way way, uint64_t bytes, uint64_t ns)
{
	if (!ns || !bytes)
		return;
	uint64_t cost = cost_of(bytes, ns);
	/* What is tried seldom is known from few samples: each counts for more. */
	smooth(&p->cost[way], cost, p->wanted && way == p->loser ? 2 : 1);
	if (p->wanted && way == p->loser) {
		if (!--p->wanted || is_hopeless(p, cost))
			end_run(p);
	} else if (!p->wanted && p->left > INTERVAL_FIRST && has_moved(p)) {
		p->interval = p->left = INTERVAL_FIRST;
	}
}
