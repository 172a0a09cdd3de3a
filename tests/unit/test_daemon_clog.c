/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/clog.h"
#include "tests/unit/cm.h"
#include "tests/unit/state_gen.h"
#include "tests/unit/tmpdir.h"

/* The call number `at` of those wrapped below fails, with `code`; if `all`, those after it, too. */
static struct {
	bool armed, all, partial, fired;
	int at, code, calls;
} faults;

/* The disk has no blocks left but those that are allocated. */
static bool no_room;

int __real_fallocate(int fd, int mode, off_t at, off_t n);
int __wrap_fallocate(int fd, int mode, off_t at, off_t n);
ssize_t __real_pwrite(int fd, const void *p, size_t n, off_t at);
int __real_fdatasync(int fd);
int __real_fsync(int fd);
int __real_ftruncate(int fd, off_t size);
int __real_renameat(int a, const char *from, int b, const char *to);
ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_renameat(int a, const char *from, int b, const char *to);

static bool faulty(void)
{
	int call = faults.calls++;

	if (!faults.armed || call < faults.at || (call > faults.at && !faults.all))
		return false;
	errno = faults.code;
	faults.fired = true;
	return true;
}

ssize_t __wrap_pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (!faulty())
		return __real_pwrite(fd, p, n, at);
	/* A full disk takes a part, and the rest of it not at all. */
	if (faults.partial && n > 1) {
		faults.at++;
		return __real_pwrite(fd, p, n / 2, at);
	}
	return -1;
}

int __wrap_fdatasync(int fd)
{
	return faulty() ? -1 : __real_fdatasync(fd);
}

int __wrap_fsync(int fd)
{
	return faulty() ? -1 : __real_fsync(fd);
}

int __wrap_ftruncate(int fd, off_t size)
{
	return faulty() ? -1 : __real_ftruncate(fd, size);
}

int __wrap_fallocate(int fd, int mode, off_t at, off_t n)
{
	if (no_room) {
		errno = ENOSPC;
		return -1;
	}
	return faulty() ? -1 : __real_fallocate(fd, mode, at, n);
}

int __wrap_renameat(int a, const char *from, int b, const char *to)
{
	return faulty() ? -1 : __real_renameat(a, from, b, to);
}

static void arm(int at, int code, bool all, bool partial)
{
	faults.armed = true;
	faults.all = all;
	faults.partial = partial;
	faults.at = at;
	faults.code = code;
	faults.calls = 0;
	faults.fired = false;
}

static void disarm(void)
{
	faults.armed = false;
}

struct fixture {
	char dir[TMPDIR_MAX];
	char path[TMPDIR_MAX + 16];
	struct dvmd_clog *log;
	struct dvmd_cstate *s;
	struct state_gen g;
};

static void reopen(struct fixture *f)
{
	dvm_error_t err = { 0 };

	dvmd_clog_close(f->log);
	dvmd_cstate_destroy(f->s);
	f->log = NULL;
	f->s = NULL;
	if (dvmd_clog_open(&f->log, f->dir, &f->s, &err) < 0)
		fail_msg("%s", err.text);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	tmpdir_make(f->dir);
	snprintf(f->path, sizeof f->path, "%s/log", f->dir);
	state_gen_init(&f->g, 3);
	reopen(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	disarm();
	no_room = false;
	dvmd_clog_close(f->log);
	dvmd_cstate_destroy(f->s);
	tmpdir_remove(f->dir);
	free(f);
	return 0;
}

static int append(struct fixture *f, const Pb__Command *cmd, dvm_error_t *err)
{
	uint64_t index = dvmd_cstate_index(f->s) + 1;
	struct dvmi_buf b = { 0 };

	dvmi_pb_pack(&b, cmd);
	int rc = dvmd_clog_append(f->log, index, b.data, b.len, err);
	if (rc == 0)
		assert_int_equal(dvmd_cstate_apply(f->s, index, cmd), 0);
	dvmi_buf_free(&b);
	return rc;
}

static void append_some(struct fixture *f, int n)
{
	while (n--)
		assert_int_equal(append(f, state_gen_next(&f->g, f->s), NULL), 0);
}

static size_t file_size(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (size_t)st.st_size;
}

static uint8_t *read_all(const char *path, size_t *n)
{
	*n = file_size(path);
	uint8_t *p = malloc(*n + 1);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fread(p, 1, *n, f), *n);
	fclose(f);
	return p;
}

