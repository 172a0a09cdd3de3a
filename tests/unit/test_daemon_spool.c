/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/spool.h"
#include "tests/unit/cm.h"
#include "tests/unit/tmpdir.h"

/* Bytes that the disk still takes; -1: any number. What is there already can be written over. */
static long long room = -1;

ssize_t __real_pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at);

ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at)
{
	struct stat st;

	if (room >= 0 && fstat(fd, &st) == 0 && at + (off_t)n > st.st_size) {
		if (room == 0) {
			errno = ENOSPC;
			return -1;
		}
		if ((long long)n > room)
			n = (size_t)room;
		room -= (long long)n;
	}
	return __real_pwrite(fd, p, n, at);
}

struct fixture {
	char dir[TMPDIR_MAX];
	int dirfd;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	tmpdir_make(f->dir);
	f->dirfd = open(f->dir, O_RDONLY | O_DIRECTORY);
	room = -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->dirfd);
	tmpdir_remove(f->dir);
	free(f);
	return 0;
}

static int append(struct dvmd_spool *s, uint32_t rank, const char *text)
{
	Pb__Chunk c = PB__CHUNK__INIT;

	c.rank = rank;
	c.stream = 1 + rank % 2;
	c.data = (ProtobufCBinaryData){ .data = (uint8_t *)text, .len = strlen(text) };
	return dvmd_spool_append(s, &c);
}

static struct dvmd_spool_reader *open_reader(struct fixture *f)
{
	struct dvmd_spool_reader *r = NULL;
	dvm_error_t err = { 0 };

	if (dvmd_spool_reader_open(&r, f->dirfd, "output", getuid(), &err) < 0)
		fail_msg("%s", err.text);
	return r;
}

/* The next chunk is one of RANK with TEXT. */
static void expect(struct dvmd_spool_reader *r, uint32_t rank, const char *text)
{
	Pb__Chunk *c = NULL;

	assert_int_equal(dvmd_spool_reader_next(r, &c), 1);
	assert_int_equal(c->rank, rank);
	assert_int_equal(c->data.len, strlen(text));
	assert_memory_equal(c->data.data, text, c->data.len);
	dvmi_pb_free(c);
}

static void expect_nothing(struct dvmd_spool_reader *r)
{
	Pb__Chunk *c = NULL;

	assert_int_equal(dvmd_spool_reader_next(r, &c), 0);
	assert_null(c);
}

static void a_reader_follows_a_writer(void **state)
{
	struct fixture *f = *state;
	struct dvmd_spool *s;

	assert_int_equal(dvmd_spool_create(&s, f->dirfd, "output", 1 << 20), 0);
	struct dvmd_spool_reader *r = open_reader(f);
	expect_nothing(r);
	assert_int_equal(append(s, 0, "one\n"), 0);
	assert_int_equal(append(s, 1, ""), 0);
	expect(r, 0, "one\n");
	expect(r, 1, "");
	expect_nothing(r);
	assert_int_equal(append(s, 2, "two\n"), 0);
	expect(r, 2, "two\n");
	assert_int_equal(dvmd_spool_reader_flags(r), 0);
	dvmd_spool_close(s);
	expect_nothing(r);
	assert_int_equal(dvmd_spool_reader_flags(r), DVMD_SPOOL_FINISHED);
	dvmd_spool_reader_close(r);
	r = open_reader(f);
	expect(r, 0, "one\n");
	dvmd_spool_reader_close(r);
}

static void the_bound_ends_it_at_a_whole_record(void **state)
{
	struct fixture *f = *state;
	struct dvmd_spool *s;
	struct stat st;
	int kept = 0, rc;

	assert_int_equal(dvmd_spool_create(&s, f->dirfd, "output", 200), 0);
	while ((rc = append(s, 1, "0123456789")) == 0)
		kept++;
	assert_int_equal(rc, -EFBIG);
	assert_in_range(kept, 8, 14);
	assert_int_equal(append(s, 1, "x"), 1); /* would fit, but there is a gap before it */
	dvmd_spool_close(s);
	assert_int_equal(fstatat(f->dirfd, "output", &st, 0), 0);
	assert_true(st.st_size <= 200);
	assert_int_equal(st.st_mode & 0777, 0600);
	struct dvmd_spool_reader *r = open_reader(f);
	while (kept--)
		expect(r, 1, "0123456789");
	expect_nothing(r);
	assert_int_equal(dvmd_spool_reader_flags(r), DVMD_SPOOL_FINISHED | DVMD_SPOOL_TRUNCATED);
	dvmd_spool_reader_close(r);
}

