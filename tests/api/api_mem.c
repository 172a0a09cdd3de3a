/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments without a machine: arguments, and what one rank alone sees. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <dvm/mem.h>

#include "tests/api/cm.h"

static dvm_t *d;

static int open_all(void **state)
{
	(void)state;
	return dvm_open(&d, NULL, NULL);
}

static int close_all(void **state)
{
	(void)state;
	return dvm_close(d);
}

static dvm_seg_config_t config(uint64_t bytes)
{
	return (dvm_seg_config_t){ .size = sizeof(dvm_seg_config_t), .bytes = bytes };
}

static int create(dvm_seg_config_t c)
{
	dvm_error_t err = { 0 };
	dvm_seg_t *s = NULL;
	int rc = dvm_seg_create(dvm_world(d), &c, &s, &err);

	assert_true((rc < 0) == (s == NULL));
	assert_true(rc == 0 || err.text[0]);
	dvm_seg_destroy(s);
	return rc;
}

static void arguments_of_create(void **state)
{
	dvm_seg_config_t c = config(4096);
	dvm_seg_t *s = NULL;
	char name[DVM_SEG_NAME_MAX + 1];
	int far = 1;

	(void)state;
	assert_int_equal(dvm_seg_create(NULL, &c, &s, NULL), -EINVAL);
	assert_int_equal(dvm_seg_create(dvm_world(d), NULL, &s, NULL), -EINVAL);
	assert_int_equal(dvm_seg_create(dvm_world(d), &c, NULL, NULL), -EINVAL);
	c.size = 8;
	assert_int_equal(create(c), -EINVAL);
	assert_int_equal(create(config(0)), -EINVAL);
	assert_int_equal(create(config(UINT64_MAX)), -E2BIG);
	c = config(4096);
	c.unit = 4096 + 512;
	assert_int_equal(create(c), -EINVAL);
	c.unit = 2 * DVM_SEG_UNIT_MAX;
	assert_int_equal(create(c), -EINVAL);
	c = config(4096);
	c.consistency = 3;
	assert_int_equal(create(c), -EINVAL);
	c = config(4096);
	c.homes = DVM_HOMES_FIRST_TOUCH + 1;
	assert_int_equal(create(c), -EINVAL);
	c.homes = DVM_HOMES_EXPLICIT;
	assert_int_equal(create(c), -EINVAL);
	c.nhomes = 1;
	c.home_ranks = &far;
	assert_int_equal(create(c), -EINVAL);
	c = config(4096);
	c.faults = 2;
	assert_int_equal(create(c), -EINVAL);
	c = config(4096);
	c.flags = 1u << 30;
	assert_int_equal(create(c), -EINVAL);
	c = config(4096);
	c.address = (void *)(uintptr_t)4097;
	assert_int_equal(create(c), -EINVAL);
	memset(name, 'x', sizeof name);
	name[DVM_SEG_NAME_MAX] = '\0';
	c = config(4096);
	c.name = name;
	assert_int_equal(create(c), -EINVAL);
	c.name = "";
	assert_int_equal(create(c), -EINVAL);
}

/* As many as there may be, and no more before one has gone. */
static void too_many(void **state)
{
	static dvm_seg_t *s[1024];
	dvm_seg_config_t c = config(4096);
	int n = 0, rc = 0;

	(void)state;
	while (n < 1024 && (rc = dvm_seg_create(dvm_world(d), &c, &s[n], NULL)) == 0)
		n++;
	assert_int_equal(n, 960);
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(dvm_seg_destroy(s[77]), 0);
	assert_int_equal(dvm_seg_create(dvm_world(d), &c, &s[77], NULL), 0);
	while (n)
		assert_int_equal(dvm_seg_destroy(s[--n]), 0);
}

/* More than there is: refused, in words, and before anything is mapped. */
static void more_than_memory(void **state)
{
	(void)state;
	assert_int_equal(create(config(UINT64_C(1) << 43)), -ENOMEM);
}

static void address_is_taken(void **state)
{
	static char here[8192];
	dvm_seg_config_t c = config(4096);

	(void)state;
	c.address = (void *)(((uintptr_t)here + 4095) & ~(uintptr_t)4095);
	assert_int_equal(create(c), -EADDRINUSE);
}

