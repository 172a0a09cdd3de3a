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
#include "kvm-node/helper.h"
#include "kvm-node/vmm.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/rng.h"
#include "tests/unit/cm.h"
#include "tests/unit/tmpdir.h"

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
	tmpdir_remove(b->dir);
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

/* ---- images in qcow2 ---- */

/* A command in the directory of the test. */
static bool run(struct bench *b, const char *command)
{
	char line[400];

	snprintf(line, sizeof line, "cd %s && { %s; } >/dev/null 2>&1", b->dir, command);
	return system(line) == 0;
}

static bool have_server(void)
{
#ifdef HAVE_LIBNBD
	return vmm_helper_found("qemu-storage-daemon");
#else
	return false;
#endif
}

/* Makes the image, too. */
static bool have_tools(struct bench *b)
{
	char command[100];

	snprintf(command, sizeof command, "qemu-img create -q -f qcow2 disk %d", SIZE);
	return have_server() && run(b, command);
}

static char *name(struct bench *b, const char *file)
{
	static char full[4][64];
	static unsigned next;
	char *p = full[next++ % 4];

	snprintf(p, sizeof full[0], "%s/%s", b->dir, file);
	return p;
}

/* With the files BELOW it, separated by commas, or NULL. */
static int open_qcow2(struct bench *b, const char *file, const char *below, bool ro)
{
	struct vmm_disk_config c = { .path = name(b, file), .format = VMM_DISK_QCOW2 };
	char words[64];

	snprintf(words, sizeof words, "%s", below ? below : "");
	for (char *w = strtok(words, ","); w; w = strtok(NULL, ","))
		c.backing[c.n_backing++] = name(b, w);
	b->err.text[0] = '\0';
	return vmm_disk_open_qcow2(&b->disk, &c, ro, &b->err);
}

static void shut(struct bench *b)
{
	b->disk->ops->close(b->disk);
	b->disk = NULL;
}

static void qcow2_is_read_by_others(void **state)
{
	struct bench *b = *state;

	if (!have_tools(b))
		skip();
	assert_int_equal(open_qcow2(b, "disk", NULL, false), 0);
	assert_string_equal(b->err.text, "");
	assert_int_equal(b->disk->size, SIZE);
	works(b->disk);
	struct vmm_disk *first = b->disk;
	assert_true(open_qcow2(b, "disk", NULL, false) < 0); /* it is locked */
	assert_ptr_equal(b->disk, first);
	shut(b);
	assert_int_equal(open_qcow2(b, "disk", NULL, true), 0);
	assert_bytes(b->disk, SIZE - 512, 'z', 512);
	assert_true(put(b->disk, 0, 'x', 512) < 0);
	assert_int_equal(vmm_disk_open_snapshot(&b->disk, b->disk, &b->err), 0);
	assert_int_equal(put(b->disk, 0, 'x', 512), 0);
	assert_bytes(b->disk, 0, 'x', 512);
}

static void a_broken_qcow2_is_refused(void **state)
{
	struct bench *b = *state;

	assert_true(open_qcow2(b, "disk", NULL, false) < 0); /* all zeros */
	assert_non_null(strstr(b->err.text, b->path));
	assert_null(b->disk);
	assert_true(open_qcow2(b, "nowhere", NULL, false) < 0);
}

/* What is below is read where we say what it is, and stays as it is. */
static void backing_files_are_those_we_name(void **state)
{
	struct bench *b = *state;

	if (!have_tools(b))
		skip();
	assert_true(run(b, "qemu-img create -q -f qcow2 -b disk -F qcow2 over"));
	assert_true(run(b, "qemu-img create -q -f qcow2 -b over -F qcow2 top"));
	assert_int_equal(open_qcow2(b, "disk", NULL, false), 0);
	assert_int_equal(put(b->disk, 512, 'a', 1024), 0);
	shut(b);
	assert_int_equal(open_qcow2(b, "over", "disk", false), 0);
	assert_bytes(b->disk, 512, 'a', 1024);
	assert_int_equal(put(b->disk, 512, 'b', 512), 0);
	shut(b);
	assert_int_equal(open_qcow2(b, "top", "over,disk", false), 0);
	assert_bytes(b->disk, 512, 'b', 512);
	assert_bytes(b->disk, 1024, 'a', 512);
	assert_int_equal(put(b->disk, 0, 'c', 2048), 0);
	shut(b);
	assert_int_equal(open_qcow2(b, "disk", NULL, true), 0);
	assert_bytes(b->disk, 512, 'a', 1024);
}

static void a_backing_file_may_be_raw(void **state)
{
	struct bench *b = *state;

	open_raw(b, false);
	assert_int_equal(put(b->disk, 0, 'r', 1024), 0);
	shut(b);
	if (!have_server() || !run(b, "qemu-img create -q -f qcow2 -b disk -F raw over"))
		skip();
	assert_int_equal(open_qcow2(b, "over", "disk", false), 0);
	assert_bytes(b->disk, 0, 'r', 1024);
	assert_int_equal(put(b->disk, 0, 's', 1024), 0);
	shut(b);
	open_raw(b, true);
	assert_bytes(b->disk, 0, 'r', 1024);
}

