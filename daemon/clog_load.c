/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a log: the snapshot, then the entries, applied one by one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/clog_private.h"
#include "libdvm/base/err.h"

/* The file in memory and how far it has been read. */
struct image {
	const struct dvmd_clog *log;
	uint8_t *data;
	size_t n, at;
};

static int read_file(const struct dvmd_clog *l, struct image *im, dvm_error_t *err)
{
	struct stat st;

	if (fstat(l->fd, &st) < 0)
		return dvmi_error_code(err, -errno, "%s/" CLOG_NAME, l->dir);
	im->data = malloc((size_t)st.st_size + 1);
	if (!im->data)
		return dvmi_error_code(err, -ENOMEM, "%s/" CLOG_NAME, l->dir);
	while (im->n < (size_t)st.st_size) {
		ssize_t got =
			pread(l->fd, im->data + im->n, (size_t)st.st_size - im->n, (off_t)im->n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return dvmi_error_code(err, -errno, "%s/" CLOG_NAME, l->dir);
		if (got == 0)
			break;
		im->n += (size_t)got;
	}
	return 0;
}

static int damaged(const struct image *im, dvm_error_t *err, const char *what)
{
	return dvmi_error_set(err, -DVM_EPROTO, "%s/" CLOG_NAME " is damaged at offset %zu: %s",
			      im->log->dir, im->at, what);
}

static int read_magic(struct image *im, dvm_error_t *err)
{
	if (im->n < CLOG_MAGIC_BYTES || memcmp(im->data, CLOG_MAGIC, CLOG_MAGIC_BYTES))
		return dvmi_error_set(err, -DVM_EPROTO,
				      "%s/" CLOG_NAME " is not a log that this version can read",
				      im->log->dir);
	im->at = CLOG_MAGIC_BYTES;
	return 0;
}

static void advance(struct image *im, const struct dvmd_clog_record *rec)
{
	im->at += DVMD_CLOG_HEAD_BYTES + (size_t)rec->len;
}

static int read_snapshot_head(struct image *im, Pb__StateSnapshot **snap, dvm_error_t *err)
{
	struct dvmd_clog_record rec;

	if (dvmd_clog_record_get(im->data, im->n, im->at, &rec) <= 0)
		return damaged(im, err, "no snapshot");
	if (dvmi_pb_unpack(&pb__state_snapshot__descriptor, rec.data, rec.len, snap) < 0)
		return damaged(im, err, "the snapshot cannot be decoded");
	if ((*snap)->n_commands || (*snap)->index != rec.index)
		return damaged(im, err, "the snapshot is not as it should be");
	advance(im, &rec);
	return 0;
}

static int add_command(struct image *im, Pb__StateSnapshot *snap,
		       const struct dvmd_clog_record *rec, dvm_error_t *err)
{
	size_t n = snap->n_commands;

	/* Doubled whenever the count reaches a power of two. */
	if ((n & (n - 1)) == 0) {
		size_t cap = n ? 2 * n : 1;
		void *p = realloc(snap->commands, cap * sizeof(Pb__Command *));
		if (!p)
			return dvmi_error_code(err, -ENOMEM, "%s/" CLOG_NAME, im->log->dir);
		snap->commands = p;
	}
	if (dvmi_pb_unpack(&pb__command__descriptor, rec->data, rec->len, &snap->commands[n]) < 0)
		return damaged(im, err, "a part of the snapshot cannot be decoded");
	snap->n_commands++;
	return 0;
}

static int read_snapshot_commands(struct image *im, Pb__StateSnapshot *snap, dvm_error_t *err)
{
	struct dvmd_clog_record rec;

	for (;;) {
		if (dvmd_clog_record_get(im->data, im->n, im->at, &rec) <= 0 ||
		    rec.index != snap->index)
			return damaged(im, err, "the snapshot is incomplete");
		if (rec.len == 0) {
			advance(im, &rec);
			return 0;
		}
		int rc = add_command(im, snap, &rec, err);
		if (rc < 0)
			return rc;
		advance(im, &rec);
	}
}

static int read_snapshot(struct image *im, struct dvmd_cstate **state, dvm_error_t *err)
{
	cleanup_pb Pb__StateSnapshot *snap = NULL;
	int rc = read_snapshot_head(im, &snap, err);

	if (rc == 0)
		rc = read_snapshot_commands(im, snap, err);
	if (rc < 0)
		return rc;
	rc = dvmd_cstate_restore(state, snap, err);
	if (rc < 0)
		dvmi_error_prefix(err, "%s/" CLOG_NAME, im->log->dir);
	return rc;
}

static int replay_one(struct dvmd_clog *l, struct image *im, const uint8_t *data, uint32_t len,
		      struct dvmd_cstate *state, dvm_error_t *err)
{
	cleanup_pb Pb__Command *cmd = NULL;
	uint64_t index = dvmd_cstate_index(state) + 1;
	int rc;

	if (dvmi_pb_unpack(&pb__command__descriptor, data, len, &cmd) < 0)
		return damaged(im, err, "the entry cannot be decoded");
	rc = dvmd_clog_remember(l, index, data, len);
	if (rc == 0)
		rc = dvmd_cstate_apply(state, index, cmd);
	if (rc < 0)
		return dvmi_error_code(err, rc, "%s/" CLOG_NAME ": entry %llu", l->dir,
				       (unsigned long long)index);
	return 0;
}

static int replay_batch(struct dvmd_clog *l, struct image *im, const struct dvmd_clog_record *rec,
			struct dvmd_cstate *state, dvm_error_t *err)
{
	const uint8_t *data;
	uint32_t len;
	size_t at = 0;
	int rc;

	while ((rc = dvmd_clog_batch_next(rec, &at, &data, &len)) > 0)
		if ((rc = replay_one(l, im, data, len, state, err)) < 0)
			return rc;
	return rc < 0 ? damaged(im, err, "a batch of entries is malformed") : 0;
}

static int replay(struct dvmd_clog *l, struct image *im, const struct dvmd_clog_record *rec,
		  struct dvmd_cstate *state, dvm_error_t *err)
{
	if (rec->index != dvmd_cstate_index(state) + 1)
		return damaged(im, err, "an entry is missing before it");
	int rc = rec->batch ? replay_batch(l, im, rec, state, err) :
			      replay_one(l, im, rec->data, rec->len, state, err);
	if (rc == 0)
		advance(im, rec);
	return rc;
}

/* What follows the last whole entry is cut off, unless whole entries follow it. */
static int cut_tail(struct dvmd_clog *l, struct image *im, uint64_t next, dvm_error_t *err)
{
	if (dvmd_clog_record_behind(im->data, im->n, im->at, next))
		return damaged(im, err, "the entry there is not whole, but others follow it");
	if (ftruncate(l->fd, (off_t)im->at) < 0 || fdatasync(l->fd) < 0)
		return dvmi_error_code(err, -errno, "%s/" CLOG_NAME ": cannot cut off a torn entry",
				       l->dir);
	l->cut = im->n - im->at;
	return 0;
}

static int read_entries(struct dvmd_clog *l, struct image *im, struct dvmd_cstate *state,
			dvm_error_t *err)
{
	struct dvmd_clog_record rec;

	for (;;) {
		int rc = dvmd_clog_record_get(im->data, im->n, im->at, &rec);
		if (rc == 0)
			return 0;
		if (rc < 0)
			return cut_tail(l, im, dvmd_cstate_index(state) + 1, err);
		rc = replay(l, im, &rec, state, err);
		if (rc < 0)
			return rc;
	}
}

static int load_image(struct dvmd_clog *l, struct image *im, struct dvmd_cstate **state,
		      dvm_error_t *err)
{
	struct dvmd_cstate *s = NULL;
	int rc = read_magic(im, err);

	if (rc == 0)
		rc = read_snapshot(im, &s, err);
	if (rc < 0)
		return rc;
	l->first = dvmd_cstate_index(s) + 1;
	l->base = (off_t)im->at;
	rc = read_entries(l, im, s, err);
	l->size = (off_t)im->at;
	if (rc < 0)
		dvmd_cstate_destroy(s);
	else
		*state = s;
	return rc;
}

int dvmd_clog_load(struct dvmd_clog *l, struct dvmd_cstate **state, dvm_error_t *err)
{
	struct image im = { .log = l };
	int rc = read_file(l, &im, err);

	if (rc == 0)
		rc = load_image(l, &im, state, err);
	free(im.data);
	return rc;
}
