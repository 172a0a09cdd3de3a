/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A protocol engine with operations under way, for packets of hostile ranks: rank 0 of ENGINE_RANKS
 * in a job whose key is ENGINE_KEY.
 */
#ifndef TESTS_FUZZ_ENGINE_H
#define TESTS_FUZZ_ENGINE_H

#include "libdvm/net/fab_loop.h"
#include "libdvm/src/p2p.h"

enum { ENGINE_RANKS = 4, ENGINE_KEY = 42, ENGINE_ROOM = 64, ENGINE_LONG = 3000, ENGINE_OPS = 5 };

struct engine {
	struct dvmi_loop *l;
	struct dvmi_tport *t;
	struct dvmi_p2p p;
	struct dvmi_op op[ENGINE_OPS];
	uint8_t room[ENGINE_OPS][ENGINE_ROOM + 1], out[ENGINE_LONG];
};

void engine_open(struct engine *e);
/* Checks that nothing was written outside of a buffer and that every operation ends. */
void engine_close(struct engine *e);

#endif
