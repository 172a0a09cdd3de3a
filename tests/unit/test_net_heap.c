/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libdvm/base/rng.h"
#include "libdvm/net/heap.h"
#include "tests/unit/cm.h"

#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))

static struct dvmi_heap *heap_of(int fd, uint32_t self, uint32_t n)
{
	struct dvmi_heap *h = NULL;

	assert_int_equal(dvmi_heap_create(&h, fd, self, n), 0);
	return h;
}

static void arguments(void **state)
{
	struct dvmi_heap *h = NULL;
	void *p = &h;

	(void)state;
	assert_int_equal(dvmi_heap_create(&h, -1, 0, 2), -EINVAL);
	assert_int_equal(dvmi_heap_create(&h, -1, 1, 1), -EINVAL);
	assert_int_equal(dvmi_heap_create(&h, 0, 0, DVMI_HEAP_RANKS_MAX + 1), -EINVAL);
	assert_null(h);
	h = heap_of(-1, 0, 1);
	assert_int_equal(dvmi_heap_map(h, 1, 0, 1, &p), -EINVAL);
	assert_int_equal(dvmi_heap_map(h, 0, -1, 1, &p), -EINVAL);
	assert_int_equal(dvmi_heap_map(h, 0, 1, 1, &p), -EINVAL);
	assert_int_equal(dvmi_heap_map(h, 0, 0, 0, &p), -EINVAL);
	assert_int_equal(dvmi_heap_map(h, 0, 0, DVMI_HEAP_ARENA + 1, &p), -EINVAL);
	assert_int_equal(dvmi_heap_map(h, 0, DVMI_HEAP_ARENA, 1, &p), -EINVAL);
	assert_int_equal(dvmi_heap_map(h, 0, INT64_MAX / (int64_t)PAGE * (int64_t)PAGE, PAGE, &p),
			 -EINVAL);
	assert_int_equal(dvmi_heap_map(h, 0, (int64_t)PAGE, UINT64_MAX, &p), -EINVAL);
	assert_ptr_equal(p, &h);
	assert_int_equal(dvmi_heap_alloc(h, 0), -ENOMEM);
	assert_int_equal(dvmi_heap_alloc(h, UINT64_MAX), -ENOMEM);
	assert_int_equal(dvmi_heap_alloc(h, DVMI_HEAP_ARENA + 1), -ENOMEM);
	dvmi_heap_free(h, -1);
	dvmi_heap_free(h, 0);
	dvmi_heap_unmap(NULL, 1);
	dvmi_heap_destroy(h);
	dvmi_heap_destroy(NULL);
}

static void first_fit(void **state)
{
	struct dvmi_heap *h = heap_of(-1, 0, 1);
	int64_t page = (int64_t)PAGE;

	(void)state;
	assert_int_equal(dvmi_heap_alloc(h, 1), 0);
	assert_int_equal(dvmi_heap_alloc(h, 2 * PAGE), page);
	assert_int_equal(dvmi_heap_alloc(h, PAGE + 1), 3 * page);
	assert_int_equal(dvmi_heap_alloc(h, DVMI_HEAP_ARENA - 4 * PAGE), -ENOMEM);
	dvmi_heap_free(h, page);
	dvmi_heap_free(h, page);
	assert_int_equal(dvmi_heap_alloc(h, 3 * PAGE), 5 * page);
	assert_int_equal(dvmi_heap_alloc(h, PAGE), page);
	dvmi_heap_free(h, 0);
	assert_int_equal(dvmi_heap_alloc(h, PAGE), 0);
	assert_int_equal(dvmi_heap_alloc(h, PAGE), 2 * page);
	assert_int_equal(dvmi_heap_alloc(h, DVMI_HEAP_ARENA - 8 * PAGE), 8 * page);
	assert_int_equal(dvmi_heap_alloc(h, 1), -ENOMEM);
	dvmi_heap_destroy(h);
}

static uint64_t blocks_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

