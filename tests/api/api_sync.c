/* SPDX-License-Identifier: BSD-3-Clause */
/* dvm/sync.h: wrong arguments first, then a rank by itself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <dvm/am.h>
#include <dvm/sync.h>

#include "tests/api/cm.h"

static dvm_t *d;
static dvm_seg_t *s;

static int open_segment(void **state)
{
	dvm_seg_config_t c = { .size = sizeof c, .bytes = 1 << 20 };

	unsetenv("DVM_SHEPHERD");
	if (dvm_open(&d, NULL, NULL) < 0)
		return -1;
	return dvm_seg_create(dvm_world(d), &c, &s, NULL);
}

static int close_segment(void **state)
{
	int rc = dvm_seg_destroy(s);

	return dvm_close(d) < 0 || rc < 0;
}

static void no_segment(void **state)
{
	uint64_t v = 7;
	void *p = &v;

	assert_int_equal(dvm_lock_acquire(NULL, 1), -EINVAL);
	assert_int_equal(dvm_lock_try(NULL, 1), -EINVAL);
	assert_int_equal(dvm_lock_release(NULL, 1), -EINVAL);
	assert_int_equal(dvm_rwlock_read(NULL, 1), -EINVAL);
	assert_int_equal(dvm_rwlock_write(NULL, 1), -EINVAL);
	assert_int_equal(dvm_rwlock_release(NULL, 1), -EINVAL);
	assert_int_equal(dvm_seg_barrier(NULL, 1, 0), -EINVAL);
	assert_int_equal(dvm_cond_wait(NULL, 1, 1, 0), -EINVAL);
	assert_int_equal(dvm_cond_signal(NULL, 1), -EINVAL);
	assert_int_equal(dvm_cond_broadcast(NULL, 1), -EINVAL);
	assert_int_equal(dvm_atomic_add(NULL, 1, 1, &v), -EINVAL);
	assert_int_equal(dvm_atomic_swap(NULL, 1, 1, &v), -EINVAL);
	assert_int_equal(dvm_atomic_cas(NULL, 1, 1, 1, &v), -EINVAL);
	assert_int_equal(dvm_atomic_load(NULL, 1, &v), -EINVAL);
	assert_int_equal(dvm_atomic_load(s, 1, NULL), -EINVAL);
	assert_int_equal(dvm_sync_release(NULL), -EINVAL);
	assert_int_equal(dvm_sync_acquire(NULL), -EINVAL);
	assert_int_equal(dvm_seg_alloc(NULL, 1, 0, &p), -EINVAL);
	assert_int_equal(dvm_seg_alloc(s, 1, 0, NULL), -EINVAL);
	assert_int_equal(dvm_seg_free(NULL, p), -EINVAL);
	assert_int_equal(v, 7);
	assert_ptr_equal(p, &v);
}

static void locks(void **state)
{
	assert_int_equal(dvm_lock_release(s, 1), -EPERM);
	assert_int_equal(dvm_lock_acquire(s, 1), 0);
	assert_int_equal(dvm_lock_try(s, 1), -EBUSY);
	assert_int_equal(dvm_sync_release(s), 0);
	assert_int_equal(dvm_sync_acquire(s), 0);
	assert_int_equal(dvm_lock_try(s, UINT64_MAX), 0);
	assert_int_equal(dvm_lock_release(s, 1), 0);
	assert_int_equal(dvm_lock_release(s, 1), -EPERM);
	assert_int_equal(dvm_lock_release(s, UINT64_MAX), 0);
	assert_int_equal(dvm_rwlock_release(s, 1), -EPERM);
	assert_int_equal(dvm_rwlock_read(s, 1), 0);
	assert_int_equal(dvm_rwlock_read(s, 1), 0);
	assert_int_equal(dvm_rwlock_release(s, 1), 0);
	assert_int_equal(dvm_rwlock_release(s, 1), 0);
	assert_int_equal(dvm_rwlock_write(s, 1), 0);
	assert_int_equal(dvm_rwlock_release(s, 1), 0);
	assert_int_equal(dvm_rwlock_release(s, 1), -EPERM);
}

static void waiting(void **state)
{
	assert_int_equal(dvm_seg_barrier(s, 1, 0), 0);
	assert_int_equal(dvm_seg_barrier(s, 1, 1), 0);
	assert_int_equal(dvm_cond_wait(s, 1, 1, 0), -EPERM);
	assert_int_equal(dvm_cond_signal(s, 1), 0);
	assert_int_equal(dvm_cond_broadcast(s, 1), 0);
	assert_int_equal(dvm_lock_acquire(s, 1), 0);
	assert_int_equal(dvm_cond_wait(s, 1, 1, 0), -ETIMEDOUT);
	assert_int_equal(dvm_cond_wait(s, 1, 1, 2), -ETIMEDOUT);
	assert_int_equal(dvm_lock_release(s, 1), 0);
}

static void cells(void **state)
{
	uint64_t v = 9;

	assert_int_equal(dvm_atomic_load(s, 5, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(dvm_atomic_add(s, 5, 3, NULL), 0);
	assert_int_equal(dvm_atomic_add(s, 5, UINT64_MAX, &v), 0);
	assert_int_equal(v, 3);
	assert_int_equal(dvm_atomic_cas(s, 5, 3, 8, &v), 0);
	assert_int_equal(v, 2);
	assert_int_equal(dvm_atomic_cas(s, 5, 2, 8, &v), 0);
	assert_int_equal(dvm_atomic_swap(s, 5, 0, &v), 0);
	assert_int_equal(v, 8);
}

static void ranges(void **state)
{
	char *base = dvm_seg_base(s);
	void *p, *q, *all;

	assert_int_equal(dvm_seg_alloc(s, 0, 0, &p), -EINVAL);
	assert_int_equal(dvm_seg_alloc(s, 1, 3, &p), -EINVAL);
	assert_int_equal(dvm_seg_alloc(s, (1 << 20) + 1, 0, &p), -ENOMEM);
	assert_int_equal(dvm_seg_free(s, NULL), 0);
	assert_int_equal(dvm_seg_free(s, base), -EINVAL);
	assert_int_equal(dvm_seg_free(s, &p), -EINVAL);
	assert_int_equal(dvm_seg_alloc(s, 100, 0, &p), 0);
	assert_int_equal(dvm_seg_alloc(s, 100, 4096, &q), 0);
	assert_int_equal((uintptr_t)p % 16, 0);
	assert_int_equal((uintptr_t)q % 4096, 0);
	memset(p, 1, 100);
	memset(q, 2, 100);
	assert_int_equal(*(char *)p, 1);
	assert_int_equal(dvm_seg_alloc(s, 1 << 20, 0, &all), -ENOMEM);
	assert_int_equal(dvm_seg_free(s, p), 0);
	assert_int_equal(dvm_seg_free(s, p), -EINVAL);
	assert_int_equal(dvm_seg_free(s, q), 0);
	assert_int_equal(dvm_seg_alloc(s, 1 << 20, 0, &all), 0);
	assert_ptr_equal(all, base);
	assert_int_equal(dvm_seg_free(s, all), 0);
}

static int codes[3];

static void in_handler(dvm_group_t *g, int source, const void *head, size_t head_len,
		       const void *payload, size_t len, void *arg)
{
	codes[0] = dvm_lock_acquire(s, 1);
	codes[1] = dvm_seg_barrier(s, 1, 0);
	codes[2] = dvm_seg_free(s, arg);
}

static void handlers_may_not(void **state)
{
	assert_int_equal(dvm_am_register(dvm_world(d), 1, in_handler, NULL), 0);
	assert_int_equal(dvm_am_send(dvm_world(d), 0, 1, NULL, 0, NULL, 0), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(codes[i], -EBUSY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_segment), cmocka_unit_test(locks),
		cmocka_unit_test(waiting),    cmocka_unit_test(cells),
		cmocka_unit_test(ranges),     cmocka_unit_test(handlers_may_not),
	};

	return cmocka_run_group_tests(tests, open_segment, close_segment);
}
