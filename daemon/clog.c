/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Appending to the log and replacing it. The order of steps is what makes it durable: an entry
 * is remembered only when it is on the disk, a new file gets its name only when its contents are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "daemon/clog_private.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

/*
 * Bytes that are allocated on the disk behind the last entry. What begins something (a job, a
 * token, a member) must leave them free; what ends something may use them up, so that a full disk
 * refuses new work but does not keep work that is done from being recorded.
 */
#define RESERVE	     (64 << 10)
#define LONG_ENTRIES 4096
#define LONG_BYTES   (16 << 20)

static int write_at(int fd, const uint8_t *p, size_t n, off_t at)
{
	while (n) {
		ssize_t did = pwrite(fd, p, n, at);
		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0)
			return -errno;
		if (did == 0)
			return -EIO;
		p += did;
		n -= (size_t)did;
		at += did;
	}
	return 0;
}

/* Blocks for N bytes from FROM on, without changing the size. 0 where it cannot be done, either. */
static int allocate(int fd, off_t from, off_t n)
{
	int rc;

	do
		rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, from, n) < 0 ? -errno : 0;
	while (rc == -EINTR);
	return rc == -EOPNOTSUPP || rc == -ENOSYS ? 0 : rc;
}

/* Room for an entry that ends at END and the reserve behind it; now and then, for more to come. */
static int reserve_space(struct dvmd_clog *l, off_t end)
{
	off_t want = end + 2 * RESERVE;

	if (end + RESERVE <= l->reserved)
		return 0;
	int rc = allocate(l->fd, l->size, want - l->size);
	if (rc < 0) {
		want = end + RESERVE;
		rc = allocate(l->fd, l->size, want - l->size);
	}
	if (rc == 0)
		l->reserved = want;
	return rc;
}

static bool begins_something(const Pb__Command *cmd)
{
	return cmd->what_case == PB__COMMAND__WHAT_FOUNDING ||
	       cmd->what_case == PB__COMMAND__WHAT_MEMBER_ADD ||
	       cmd->what_case == PB__COMMAND__WHAT_TOKEN_ADD ||
	       cmd->what_case == PB__COMMAND__WHAT_JOB_ADD ||
	       cmd->what_case == PB__COMMAND__WHAT_QUEUE_ADD ||
	       cmd->what_case == PB__COMMAND__WHAT_NAME_ADD;
}

static struct clog_entry *make_entry(uint64_t index, const void *data, uint32_t len)
{
	struct clog_entry *e = malloc(sizeof *e + DVMD_CLOG_HEAD_BYTES + len);

	if (!e)
		return NULL;
	e->len = len;
	dvmd_clog_record_head(e->bytes, index, data, len);
	if (len)
		memcpy(e->bytes + DVMD_CLOG_HEAD_BYTES, data, len);
	return e;
}

static int reserve_entry(struct dvmd_clog *l)
{
	if (l->n < l->cap)
		return 0;
	size_t cap = l->cap ? 2 * l->cap : 64;
	struct clog_entry **ent = realloc(l->ent, cap * sizeof *ent);
	if (!ent)
		return -ENOMEM;
	l->ent = ent;
	l->cap = cap;
	return 0;
}

static void forget_entries(struct dvmd_clog *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->ent[i]);
	l->n = l->held = l->held_bytes = 0;
}

int dvmd_clog_remember(struct dvmd_clog *l, uint64_t index, const void *data, uint32_t len)
{
	if (reserve_entry(l) < 0)
		return -ENOMEM;
	struct clog_entry *e = make_entry(index, data, len);
	if (!e)
		return -ENOMEM;
	l->ent[l->n++] = e;
	return 0;
}

/* After a failed append: nothing of it may stay, or it could turn up after the next crash. */
static void take_back(struct dvmd_clog *l)
{
	if (ftruncate(l->fd, l->size) < 0 || fdatasync(l->fd) < 0)
		l->broken = -errno;
	l->reserved = 0; /* went with it */
	reserve_space(l, l->size);
}

int dvmd_clog_write(struct dvmd_clog *l, const void *p, size_t n)
{
	int rc = write_at(l->fd, p, n, l->size);

	if (rc == 0 && fdatasync(l->fd) < 0)
		rc = -errno;
	if (rc < 0)
		take_back(l);
	else
		l->size += (off_t)n;
	return rc;
}

static int check_append(const struct dvmd_clog *l, uint64_t index, size_t len, dvm_error_t *err)
{
	if (l->broken)
		return dvmi_error_code(
			err, l->broken,
			"%s/" CLOG_NAME " takes no more entries after a failed write", l->dir);
	if (index != dvmd_clog_last(l) + 1)
		return dvmi_error_set(
			err, -EINVAL, "%s/" CLOG_NAME ": entry %llu cannot follow entry %llu",
			l->dir, (unsigned long long)index, (unsigned long long)dvmd_clog_last(l));
	if (len > DVMD_CLOG_ENTRY_MAX)
		return dvmi_error_set(err, -EMSGSIZE,
				      "%s/" CLOG_NAME ": an entry of %zu bytes is too large",
				      l->dir, len);
	return 0;
}