static void use(dvm_seg_config_t c)
{
	dvm_seg_stat_t st = { .size = sizeof st };
	dvm_seg_t *s;
	uint64_t at;

	assert_int_equal(dvm_seg_create(dvm_world(d), &c, &s, NULL), 0);
	assert_int_equal(dvm_seg_size(s), 8192);
	assert_string_equal(dvm_seg_name(s), c.name ? c.name : "");
	char *p = dvm_seg_base(s);
	assert_int_equal(p[5000], 0);
	memset(p, 7, 8192);
	assert_int_equal(p[8191], 7);
	assert_int_equal(dvm_seg_stat(s, &st), 0);
	assert_int_equal(st.bytes, 8192);
	assert_int_equal(st.unit, 4096);
	assert_int_equal(st.plain, !(c.flags & DVM_SEG_PROTOCOL));
	assert_int_equal(st.writable, st.plain ? 0 : 2);
	assert_int_equal(dvm_seg_home(s, 4096), 0);
	assert_int_equal(dvm_seg_prefetch(s, 0, 8192, 1), 0);
	assert_int_equal(dvm_seg_advise(s, 0, 8192, DVM_ADVISE_SEQUENTIAL), 0);
	assert_int_equal(dvm_seg_pin(s, 100, 100), 0);
	assert_int_equal(dvm_seg_unpin(s, 100, 100), 0);
	assert_int_equal(dvm_seg_drop(s, 0, 8192), 0);
	assert_int_equal(dvm_seg_lost(s, 0, &at), 0);
	assert_int_equal(p[0], 7);
	assert_int_equal(dvm_seg_destroy(s), 0);
}

static void alone(void **state)
{
	dvm_seg_config_t c = config(8000);

	(void)state;
	use(c);
	c.name = "some";
	use(c);
	c.flags = DVM_SEG_PROTOCOL;
	use(c);
	c.consistency = DVM_SEG_RELEASE;
	use(c);
	c.consistency = DVM_SEG_READ_MOSTLY;
	use(c);
}

static void arguments_of_the_rest(void **state)
{
	dvm_seg_config_t c = config(8192);
	dvm_seg_stat_t st = { .size = 8 };
	dvm_seg_t *s, *other;
	uint64_t at;

	(void)state;
	c.flags = DVM_SEG_PROTOCOL;
	assert_int_equal(dvm_seg_create(dvm_world(d), &c, &s, NULL), 0);
	assert_int_equal(dvm_seg_attach(NULL, "x", &other, NULL), -EINVAL);
	assert_int_equal(dvm_seg_attach(d, NULL, &other, NULL), -EINVAL);
	assert_int_equal(dvm_seg_attach(d, "", &other, NULL), -EINVAL);
	assert_int_equal(dvm_seg_attach(d, "x", NULL, NULL), -EINVAL);
	assert_int_equal(dvm_seg_attach(d, "x", &other, NULL), -ENOENT);
	assert_int_equal(dvm_seg_detach(NULL), 0);
	assert_int_equal(dvm_seg_destroy(NULL), 0);
	assert_null(dvm_seg_base(NULL));
	assert_null(dvm_seg_name(NULL));
	assert_int_equal(dvm_seg_size(NULL), 0);
	assert_int_equal(dvm_seg_stat(NULL, &st), -EINVAL);
	assert_int_equal(dvm_seg_stat(s, NULL), -EINVAL);
	assert_int_equal(dvm_seg_stat(s, &st), -EINVAL);
	assert_int_equal(dvm_seg_prefetch(NULL, 0, 1, 0), -EINVAL);
	assert_int_equal(dvm_seg_prefetch(s, 0, 8193, 0), -EINVAL);
	assert_int_equal(dvm_seg_prefetch(s, UINT64_MAX, 2, 0), -EINVAL);
	assert_int_equal(dvm_seg_drop(NULL, 0, 1), -EINVAL);
	assert_int_equal(dvm_seg_drop(s, 8193, 0), -EINVAL);
	assert_int_equal(dvm_seg_pin(NULL, 0, 1), -EINVAL);
	assert_int_equal(dvm_seg_pin(s, 8000, 1000), -EINVAL);
	assert_int_equal(dvm_seg_unpin(NULL, 0, 1), -EINVAL);
	assert_int_equal(dvm_seg_unpin(s, 8000, 1000), -EINVAL);
	assert_int_equal(dvm_seg_advise(NULL, 0, 1, 0), -EINVAL);
	assert_int_equal(dvm_seg_advise(s, 0, 1, 3), -EINVAL);
	assert_int_equal(dvm_seg_advise(s, 0, 1, -1), -EINVAL);
	assert_int_equal(dvm_seg_home(NULL, 0), -EINVAL);
	assert_int_equal(dvm_seg_home(s, 8192), -EINVAL);
	assert_int_equal(dvm_seg_move_home(NULL, 0, 4096, 0), -EINVAL);
	assert_int_equal(dvm_seg_move_home(s, 0, 4096, 1), -EINVAL);
	assert_int_equal(dvm_seg_move_home(s, 0, 4096, -1), -EINVAL);
	assert_int_equal(dvm_seg_move_home(s, 4096, 8192, 0), -EINVAL);
	assert_int_equal(dvm_seg_move_home(s, 0, 8192, 0), 0);
	assert_int_equal(dvm_seg_leave(NULL, 0), -EINVAL);
	assert_int_equal(dvm_seg_leave(s, 0), -EINVAL);
	assert_int_equal(dvm_seg_leave(s, 1), -EINVAL);
	assert_int_equal(dvm_seg_leave(s, -1), -EINVAL);
	assert_int_equal(dvm_seg_lost(NULL, 0, &at), -EINVAL);
	assert_int_equal(dvm_seg_lost(s, 0, NULL), -EINVAL);
	assert_int_equal(dvm_seg_lost(s, 8193, &at), -EINVAL);
	assert_int_equal(dvm_seg_destroy(s), 0);
}