static void a_bound_of_nothing_keeps_nothing(void **state)
{
	struct fixture *f = *state;
	struct dvmd_spool *s;

	assert_int_equal(dvmd_spool_create(&s, f->dirfd, "output", 0), 0);
	assert_int_equal(append(s, 0, "x"), -EFBIG);
	struct dvmd_spool_reader *r = open_reader(f);
	expect_nothing(r);
	assert_int_equal(dvmd_spool_reader_flags(r), DVMD_SPOOL_TRUNCATED);
	dvmd_spool_reader_close(r);
	dvmd_spool_close(s);
}

/* Wherever within a record the disk is full, the records before it stay and it is marked. */
static void a_full_disk_is_noted_once(void **state)
{
	struct fixture *f = *state;

	for (long long left = 0; left < 30; left++) {
		struct dvmd_spool *s;
		assert_int_equal(dvmd_spool_create(&s, f->dirfd, "output", 1 << 20), 0);
		assert_int_equal(append(s, 0, "first"), 0);
		room = left;
		assert_int_equal(append(s, 0, "0123456789012345678901234567890123456789"), -ENOSPC);
		assert_int_equal(append(s, 0, "x"), 1);
		room = -1;
		assert_int_equal(append(s, 0, "x"), 1);
		struct dvmd_spool_reader *r = open_reader(f);
		expect(r, 0, "first");
		expect_nothing(r);
		assert_int_equal(dvmd_spool_reader_flags(r), DVMD_SPOOL_TRUNCATED);
		dvmd_spool_close(s);
		dvmd_spool_reader_close(r);
		unlinkat(f->dirfd, "output", 0);
	}
}

static void no_spool_is_a_spool_that_keeps_nothing(void **state)
{
	struct fixture *f = *state;
	struct dvmd_spool *s = (void *)1;

	room = 3;
	assert_int_equal(dvmd_spool_create(&s, f->dirfd, "output", 99), -ENOSPC);
	assert_null(s);
	assert_int_equal(append(s, 0, "x"), 1);
	dvmd_spool_close(s);
	assert_int_equal(faccessat(f->dirfd, "output", F_OK, 0), -1);
	room = -1;
	assert_int_equal(dvmd_spool_create(&s, f->dirfd, "output", 99), 0);
	dvmd_spool_close(s);
	assert_int_equal(dvmd_spool_create(&s, f->dirfd, "output", 99), -EEXIST);
}

static void a_torn_record_is_not_there_yet(void **state)
{
	struct fixture *f = *state;
	struct dvmd_spool *s;
	uint8_t image[256];

	assert_int_equal(dvmd_spool_create(&s, f->dirfd, "output", 1 << 20), 0);
	assert_int_equal(append(s, 3, "first"), 0);
	int fd = openat(f->dirfd, "output", O_RDWR);
	ssize_t one = lseek(fd, 0, SEEK_END);
	assert_int_equal(append(s, 4, "second"), 0);
	ssize_t two = pread(fd, image, sizeof image, 0);
	assert_true(two > one);
	for (ssize_t n = one; n < two; n++) {
		assert_int_equal(ftruncate(fd, n), 0);
		struct dvmd_spool_reader *r = open_reader(f);
		expect(r, 3, "first");
		expect_nothing(r);
		/* Then the rest arrives. */
		assert_int_equal(pwrite(fd, image + n, (size_t)(two - n), n), two - n);
		expect(r, 4, "second");
		dvmd_spool_reader_close(r);
	}
	close(fd);
	dvmd_spool_close(s);
}

