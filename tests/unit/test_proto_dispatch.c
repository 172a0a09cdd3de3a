/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages to handlers, by a table. */
#include "dvm/error.h"
#include "libdvm/proto/dispatch.h"
#include "libdvm/proto/msgtype.h"
#include "tests/unit/cm.h"

struct heard {
	uint64_t job;
	uint32_t node;
	unsigned times;
};

static void take_ref(struct heard *h, const Pb__JobRef *msg)
{
	h->job = msg->job;
	h->times++;
}

static void take_ack(struct heard *h, const Pb__StdinAck *msg)
{
	h->node = msg->node;
	h->times++;
}

static const struct dvmi_taker takers[] = {
	DVMI_TAKES(DVMI_MSG_JOB_RELEASE, job_ref, take_ref),
	DVMI_TAKES(DVMI_MSG_STDIN_ACK, stdin_ack, take_ack),
};

static int give(uint16_t type, const void *msg, struct heard *h)
{
	struct dvmi_buf b = { 0 };

	dvmi_pb_pack(&b, msg);
	int rc = dvmi_dispatch(takers, 2, type, b.data, b.len, h);
	dvmi_buf_free(&b);
	return rc;
}

static void each_type_has_its_handler(void **state)
{
	struct heard h = { 0 };
	Pb__JobRef ref = PB__JOB_REF__INIT;
	Pb__StdinAck ack = PB__STDIN_ACK__INIT;

	ref.job = 17;
	ack.node = 3;
	assert_int_equal(give(DVMI_MSG_JOB_RELEASE, &ref, &h), 1);
	assert_int_equal(give(DVMI_MSG_STDIN_ACK, &ack, &h), 1);
	assert_int_equal(h.job, 17);
	assert_int_equal(h.node, 3);
	assert_int_equal(h.times, 2);
}

static void others_are_nobodys(void **state)
{
	struct heard h = { 0 };
	Pb__JobRef ref = PB__JOB_REF__INIT;

	assert_int_equal(give(DVMI_MSG_STDIN, &ref, &h), 0);
	assert_int_equal(dvmi_dispatch(takers, 0, DVMI_MSG_JOB_RELEASE, NULL, 0, &h), 0);
	assert_int_equal(h.times, 0);
}

static void what_is_malformed_reaches_nobody(void **state)
{
	const uint8_t bad[] = { 0x08 }; /* a number that is missing */
	struct heard h = { 0 };

	assert_int_equal(dvmi_dispatch(takers, 2, DVMI_MSG_JOB_RELEASE, bad, sizeof bad, &h),
			 -DVM_EPROTO);
	assert_int_equal(h.times, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_has_its_handler),
		cmocka_unit_test(others_are_nobodys),
		cmocka_unit_test(what_is_malformed_reaches_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
