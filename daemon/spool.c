/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/spool.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define SPOOL_MAGIC   0x50535644u /* "DVSP" */
#define SPOOL_VERSION 1u
#define HEAD_BYTES    16
#define FLAGS_AT      8
#define LENGTH_BYTES  4

struct dvmd_spool {
	int fd;
	uint64_t bound, size;
	uint32_t flags;
	struct dvmi_buf record;
};

struct dvmd_spool_reader {
	int fd;
	off_t at;
	int err; /* after damage: stays */
	uint8_t *data;
	size_t cap;
};

static int write_at(int fd, const void *data, size_t n, off_t at)
{
	const uint8_t *p = data;

	while (n) {
		ssize_t did = pwrite(fd, p, n, at);
		if (did < 0 && errno == EINTR)
			continue;
		if (did <= 0)
			return did < 0 ? -errno : -EIO;
		p += did;
		n -= (size_t)did;
		at += did;
	}
	return 0;
}

/* N bytes at AT: 1; 0 where the file is too short; -E…. */
static int read_at(int fd, void *data, size_t n, off_t at)
{
	uint8_t *p = data;

	while (n) {
		ssize_t got = pread(fd, p, n, at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return 0;
		p += got;
		n -= (size_t)got;
		at += got;
	}
	return 1;
}

static uint32_t get_u32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Into a block that the file has already; if even that fails, there is nobody left to tell. */
static void write_flags(struct dvmd_spool *s)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, s->flags);
	if (!b.err)
		write_at(s->fd, b.data, b.len, FLAGS_AT);
	dvmi_buf_free(&b);
}

static int write_head(struct dvmd_spool *s)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, SPOOL_MAGIC);
	dvmi_buf_put_u32(&b, SPOOL_VERSION);
	dvmi_buf_put_u32(&b, s->flags);
	dvmi_buf_put_u32(&b, 0);
	int rc = b.err ? b.err : write_at(s->fd, b.data, b.len, 0);
	dvmi_buf_free(&b);
	s->size = HEAD_BYTES;
	return rc;
}

int dvmd_spool_create(struct dvmd_spool **out, int dirfd, const char *name, uint64_t bound)
{
	struct dvmd_spool *s = calloc(1, sizeof *s);

	*out = NULL;
	if (!s)
		return -ENOMEM;
	s->bound = bound;
	s->fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc = s->fd < 0 ? -errno : write_head(s);
	if (rc < 0) {
		if (s->fd >= 0) {
			unlinkat(dirfd, name, 0);
			close(s->fd);
		}
		free(s);
		return rc;
	}
	*out = s;
	return 0;
}

static void pack_record(struct dvmi_buf *b, const Pb__Chunk *chunk)
{
	b->len = 0;
	b->err = 0;
	dvmi_buf_put_u32(b, (uint32_t)pb__chunk__get_packed_size(chunk));
	dvmi_pb_pack(b, chunk);
}

static int write_record(struct dvmd_spool *s, const Pb__Chunk *chunk)
{
	struct dvmi_buf *b = &s->record;

	if (pb__chunk__get_packed_size(chunk) > DVMD_SPOOL_RECORD_MAX)
		return -EFBIG;
	pack_record(b, chunk);
	if (b->err)
		return b->err;
	if (s->size + b->len > s->bound)
		return -EFBIG;
	int rc = write_at(s->fd, b->data, b->len, (off_t)s->size);
	if (rc == 0)
		s->size += b->len;
	return rc;
}

static void give_up(struct dvmd_spool *s)
{
	/* Should this fail, too, readers stop at the torn record all the same. */
	int rc = ftruncate(s->fd, (off_t)s->size);

	(void)rc;
	s->flags |= DVMD_SPOOL_TRUNCATED;
	write_flags(s);
}

int dvmd_spool_append(struct dvmd_spool *s, const Pb__Chunk *chunk)
{
	if (!s || (s->flags & DVMD_SPOOL_TRUNCATED))
		return 1;
	int rc = write_record(s, chunk);
	if (rc < 0)
		give_up(s);
	return rc;
}