static void pages_go_on_where_the_last_one_ended(void **state)
{
	struct fixture *f = *state;
	struct dvmd_spool *s;
	Pb__Chunk *c = NULL;

	assert_int_equal(dvmd_spool_create(&s, f->dirfd, "output", 1 << 20), 0);
	assert_int_equal(append(s, 1, "first"), 0);
	assert_int_equal(append(s, 2, "second"), 0);
	struct dvmd_spool_reader *r = open_reader(f);
	uint64_t start = dvmd_spool_reader_at(r);
	expect(r, 1, "first");
	uint64_t second = dvmd_spool_reader_at(r);
	dvmd_spool_reader_close(r);
	r = open_reader(f);
	assert_int_equal(dvmd_spool_reader_seek(r, second), 0);
	expect(r, 2, "second");
	expect_nothing(r);
	assert_int_equal(dvmd_spool_reader_seek(r, start), 0);
	expect(r, 1, "first");
	/* From a peer that makes places up. */
	assert_int_equal(dvmd_spool_reader_seek(r, 0), -EINVAL);
	assert_int_equal(dvmd_spool_reader_seek(r, UINT64_MAX), -EINVAL);
	assert_int_equal(dvmd_spool_reader_seek(r, 1 << 20), 0);
	expect_nothing(r);
	assert_int_equal(dvmd_spool_reader_seek(r, second - 2), 0);
	assert_true(dvmd_spool_reader_next(r, &c) <= 0);
	assert_null(c);
	assert_int_equal(dvmd_spool_reader_seek(r, second), 0);
	expect(r, 2, "second");
	dvmd_spool_reader_close(r);
	dvmd_spool_close(s);
}

static void damage_stops_the_reader(void **state)
{
	struct fixture *f = *state;
	struct dvmd_spool *s;
	static const uint8_t huge[] = { 0xff, 0xff, 0xff, 0xff };
	static const uint8_t nonsense[] = { 1, 0, 0, 0, 0xff };
	Pb__Chunk *c = NULL;

	assert_int_equal(dvmd_spool_create(&s, f->dirfd, "output", 1 << 20), 0);
	dvmd_spool_close(s);
	int fd = openat(f->dirfd, "output", O_RDWR);
	off_t end = lseek(fd, 0, SEEK_END);
	assert_int_equal(pwrite(fd, huge, sizeof huge, end), sizeof huge);
	struct dvmd_spool_reader *r = open_reader(f);
	assert_int_equal(dvmd_spool_reader_next(r, &c), -DVM_EPROTO);
	assert_int_equal(dvmd_spool_reader_next(r, &c), -DVM_EPROTO);
	dvmd_spool_reader_close(r);
	assert_int_equal(pwrite(fd, nonsense, sizeof nonsense, end), sizeof nonsense);
	r = open_reader(f);
	assert_int_equal(dvmd_spool_reader_next(r, &c), -DVM_EPROTO);
	dvmd_spool_reader_close(r);
	assert_null(c);
	close(fd);
}

static void expect_refused(struct fixture *f, uid_t owner, int code)
{
	struct dvmd_spool_reader *r = NULL;
	dvm_error_t err = { 0 };

	assert_int_equal(dvmd_spool_reader_open(&r, f->dirfd, "output", owner, &err), code);
	assert_null(r);
	assert_non_null(strstr(err.text, "output"));
}

static void files_of_others_and_other_files_are_refused(void **state)
{
	struct fixture *f = *state;
	struct dvmd_spool *s;

	expect_refused(f, getuid(), -ENOENT);
	assert_int_equal(dvmd_spool_create(&s, f->dirfd, "real", 1 << 20), 0);
	dvmd_spool_close(s);
	assert_int_equal(symlinkat("real", f->dirfd, "output"), 0);
	expect_refused(f, getuid(), -ELOOP);
	unlinkat(f->dirfd, "output", 0);
	assert_int_equal(renameat(f->dirfd, "real", f->dirfd, "output"), 0);
	expect_refused(f, getuid() + 1, -EACCES);
	unlinkat(f->dirfd, "output", 0);
	assert_int_equal(mkfifoat(f->dirfd, "output", 0600), 0);
	expect_refused(f, getuid(), -EACCES); /* at once, without a writer */
	unlinkat(f->dirfd, "output", 0);
	int fd = openat(f->dirfd, "output", O_RDWR | O_CREAT, 0600);
	expect_refused(f, getuid(), -DVM_EPROTO);
	assert_int_equal(write(fd, "something else altogether", 25), 25);
	close(fd);
	expect_refused(f, getuid(), -DVM_EPROTO);
}

int main(void)
{
#define in_dir(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		in_dir(a_reader_follows_a_writer),
		in_dir(the_bound_ends_it_at_a_whole_record),
		in_dir(a_bound_of_nothing_keeps_nothing),
		in_dir(a_full_disk_is_noted_once),
		in_dir(no_spool_is_a_spool_that_keeps_nothing),
		in_dir(a_torn_record_is_not_there_yet),
		in_dir(pages_go_on_where_the_last_one_ended),
		in_dir(damage_stops_the_reader),
		in_dir(files_of_others_and_other_files_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
