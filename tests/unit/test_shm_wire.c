/* SPDX-License-Identifier: BSD-3-Clause */
/* Records of shared memory: there and back, cut off anywhere, and with any bytes in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dvm/error.h"
#include "libdvm/base/rng.h"
#include "shm/wire.h"

static const struct dsm_msg some = {
	.kind = DSM_DATA,
	.flags = DSM_BYTES | DSM_EXCLUSIVE,
	.state = DSM_OWNED,
	.node = 513,
	.acks = 1023,
	.epoch = 0x01020304,
	.page = UINT64_C(0x0123456789abcdef),
	.version = UINT64_C(0xfedcba9876543210),
};

static size_t packet(uint8_t *to, size_t tail)
{
	uint8_t *body = dsm_wire_record(to, DSM_WIRE_PAGES, sizeof(struct dsm_wire_page) + tail);

	dsm_wire_put_page(body, 7, &some, tail ? DSM_FORM_RAW : DSM_FORM_ZERO);
	memset(body + sizeof(struct dsm_wire_page), 0x5a, tail);
	size_t n = dsm_wire_room(sizeof(struct dsm_wire_page) + tail);
	memcpy(dsm_wire_record(to + n, 3, 5), "hello", 5);
	return n + dsm_wire_room(5);
}

static void there_and_back(void **state)
{
	uint8_t buf[256];
	struct dsm_wire_record r;
	enum dsm_wire_form form;
	struct dsm_msg m;
	size_t n = packet(buf, 13), at = 0;

	(void)state;
	assert_int_equal(n % 8, 0);
	assert_int_equal(dsm_wire_next(buf, n, &at, &r), 1);
	assert_int_equal(r.service, DSM_WIRE_PAGES);
	assert_int_equal(dsm_wire_segment(&r), 7);
	assert_int_equal(dsm_wire_get_page(&r, &m, &form), 0);
	assert_int_equal(form, DSM_FORM_RAW);
	assert_true(m.kind == some.kind && m.flags == some.flags && m.state == some.state);
	assert_true(m.node == some.node && m.acks == some.acks && m.epoch == some.epoch);
	assert_true(m.page == some.page && m.version == some.version);
	assert_int_equal(r.len - sizeof(struct dsm_wire_page), 13);
	assert_int_equal(dsm_wire_next(buf, n, &at, &r), 1);
	assert_int_equal(r.service, 3);
	assert_int_equal(r.len, 5);
	assert_memory_equal(r.body, "hello", 5);
	assert_int_equal(dsm_wire_segment(&r), UINT32_MAX);
	assert_int_equal(dsm_wire_next(buf, n, &at, &r), 0);
}

static void cut_off(void **state)
{
	uint8_t buf[256];
	struct dsm_wire_record r;
	size_t whole = packet(buf, 13), first = dsm_wire_room(sizeof(struct dsm_wire_page) + 13);

	(void)state;
	for (size_t n = 1; n < whole; n++) {
		/* Its own memory: a look behind it is seen by sanitizers. */
		uint8_t *p = malloc(n);
		size_t at = 0;
		int rc;
		memcpy(p, buf, n);
		while ((rc = dsm_wire_next(p, n, &at, &r)) > 0)
			;
		assert_int_equal(rc, n == first ? 0 : -DVM_EPROTO);
		free(p);
	}
}

