/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "dvm/error.h"
#include "tests/fuzz/engine.h"
#include "tests/fuzz/fuzz.h"

static struct dvmi_tport *route(void *arg, uint32_t peer)
{
	return ((struct engine *)arg)->t;
}

static void receive(struct engine *e, int i, int32_t source, int32_t tag)
{
	struct dvmi_match_key key = { .ctx = 0, .source = source, .tag = tag };

	e->room[i][ENGINE_ROOM] = 0xa5;
	dvmi_p2p_recv(&e->p, &e->op[i], &key, e->room[i], ENGINE_ROOM);
}

void engine_open(struct engine *e)
{
	struct dvmi_loop_config cfg = {
		.n = ENGINE_RANKS, .seed = 1, .eager_max = 500, .chunk = 300
	};

	memset(e, 0, sizeof *e);
	e->l = dvmi_loop_create(&cfg);
	FUZZ_CHECK(e->l && dvmi_p2p_init(&e->p, 0, ENGINE_RANKS, route, e) == 0);
	FUZZ_CHECK(dvmi_loop_end(e->l, 0, dvmi_p2p_sink(&e->p), &e->t) == 0);
	receive(e, 0, DVMI_MATCH_ANY, DVMI_MATCH_ANY);
	receive(e, 1, 1, 5);
	receive(e, 2, 2, DVMI_MATCH_ANY);
	/* Announced, with numbers 1 << 32 and the next; a receive that asks gets the one after. */
	dvmi_p2p_send(&e->p, &e->op[3], 1, 0, 1, e->out, ENGINE_LONG);
	dvmi_p2p_send(&e->p, &e->op[4], 2, 0, 1, e->out, ENGINE_LONG);
}

void engine_close(struct engine *e)
{
	for (int i = 0; i < 3; i++)
		FUZZ_CHECK(e->room[i][ENGINE_ROOM] == 0xa5);
	dvmi_p2p_all_down(&e->p, -DVM_EPEERLOST);
	for (int i = 0; i < ENGINE_OPS; i++)
		FUZZ_CHECK(dvmi_op_done(&e->op[i]));
	dvmi_p2p_fini(&e->p);
	dvmi_tport_destroy(e->t);
	dvmi_loop_destroy(e->l);
}