/* A name in a header may be that of any file of the host. */
static void sec_names_in_an_image_are_not_followed(void **state)
{
	struct bench *b = *state;

	if (!have_tools(b))
		skip();
	assert_true(run(b, "qemu-img create -q -f qcow2 -b disk -F qcow2 over"));
	assert_true(run(b, "qemu-img create -q -f qcow2 -b over -F qcow2 top"));
	assert_int_equal(open_qcow2(b, "over", NULL, true), -EPERM);
	assert_non_null(strstr(b->err.text, "backing=FILE"));
	assert_int_equal(open_qcow2(b, "top", "over", true), -EPERM);
	assert_int_equal(open_qcow2(b, "disk", "over", true), -EINVAL);
	assert_int_equal(open_qcow2(b, "over", "disk,top", true), -EINVAL);
	assert_true(run(b, "qemu-img create -q -f qcow2 -o data_file=$PWD/data out 64k"));
	assert_int_equal(open_qcow2(b, "out", NULL, true), -EPERM);
	assert_non_null(strstr(b->err.text, "another file"));
	/* Nor one below: the image says what it likes of that. */
	assert_true(run(b, "qemu-img create -q -f qcow2 -b out -F qcow2 over"));
	assert_int_equal(open_qcow2(b, "over", "out", true), -EPERM);
	assert_null(b->disk);
}

/* The extension that has the backing file's format becomes one that nobody knows. */
static void rename_extension(const char *path)
{
	static const uint8_t mark[] = { 0xe2, 0x79, 0x2a, 0xca };
	uint8_t head[512], *at;
	cleanup_fd int fd = open(path, O_RDWR);

	assert_int_equal(pread(fd, head, sizeof head, 0), sizeof head);
	at = memmem(head, sizeof head, mark, sizeof mark);
	assert_non_null(at);
	assert_int_equal(pwrite(fd, "none", 4, at - head), 4);
}

static void a_backing_file_without_a_format_is_refused(void **state)
{
	struct bench *b = *state;

	if (!have_tools(b))
		skip();
	assert_true(run(b, "qemu-img create -q -f qcow2 -b disk -F qcow2 over"));
	rename_extension(name(b, "over"));
	assert_int_equal(open_qcow2(b, "over", "disk", true), -EINVAL);
	assert_non_null(strstr(b->err.text, "raw or qcow2"));
}

/* ---- what the program may do ---- */

/* A line of /proc/PID/status, without its name. */
static bool status_line(const char *pid, const char *key, char *value, size_t size)
{
	char path[64], line[200];
	bool found = false;

	snprintf(path, sizeof path, "/proc/%.20s/status", pid);
	cleanup_file FILE *f = fopen(path, "r");
	while (f && !found && fgets(line, sizeof line, f)) {
		found = !strncmp(line, key, strlen(key)) && line[strlen(key)] == ':';
		if (found)
			snprintf(value, size, "%.*s", (int)strcspn(line + strlen(key) + 2, "\n"),
				 line + strlen(key) + 2);
	}
	return found;
}

/* The program is the child of a keeper, which is ours. */
static bool is_ours(const char *pid)
{
	char name[40], parent[40], grandparent[40];

	return status_line(pid, "Name", name, sizeof name) && !strncmp(name, "qemu-storage", 12) &&
	       status_line(pid, "PPid", parent, sizeof parent) &&
	       status_line(parent, "PPid", grandparent, sizeof grandparent) &&
	       atoi(grandparent) == getpid();
}

static void find_server(char pid[40])
{
	cleanup_dir DIR *d = opendir("/proc");

	for (struct dirent *e; (e = readdir(d));)
		if (is_ours(e->d_name)) {
			snprintf(pid, 40, "%.39s", e->d_name);
			return;
		}
	fail_msg("nobody serves the image");
}

static void sec_the_program_has_few_rights(void **state)
{
	struct bench *b = *state;
	char pid[40] = "", value[100];
	const bool root = geteuid() == 0;

	if (!have_tools(b))
		skip();
	if (root)
		assert_int_equal(chown(b->path, 54321, 54322), 0);
	assert_int_equal(open_qcow2(b, "disk", NULL, false), 0);
	works(b->disk);
	find_server(pid);
	assert_true(status_line(pid, "CapEff", value, sizeof value));
	assert_string_equal(value, "0000000000000000");
	assert_true(status_line(pid, "CapPrm", value, sizeof value));
	assert_string_equal(value, "0000000000000000");
	assert_true(status_line(pid, "NoNewPrivs", value, sizeof value));
	assert_string_equal(value, "1");
	assert_true(status_line(pid, "Uid", value, sizeof value));
	if (root) /* only where it may be that user */
		assert_string_equal(value, "54321\t54321\t54321\t54321");
	assert_true(status_line(pid, "Groups", value, sizeof value));
	if (root)
		assert_null(strpbrk(value, "0123456789"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bench_open, bench_close)
	const struct CMUnitTest tests[] = {
		T(a_file_is_a_disk),	    T(written_is_in_the_file_at_once),
		T(a_hole_has_no_blocks),    T(a_cut_file_is_an_error),
		T(no_room_is_an_error),	    T(what_is_no_disk_is_refused),
		T(a_snapshot_is_forgotten), T(a_snapshot_is_like_a_disk),
		T(qcow2_is_read_by_others),
		T(a_broken_qcow2_is_refused),
		T(backing_files_are_those_we_name),
		T(a_backing_file_may_be_raw),
		T(sec_names_in_an_image_are_not_followed),
		T(a_backing_file_without_a_format_is_refused),
		T(sec_the_program_has_few_rights),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
