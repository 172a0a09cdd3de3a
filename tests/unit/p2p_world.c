/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/p2p_world.h"

static struct dvmi_tport *route(void *arg, uint32_t peer)
{
	return *(struct dvmi_tport **)arg;
}

void open_world(struct world *w, uint32_t n, uint64_t seed, uint32_t refuse, uint32_t hold)
{
	struct dvmi_loop_config cfg = { .n = n,
					.seed = seed,
					.eager_max = 500,
					.chunk = 300,
					.refuse_pct = refuse,
					.hold_pct = hold };

	*w = (struct world){ .n = n, .l = dvmi_loop_create(&cfg) };
	assert_non_null(w->l);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(dvmi_p2p_init(&w->p[i], i, n, route, &w->t[i]), 0);
		assert_int_equal(dvmi_loop_end(w->l, i, dvmi_p2p_sink(&w->p[i]), &w->t[i]), 0);
	}
}

void close_world(struct world *w)
{
	for (uint32_t i = 0; i < w->n; i++) {
		dvmi_p2p_fini(&w->p[i]);
		dvmi_tport_destroy(w->t[i]);
	}
	dvmi_loop_destroy(w->l);
}

void turn(struct world *w, uint32_t i)
{
	w->t[i]->ops->progress(w->t[i]);
	dvmi_p2p_flush(&w->p[i]);
}

void turns(struct world *w, int n)
{
	for (int k = 0; k < n; k++)
		for (uint32_t i = 0; i < w->n; i++)
			turn(w, i);
}

void until_done(struct world *w, struct dvmi_op *op)
{
	for (int i = 0; i < 100000 && !dvmi_op_done(op); i++)
		turns(w, 1);
	assert_true(dvmi_op_done(op));
}

struct dvmi_match_key from(int32_t source, int32_t tag)
{
	return (struct dvmi_match_key){ .source = source, .tag = tag };
}

void pattern(uint8_t *buf, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = (uint8_t)(seed * 31 + i * 7 + (i >> 8));
}
