/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/backing.h"

#define PAGE	  4096u /* the kernel's */
#define TAKE_MOST 32u	/* pages that go at once */
#define BEYOND	  ((off_t)1 << 62) /* no file is so large */

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* ---- making ---- */

static void *map_file(const struct dsm_backing *b, void *at)
{
	int flags = MAP_SHARED | MAP_NORESERVE | (at ? MAP_FIXED_NOREPLACE : 0);
	void *p = mmap(at, b->bytes, PROT_READ | PROT_WRITE, flags, b->file, 0);

	if (p != MAP_FAILED && at && p != at) {
		munmap(p, b->bytes);
		p = MAP_FAILED;
		errno = EEXIST;
	}
	return p == MAP_FAILED ? NULL : p;
}

static void *map_nothing(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int map_app(struct dsm_backing *b, void *address)
{
	b->app = map_file(b, address);
	if (!b->app)
		return -errno;
	/* A child has no share in the protocol. Huge pages would be invalidated as one. */
	madvise(b->app, b->bytes, MADV_DONTFORK);
	madvise(b->app, b->bytes, MADV_NOHUGEPAGE);
	int rc = dsm_uffd_register(b->uffd, b->app, b->bytes);
	b->here = rc == 0;
	return rc;
}

static int open_file(struct dsm_backing *b, int file)
{
	b->common = file >= 0;
	if (b->common && !b->uffd->minor)
		return -ENOTSUP;
	b->file = b->common ? fcntl(file, F_DUPFD_CLOEXEC, 0) :
			      memfd_create("dvm-segment", MFD_CLOEXEC);
	return b->file < 0 || (!b->common && ftruncate(b->file, (off_t)b->bytes) < 0) ? -errno : 0;
}

static int make(struct dsm_backing *b, void *address, int file)
{
	int rc = open_file(b, file);

	if (rc < 0)
		return rc;
	b->alias = map_file(b, NULL);
	b->map = map_nothing(b->pages);
	if (!b->uffd->minor)
		b->store = map_nothing(b->bytes);
	if (!b->alias || !b->map || (!b->uffd->minor && !b->store))
		return -ENOMEM;
	madvise(b->alias, b->bytes, MADV_DONTFORK);
	/* A page of it comes and goes alone. */
	if (b->store)
		madvise(b->store, b->bytes, MADV_NOHUGEPAGE);
	return map_app(b, address);
}

int dsm_backing_create(struct dsm_backing *b, const struct dsm_uffd *u, uint64_t pages, size_t unit,
		       void *address, int file)
{
	*b = (struct dsm_backing){
		.file = -1, .uffd = u, .pages = pages, .unit = unit, .bytes = pages * unit
	};
	int rc = make(b, address, file);
	if (rc < 0)
		dsm_backing_destroy(b);
	return rc;
}

void dsm_backing_destroy(struct dsm_backing *b)
{
	if (b->app)
		munmap(b->app, b->bytes);
	if (b->alias)
		munmap(b->alias, b->bytes);
	if (b->store)
		munmap(b->store, b->bytes);
	if (b->map)
		munmap(b->map, b->pages);
	if (b->file >= 0)
		close(b->file);
	*b = (struct dsm_backing){ .file = -1 };
}

/* ---- bytes ---- */

static uint8_t *in(uint8_t *base, const struct dsm_backing *b, uint64_t page)
{
	return base + page * b->unit;
}

static bool given(const struct dsm_backing *b, uint64_t page)
{
	return b->map[page] == DSM_MAP_READ || b->map[page] == DSM_MAP_WRITE;
}

const uint8_t *dsm_backing_bytes(const struct dsm_backing *b, uint64_t page)
{
	return in(b->store && !given(b, page) ? b->store : b->alias, b, page);
}

uint8_t *dsm_backing_live(struct dsm_backing *b, uint64_t page)
{
	return in(b->store && !given(b, page) ? b->store : b->alias, b, page);
}

uint8_t *dsm_backing_fill(struct dsm_backing *b, uint64_t page)
{
	return in(b->store ? b->store : b->alias, b, page);
}

/* ---- giving ---- */

static void set(struct dsm_backing *b, uint64_t page, enum dsm_map to)
{
	bool may = to == DSM_MAP_READ || to == DSM_MAP_WRITE;

	b->resident = b->resident + may - given(b, page);
	b->writable = b->writable + (to == DSM_MAP_WRITE) - (b->map[page] == DSM_MAP_WRITE);
	b->map[page] = (uint8_t)to;
}

/* Bytes from P on that were never touched get memory. */
static int populate(void *p, size_t len)
{
	if (madvise(p, len, MADV_POPULATE_WRITE) == 0)
		return 0;
	return errno == EINVAL ? -ENOTSUP : -ENOMEM;
}

/* Bytes [AT, AT + LEN) of the segment, as far as one call gets: *DONE of them. */
static int give_some(struct dsm_backing *b, size_t at, size_t len, size_t *done)
{
	if (b->store)
		return dsm_uffd_copy(b->uffd, b->app + at, b->store + at, len, b->write, done);
	int rc = dsm_uffd_continue(b->uffd, b->app + at, len, b->write, done);
	if (rc != -EFAULT)
		return rc;
	/* There never was anything: now there are zeros. */
	rc = populate(b->alias + at + *done, len - *done);
	return rc < 0 ? rc : -EAGAIN;
}

/* A page of the kernel's that is mapped already gets the rights it shall have. */
static void correct(struct dsm_backing *b, size_t at)
{
	dsm_uffd_protect(b->uffd, b->app + at, PAGE, !b->write);
	dsm_uffd_wake(b->uffd, b->app + at, PAGE);
}

/* *GOT of them, also on failure. */
static int give_bytes(struct dsm_backing *b, size_t at, size_t len, size_t *got)
{
	for (*got = 0; *got < len;) {
		size_t done = 0;
		int rc = give_some(b, at + *got, len - *got, &done);
		if (rc == -EEXIST) {
			correct(b, at + *got + done);
			done += PAGE;
		}
		*got += done;
		if (rc < 0 && rc != -EAGAIN && rc != -EEXIST)
			return rc;
	}
	return 0;
}

/* In the file it could be touched: its bytes go to the store. */
static void move_to_store(struct dsm_backing *b, uint64_t page, size_t len)
{
	/* Nobody writes while they are copied. */
	dsm_uffd_protect(b->uffd, in(b->app, b, page), len, true);
	memcpy(in(b->store, b, page), in(b->alias, b, page), len);
	fallocate(b->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(page * b->unit),
		  (off_t)len);
	/* The hole has forgotten that it was protected, or not. */
	dsm_uffd_protect(b->uffd, in(b->app, b, page), len, false);
}

/* LEN bytes from PAGE on are not mapped any more. */
static void take(struct dsm_backing *b, uint64_t page, size_t len)
{
	if (b->store)
		move_to_store(b, page, len);
	else
		madvise(in(b->app, b, page), len, MADV_DONTNEED);
}

/* There was no memory for [FIRST, END): who waits for them is to try again. */
static void miss(struct dsm_backing *b, uint64_t first, uint64_t end)
{
	bool more = b->missed_end;

	b->missed = more && b->missed < first ? b->missed : first;
	b->missed_end = more && b->missed_end > end ? b->missed_end : end;
}

void dsm_backing_flush(struct dsm_backing *b)
{
	uint64_t first = b->first, count = b->count;
	size_t got;

	b->count = 0;
	if (!count || !b->here)
		return;
	int rc = give_bytes(b, first * b->unit, count * b->unit, &got);
	uint64_t end = first + got / b->unit;
	for (uint64_t i = first; i < end; i++)
		set(b, i, b->write ? DSM_MAP_WRITE : DSM_MAP_READ);
	/* What was copied lies in the file now. */
	if (b->store && b->frugal && end > first)
		madvise(b->store + first * b->unit, (end - first) * b->unit, MADV_DONTNEED);
	if (got % b->unit)
		take(b, end, got % b->unit);
	if (rc < 0)
		miss(b, end, first + count);
}

void dsm_backing_retry(struct dsm_backing *b)
{
	if (b->missed_end && b->here)
		dsm_uffd_wake(b->uffd, in(b->app, b, b->missed),
			      (b->missed_end - b->missed) * b->unit);
	b->missed_end = 0;
}

/* What is mapped read only needs no more than the right. */
static void allow(struct dsm_backing *b, uint64_t page)
{
	dsm_uffd_protect(b->uffd, in(b->app, b, page), b->unit, false);
	set(b, page, DSM_MAP_WRITE);
}

void dsm_backing_give(struct dsm_backing *b, uint64_t page, bool write)
{
	if (given(b, page) && write) {
		allow(b, page);
		return;
	}
	if (given(b, page)) {
		dsm_uffd_wake(b->uffd, in(b->app, b, page), b->unit);
		return;
	}
	if (b->count && b->write == write && page == b->first + b->count) {
		b->count++;
		return;
	}
	dsm_backing_flush(b);
	b->first = page;
	b->count = 1;
	b->write = write;
}

/* ---- taking ---- */

static bool in_run(const struct dsm_backing *b, uint64_t page)
{
	return page - b->first < b->count;
}

/*
 * Somebody takes page after page: the next ones go with this, in one call. Who touches one of them
 * before it is really taken has it given anew.
 */
static void follow(struct dsm_taking *t, uint64_t page)
{
	bool next = page == t->last + 1;

	t->window = !next ? 1 : t->window < TAKE_MOST ? 2 * t->window : TAKE_MOST;
	t->last = page;
}

/* PAGE, and those behind it that allow as much, as far as they are taken in order. */
static uint64_t run_of(const struct dsm_backing *b, const struct dsm_taking *t, uint64_t page)
{
	uint64_t n = 1, most = b->ahead && given(b, page) ? t->window : 1;

	while (n < most && page + n < b->pages && b->map[page + n] == b->map[page] &&
	       !in_run(b, page + n))
		n++;
	return n;
}

void dsm_backing_protect(struct dsm_backing *b, uint64_t page)
{
	follow(&b->protects, page);
	if (in_run(b, page))
		dsm_backing_flush(b);
	if (b->map[page] != DSM_MAP_WRITE && b->map[page] != DSM_MAP_DOUBT)
		return;
	uint64_t n = run_of(b, &b->protects, page);
	dsm_uffd_protect(b->uffd, in(b->app, b, page), n * b->unit, true);
	for (uint64_t i = page; i < page + n; i++)
		if (b->map[i] == DSM_MAP_WRITE)
			set(b, i, DSM_MAP_READ);
}

void dsm_backing_drop(struct dsm_backing *b, uint64_t page)
{
	follow(&b->drops, page);
	if (in_run(b, page))
		dsm_backing_flush(b);
	if (!given(b, page) && b->map[page] != DSM_MAP_DOUBT)
		return;
	uint64_t n = b->store ? 1 : run_of(b, &b->drops, page);
	take(b, page, n * b->unit);
	for (uint64_t i = page; i < page + n; i++)
		set(b, i, DSM_MAP_NONE);
}

/* Memory for all of them costs one call, instead of a fault for each. */
void dsm_backing_expect(struct dsm_backing *b, uint64_t first, uint64_t count)
{
	if (b->ahead && count > 1 && !b->store)
		populate(in(b->alias, b, first), count * b->unit);
}

/*
 * Nothing in the place of some bytes: what is far beyond the end of the file. That needs no descriptor, which
 * a process that is cut off for the want of one does not have; and neighbours are one map. As the last
 * resort touching them is forbidden: nobody shall have bytes of before.
 */
static void poison_by_map(const struct dsm_backing *b, uint8_t *at, size_t len)
{
	if (mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, b->file,
		 BEYOND + (at - b->app)) == at)
		madvise(at, len, MADV_DONTFORK);
	else
		mprotect(at, len, PROT_NONE);
}