/* What could not be read back would keep every later start from reading the log. */
static int check_readable(const struct dvmd_clog *l, const void *command, size_t len,
			  Pb__Command **cmd, dvm_error_t *err)
{
	if (dvmi_pb_unpack(&pb__command__descriptor, command, len, cmd) == 0)
		return 0;
	return dvmi_error_set(err, -DVM_EPROTO,
			      "%s/" CLOG_NAME ": an entry of %zu bytes could not be read back",
			      l->dir, len);
}

static int append(struct dvmd_clog *l, uint64_t index, const void *command, uint32_t len,
		  bool begins)
{
	int rc = l->holding ? dvmd_clog_batch_room(l, len) : 0;

	if (rc < 0)
		return rc;
	rc = reserve_space(l, l->size + (off_t)l->held_bytes + DVMD_CLOG_HEAD_BYTES + 4 + (off_t)len);
	if (rc < 0 && begins)
		return rc;
	if (reserve_entry(l) < 0)
		return -ENOMEM;
	cleanup_free struct clog_entry *e = make_entry(index, command, len);
	if (!e)
		return -ENOMEM;
	rc = l->holding ? 0 : dvmd_clog_write(l, e->bytes, DVMD_CLOG_HEAD_BYTES + (size_t)len);
	if (rc < 0)
		return rc;
	l->ent[l->n++] = take_ptr(e);
	if (l->holding) {
		l->held++;
		l->held_bytes += 4 + (size_t)len;
	}
	return 0;
}

int dvmd_clog_append(struct dvmd_clog *l, uint64_t index, const void *command, size_t len,
		     dvm_error_t *err)
{
	cleanup_pb Pb__Command *cmd = NULL;
	int rc = check_append(l, index, len, err);

	if (rc == 0)
		rc = check_readable(l, command, len, &cmd, err);
	if (rc < 0)
		return rc;
	rc = append(l, index, command, (uint32_t)len, begins_something(cmd));
	if (rc < 0)
		return dvmi_error_code(err, rc, "%s/" CLOG_NAME ": cannot append entry %llu",
				       l->dir, (unsigned long long)index);
	return 0;
}

static int pack_snapshot(const struct dvmd_cstate *state, struct dvmi_buf *out)
{
	cleanup_pb Pb__StateSnapshot *snap = NULL;
	Pb__StateSnapshot head = PB__STATE_SNAPSHOT__INIT;
	struct dvmi_buf one = { 0 };
	int rc = dvmd_cstate_snapshot(state, &snap);

	if (rc < 0)
		return rc;
	head.index = snap->index;
	head.next_node = snap->next_node;
	head.next_job = snap->next_job;
	dvmi_buf_put(out, CLOG_MAGIC, CLOG_MAGIC_BYTES);
	dvmi_pb_pack(&one, &head);
	dvmd_clog_record_put(out, snap->index, one.data, (uint32_t)one.len);
	for (size_t i = 0; i < snap->n_commands && !one.err; i++) {
		one.len = 0;
		dvmi_pb_pack(&one, snap->commands[i]);
		if (!one.err)
			dvmd_clog_record_put(out, snap->index, one.data, (uint32_t)one.len);
	}
	dvmd_clog_record_put(out, snap->index, NULL, 0);
	rc = one.err ? one.err : out->err;
	dvmi_buf_free(&one);
	return rc;
}

