/* SPDX-License-Identifier: BSD-3-Clause */
/* Several protocol engines in one process, over a fabric that refuses and delays at random. */
#ifndef TESTS_UNIT_P2P_WORLD_H
#define TESTS_UNIT_P2P_WORLD_H

#include "libdvm/net/fab_loop.h"
#include "libdvm/src/p2p.h"
#include "tests/unit/cm.h"

enum { MAX = 4 };

struct world {
	uint32_t n;
	struct dvmi_loop *l;
	struct dvmi_p2p p[MAX];
	struct dvmi_tport *t[MAX];
};

void open_world(struct world *w, uint32_t n, uint64_t seed, uint32_t refuse, uint32_t hold);
void close_world(struct world *w);
/* One look of rank I at what has come and at what waits; N looks of all ranks. */
void turn(struct world *w, uint32_t i);
void turns(struct world *w, int n);
/* Turns until OP is done, which it must be in time. */
void until_done(struct world *w, struct dvmi_op *op);

struct dvmi_match_key from(int32_t source, int32_t tag);
/* N bytes that depend on SEED. */
void pattern(uint8_t *buf, size_t n, uint64_t seed);

#endif
