/* SPDX-License-Identifier: BSD-3-Clause */
/* Disks in files: what is written is there, what cannot be done is an error, and layers hold. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "kvm-node/disk.h"
#include "libdvm/base/rng.h"
#include "tests/unit/cm.h"

enum { SIZE = 3 * 65536 + 512 };

struct bench {
	char dir[32], path[64];
	struct vmm_disk *disk;
	dvm_error_t err;
};

static int bench_open(void **state)
{
	struct bench *b = calloc(1, sizeof *b);

	assert_non_null(b);
	snprintf(b->dir, sizeof b->dir, "/tmp/dvm-test-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->path, sizeof b->path, "%s/disk", b->dir);
	int fd = open(b->path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(ftruncate(fd, SIZE + 100), 0);
	close(fd);
	*state = b;
	return 0;
}

static int bench_close(void **state)
{
	struct bench *b = *state;

	if (b->disk)
		b->disk->ops->close(b->disk);
	unlink(b->path);
	assert_int_equal(rmdir(b->dir), 0);
	free(b);
	return 0;
}

static void open_raw(struct bench *b, bool ro)
{
	assert_int_equal(vmm_disk_open_raw(&b->disk, b->path, ro, &b->err), 0);
	assert_int_equal(b->disk->size, SIZE);
}

static int put(struct vmm_disk *d, uint64_t at, int byte, size_t len)
{
	char *buf = malloc(len);
	/* In two pieces, with an empty one between. */
	struct iovec iov[] = { { buf, len / 3 }, { buf, 0 }, { buf + len / 3, len - len / 3 } };

	memset(buf, byte, len);
	int rc = d->ops->write(d, at, iov, 3);
	free(buf);
	return rc;
}

static void assert_bytes(struct vmm_disk *d, uint64_t at, int byte, size_t len)
{
	uint8_t *buf = malloc(len);
	struct iovec iov[] = { { buf, len / 2 }, { buf + len / 2, len - len / 2 } };

	memset(buf, ~byte, len);
	assert_int_equal(d->ops->read(d, at, iov, 2), 0);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(buf[i], byte);
	free(buf);
}

static void works(struct vmm_disk *d)
{
	assert_bytes(d, 0, 0, SIZE);
	assert_int_equal(put(d, 512, 'a', 130000), 0);
	assert_bytes(d, 0, 0, 512);
	assert_bytes(d, 512, 'a', 130000);
	assert_int_equal(put(d, SIZE - 512, 'z', 512), 0);
	assert_bytes(d, SIZE - 512, 'z', 512);
	assert_int_equal(d->ops->zero(d, 1024, 70000, false), 0);
	assert_bytes(d, 512, 'a', 512);
	assert_bytes(d, 1024, 0, 70000);
	assert_bytes(d, 71024, 'a', 512);
	assert_int_equal(d->ops->zero(d, 71024, 1024, true), 0);
	assert_bytes(d, 71024, 0, 1024);
	assert_int_equal(d->ops->discard(d, 65536, 65536), 0);
	assert_bytes(d, 131072, 0, 512);
	assert_int_equal(d->ops->flush(d), 0);
	assert_int_equal(d->ops->zero(d, 0, 0, true), 0);
	assert_int_equal(d->ops->discard(d, 0, 0), 0);
}

static void a_file_is_a_disk(void **state)
{
	struct bench *b = *state;

	open_raw(b, false);
	works(b->disk);
}

static void written_is_in_the_file_at_once(void **state)
{
	struct bench *b = *state;
	struct vmm_disk *other;

	open_raw(b, false);
	assert_int_equal(put(b->disk, 4096, 'x', 4096), 0);
	int fd = open(b->path, O_RDONLY);
	char byte = 0;
	assert_int_equal(pread(fd, &byte, 1, 8191), 1);
	assert_int_equal(byte, 'x');
	close(fd);
	assert_int_equal(vmm_disk_open_raw(&other, b->path, false, &b->err), -EBUSY);
	assert_int_equal(vmm_disk_open_raw(&other, b->path, true, &b->err), -EBUSY);
}

static void a_hole_has_no_blocks(void **state)
{
	struct bench *b = *state;
	struct stat before, after;

	open_raw(b, false);
	assert_int_equal(put(b->disk, 0, 'x', 2 * 65536), 0);
	assert_int_equal(b->disk->ops->flush(b->disk), 0);
	assert_int_equal(stat(b->path, &before), 0);
	int rc = b->disk->ops->discard(b->disk, 0, 2 * 65536);
	if (rc == -EOPNOTSUPP)
		skip();
	assert_int_equal(rc, 0);
	assert_int_equal(stat(b->path, &after), 0);
	assert_true(after.st_blocks < before.st_blocks);
	assert_int_equal(after.st_size, before.st_size);
}

static void a_cut_file_is_an_error(void **state)
{
	struct bench *b = *state;
	char buf[1024];
	struct iovec iov = { buf, sizeof buf };

	open_raw(b, false);
	assert_int_equal(truncate(b->path, 512), 0);
	assert_int_equal(b->disk->ops->read(b->disk, 0, &iov, 1), -EIO);
}

