/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm/connect.h: wrong arguments, and a process without a machine. With one: m0100-meet.t. */
#include <errno.h>
#include <stdlib.h>

#include <dvm/connect.h>

#include "tests/api/alone.h"
#include "tests/api/cm.h"

static void arguments(void **state)
{
	dvm_spawn_config_t c = { .size = sizeof c };
	dvm_group_t *g = (dvm_group_t *)&state;
	dvm_error_t err;

	assert_int_equal(dvm_accept(NULL, 0, "s", 0, &g, NULL), -EINVAL);
	assert_int_equal(dvm_accept(w, 1, "s", 0, &g, NULL), -EINVAL);
	assert_int_equal(dvm_accept(w, -1, "s", 0, &g, NULL), -EINVAL);
	assert_int_equal(dvm_accept(w, 0, NULL, 0, &g, NULL), -EINVAL);
	assert_int_equal(dvm_accept(w, 0, "s", -2, &g, NULL), -EINVAL);
	assert_int_equal(dvm_accept(w, 0, "s", 0, NULL, NULL), -EINVAL);
	assert_int_equal(dvm_connect(NULL, 0, "s", 0, &g, NULL), -EINVAL);
	assert_int_equal(dvm_connect(w, 1, "s", 0, &g, NULL), -EINVAL);
	assert_int_equal(dvm_connect(w, 0, NULL, 0, &g, NULL), -EINVAL);
	assert_int_equal(dvm_connect(w, 0, "s", 60001, &g, NULL), -EINVAL);
	assert_int_equal(dvm_connect(w, 0, "s", 0, NULL, &err), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_int_equal(dvm_spawn(NULL, 0, &c, &g, NULL), -EINVAL);
	assert_int_equal(dvm_spawn(w, 1, &c, &g, NULL), -EINVAL);
	assert_int_equal(dvm_spawn(w, 0, &c, NULL, NULL), -EINVAL);
	assert_int_equal(dvm_spawn(w, 0, NULL, &g, NULL), -EINVAL);
	c.size = 1;
	assert_int_equal(dvm_spawn(w, 0, &c, &g, NULL), -EINVAL);
	assert_int_equal(dvm_parent(NULL, &g, NULL), -EINVAL);
	assert_int_equal(dvm_parent(d, NULL, NULL), -EINVAL);
	assert_int_equal(dvm_disconnect(NULL), -EINVAL);
	assert_int_equal(dvm_disconnect(w), -EINVAL);
	assert_ptr_equal(g, &state);
}

static void without_a_machine(void **state)
{
	const char *argv[] = { "true", NULL };
	dvm_spawn_config_t c = { .size = sizeof c, .argv = argv };
	dvm_group_t *g = (dvm_group_t *)&state;
	dvm_error_t err = { 0 };

	assert_int_equal(dvm_accept(w, 0, "s", 0, &g, &err), -ENOTCONN);
	assert_int_equal(err.code, -ENOTCONN);
	assert_int_equal(dvm_connect(w, 0, "s", 0, &g, NULL), -ENOTCONN);
	assert_int_equal(dvm_spawn(w, 0, &c, &g, NULL), -ENOTCONN);
	assert_int_equal(dvm_parent(d, &g, &err), -ENOENT);
	assert_ptr_equal(g, &state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments),
		cmocka_unit_test(without_a_machine),
	};
	return cmocka_run_group_tests(tests, open_handle, close_handle);
}
