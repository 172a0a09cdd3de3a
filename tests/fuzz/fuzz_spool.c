/* SPDX-License-Identifier: BSD-3-Clause */
/* Kept output: a file in a directory where a user may put anything. The input is the file. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "daemon/spool.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/tmpdir.h"

static char dir[TMPDIR_MAX];
static int dirfd_ = -1;

static void remove_dir(void)
{
	tmpdir_remove(dir);
}

static void make_dir(void)
{
	if (dirfd_ >= 0)
		return;
	tmpdir_make(dir);
	atexit(remove_dir);
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void read_all(struct dvmd_spool_reader *r, size_t size)
{
	size_t bytes = 0;
	Pb__Chunk *c;
	int rc;

	while ((rc = dvmd_spool_reader_next(r, &c)) == 1) {
		bytes += 4 + pb__chunk__get_packed_size(c);
		dvmi_pb_free(c);
		/* Packed again, a chunk is at most as long as one byte more a field. */
		FUZZ_CHECK(bytes <= 2 * size);
	}
	FUZZ_CHECK(rc == 0 || rc == -DVM_EPROTO);
	FUZZ_CHECK(dvmd_spool_reader_next(r, &c) == rc);
	dvmd_spool_reader_flags(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dvmd_spool_reader *r;

	make_dir();
	int fd = openat(dirfd_, "output", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, data, size) == (ssize_t)size);
	close(fd);
	int rc = dvmd_spool_reader_open(&r, dirfd_, "output", geteuid(), NULL);
	FUZZ_CHECK(rc == 0 || rc == -DVM_EPROTO);
	if (rc == 0) {
		read_all(r, size);
		dvmd_spool_reader_close(r);
	}
	return 0;
}