static void write_all(const char *path, const uint8_t *p, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void a_new_log_is_empty(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(dvmd_cstate_index(f->s), 0);
		assert_int_equal(dvmd_clog_first(f->log), 1);
		assert_int_equal(dvmd_clog_last(f->log), 0);
		assert_int_equal(dvmd_clog_cut(f->log), 0);
		reopen(f);
	}
	struct stat st;
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void replay_gives_the_same_state(void **state)
{
	struct fixture *f = *state;
	uint64_t refused = 0;

	for (int i = 0; i < 5; i++) {
		append_some(f, 60);
		uint64_t hash = dvmd_cstate_hash(f->s);
		reopen(f);
		assert_true(dvmd_cstate_hash(f->s) == hash);
		refused = dvmd_cstate_refused(f->s);
	}
	assert_int_equal(dvmd_cstate_index(f->s), 300);
	assert_true(refused > 0); /* such entries are part of the log, too */
}

static void entries_can_be_read_back(void **state)
{
	struct fixture *f = *state;
	const Pb__Command *cmd = state_gen_founding(&f->g);
	struct dvmi_buf b = { 0 };
	size_t len;

	dvmi_pb_pack(&b, cmd);
	assert_int_equal(append(f, cmd, NULL), 0);
	for (int i = 0; i < 2; i++) {
		const void *p = dvmd_clog_get(f->log, 1, &len);
		assert_int_equal(len, b.len);
		assert_memory_equal(p, b.data, len);
		assert_null(dvmd_clog_get(f->log, 0, &len));
		assert_null(dvmd_clog_get(f->log, 2, &len));
		reopen(f);
	}
	dvmi_buf_free(&b);
}

static void a_wrong_entry_is_refused(void **state)
{
	struct fixture *f = *state;
	dvm_error_t err = { 0 };
	size_t before = file_size(f->path);

	assert_int_equal(dvmd_clog_append(f->log, 2, "x", 1, &err), -EINVAL);
	assert_int_equal(dvmd_clog_append(f->log, 0, "x", 1, &err), -EINVAL);
	assert_int_equal(dvmd_clog_append(f->log, 1, "x", DVMD_CLOG_ENTRY_MAX + 1, &err),
			 -EMSGSIZE);
	assert_non_null(strstr(err.text, f->path));
	assert_int_equal(file_size(f->path), before);
}

static void a_second_opener_is_told_so(void **state)
{
	struct fixture *f = *state;
	struct dvmd_clog *other = NULL;
	struct dvmd_cstate *s = NULL;
	dvm_error_t err = { 0 };

	assert_int_equal(dvmd_clog_open(&other, f->dir, &s, &err), -EBUSY);
	assert_null(other);
	assert_null(s);
	assert_non_null(strstr(err.text, "in use"));
	assert_int_equal(dvmd_clog_open(&other, "/nonexistent/dir", &s, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/dir"));
}

static void compaction_keeps_the_state(void **state)
{
	struct fixture *f = *state;
	size_t len;

	for (int i = 0; i < 4; i++) {
		append_some(f, 100);
		uint64_t hash = dvmd_cstate_hash(f->s), index = dvmd_cstate_index(f->s);
		size_t before = file_size(f->path);
		assert_int_equal(dvmd_clog_compact(f->log, f->s, NULL), 0);
		assert_true(file_size(f->path) < before);
		assert_int_equal(dvmd_clog_first(f->log), index + 1);
		assert_int_equal(dvmd_clog_last(f->log), index);
		assert_null(dvmd_clog_get(f->log, index, &len));
		append_some(f, 1);
		hash = dvmd_cstate_hash(f->s);
		assert_non_null(dvmd_clog_get(f->log, index + 1, &len));
		reopen(f);
		assert_true(dvmd_cstate_hash(f->s) == hash);
		assert_int_equal(dvmd_clog_first(f->log), index + 1);
	}
}

/* Another founding each time: refused when applied, yet an entry, and as long as we like. */
static void a_log_becomes_long(void **state)
{
	struct fixture *f = *state;
	static char big[100 << 10];

	memset(big, 'x', sizeof big - 1);
	append_some(f, 1);
	assert_false(dvmd_clog_is_long(f->log));
	for (int i = 0; !dvmd_clog_is_long(f->log); i++) {
		assert_true(i < 200);
		state_gen_founding(&f->g);
		f->g.founding.machine = big;
		assert_int_equal(append(f, &f->g.cmd, NULL), 0);
	}
	assert_in_range(file_size(f->path), 16 << 20, 17 << 20);
}

/* A daemon that wrote such an entry could not start again. */
static void what_cannot_be_read_back_is_not_written(void **state)
{
	struct fixture *f = *state;
	static char huge[DVMI_PB_STRING_MAX + 2];
	size_t before = file_size(f->path);
	dvm_error_t err = { 0 };

	assert_int_equal(dvmd_clog_append(f->log, 1, "\xff", 1, &err), -DVM_EPROTO);
	memset(huge, 'x', sizeof huge - 1);
	state_gen_founding(&f->g);
	f->g.founding.machine = huge;
	assert_int_equal(append(f, &f->g.cmd, &err), -DVM_EPROTO);
	assert_non_null(strstr(err.text, "read back"));
	assert_int_equal(file_size(f->path), before);
	append_some(f, 1);
}

/* What a joining node does with the state it was given. */
static void a_later_state_replaces_the_log(void **state)
{
	struct fixture *f = *state;
	struct state_gen g;
	struct dvmd_cstate *later;

	append_some(f, 10);
	state_gen_init(&g, 8);
	assert_int_equal(dvmd_cstate_create(&later), 0);
	for (uint64_t i = 1; i <= 50; i++)
		assert_int_equal(dvmd_cstate_apply(later, i, state_gen_next(&g, later)), 0);
	assert_int_equal(dvmd_clog_compact(f->log, later, NULL), 0);
	assert_int_equal(dvmd_clog_last(f->log), 50);
	/* One that knows less would lose entries. */
	assert_int_equal(dvmd_clog_compact(f->log, f->s, NULL), -EINVAL);
	uint64_t hash = dvmd_cstate_hash(later);
	dvmd_cstate_destroy(later);
	reopen(f);
	assert_true(dvmd_cstate_hash(f->s) == hash);
}

#define SHORT 12 /* entries in the logs that are cut and damaged at every byte */

/* A short log behind a snapshot: its image, where each entry begins and the hashes behind them. */
struct short_log {
	uint8_t *image;
	size_t n, starts[SHORT + 1];
	uint64_t hashes[SHORT + 1];
};

static void make_short_log(struct fixture *f, struct short_log *sl)
{
	append_some(f, 30);
	assert_int_equal(dvmd_clog_compact(f->log, f->s, NULL), 0);
	for (int i = 0; i <= SHORT; i++) {
		sl->starts[i] = file_size(f->path);
		sl->hashes[i] = dvmd_cstate_hash(f->s);
		if (i < SHORT)
			append_some(f, 1);
	}
	sl->image = read_all(f->path, &sl->n);
	dvmd_clog_close(f->log);
	dvmd_cstate_destroy(f->s);
	f->log = NULL;
	f->s = NULL;
}

static int open_image(struct fixture *f, const uint8_t *image, size_t n, dvm_error_t *err)
{
	write_all(f->path, image, n);
	return dvmd_clog_open(&f->log, f->dir, &f->s, err);
}

static void close_image(struct fixture *f)
{
	dvmd_clog_close(f->log);
	dvmd_cstate_destroy(f->s);
	f->log = NULL;
	f->s = NULL;
}

static void a_crash_at_any_byte_leaves_a_prefix(void **state)
{
	struct fixture *f = *state;
	struct short_log sl;
	dvm_error_t err;

	make_short_log(f, &sl);
	for (size_t n = 0; n <= sl.n; n++) {
		int whole = SHORT;
		if (n < sl.starts[0]) {
			assert_int_equal(open_image(f, sl.image, n, &err), -DVM_EPROTO);
			continue;
		}
		while (sl.starts[whole] > n)
			whole--;
		assert_int_equal(open_image(f, sl.image, n, &err), 0);
		assert_true(dvmd_cstate_hash(f->s) == sl.hashes[whole]);
		assert_int_equal(dvmd_clog_cut(f->log), n - sl.starts[whole]);
		assert_int_equal(file_size(f->path), sl.starts[whole]);
		append_some(f, 1);
		close_image(f);
	}
	free(sl.image);
}

/* Any one byte changed: an error that names the place, or, in the last entry, that entry is cut. */
static void damage_is_never_skipped(void **state)
{
	struct fixture *f = *state;
	struct short_log sl;
	unsigned refused = 0, cut = 0;

	make_short_log(f, &sl);
	for (size_t at = 0; at < sl.n; at++) {
		dvm_error_t err = { 0 };
		sl.image[at] ^= (uint8_t)(1 + at % 255);
		int rc = open_image(f, sl.image, sl.n, &err);
		sl.image[at] ^= (uint8_t)(1 + at % 255);
		if (rc == 0) {
			assert_true(at >= sl.starts[SHORT - 1]);
			assert_true(dvmd_cstate_hash(f->s) == sl.hashes[SHORT - 1]);
			cut++;
			close_image(f);
			continue;
		}
		assert_int_equal(rc, -DVM_EPROTO);
		assert_true(at < sl.starts[SHORT - 1]);
		assert_non_null(strstr(err.text, f->path));
		/* Refused, not touched. */
		assert_int_equal(file_size(f->path), sl.n);
		refused++;
	}
	assert_int_equal(refused, sl.starts[SHORT - 1]);
	assert_int_equal(cut, sl.n - sl.starts[SHORT - 1]);
	free(sl.image);
}

static void the_place_of_damage_is_named(void **state)
{
	struct fixture *f = *state;
	struct short_log sl;
	dvm_error_t err = { 0 };
	char offset[32];

	make_short_log(f, &sl);
	sl.image[sl.starts[4] + 20] ^= 1;
	assert_int_equal(open_image(f, sl.image, sl.n, &err), -DVM_EPROTO);
	snprintf(offset, sizeof offset, "offset %zu:", sl.starts[4]);
	assert_non_null(strstr(err.text, offset));
	/* Two entries in each other's place have good checksums, yet do not follow. */
	sl.image[sl.starts[4] + 20] ^= 1;
	size_t n = sl.n - sl.starts[5];
	memmove(sl.image + sl.starts[4], sl.image + sl.starts[5], n);
	assert_int_equal(open_image(f, sl.image, sl.starts[4] + n, &err), -DVM_EPROTO);
	assert_non_null(strstr(err.text, offset));
	free(sl.image);
}

static void zeros_and_garbage_behind_the_end_are_cut(void **state)
{
	struct fixture *f = *state;
	struct short_log sl;

	make_short_log(f, &sl);
	for (size_t more = 1; more < 5000; more = 3 * more + 1) {
		uint8_t *image = calloc(1, sl.n + more);
		memcpy(image, sl.image, sl.n);
		for (int garbage = 0; garbage < 2; garbage++) {
			for (size_t i = 0; garbage && i < more; i++)
				image[sl.n + i] = (uint8_t)dvmi_rng_next(&f->g.rng);
			assert_int_equal(open_image(f, image, sl.n + more, NULL), 0);
			assert_int_equal(dvmd_clog_cut(f->log), more);
			assert_true(dvmd_cstate_hash(f->s) == sl.hashes[SHORT]);
			close_image(f);
		}
		free(image);
	}
	free(sl.image);
}

static void a_file_of_something_else_is_refused(void **state)
{
	struct fixture *f = *state;
	dvm_error_t err = { 0 };

	close_image(f);
	assert_int_equal(open_image(f, (const uint8_t *)"DVMLOG2\n……", 10, &err), -DVM_EPROTO);
	assert_non_null(strstr(err.text, "this version"));
	unlink(f->path);
	assert_int_equal(symlink("/etc/passwd", f->path), 0);
	assert_int_equal(dvmd_clog_open(&f->log, f->dir, &f->s, &err), -ELOOP);
}

/* An append whose call number AT fails; whether there was such a call. */
static bool append_with_fault(struct fixture *f, int at, int code, bool partial)
{
	size_t size = file_size(f->path);
	uint64_t hash = dvmd_cstate_hash(f->s);
	dvm_error_t err = { 0 };

	arm(at, code, false, partial);
	int rc = append(f, state_gen_next(&f->g, f->s), &err);
	disarm();
	if (!faults.fired || rc == 0) /* the reserve may be missed, if nothing begins */
		return faults.fired;
	assert_int_equal(rc, -code);
	assert_non_null(strstr(err.text, f->path));
	assert_int_equal(file_size(f->path), size);
	assert_true(dvmd_cstate_hash(f->s) == hash);
	append_some(f, 1);
	hash = dvmd_cstate_hash(f->s);
	reopen(f);
	assert_int_equal(dvmd_clog_cut(f->log), 0);
	assert_true(dvmd_cstate_hash(f->s) == hash);
	return true;
}

/* Each call of an append fails once: nothing is applied, the file is as before, a retry works. */
static void a_failed_append_leaves_no_trace(void **state)
{
	struct fixture *f = *state;
	int at, most = 0;

	append_some(f, 20);
	for (int variant = 0; variant < 40; variant++) {
		for (at = 0; append_with_fault(f, at, variant & 1 ? EIO : ENOSPC, variant & 2);
		     at++)
			assert_true(at < 10);
		most = at > most ? at : most;
	}
	assert_true(most >= 2);
}

/* ---- several entries together ---- */

/* What was appended together is there together, whatever a crash has left of it. */
static void a_crash_leaves_all_of_a_batch_or_nothing(void **state)
{
	struct fixture *f = *state;
	size_t before, n;
	dvm_error_t err;

	append_some(f, 20);
	uint64_t without = dvmd_cstate_hash(f->s);
	before = file_size(f->path);
	dvmd_clog_hold(f->log);
	append_some(f, 7);
	assert_int_equal(file_size(f->path), before);
	assert_int_equal(dvmd_clog_release(f->log, NULL), 0);
	uint64_t last = dvmd_cstate_index(f->s), with = dvmd_cstate_hash(f->s);
	assert_int_equal(dvmd_clog_last(f->log), last);
	append_some(f, 1);
	size_t end = file_size(f->path);
	reopen(f);
	assert_int_equal(dvmd_clog_last(f->log), last + 1);
	uint8_t *image = read_all(f->path, &n);
	close_image(f);
	for (size_t cut = before; cut < end; cut++) {
		assert_int_equal(open_image(f, image, cut, &err), 0);
		uint64_t hash = dvmd_cstate_hash(f->s);
		assert_true(hash == without || hash == with);
		assert_true((hash == with) == (dvmd_cstate_index(f->s) == last));
		append_some(f, 1);
		close_image(f);
	}
	free(image);
	unlink(f->path);
	reopen(f);
}

/* A batch that the disk does not take is as if it had never been; the next one is taken. */
static void a_batch_that_fails_leaves_no_trace(void **state)
{
	struct fixture *f = *state;
	dvm_error_t err = { 0 };

	append_some(f, 20);
	for (int partial = 0; partial < 2; partial++) {
		uint64_t hash = dvmd_cstate_hash(f->s), index = dvmd_cstate_index(f->s);
		dvmd_clog_hold(f->log);
		append_some(f, 5);
		arm(0, EIO, false, partial);
		assert_int_equal(dvmd_clog_release(f->log, &err), -EIO);
		disarm();
		assert_non_null(strstr(err.text, f->path));
		assert_int_equal(dvmd_clog_last(f->log), index);
		dvmd_cstate_destroy(f->s);
		f->s = NULL;
		assert_int_equal(dvmd_clog_reload(f->log, &f->s, &err), 0);
		assert_true(dvmd_cstate_hash(f->s) == hash);
		dvmd_clog_hold(f->log);
		append_some(f, 5);
		assert_int_equal(dvmd_clog_release(f->log, &err), 0);
		hash = dvmd_cstate_hash(f->s);
		reopen(f);
		assert_true(dvmd_cstate_hash(f->s) == hash);
	}
	dvmd_clog_hold(f->log);
	assert_int_equal(dvmd_clog_release(f->log, &err), 0); /* of nothing */
}

/* With a full disk nothing is begun, but what was begun can end. */
static void a_full_disk_lets_work_end(void **state)
{
	struct fixture *f = *state;
	struct state_gen *g = &f->g;
	dvm_error_t err = { 0 };
	int ended = 0;

	assert_int_equal(append(f, state_gen_founding(g), NULL), 0);
	assert_int_equal(append(f, state_gen_member(g, 1, 1), NULL), 0);
	for (uint64_t id = 1; id <= 100; id++)
		assert_int_equal(append(f, state_gen_job(g, id, 1, 1, 1), NULL), 0);
	no_room = true;
	uint64_t id = 101;
	while (append(f, state_gen_job(g, id, 1, 1, 1), &err) == 0)
		assert_true(++id < 2000); /* as far as room was allocated ahead */
	assert_int_equal(err.code, -ENOSPC);
	assert_int_equal(append(f, state_gen_token(g, 9, 1), NULL), -ENOSPC);
	assert_int_equal(append(f, state_gen_member(g, 2, 2), NULL), -ENOSPC);
	for (uint64_t k = 1; k <= 100; k++)
		ended += append(f, state_gen_job_change(g, k, PB__JOB_STATE__JOB_DONE, 1, "why"),
				NULL) == 0;
	assert_int_equal(ended, 100);
	/* No room for the snapshot and a reserve of its own: the log stays as it is. */
	assert_int_equal(dvmd_clog_compact(f->log, f->s, NULL), -ENOSPC);
	reopen(f);
	no_room = false;
	assert_int_equal(append(f, state_gen_job(g, id, 1, 1, 1), NULL), 0);
}

/*
 * A disk that fails from some call on and for good: the log stops at once, and the next start
 * finds what was acknowledged, or one entry more that reached the disk all the same.
 */
static void a_broken_disk_stops_the_log(void **state)
{
	struct fixture *f = *state;

	append_some(f, 20);
	for (int at = 0, stopped = 0;; at++) {
		uint64_t index = dvmd_cstate_index(f->s);
		dvm_error_t err = { 0 };
		assert_true(at < 10);
		arm(at, EIO, true, true);
		/* One that begins nothing, so that it goes on without the reserve. */
		int rc = append(f, state_gen_job_change(&f->g, 1, 1, 0, ""), &err);
		disarm();
		if (rc == 0) {
			assert_true(stopped >= 2);
			return;
		}
		assert_int_equal(append(f, state_gen_next(&f->g, f->s), &err), -EIO);
		assert_non_null(strstr(err.text, "no more entries"));
		stopped++;
		reopen(f);
		assert_in_range(dvmd_cstate_index(f->s), index, index + 1);
		append_some(f, 1);
	}
}

static void a_failed_compaction_leaves_the_log(void **state)
{
	struct fixture *f = *state;
	int rc = -ENOSPC;

	append_some(f, 50);
	for (int at = 0; rc != 0; at++) {
		uint64_t hash = dvmd_cstate_hash(f->s);
		dvm_error_t err = { 0 };
		assert_true(at < 10);
		arm(at, ENOSPC, false, at & 1);
		rc = dvmd_clog_compact(f->log, f->s, &err);
		disarm();
		if (rc < 0) {
			assert_int_equal(rc, -ENOSPC);
			assert_non_null(strstr(err.text, f->dir));
		}
		reopen(f);
		assert_true(dvmd_cstate_hash(f->s) == hash);
		append_some(f, 3);
	}
}

/* With its name not safe on the disk, a new file must not take entries that count as durable. */
static void a_log_whose_name_may_be_lost_takes_no_entries(void **state)
{
	struct fixture *f = *state;

	append_some(f, 5);
	arm(4, EIO, false, false); /* write, allocate, fsync, rename, fsync of the directory */
	assert_int_equal(dvmd_clog_compact(f->log, f->s, NULL), -EIO);
	disarm();
	assert_int_equal(append(f, state_gen_next(&f->g, f->s), NULL), -EIO);
	assert_int_equal(dvmd_clog_compact(f->log, f->s, NULL), 0);
	append_some(f, 1);
}

int main(void)
{
#define with_log(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		with_log(a_new_log_is_empty),
		with_log(replay_gives_the_same_state),
		with_log(entries_can_be_read_back),
		with_log(a_wrong_entry_is_refused),
		with_log(a_second_opener_is_told_so),
		with_log(compaction_keeps_the_state),
		with_log(a_log_becomes_long),
		with_log(what_cannot_be_read_back_is_not_written),
		with_log(a_later_state_replaces_the_log),
		with_log(a_crash_at_any_byte_leaves_a_prefix),
		with_log(damage_is_never_skipped),
		with_log(the_place_of_damage_is_named),
		with_log(zeros_and_garbage_behind_the_end_are_cut),
		with_log(a_file_of_something_else_is_refused),
		with_log(a_failed_append_leaves_no_trace),
		with_log(a_crash_leaves_all_of_a_batch_or_nothing),
		with_log(a_batch_that_fails_leaves_no_trace),
		with_log(a_full_disk_lets_work_end),
		with_log(a_broken_disk_stops_the_log),
		with_log(a_failed_compaction_leaves_the_log),
		with_log(a_log_whose_name_may_be_lost_takes_no_entries),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
