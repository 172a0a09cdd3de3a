/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages of hostile members, through the codec and into an engine that has an operation of its
 * own under way. Input: any number of { sender u8, time u8 (x 100 ms), length u16, message }.
 * Whatever decodes has one form, what the engine sends must encode, and its own operation ends.
 */
#include <string.h>

#include "daemon/bcast.h"
#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "tests/fuzz/fuzz.h"

struct engine {
	dvmd_bcast_t *b;
	uint64_t now;
	unsigned done;
};

static void check_canonical(const struct dvmi_bcast_msg *m, const uint8_t *p, size_t n)
{
	struct dvmi_buf b = { 0 };

	FUZZ_CHECK(dvmi_bcast_msg_encode(m, &b) == 0);
	FUZZ_CHECK(b.len == n && memcmp(b.data, p, n) == 0);
	dvmi_buf_free(&b);
}

static void act_on(struct engine *e, const struct dvmd_bcast_act *act)
{
	struct dvmd_bcast_status st;
	struct dvmi_buf b = { 0 };
	uint32_t id;

	if (act->type == DVMD_BCAST_SEND) {
		FUZZ_CHECK(dvmi_bcast_msg_encode(act->msg, &b) == 0);
	} else if (act->type == DVMD_BCAST_DONE) {
		e->done++;
		for (uint32_t i = 0; i < act->n; i++)
			FUZZ_CHECK(dvmd_bcast_done_at(e->b, act, i, &id, &st) == 0);
	}
	dvmi_buf_free(&b);
}

static void drain(struct engine *e)
{
	struct dvmd_bcast_act act;
	uint32_t origin = 0;
	uint64_t op = 0;

	while (dvmd_bcast_next(e->b, &act)) {
		act_on(e, &act);
		if (act.type == DVMD_BCAST_DELIVER) {
			origin = act.node;
			op = act.op;
		}
	}
	if (op) {
		dvmd_bcast_answer(e->b, e->now, origin, op, -3, "result", 6);
		while (dvmd_bcast_next(e->b, &act))
			act_on(e, &act);
	}
}

static void start(struct engine *e)
{
	static const uint32_t ids[] = { 2, 3, 4, 5, 6 };
	struct dvmd_bcast_conf conf;
	uint64_t op;

	dvmd_bcast_conf_init(&conf);
	conf.width = 2;
	conf.ops_max = 4;
	*e = (struct engine){ .now = 100 * DVMI_SEC };
	FUZZ_CHECK(dvmd_bcast_create(&e->b, &conf, 1, 1) == 0);
	FUZZ_CHECK(dvmd_bcast_start(e->b, e->now, ids, 5, "x", 1, 10 * DVMI_SEC, &op) == 0);
	drain(e);
}

static void take(struct engine *e, uint32_t from, const uint8_t *p, size_t n)
{
	struct dvmi_bcast_msg msg;
	int rc = dvmi_bcast_msg_decode(&msg, p, n);

	FUZZ_CHECK(rc == 0 || rc == -DVM_EPROTO);
	if (rc < 0)
		return;
	check_canonical(&msg, p, n);
	dvmd_bcast_receive(e->b, e->now, from, &msg);
	drain(e);
	dvmi_bcast_msg_free(&msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dvmi_reader r;
	struct engine e;

	start(&e);
	dvmi_reader_init(&r, data, size);
	while (!r.err && r.p < r.end) {
		uint32_t from = dvmi_get_u8(&r) % 8;
		e.now += dvmi_get_u8(&r) * 100 * DVMI_MSEC;
		size_t n = dvmi_get_u16(&r);
		const uint8_t *p = dvmi_get_bytes(&r, n);
		dvmd_bcast_tick(e.b, e.now);
		drain(&e);
		if (p)
			take(&e, from, p, n);
	}
	e.now += 20 * DVMI_SEC;
	dvmd_bcast_tick(e.b, e.now);
	drain(&e);
	FUZZ_CHECK(e.done == 1);
	dvmd_bcast_destroy(e.b);
	return 0;
}
