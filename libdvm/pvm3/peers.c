/* SPDX-License-Identifier: BSD-3-Clause */
/* Where tasks are: a hash table from their ids to their ranks in the world. */
#include <stdlib.h>

#include "libdvm/pvm3/state.h"

#define FIRST_ROOM 64u

static struct pvmi_peer *place_of(int tid)
{
	uint32_t at = (uint32_t)tid * 2654435761u;

	for (;; at++) {
		struct pvmi_peer *p = &pvmi.peers[at & (pvmi.npeers - 1)];
		if (p->tid == tid || !p->tid)
			return p;
	}
}

/* Never more than half full. */
static bool make_room(void)
{
	struct pvmi_peer *old = pvmi.peers;
	uint32_t n = pvmi.npeers;

	if (n && pvmi.known < n / 2)
		return true;
	struct pvmi_peer *p = calloc(n ? 2 * n : FIRST_ROOM, sizeof *p);
	if (!p)
		return false;
	pvmi.peers = p;
	pvmi.npeers = n ? 2 * n : FIRST_ROOM;
	for (uint32_t i = 0; i < n; i++)
		if (old[i].tid)
			*place_of(old[i].tid) = old[i];
	free(old);
	return true;
}

void pvmi_peer_set(int tid, int rank)
{
	if (!tid || !make_room())
		return; /* it is asked for again */
	struct pvmi_peer *p = place_of(tid);
	pvmi.known += !p->tid;
	if (p->tid && p->rank >= 0 && rank < 0 && pvmi.lend)
		pvmi_lend_gone(pvmi.lend, (uint32_t)p->rank);
	*p = (struct pvmi_peer){ tid, rank };
}

int pvmi_rank_if_known(int tid)
{
	const struct pvmi_peer *p = pvmi.npeers ? place_of(tid) : NULL;

	return p && p->tid ? p->rank : -1;
}

int pvmi_rank_of(int tid)
{
	const struct pvmi_peer *p = pvmi.npeers ? place_of(tid) : NULL;
	struct dvmi_buf args = { 0 }, body;
	struct dvmi_reader r;

	if (p && p->tid)
		return p->rank;
	dvmi_buf_put_u32(&args, (uint32_t)tid);
	int rc = pvmi_ask(PVMI_WHERE, &args, &body);
	if (rc >= 0) {
		dvmi_reader_init(&r, body.data, body.len);
		rc = (int)dvmi_get_u32(&r);
		if (dvmi_reader_done(&r) < 0 || rc < 0 || (uint32_t)rc >= pvmi.d->env.size)
			rc = PvmBadMsg;
	}
	if (rc >= 0 || rc == PvmNoTask)
		pvmi_peer_set(tid, rc);
	dvmi_buf_free(&args);
	dvmi_buf_free(&body);
	return rc;
}
