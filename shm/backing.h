/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of a segment in this process: a file in memory that is mapped twice. Faults on the
 * application's map are ours; through the second map, the alias, the protocol reads and writes.
 *
 * Where the kernel maps what lies in the file (minor): the file always holds what is kept, and a
 * page is given by mapping it. Where it only copies (Linux 6.1): what lies in the file can be
 * touched, so what may not be is moved to a store beside it; the alias reads what is given.
 *
 * Pages are units of the engine. Nothing here locks. Functions for maps do not fail for a page that
 * is as it should be already.
 */
#ifndef SHM_BACKING_H
#define SHM_BACKING_H

#include "shm/uffd.h"

/* What the application's map allows. DOUBT: nothing, but something may be mapped. */
enum dsm_map { DSM_MAP_NONE = 0, DSM_MAP_DOUBT, DSM_MAP_READ, DSM_MAP_WRITE, DSM_MAP_POISON };

struct dsm_backing {
	int file;
	const struct dsm_uffd *uffd;
	uint8_t *app, *alias, *store; /* store: NULL with minor */
	uint8_t *map;		      /* [pages]: enum dsm_map; memory exists from its first touch */
	uint64_t pages;
	size_t unit, bytes;
	uint64_t resident, writable; /* pages */
	bool here;		     /* the application's map is there */
	/* Pages that are to be given in one go: none, or a run with the same right. */
	uint64_t first, count;
	bool write;
	/* There was no memory to give them, and others between them; missed_end is 0: none. */
	uint64_t missed, missed_end;
	/* Pages that are protected, or dropped, one after the other: the last, and how many go at once. */
	bool ahead; /* is set by who wants that; frugal: memory is short, no page has it twice */
	bool frugal;
	bool common; /* other processes have the file, too: what is kept is kept for them */
	struct dsm_taking {
		uint64_t last, window;
	} protects, drops;
};

/* ADDRESS as in dsm.h. FILE: as large, the caller's, others have it, too (only where minor); or -1. */
int dsm_backing_create(struct dsm_backing *b, const struct dsm_uffd *u, uint64_t pages, size_t unit,
		       void *address, int file);
void dsm_backing_destroy(struct dsm_backing *b);
/* The application's map is taken away, and put back. Nothing is given then. */
int dsm_backing_unmap(struct dsm_backing *b);
int dsm_backing_map(struct dsm_backing *b);
/* It goes to ADDRESS; what is there is unmapped. */
int dsm_backing_move(struct dsm_backing *b, void *address);

/* What is kept of PAGE: to be read, and to be overwritten while it is not given. */
const uint8_t *dsm_backing_bytes(const struct dsm_backing *b, uint64_t page);
uint8_t *dsm_backing_fill(struct dsm_backing *b, uint64_t page);
/* The same bytes, to be changed one by one while others do so, too. */
uint8_t *dsm_backing_live(struct dsm_backing *b, uint64_t page);

/* PAGE may be read, or written, once dsm_backing_flush() was called at the latest. */
void dsm_backing_give(struct dsm_backing *b, uint64_t page, bool write);
void dsm_backing_flush(struct dsm_backing *b);
/* Who waits for what was missed has its fault again. */
void dsm_backing_retry(struct dsm_backing *b);
void dsm_backing_protect(struct dsm_backing *b, uint64_t page);
void dsm_backing_drop(struct dsm_backing *b, uint64_t page);
/* Bytes of COUNT pages from FIRST on, which are not given, will come: only a hint. */
void dsm_backing_expect(struct dsm_backing *b, uint64_t first, uint64_t count);
/* Touching it raises SIGBUS from now on. */
void dsm_backing_poison(struct dsm_backing *b, uint64_t page);
/* What is kept of a page that is not given needs no memory any more; its bytes are zero. */
void dsm_backing_release(struct dsm_backing *b, uint64_t page);
/* Nothing of it can be touched any more, nothing is given: the process is alone. */
void dsm_backing_cut(struct dsm_backing *b);
/* What was kept needs no memory any more. After a cut. */
void dsm_backing_empty(struct dsm_backing *b);
/* The kernel says that a page is not mapped, whatever we thought. */
void dsm_backing_doubt(struct dsm_backing *b, uint64_t page);

#endif
