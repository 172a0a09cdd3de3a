/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages of hostile members, through the codec and into an engine. Input: any number of
 * { sender u8, time u8 (x 20 ms), length u16, message }; an engine of node 1 among 1 … 6 takes
 * them. Whatever decodes has one form, and whatever the engine then sends must encode.
 */
#include <string.h>

#include "daemon/member.h"
#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "tests/fuzz/fuzz.h"

#define MEMBERS 6

static void check_canonical(const struct dvmi_member_msg *m, const uint8_t *p, size_t n)
{
	struct dvmi_buf b = { 0 };

	FUZZ_CHECK(dvmi_member_msg_encode(m, &b) == 0);
	FUZZ_CHECK(b.len == n && memcmp(b.data, p, n) == 0);
	dvmi_buf_free(&b);
}

static void drain(dvmd_member_t *m)
{
	struct dvmd_member_act act;
	struct dvmi_buf b = { 0 };

	while (dvmd_member_next(m, &act)) {
		if (act.type == DVMD_MEMBER_SEND)
			FUZZ_CHECK(dvmi_member_msg_encode(act.msg, &b) == 0);
		else
			FUZZ_CHECK(act.node >= 2 && act.node <= MEMBERS);
	}
	dvmi_buf_free(&b);
	FUZZ_CHECK(dvmd_member_count(m) == MEMBERS);
	FUZZ_CHECK(dvmd_member_count_up(m) >= 1 && dvmd_member_count_up(m) <= MEMBERS);
}

static dvmd_member_t *engine(uint64_t now)
{
	struct dvmd_member_conf conf;
	dvmd_member_t *m;

	FUZZ_CHECK(dvmd_member_conf_init(&conf, 3 * DVMI_SEC) == 0);
	FUZZ_CHECK(dvmd_member_create(&m, &conf, 1, DVMD_MEMBER_LIFE(1), 7, now) == 0);
	for (uint32_t id = 2; id <= MEMBERS; id++)
		FUZZ_CHECK(dvmd_member_add(m, now, id) == 0);
	return m;
}

static void take(dvmd_member_t *m, uint64_t now, uint32_t from, const uint8_t *p, size_t n)
{
	struct dvmi_member_msg msg;
	int rc = dvmi_member_msg_decode(&msg, p, n);

	FUZZ_CHECK(rc == 0 || rc == -DVM_EPROTO);
	if (rc < 0)
		return;
	check_canonical(&msg, p, n);
	dvmd_member_receive(m, now, from, &msg);
	drain(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dvmi_reader r;
	uint64_t now = 100 * DVMI_SEC;
	dvmd_member_t *m = engine(now);

	dvmi_reader_init(&r, data, size);
	while (!r.err && r.p < r.end) {
		uint32_t from = dvmi_get_u8(&r) % (MEMBERS + 2);
		now += dvmi_get_u8(&r) * 20 * DVMI_MSEC;
		size_t n = dvmi_get_u16(&r);
		const uint8_t *p = dvmi_get_bytes(&r, n);
		dvmd_member_tick(m, now);
		drain(m);
		if (p)
			take(m, now, from, p, n);
	}
	dvmd_member_destroy(m);
	return 0;
}
