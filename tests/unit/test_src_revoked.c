/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "libdvm/base/rng.h"
#include "libdvm/src/revoked.h"
#include "tests/unit/cm.h"

static void found_again(void **state)
{
	enum { N = 200 };
	struct dvmi_revoked t = { 0 };
	int code[N] = { 0 };
	struct dvmi_rng rng;

	(void)state;
	dvmi_rng_seed(&rng, 3);
	for (int i = 0; i < 1000; i++) {
		uint32_t ctx = (uint32_t)dvmi_rng_below(&rng, N);
		assert_int_equal(dvmi_revoked_code(&t, ctx), code[ctx]);
		assert_int_equal(dvmi_revoked_add(&t, ctx, -1 - i), 0);
		code[ctx] = code[ctx] ? code[ctx] : -1 - i;
	}
	for (uint32_t ctx = 0; ctx < N; ctx++)
		assert_int_equal(dvmi_revoked_code(&t, ctx), code[ctx]);
	dvmi_revoked_fini(&t);
	assert_int_equal(t.n, 0);
}

/* Orphans go, the oldest first; what has a group stays. */
static void orphans_are_few(void **state)
{
	enum { N = 5 * DVMI_REVOKED_ORPHANS };
	struct dvmi_revoked t = { 0 };

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		uint32_t ctx = i * 7919 % N;
		assert_int_equal(dvmi_revoked_add(&t, ctx, -1), 0);
		if (i % 5)
			dvmi_revoked_set_orphan(&t, ctx, true);
	}
	assert_int_equal(t.norphans, DVMI_REVOKED_ORPHANS);
	assert_int_equal(t.n, DVMI_REVOKED_ORPHANS + N / 5);
	uint32_t left = 0;
	for (uint32_t i = N; i-- > 0;) {
		bool kept = i % 5 == 0 || left < DVMI_REVOKED_ORPHANS;
		left += i % 5 != 0;
		assert_int_equal(dvmi_revoked_code(&t, i * 7919 % N), kept ? -1 : 0);
	}
	dvmi_revoked_fini(&t);
}

static void adopted(void **state)
{
	struct dvmi_revoked t = { 0 };

	(void)state;
	dvmi_revoked_set_orphan(&t, 4, true);
	assert_int_equal(t.norphans, 0);
	dvmi_revoked_add(&t, 4, -2);
	dvmi_revoked_set_orphan(&t, 4, true);
	dvmi_revoked_set_orphan(&t, 4, true);
	assert_int_equal(t.norphans, 1);
	dvmi_revoked_set_orphan(&t, 4, false);
	assert_int_equal(t.norphans, 0);
	assert_int_equal(dvmi_revoked_code(&t, 4), -2);
	dvmi_revoked_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_again),
		cmocka_unit_test(orphans_are_few),
		cmocka_unit_test(adopted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
