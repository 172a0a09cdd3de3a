/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of a segment, where the kernel is short of something. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "libdvm/base/cleanup.h"
#include "shm/backing.h"
#include "tests/unit/cm.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { UNIT = 8192, PAGE = 4096, PAGES = 8 };

static bool fails, failed; /* giving memory to what was never touched */
static bool no_maps;

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

void *__real_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);

void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (no_maps) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return __real_mmap(at, len, prot, flags, fd, offset);
}

/* False: this kernel cannot. */
static bool start(struct dsm_uffd *u, struct dsm_backing *b)
{
	if (dsm_uffd_open(u, false, NULL, NULL) < 0)
		return false;
	assert_int_equal(dsm_backing_create(b, u, PAGES, UNIT, NULL, -1), 0);
	if (!u->minor) {
		dsm_backing_destroy(b);
		dsm_uffd_close(u);
	}
	return u->minor;
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
	if (!start(&u, &b))
		skip();
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
	if (!start(&u, &b))
		skip();
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

static sigjmp_buf back;

static void on_signal(int sig)
{
	siglongjmp(back, sig);
}

/* 0, or the signal for it. */
static int touch(volatile uint8_t *at)
{
	int sig = sigsetjmp(back, 1);

	if (sig == 0)
		*at = 42;
	return sig;
}

/* Signals are caught, and all pages are given and written. */
static bool start_written(struct dsm_uffd *u, struct dsm_backing *b)
{
	if (!start(u, b))
		return false;
	signal(SIGBUS, on_signal);
	signal(SIGSEGV, on_signal);
	for (uint64_t i = 0; i < PAGES; i++)
		dsm_backing_give(b, i, true);
	dsm_backing_flush(b);
	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(touch(b->app + i * UNIT), 0);
	return true;
}

static void limit_descriptors(rlim_t n)
{
	struct rlimit l;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
	l.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &l), 0);
}

/* The want of descriptors may be the very reason of a cut. */
static void nothing_stays_without_descriptors(void **state)
{
	struct dsm_uffd u;
	struct dsm_backing b;
	struct rlimit l;

	(void)state;
	if (!start_written(&u, &b))
		skip();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
	limit_descriptors(3);
	u.poison = false;
	dsm_backing_poison(&b, 2);
	dsm_backing_poison(&b, 3);
	int poisoned = touch(b.app + 2 * UNIT), next = touch(b.app + 4 * UNIT - 1);
	int before = touch(b.app + UNIT), behind = touch(b.app + 4 * UNIT);
	dsm_backing_cut(&b);
	int first = touch(b.app), last = touch(b.app + PAGES * UNIT - 1);
	limit_descriptors(l.rlim_cur);
	assert_int_equal(poisoned, SIGBUS);
	assert_int_equal(next, SIGBUS);
	assert_int_equal(before, 0);
	assert_int_equal(behind, 0);
	assert_int_equal(first, SIGBUS);
	assert_int_equal(last, SIGBUS);
	stop(&u, &b);
}

static void nothing_stays_without_maps(void **state)
{
	struct dsm_uffd u;
	struct dsm_backing b;

	(void)state;
	if (!start_written(&u, &b))
		skip();
	no_maps = true;
	dsm_backing_cut(&b);
	no_maps = false;
	assert_int_equal(touch(b.app), SIGSEGV);
	stop(&u, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(part_of_a_run),
		cmocka_unit_test(who_waits_tries_again),
		cmocka_unit_test(nothing_stays_without_descriptors),
		cmocka_unit_test(nothing_stays_without_maps),
	};

	alarm(60); /* who touches what nobody gives waits */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