static void forms_that_are_none(void **state)
{
	static const struct {
		uint8_t kind, flags, form;
		size_t tail;
	} bad[] = {
		{ DSM_DATA, DSM_BYTES, DSM_FORM_NONE, 0 }, { DSM_DATA, 0, DSM_FORM_RAW, 8 },
		{ DSM_DATA, DSM_BYTES, DSM_FORM_ZERO, 8 }, { DSM_DATA, DSM_BYTES, 4, 8 },
		{ DSM_GETS, DSM_BYTES, DSM_FORM_RAW, 8 },  { DSM_GETS, 0, DSM_FORM_NONE, 8 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct dsm_msg m = { .kind = bad[i].kind, .flags = bad[i].flags }, out;
		enum dsm_wire_form form;
		struct dsm_wire_record r;
		uint8_t buf[128];
		size_t len = sizeof(struct dsm_wire_page) + bad[i].tail, at = 0;

		memset(buf, 0, sizeof buf);
		dsm_wire_put_page(dsm_wire_record(buf, DSM_WIRE_PAGES, len), 1, &m,
				  (enum dsm_wire_form)bad[i].form);
		assert_int_equal(dsm_wire_next(buf, dsm_wire_room(len), &at, &r), 1);
		assert_int_equal(dsm_wire_get_page(&r, &out, &form), -DVM_EPROTO);
	}
}

static void views(void **state)
{
	bool gone[11] = { [2] = true, [10] = true }, got[11];
	uint8_t buf[64];
	struct dsm_wire_record r;
	uint32_t epoch;
	size_t len = dsm_wire_view_len(11), at = 0;

	(void)state;
	dsm_wire_put_view(dsm_wire_record(buf, DSM_WIRE_VIEW, len), 99, gone, 11);
	assert_int_equal(dsm_wire_next(buf, dsm_wire_room(len), &at, &r), 1);
	assert_int_equal(dsm_wire_get_view(&r, 11, &epoch, got), 0);
	assert_int_equal(epoch, 99);
	assert_memory_equal(gone, got, sizeof gone);
	assert_int_equal(dsm_wire_get_view(&r, 12, &epoch, got), -DVM_EPROTO);
	r.len--;
	assert_int_equal(dsm_wire_get_view(&r, 11, &epoch, got), -DVM_EPROTO);
}

/* Flags and form say the same. */
static void release_consistency(void **state)
{
	const struct dsm_rc_msg m = { .kind = DSM_RC_DIFF, .flags = DSM_RC_CHANGES, .part = 1,
				      .node = 2, .epoch = 3, .flush = 4, .page = UINT64_C(5) << 40,
				      .version = 6, .sharers = UINT64_MAX };
	uint8_t buf[sizeof(struct dsm_wire_rc) + 8] = { 0 };
	struct dsm_wire_record r = { DSM_WIRE_RELEASE, buf, sizeof buf };
	enum dsm_wire_form form;
	struct dsm_rc_msg got = { 0 };

	(void)state;
	dsm_wire_put_rc(buf, 7, &m, DSM_FORM_CHANGES);
	assert_int_equal(dsm_wire_segment(&r), 7);
	assert_int_equal(dsm_wire_get_rc(&r, &got, &form), 0);
	assert_memory_equal(&got, &m, sizeof m);
	assert_int_equal(form, DSM_FORM_CHANGES);
	for (int f = 0; f < 6; f++) {
		dsm_wire_put_rc(buf, 7, &m, (enum dsm_wire_form)f);
		assert_int_equal(dsm_wire_get_rc(&r, &got, &form),
				 f == DSM_FORM_CHANGES ? 0 : -DVM_EPROTO);
	}
	dsm_wire_put_rc(buf, 7, &m, DSM_FORM_CHANGES);
	r.len = sizeof(struct dsm_wire_rc) - 1;
	assert_int_equal(dsm_wire_get_rc(&r, &got, &form), -DVM_EPROTO);
}

/* Whatever comes, the end is found, and what is said of it is inside. */
static void any_bytes(void **state)
{
	struct dvmi_rng rng;
	uint8_t buf[200];

	(void)state;
	dvmi_rng_seed(&rng, 4711);
	for (int i = 0; i < 200000; i++) {
		size_t n = packet(buf, 13), at = 0, records = 0;
		for (uint64_t k = dvmi_rng_below(&rng, 6); k; k--)
			buf[dvmi_rng_below(&rng, n)] = (uint8_t)dvmi_rng_below(&rng, 256);
		struct dsm_wire_record r;
		while (dsm_wire_next(buf, n, &at, &r) > 0) {
			struct dsm_msg m;
			enum dsm_wire_form form;
			assert_true(r.body >= buf && r.body + r.len <= buf + n);
			struct dsm_rc_msg rc;
			dsm_wire_get_page(&r, &m, &form);
			dsm_wire_get_rc(&r, &rc, &form);
			records++;
		}
		assert_true(at <= n && records <= n / 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back), cmocka_unit_test(cut_off),
		cmocka_unit_test(forms_that_are_none), cmocka_unit_test(views),
		cmocka_unit_test(release_consistency),
		cmocka_unit_test(any_bytes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