void dsm_backing_poison(struct dsm_backing *b, uint64_t page)
{
	dsm_backing_drop(b, page);
	if (!b->here)
		return;
	if (b->map[page] != DSM_MAP_POISON &&
	    dsm_uffd_poison(b->uffd, in(b->app, b, page), b->unit) < 0)
		poison_by_map(b, in(b->app, b, page), b->unit);
	set(b, page, DSM_MAP_POISON);
	dsm_uffd_wake(b->uffd, in(b->app, b, page), b->unit);
}

void dsm_backing_cut(struct dsm_backing *b)
{
	b->count = 0;
	if (b->here)
		poison_by_map(b, b->app, b->bytes);
	dsm_uffd_wake(b->uffd, b->app, b->bytes);
	b->here = false;
}

void dsm_backing_empty(struct dsm_backing *b)
{
	fallocate(b->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)b->bytes);
	if (b->store)
		madvise(b->store, b->bytes, MADV_DONTNEED);
}

void dsm_backing_release(struct dsm_backing *b, uint64_t page)
{
	if (b->map[page] != DSM_MAP_NONE || in_run(b, page) || b->common)
		return;
	if (b->store)
		madvise(in(b->store, b, page), b->unit, MADV_DONTNEED);
	else
		fallocate(b->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)(page * b->unit), (off_t)b->unit);
}