void dvmd_spool_close(struct dvmd_spool *s)
{
	if (!s)
		return;
	s->flags |= DVMD_SPOOL_FINISHED;
	write_flags(s);
	dvmi_buf_free(&s->record);
	close(s->fd);
	free(s);
}

/* The directory is a user's: nothing but a plain file of OWNER's may be read. */
static int check_file(int fd, const char *name, uid_t owner, dvm_error_t *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return dvmi_error_code(err, -errno, "%s", name);
	if (!S_ISREG(st.st_mode) || st.st_uid != owner)
		return dvmi_error_set(err, -EACCES, "%s is not a plain file of user %u", name,
				      (unsigned)owner);
	return 0;
}

static int check_head(int fd, const char *name, dvm_error_t *err)
{
	uint8_t head[HEAD_BYTES];
	int rc = read_at(fd, head, sizeof head, 0);

	if (rc < 0)
		return dvmi_error_code(err, rc, "%s", name);
	if (rc == 0 || get_u32(head) != SPOOL_MAGIC || get_u32(head + 4) != SPOOL_VERSION)
		return dvmi_error_set(err, -DVM_EPROTO,
				      "%s is not kept output that this version can read", name);
	return 0;
}

int dvmd_spool_reader_open(struct dvmd_spool_reader **out, int dirfd, const char *name, uid_t owner,
			   dvm_error_t *err)
{
	/* O_NONBLOCK: a FIFO must not make the daemon wait for its writer. */
	cleanup_fd int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return dvmi_error_code(err, -errno, "%s", name);
	int rc = check_file(fd, name, owner, err);
	if (rc == 0)
		rc = check_head(fd, name, err);
	if (rc < 0)
		return rc;
	struct dvmd_spool_reader *r = calloc(1, sizeof *r);
	if (!r)
		return dvmi_error_code(err, -ENOMEM, "%s", name);
	r->fd = take_fd(fd);
	r->at = HEAD_BYTES;
	*out = r;
	return 0;
}

static int reserve(struct dvmd_spool_reader *r, size_t n)
{
	if (n <= r->cap)
		return 0;
	uint8_t *data = realloc(r->data, n);
	if (!data)
		return -ENOMEM;
	r->data = data;
	r->cap = n;
	return 0;
}

/* The bytes of the record at r->at into r->data: 1 and their number, 0 or -E… as for next(). */
static int read_record(struct dvmd_spool_reader *r, uint32_t *n)
{
	uint8_t length[LENGTH_BYTES];
	int rc = read_at(r->fd, length, sizeof length, r->at);

	if (rc <= 0)
		return rc;
	*n = get_u32(length);
	if (*n > DVMD_SPOOL_RECORD_MAX)
		return -DVM_EPROTO;
	rc = reserve(r, *n);
	return rc < 0 ? rc : read_at(r->fd, r->data, *n, r->at + LENGTH_BYTES);
}

int dvmd_spool_reader_next(struct dvmd_spool_reader *r, Pb__Chunk **out)
{
	uint32_t n;

	if (r->err)
		return r->err;
	int rc = read_record(r, &n);
	if (rc > 0 && dvmi_pb_unpack(&pb__chunk__descriptor, r->data, n, out) < 0)
		rc = -DVM_EPROTO;
	if (rc > 0)
		r->at += LENGTH_BYTES + (off_t)n;
	else if (rc < 0)
		r->err = rc;
	return rc;
}

uint64_t dvmd_spool_reader_at(const struct dvmd_spool_reader *r)
{
	return (uint64_t)r->at;
}

int dvmd_spool_reader_seek(struct dvmd_spool_reader *r, uint64_t at)
{
	if (at < HEAD_BYTES || at > INT64_MAX - DVMD_SPOOL_RECORD_MAX - LENGTH_BYTES)
		return -EINVAL;
	r->at = (off_t)at;
	r->err = 0;
	return 0;
}

unsigned dvmd_spool_reader_flags(struct dvmd_spool_reader *r)
{
	uint8_t flags[4];

	return read_at(r->fd, flags, sizeof flags, FLAGS_AT) > 0 ? get_u32(flags) : 0;
}

void dvmd_spool_reader_close(struct dvmd_spool_reader *r)
{
	if (!r)
		return;
	close(r->fd);
	free(r->data);
	free(r);
}
