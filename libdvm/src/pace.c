/* SPDX-License-Identifier: BSD-3-Clause */
#include "libdvm/src/pace.h"

#define FIRST_TRIES    3u /* of each way before they are compared */
#define INTERVAL_FIRST 32u
#define INTERVAL_MAX   1024u

static enum dvmi_way other(enum dvmi_way w)
{
	return w == DVMI_WAY_COPY ? DVMI_WAY_STREAM : DVMI_WAY_COPY;
}

static enum dvmi_way winner(const struct dvmi_pace *p)
{
	return p->rate[DVMI_WAY_STREAM] > p->rate[DVMI_WAY_COPY] ? DVMI_WAY_STREAM : DVMI_WAY_COPY;
}

/* Both have to be known first; the copy, which needs less of the machine, begins. */
static enum dvmi_way unknown(struct dvmi_pace *p)
{
	for (int w = DVMI_WAY_COPY; w >= DVMI_WAY_STREAM; w--)
		if (p->tries[w] < FIRST_TRIES) {
			p->tries[w]++;
			return (enum dvmi_way)w;
		}
	return winner(p);
}

enum dvmi_way dvmi_pace_choose(struct dvmi_pace *p)
{
	if (!p->rate[DVMI_WAY_COPY] || !p->rate[DVMI_WAY_STREAM])
		return unknown(p);
	if (p->left) {
		p->left--;
		return winner(p);
	}
	p->left = p->interval;
	p->seen = p->rate[winner(p)];
	return other(winner(p));
}

/* WEIGHT quarters of it are the new value. */
static void smooth(uint32_t *rate, uint64_t now, uint32_t weight)
{
	uint64_t r = now > UINT32_MAX / 4 ? UINT32_MAX / 4 : now ? now : 1;

	*rate = (uint32_t)(*rate ? (*rate * (UINT64_C(4) - weight) + r * weight) / 4 : r);
}

/* The winner is half as fast again, or slower by as much, than when the loser was last tried. */
static int has_moved(const struct dvmi_pace *p)
{
	uint64_t now = p->rate[winner(p)];

	return p->seen && (now * 2 > p->seen * UINT64_C(3) || now * 3 < p->seen * UINT64_C(2));
}

void dvmi_pace_sample(struct dvmi_pace *p, enum dvmi_way way, uint64_t bytes, uint64_t ns)
{
	enum dvmi_way before = winner(p);

	if (!ns)
		return;
	/* What is tried seldom is known from few samples: each counts for more. */
	smooth(&p->rate[way], bytes * 1000 / ns, way == before ? 1 : 3);
	if (!p->interval || winner(p) != before || has_moved(p)) {
		p->interval = INTERVAL_FIRST;
		p->left = p->left < p->interval ? p->left : p->interval;
		p->seen = p->rate[winner(p)];
	} else if (way != before && p->interval < INTERVAL_MAX) {
		p->interval *= 2;
		p->left = p->interval;
	}
}