void dsm_backing_doubt(struct dsm_backing *b, uint64_t page)
{
	if (given(b, page) && !in_run(b, page) && !b->store)
		set(b, page, DSM_MAP_DOUBT);
}

/* ---- the application's map ---- */

int dsm_backing_unmap(struct dsm_backing *b)
{
	if (!b->here)
		return 0;
	for (uint64_t i = 0; i < b->pages; i++)
		dsm_backing_drop(b, i);
	/* The place is kept. */
	if (mmap(b->app, b->bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
		 MAP_NORESERVE, -1, 0) == MAP_FAILED)
		return -errno;
	b->here = false;
	return 0;
}

int dsm_backing_map(struct dsm_backing *b)
{
	if (b->here)
		return 0;
	uint8_t *at = b->app;
	munmap(at, b->bytes);
	int rc = map_app(b, at);
	for (uint64_t i = 0; rc == 0 && i < b->pages; i++)
		if (b->map[i] == DSM_MAP_POISON)
			dsm_backing_poison(b, i);
	return rc;
}

int dsm_backing_move(struct dsm_backing *b, void *address)
{
	int rc = dsm_backing_unmap(b);

	if (rc < 0)
		return rc;
	munmap(b->app, b->bytes);
	b->app = address;
	return dsm_backing_map(b);
}