/* Writes IMAGE to the new name and then makes it the log. Returns the descriptor. */
static int install(struct dvmd_clog *l, const struct dvmi_buf *image)
{
	cleanup_fd int fd = openat(l->dirfd, CLOG_NEW_NAME,
				   O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc = fd < 0 ? -errno : write_at(fd, image->data, image->len, 0);

	if (rc == 0)
		rc = allocate(fd, (off_t)image->len, RESERVE);
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	if (rc == 0 && renameat(l->dirfd, CLOG_NEW_NAME, l->dirfd, CLOG_NAME) < 0)
		rc = -errno;
	if (rc < 0) {
		unlinkat(l->dirfd, CLOG_NEW_NAME, 0);
		return rc;
	}
	return take_fd(fd);
}

int dvmd_clog_write_snapshot(struct dvmd_clog *l, const struct dvmd_cstate *state, dvm_error_t *err)
{
	struct dvmi_buf image = { 0 };
	int rc = pack_snapshot(state, &image);
	int fd = rc < 0 ? rc : install(l, &image);

	dvmi_buf_free(&image);
	if (fd < 0)
		return dvmi_error_code(err, fd, "%s/" CLOG_NAME ": cannot write a snapshot",
				       l->dir);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = fd;
	l->size = l->base = lseek(fd, 0, SEEK_END);
	l->reserved = l->size + RESERVE;
	l->first = dvmd_cstate_index(state) + 1;
	forget_entries(l);
	l->broken = 0;
	/* The new file is the log now; without this its name could be lost in a crash. */
	if (fsync(l->dirfd) < 0) {
		l->broken = -errno;
		return dvmi_error_code(err, l->broken, "%s: cannot make " CLOG_NAME " durable",
				       l->dir);
	}
	return 0;
}

int dvmd_clog_compact(struct dvmd_clog *l, const struct dvmd_cstate *state, dvm_error_t *err)
{
	if (dvmd_cstate_index(state) < dvmd_clog_last(l))
		return dvmi_error_set(err, -EINVAL,
				      "%s/" CLOG_NAME
				      ": a snapshot of entry %llu would lose entries",
				      l->dir, (unsigned long long)dvmd_cstate_index(state));
	return dvmd_clog_write_snapshot(l, state, err);
}

int dvmd_clog_reload(struct dvmd_clog *l, struct dvmd_cstate **state, dvm_error_t *err)
{
	forget_entries(l);
	int rc = dvmd_clog_load(l, state, err);
	if (rc < 0)
		l->broken = rc;
	return rc;
}

static int lock(struct dvmd_clog *l, dvm_error_t *err)
{
	l->lock_fd =
		openat(l->dirfd, CLOG_LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (l->lock_fd < 0)
		return dvmi_error_code(err, -errno, "%s/" CLOG_LOCK_NAME, l->dir);
	if (flock(l->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return dvmi_error_code(err, -errno, "%s/" CLOG_LOCK_NAME ": cannot lock", l->dir);
	return dvmi_error_set(err, -EBUSY, "%s/" CLOG_NAME " is in use by another process", l->dir);
}

static int create_log(struct dvmd_clog *l, struct dvmd_cstate **state, dvm_error_t *err)
{
	struct dvmd_cstate *fresh;
	int rc = dvmd_cstate_create(&fresh);

	if (rc < 0)
		return dvmi_error_code(err, rc, "%s/" CLOG_NAME, l->dir);
	rc = dvmd_clog_write_snapshot(l, fresh, err);
	if (rc < 0)
		dvmd_cstate_destroy(fresh);
	else
		*state = fresh;
	return rc;
}

static int open_locked(struct dvmd_clog *l, const char *dir, struct dvmd_cstate **state,
		       dvm_error_t *err)
{
	int rc;

	l->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->dirfd < 0)
		return dvmi_error_code(err, -errno, "%s", dir);
	rc = lock(l, err);
	if (rc < 0)
		return rc;
	unlinkat(l->dirfd, CLOG_NEW_NAME, 0); /* of a crash within install() */
	l->fd = openat(l->dirfd, CLOG_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (l->fd >= 0) {
		rc = dvmd_clog_load(l, state, err);
		if (rc == 0)
			reserve_space(l, l->size); /* if it can be had */
		return rc;
	}
	if (errno != ENOENT)
		return dvmi_error_code(err, -errno, "%s/" CLOG_NAME, dir);
	return create_log(l, state, err);
}

int dvmd_clog_open(struct dvmd_clog **out, const char *dir, struct dvmd_cstate **state,
		   dvm_error_t *err)
{
	struct dvmd_clog *l = calloc(1, sizeof *l);
	int rc = -ENOMEM;

	if (l) {
		l->dirfd = l->lock_fd = l->fd = -1;
		l->dir = strdup(dir);
	}
	if (!l || !l->dir)
		dvmi_error_code(err, rc, "%s", dir);
	else
		rc = open_locked(l, dir, state, err);
	if (rc < 0)
		dvmd_clog_close(l);
	else
		*out = l;
	return rc;
}

void dvmd_clog_close(struct dvmd_clog *l)
{
	if (!l)
		return;
	forget_entries(l);
	free(l->ent);
	dvmi_cleanup_fdp(&l->fd);
	dvmi_cleanup_fdp(&l->lock_fd);
	dvmi_cleanup_fdp(&l->dirfd);
	free(l->dir);
	free(l);
}

size_t dvmd_clog_cut(const struct dvmd_clog *l)
{
	return l->cut;
}

bool dvmd_clog_is_long(const struct dvmd_clog *l)
{
	off_t grown = l->size - l->base;

	return l->n >= LONG_ENTRIES || (grown >= LONG_BYTES && grown >= l->base);
}

uint64_t dvmd_clog_first(const struct dvmd_clog *l)
{
	return l->first;
}

uint64_t dvmd_clog_last(const struct dvmd_clog *l)
{
	return l->first + l->n - 1;
}

const void *dvmd_clog_get(const struct dvmd_clog *l, uint64_t index, size_t *len)
{
	if (index < l->first || index > dvmd_clog_last(l))
		return NULL;
	const struct clog_entry *e = l->ent[index - l->first];
	*len = e->len;
	return e->bytes + DVMD_CLOG_HEAD_BYTES;
}
