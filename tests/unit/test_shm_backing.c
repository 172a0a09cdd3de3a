/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of a segment, where the kernel has none for a part of what is given. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libdvm/base/cleanup.h"
#include "shm/backing.h"
#include "tests/unit/cm.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { UNIT = 8192, PAGE = 4096, PAGES = 8 };

static bool fails, failed; /* giving memory to what was never touched */

int __real_madvise(void *p, size_t len, int advice);
int __wrap_madvise(void *p, size_t len, int advice);

int __wrap_madvise(void *p, size_t len, int advice)
{
	if (advice == MADV_POPULATE_WRITE && fails) {
		failed = true;
		errno = ENOMEM;
		return -1;
	}
	return __real_madvise(p, len, advice);
}

static void start(struct dsm_uffd *u, struct dsm_backing *b)
{
	if (dsm_uffd_open(u, false, NULL, NULL) < 0)
		skip();
	assert_int_equal(dsm_backing_create(b, u, PAGES, UNIT, NULL, -1), 0);
	if (!u->minor) {
		dsm_backing_destroy(b);
		dsm_uffd_close(u);
		skip();
	}
}

static void stop(struct dsm_uffd *u, struct dsm_backing *b)
{
	dsm_backing_destroy(b);
	dsm_uffd_close(u);
	fails = failed = false;
}

/* In the application's map, as the kernel says. */
static bool is_mapped(const struct dsm_backing *b, uint64_t page, size_t at)
{
	cleanup_fd int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0, n = ((uintptr_t)b->app + page * UNIT + at) / PAGE;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &entry, sizeof entry, (off_t)(n * sizeof entry)), sizeof entry);
	return entry >> 63;
}

/* A page and a half lie there, and four are given. */
static void give_four(struct dsm_backing *b)
{
	memset(dsm_backing_fill(b, 0), 'a', UNIT);
	memset(dsm_backing_fill(b, 1), 'b', PAGE);
	fails = true;
	for (uint64_t i = 0; i < 4; i++)
		dsm_backing_give(b, i, true);
	dsm_backing_flush(b);
	assert_true(failed);
	fails = false;
}

/* What is mapped is known to be; a part of a page is not, and nothing behind it. */
static void part_of_a_run(void **state)
{
	struct dsm_uffd u;
	struct dsm_backing b;

	(void)state;
	start(&u, &b);
	give_four(&b);
	assert_true(is_mapped(&b, 0, 0) && is_mapped(&b, 0, PAGE));
	assert_int_equal(b.map[0], DSM_MAP_WRITE);
	for (uint64_t i = 1; i < 4; i++) {
		assert_false(is_mapped(&b, i, 0) || is_mapped(&b, i, PAGE));
		assert_int_equal(b.map[i], DSM_MAP_NONE);
	}
	assert_int_equal(b.resident, 1);
	/* So it goes when it is taken. */
	dsm_backing_drop(&b, 0);
	assert_false(is_mapped(&b, 0, 0) || is_mapped(&b, 0, PAGE));
	assert_memory_equal(dsm_backing_bytes(&b, 0), "aaaa", 4);
	stop(&u, &b);
}

static void *read_byte(void *arg)
{
	return (void *)(uintptr_t) * (volatile uint8_t *)arg;
}

/* Who waits has its fault again, so that it is given once there is memory. */
static void who_waits_tries_again(void **state)
{
	struct dsm_uffd u;
	struct dsm_backing b;
	struct dsm_uffd_fault f;
	pthread_t t;
	void *got;

	(void)state;
	start(&u, &b);
	pthread_create(&t, NULL, read_byte, b.app + 3 * UNIT);
	struct pollfd p = { .fd = u.fd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(dsm_uffd_read(&u, &f, 1), 1);
	give_four(&b);
	assert_int_equal(b.missed, 1);
	assert_int_equal(b.missed_end, 4);
	dsm_backing_retry(&b);
	assert_int_equal(b.missed_end, 0);
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(dsm_uffd_read(&u, &f, 1), 1);
	assert_int_equal((f.at - (uintptr_t)b.app) / UNIT, 3);
	dsm_backing_give(&b, 3, false);
	dsm_backing_flush(&b);
	pthread_join(t, &got);
	assert_null(got);
	stop(&u, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(part_of_a_run),
		cmocka_unit_test(who_waits_tries_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