/* To the ranks that have it already. */
static void extended(void **state)
{
	dvm_seg_config_t c = config(8192);
	dvm_seg_t *s = NULL;
	dvm_group_t *g = dvm_world(d);
	dvm_error_t err = { 0 };

	(void)state;
	assert_int_equal(dvm_seg_extend(NULL, &s, &err), -EINVAL);
	assert_true(err.text[0] != 0);
	assert_int_equal(dvm_seg_extend(g, NULL, NULL), -EINVAL);
	assert_int_equal(dvm_seg_extend(g, &s, NULL), -EINVAL);
	for (uint32_t flags = 0; flags <= DVM_SEG_PROTOCOL; flags += DVM_SEG_PROTOCOL) {
		c.flags = flags;
		assert_int_equal(dvm_seg_create(g, &c, &s, NULL), 0);
		volatile char *p = dvm_seg_base(s);
		p[5000] = 7;
		assert_int_equal(dvm_seg_extend(g, &s, NULL), 0);
		assert_ptr_equal(dvm_seg_base(s), (void *)(uintptr_t)p);
		assert_int_equal(p[5000], 7);
		assert_int_equal(p[100], 0);
		p[100] = 8;
		assert_int_equal(dvm_seg_destroy(s), 0);
		s = NULL;
	}
}

/* Closing ends what was not destroyed. */
static void closed_with_it(void **state)
{
	dvm_seg_config_t c = config(8192);
	dvm_seg_t *s;
	dvm_t *own;

	(void)state;
	c.flags = DVM_SEG_PROTOCOL;
	assert_int_equal(dvm_open(&own, NULL, NULL), 0);
	assert_int_equal(dvm_seg_create(dvm_world(own), &c, &s, NULL), 0);
	*(volatile char *)dvm_seg_base(s) = 1;
	assert_int_equal(dvm_close(own), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_of_create), cmocka_unit_test(more_than_memory),
		cmocka_unit_test(too_many),
		cmocka_unit_test(address_is_taken),    cmocka_unit_test(alone),
		cmocka_unit_test(arguments_of_the_rest), cmocka_unit_test(extended),
		cmocka_unit_test(closed_with_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, open_all, close_all);
}
