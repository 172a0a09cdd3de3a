/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a node tells others waits until they have what it has written before in pages that several
 * nodes write (0021-walked.md): those are compared when there is something to tell, and once all
 * differences have arrived, it goes. One comparison serves all that has come together.
 *
 * A peer has three lists: open (being put together), closed (compared, waits), and the one that is
 * being sent. Records of one lane keep their order; free ones go ahead.
 */
#include "shm/node_private.h"

#define LOOKS 8 /* in a row, if what comes between is over at once: tables have few levels */

bool dsm_gate_needed(const struct dsm_node *n)
{
	return n->gate.shut || n->gate.any || n->gate.walking;
}

static uint64_t pending(const struct dsm_node *n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n->nsegs; i++)
		if (n->segs[i])
			sum += dsm_seg_walk_pending(n->segs[i]);
	return sum;
}

static void look(struct dsm_node *n)
{
	n->gate.walking = n->gate.again = false;
	for (uint32_t i = 0; i < n->nsegs; i++) {
		if (!n->segs[i])
			continue;
		n->gate.walking |= dsm_seg_walk_look(n->segs[i]);
		n->gate.again |= dsm_seg_walk_again(n->segs[i]);
	}
}

/* All that was written before what waits was closed is told, and settled. */
static bool settled(struct dsm_node *n)
{
	for (int i = 0; pending(n) == 0 && i < LOOKS; i++) {
		if (!n->gate.again)
			return true;
		look(n);
	}
	return false;
}

static void shut(struct dsm_node *n, bool is)
{
	for (uint32_t i = 0; is != n->gate.shut && i < n->nsegs; i++)
		if (n->segs[i])
			dsm_seg_trace_gate(n->segs[i], is);
	n->gate.shut = is;
}

void dsm_gate_step(struct dsm_node *n)
{
	struct dsm_gate *g = &n->gate;

	if (g->shut && settled(n)) {
		shut(n, false);
		dsm_out_release(n);
	}
	if (g->shut || !g->any)
		return;
	dsm_out_close(n);
	g->any = false;
	if (g->tells)
		look(n);
	g->tells = false;
	shut(n, !settled(n));
	if (!g->shut)
		dsm_out_release(n);
	g->flushes++;
	g->waits += g->shut;
}

void dsm_gate_open(struct dsm_node *n)
{
	dsm_out_release(n);
	dsm_out_close(n);
	dsm_out_release(n);
	shut(n, false);
	n->gate.any = n->gate.tells = n->gate.again = false;
}