/* What one rank writes another reads; a freed range is zero again and takes no memory. */
static void shared(void **state)
{
	int fd = memfd_create("rings", 0);
	struct dvmi_heap *a = heap_of(fd, 0, 3), *b = heap_of(fd, 2, 3);
	uint64_t len = 64 * PAGE;
	uint8_t *pa, *pb, *own;

	(void)state;
	int64_t off = dvmi_heap_alloc(b, len);
	assert_int_equal(off, 0);
	assert_int_equal(dvmi_heap_alloc(a, len), 0);
	assert_int_equal(blocks_of(fd), 0);
	assert_int_equal(dvmi_heap_map(b, 2, off, len, (void **)&pb), 0);
	assert_int_equal(dvmi_heap_map(a, 2, off, len, (void **)&pa), 0);
	assert_int_equal(dvmi_heap_map(a, 0, 0, len, (void **)&own), 0);
	memset(pb, 7, len);
	assert_int_equal(pa[len - 1], 7);
	assert_int_equal(own[0], 0);
	assert_true(blocks_of(fd) >= len);
	dvmi_heap_free(b, off);
	assert_int_equal(pa[0], 0);
	assert_true(blocks_of(fd) <= 2 * PAGE); /* those just read */
	dvmi_heap_unmap(pa, len);
	dvmi_heap_unmap(pb, len);
	dvmi_heap_unmap(own, len);
	dvmi_heap_destroy(a);
	dvmi_heap_destroy(b);
	close(fd);
}

/* Sizes agree whoever comes first, and nobody makes the file smaller. */
static void one_size(void **state)
{
	int fd = memfd_create("rings", 0);
	struct stat st;

	(void)state;
	assert_int_equal(dvmi_heap_size_file(fd, DVMI_HEAP_RANKS_MAX + 1, 1), -EINVAL);
	assert_int_equal(dvmi_heap_size_file(fd, 1, DVMI_HEAP_BASE + 1), -EINVAL);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(dvmi_heap_size_file(fd, DVMI_HEAP_RANKS_MAX, 5000), 0);
		assert_int_equal(fstat(fd, &st), 0);
		assert_true((uint64_t)st.st_size ==
			    DVMI_HEAP_BASE + DVMI_HEAP_RANKS_MAX * DVMI_HEAP_ARENA);
	}
	close(fd);
}

static int limited(void)
{
	struct rlimit r = { .rlim_cur = 1 << 20, .rlim_max = 1 << 20 };
	struct dvmi_heap *h = NULL;
	struct stat st;
	void *p;
	int fd = memfd_create("rings", 0);

	if (setrlimit(RLIMIT_FSIZE, &r) < 0)
		return 1;
	if (dvmi_heap_size_file(fd, 2, 2 << 20) != -EFBIG || dvmi_heap_size_file(fd, 2, 5000) != 0)
		return 2;
	if (fstat(fd, &st) < 0 || st.st_size != 5000)
		return 3;
	if (dvmi_heap_create(&h, fd, 0, 2) < 0 || dvmi_heap_alloc(h, 1) != -EFBIG ||
	    dvmi_heap_map(h, 1, 0, 1, &p) != -EFBIG)
		return 4;
	dvmi_heap_destroy(h);
	return 0;
}

/* A limit on files leaves the rings, and is no reason to be killed by SIGXFSZ. */
static void file_limit(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(limited());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define SLOTS 64

/* Random use: ranges never overlap and keep what is written into them. */
static void random_use(void **state)
{
	struct dvmi_heap *h = heap_of(-1, 0, 1);
	struct {
		int64_t off;
		uint64_t len;
		uint8_t *p, mark;
	} s[SLOTS] = { { 0 } };
	struct dvmi_rng rng;

	(void)state;
	dvmi_rng_seed(&rng, 1);
	for (int i = 0; i < 4000; i++) {
		unsigned k = (unsigned)dvmi_rng_below(&rng, SLOTS);
		if (s[k].p) {
			assert_true(s[k].p[0] == s[k].mark && s[k].p[s[k].len - 1] == s[k].mark);
			dvmi_heap_unmap(s[k].p, s[k].len);
			dvmi_heap_free(h, s[k].off);
			s[k].p = NULL;
			continue;
		}
		s[k].len = 1 + dvmi_rng_below(&rng, 5 * PAGE);
		s[k].off = dvmi_heap_alloc(h, s[k].len);
		assert_true(s[k].off >= 0 && s[k].off < SLOTS * 6 * (int64_t)PAGE);
		assert_int_equal(dvmi_heap_map(h, 0, s[k].off, s[k].len, (void **)&s[k].p), 0);
		assert_true(!s[k].p[0] && !s[k].p[s[k].len - 1]);
		s[k].mark = (uint8_t)(1 + i % 255);
		memset(s[k].p, s[k].mark, s[k].len);
	}
	for (int k = 0; k < SLOTS; k++)
		dvmi_heap_unmap(s[k].p, s[k].len);
	dvmi_heap_destroy(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments),  cmocka_unit_test(first_fit),
		cmocka_unit_test(shared),     cmocka_unit_test(one_size),
		cmocka_unit_test(file_limit), cmocka_unit_test(random_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
