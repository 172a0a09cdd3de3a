/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm/ft.h: wrong arguments first, then a group of one. Several ranks: run-groups.t. */
#include <errno.h>
#include <stdlib.h>

#include <dvm/coll.h>
#include <dvm/ft.h>
#include <dvm/msg.h>

#include "tests/api/alone.h"
#include "tests/api/cm.h"

static void arguments(void **state)
{
	uint32_t flags = 3;
	int ranks[1];
	dvm_group_t *g;

	assert_int_equal(dvm_group_revoke(NULL), -EINVAL);
	assert_int_equal(dvm_group_is_revoked(NULL), -EINVAL);
	assert_int_equal(dvm_group_failed(NULL, ranks, 1), -EINVAL);
	assert_int_equal(dvm_group_failed(w, NULL, 1), -EINVAL);
	assert_int_equal(dvm_group_failed(w, ranks, -1), -EINVAL);
	assert_int_equal(dvm_group_ack_failed(NULL), -EINVAL);
	assert_int_equal(dvm_group_agree(NULL, &flags), -EINVAL);
	assert_int_equal(dvm_group_agree(w, NULL), -EINVAL);
	assert_int_equal(dvm_group_shrink(NULL, &g), -EINVAL);
	assert_int_equal(dvm_group_shrink(w, NULL), -EINVAL);
	assert_int_equal(flags, 3);
}

static void alone(void **state)
{
	uint32_t flags = 0xdeadbeef;
	dvm_group_t *a, *b;
	int x = 0;

	assert_int_equal(dvm_group_failed(w, NULL, 0), 0);
	assert_int_equal(dvm_group_ack_failed(w), 0);
	assert_int_equal(dvm_group_agree(w, &flags), 0);
	assert_int_equal(flags, 0xdeadbeef);
	assert_int_equal(dvm_group_dup(w, &a), 0);
	assert_int_equal(dvm_send(a, &x, sizeof x, 0, 1), 0);
	assert_int_equal(dvm_group_revoke(a), 0);
	assert_int_equal(dvm_group_is_revoked(a), 1);
	assert_int_equal(dvm_group_is_revoked(w), 0);
	assert_int_equal(dvm_recv(a, &x, sizeof x, 0, 1, NULL), -DVM_EREVOKED);
	assert_int_equal(dvm_barrier(a), -DVM_EREVOKED);
	assert_int_equal(dvm_group_shrink(a, &b), 0);
	assert_int_equal(dvm_group_free(a), 0);
	assert_int_equal(dvm_group_size(b), 1);
	assert_int_equal(dvm_barrier(b), 0);
}

/* Groups that come and go with agreements leave a bounded rest. */
static void many(void **state)
{
	for (uint32_t i = 0; i < 500; i++) {
		dvm_group_t *g;
		assert_int_equal(dvm_group_shrink(w, &g), 0);
		assert_int_equal(dvm_group_agree(g, &i), 0);
		assert_int_equal(dvm_group_revoke(g), 0);
		assert_int_equal(dvm_group_free(g), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments),
		cmocka_unit_test(alone),
		cmocka_unit_test(many),
	};
	return cmocka_run_group_tests(tests, open_handle, close_handle);
}
