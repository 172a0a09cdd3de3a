/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log of the cluster state. An input that begins with an odd byte is a log file as it is;
 * behind an even one are edits to a good log: of records, whose checksums are then right, so that
 * what is behind the checksum sees them, and of the file.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "daemon/clog.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/state_gen.h"
#include "tests/unit/tmpdir.h"

#define ENTRIES	    24
#define RECORDS_MAX 256
#define EDIT_BYTES  4

struct record {
	uint64_t index;
	struct dvmi_buf data;
};

struct log {
	struct record rec[RECORDS_MAX];
	size_t n;
};

static char dir[TMPDIR_MAX];

static void remove_dir(void)
{
	tmpdir_remove(dir);
}

static const char *log_path(void)
{
	static char path[TMPDIR_MAX + 8];

	if (!dir[0]) {
		tmpdir_make(dir);
		atexit(remove_dir);
		snprintf(path, sizeof path, "%s/log", dir);
	}
	return path;
}

static struct record *add(struct log *l, uint64_t index)
{
	struct record *r = &l->rec[l->n];

	FUZZ_CHECK(l->n < RECORDS_MAX);
	l->n++;
	r->index = index;
	return r;
}

/* Half of a life as a snapshot, half of it as entries. */
static void make_log(struct log *l, uint8_t seed)
{
	Pb__StateSnapshot head = PB__STATE_SNAPSHOT__INIT, *snap;
	struct dvmd_cstate *s;
	struct state_gen g;

	state_gen_init(&g, seed);
	FUZZ_CHECK(dvmd_cstate_create(&s) == 0);
	for (uint64_t i = 1; i <= ENTRIES; i++)
		FUZZ_CHECK(dvmd_cstate_apply(s, i, state_gen_next(&g, s)) == 0);
	FUZZ_CHECK(dvmd_cstate_snapshot(s, &snap) == 0);
	head.index = snap->index;
	head.next_node = snap->next_node;
	head.next_job = snap->next_job;
	dvmi_pb_pack(&add(l, ENTRIES)->data, &head);
	for (size_t i = 0; i < snap->n_commands; i++)
		dvmi_pb_pack(&add(l, ENTRIES)->data, snap->commands[i]);
	add(l, ENTRIES);
	for (uint64_t i = ENTRIES + 1; i <= 2 * ENTRIES; i++) {
		const Pb__Command *cmd = state_gen_next(&g, s);
		dvmi_pb_pack(&add(l, i)->data, cmd);
		FUZZ_CHECK(dvmd_cstate_apply(s, i, cmd) == 0);
	}
	dvmi_pb_free(snap);
	dvmd_cstate_destroy(s);
}

/* An edit of a record: {what, which, where, value}. */
static void edit_record(struct log *l, const uint8_t *e)
{
	struct record *r = &l->rec[e[1] % l->n];

	switch (e[0] % 4) {
	case 0:
		if (r->data.len)
			r->data.data[e[2] % r->data.len] ^= e[3];
		break;
	case 1:
		r->index += (uint64_t)(int8_t)e[3];
		break;
	case 2:
		if (r->data.len)
			r->data.len = e[2] % r->data.len;
		break;
	default:
		dvmi_buf_put_u8(&r->data, e[3]);
	}
}

static void edit_file(struct dvmi_buf *b, const uint8_t *e)
{
	size_t at = (e[1] | (size_t)e[2] << 8) % b->len;

	if (e[0] & 4)
		b->len = at + 1;
	else
		b->data[at] ^= e[3];
}

static void build(struct dvmi_buf *image, const uint8_t *data, size_t size)
{
	static struct log l;

	l.n = 0;
	make_log(&l, data[0]);
	for (size_t i = 1; i + EDIT_BYTES <= size; i += EDIT_BYTES)
		if (!(data[i] & 8))
			edit_record(&l, data + i);
	dvmi_buf_put(image, "DVMLOG1\n", 8);
	for (size_t i = 0; i < l.n; i++) {
		dvmd_clog_record_put(image, l.rec[i].index, l.rec[i].data.data,
				     (uint32_t)l.rec[i].data.len);
		dvmi_buf_free(&l.rec[i].data);
	}
	for (size_t i = 1; i + EDIT_BYTES <= size; i += EDIT_BYTES)
		if (data[i] & 8)
			edit_file(image, data + i);
}

static int open_log(struct dvmd_clog **l, struct dvmd_cstate **s)
{
	dvm_error_t err = { 0 };
	int rc = dvmd_clog_open(l, dir, s, &err);

	/* What it refuses, it says with the file's name. */
	FUZZ_CHECK(rc == 0 || rc == -DVM_EPROTO);
	FUZZ_CHECK(rc == 0 || strstr(err.text, dir));
	return rc;
}

/* What was recovered is a whole state: it survives a snapshot, a restart and the next entry. */
static void check_recovered(struct dvmd_clog *l, struct dvmd_cstate *s)
{
	uint64_t hash = dvmd_cstate_hash(s), last = dvmd_clog_last(l);
	struct dvmd_cstate *copy;
	Pb__StateSnapshot *snap;

	FUZZ_CHECK(dvmd_cstate_index(s) == last);
	FUZZ_CHECK(dvmd_cstate_snapshot(s, &snap) == 0);
	FUZZ_CHECK(dvmd_cstate_restore(&copy, snap, NULL) == 0);
	FUZZ_CHECK(dvmd_cstate_hash(copy) == hash);
	dvmi_pb_free(snap);
	dvmd_cstate_destroy(copy);
	dvmd_cstate_destroy(s);
	dvmd_clog_close(l);
	FUZZ_CHECK(open_log(&l, &s) == 0);
	FUZZ_CHECK(dvmd_clog_cut(l) == 0);
	FUZZ_CHECK(dvmd_cstate_hash(s) == hash);
	dvmd_cstate_destroy(s);
	dvmd_clog_close(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dvmi_buf image = { 0 };
	struct dvmd_clog *l;
	struct dvmd_cstate *s;

	if (size == 0)
		return 0;
	if (data[0] & 1)
		dvmi_buf_put(&image, data + 1, size - 1);
	else
		build(&image, data, size);
	int fd = open(log_path(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, image.data, image.len) == (ssize_t)image.len);
	close(fd);
	dvmi_buf_free(&image);
	if (open_log(&l, &s) == 0)
		check_recovered(l, s);
	return 0;
}