/* A disk that fills up, as a limit of the file's size does it anywhere. */
static void no_room_is_an_error(void **state)
{
	struct bench *b = *state;
	struct rlimit old, tight = { 65536, 65536 };

	open_raw(b, false);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	tight.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	int rc = put(b->disk, 65536, 'x', 65536);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(rc, -EFBIG);
	assert_int_equal(put(b->disk, 65536, 'x', 65536), 0);
}

static void what_is_no_disk_is_refused(void **state)
{
	struct bench *b = *state;

	assert_int_equal(vmm_disk_open_raw(&b->disk, "/nowhere", false, &b->err), -ENOENT);
	assert_non_null(strstr(b->err.text, "/nowhere"));
	assert_int_equal(vmm_disk_open_raw(&b->disk, "/dev/null", false, &b->err), -EINVAL);
	assert_int_equal(truncate(b->path, 511), 0);
	assert_int_equal(vmm_disk_open_raw(&b->disk, b->path, false, &b->err), -EINVAL);
	assert_null(b->disk);
}

static void a_snapshot_is_forgotten(void **state)
{
	struct bench *b = *state;

	open_raw(b, true);
	assert_int_equal(vmm_disk_open_snapshot(&b->disk, b->disk, &b->err), 0);
	works(b->disk);
	b->disk->ops->close(b->disk);
	open_raw(b, true);
	assert_bytes(b->disk, 0, 0, SIZE);
}

/* Random writes and zeros beside a copy in memory. */
static void a_snapshot_is_like_a_disk(void **state)
{
	struct bench *b = *state;
	uint8_t *model = calloc(1, SIZE), *buf = malloc(SIZE);
	struct dvmi_rng rng;

	dvmi_rng_seed(&rng, 7);
	open_raw(b, false);
	for (size_t i = 0; i < SIZE; i++)
		model[i] = (uint8_t)dvmi_rng_next(&rng);
	struct iovec all = { model, SIZE };
	assert_int_equal(b->disk->ops->write(b->disk, 0, &all, 1), 0);
	b->disk->ops->close(b->disk);
	open_raw(b, true);
	assert_int_equal(vmm_disk_open_snapshot(&b->disk, b->disk, &b->err), 0);
	for (int i = 0; i < 200; i++) {
		uint64_t at = dvmi_rng_below(&rng, SIZE / 512) * 512;
		uint64_t len = (1 + dvmi_rng_below(&rng, (SIZE - at) / 512)) * 512;
		if (dvmi_rng_below(&rng, 3)) {
			memset(model + at, i, len);
			assert_int_equal(put(b->disk, at, i, len), 0);
		} else {
			memset(model + at, 0, len);
			assert_int_equal(b->disk->ops->zero(b->disk, at, len, false), 0);
		}
		struct iovec whole = { buf, SIZE };
		assert_int_equal(b->disk->ops->read(b->disk, 0, &whole, 1), 0);
		assert_memory_equal(buf, model, SIZE);
	}
	free(model);
	free(buf);
}

static bool make_qcow2(struct bench *b)
{
	char command[200];

	snprintf(command, sizeof command, "qemu-img create -q -f qcow2 %s %d >/dev/null 2>&1",
		 b->path, SIZE);
	return system(command) == 0;
}

static void qcow2_is_read_by_others(void **state)
{
	struct bench *b = *state;
	struct vmm_disk *other;

	if (!make_qcow2(b))
		skip();
	int rc = vmm_disk_open_qcow2(&b->disk, b->path, false, &b->err);
	if (rc == -ENOTSUP || access("/usr/bin/qemu-storage-daemon", X_OK) < 0)
		skip();
	assert_string_equal(b->err.text, "");
	assert_int_equal(rc, 0);
	assert_int_equal(b->disk->size, SIZE);
	works(b->disk);
	assert_true(vmm_disk_open_qcow2(&other, b->path, false, &b->err) < 0); /* it is locked */
	b->disk->ops->close(b->disk);
	assert_int_equal(vmm_disk_open_qcow2(&b->disk, b->path, true, &b->err), 0);
	assert_bytes(b->disk, SIZE - 512, 'z', 512);
	assert_true(put(b->disk, 0, 'x', 512) < 0);
	assert_int_equal(vmm_disk_open_snapshot(&b->disk, b->disk, &b->err), 0);
	assert_int_equal(put(b->disk, 0, 'x', 512), 0);
	assert_bytes(b->disk, 0, 'x', 512);
}

static void a_broken_qcow2_is_refused(void **state)
{
	struct bench *b = *state;
	int rc = vmm_disk_open_qcow2(&b->disk, b->path, false, &b->err); /* all zeros */

	assert_true(rc < 0);
	assert_non_null(strstr(b->err.text, b->path));
	assert_null(b->disk);
	assert_true(vmm_disk_open_qcow2(&b->disk, "/nowhere", false, &b->err) < 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bench_open, bench_close)
	const struct CMUnitTest tests[] = {
		T(a_file_is_a_disk),	    T(written_is_in_the_file_at_once),
		T(a_hole_has_no_blocks),    T(a_cut_file_is_an_error),
		T(no_room_is_an_error),	    T(what_is_no_disk_is_refused),
		T(a_snapshot_is_forgotten), T(a_snapshot_is_like_a_disk),
		T(qcow2_is_read_by_others), T(a_broken_qcow2_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
