/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What to ask for ahead of time: faults that follow one another, upwards or downwards, or always so many
 * pages apart, are a stream, for which a window of pages is asked for that doubles as long as it is used.
 * Early in each window a page is marked, which is brought but not given, so that its first touch tells how
 * far the stream has come and the next window is under way before this one is at its end. Pure.
 *
 * Where pages side by side need not belong together, a stream is sure only after some pages in a row: then
 * what was here once and was taken away may be asked for, too. Pages some way apart are no stream there.
 */
#ifndef SHM_STREAM_H
#define SHM_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#define DSM_STREAMS	8
#define DSM_STREAM_LOW	8  /* pages of the first window */
#define DSM_STREAM_HIGH 64 /* and of the largest, unless the caller says so */
#define DSM_STREAM_SURE 4  /* pages in a row */
#define DSM_STREAM_STEP 64 /* pages from one to the next, at most */

/* Its pages are counted: that with which it was found is DSM_STREAM_FIRST. */
struct dsm_stream {
	uint64_t origin; /* the page that is FIRST */
	int32_t step;	 /* pages from one to the next; negative: downwards */
	uint64_t next; /* the first page that was not asked for */
	uint64_t mark; /* whose touch begins the next window */
	uint64_t at;   /* how far it has come */
	uint32_t window, age;
	uint32_t run;  /* pages in a row */
	uint32_t late; /* likewise, in its window since that was asked for */
	bool write, used, sure;
};

struct dsm_streams {
	struct dsm_stream s[DSM_STREAMS];
	uint32_t clock;
	uint64_t last[4]; /* faults that belonged to none */
	uint32_t at;
	uint32_t most; /* pages of the largest window; 0: DSM_STREAM_HIGH */
	bool careful;  /* pages side by side need not belong together */
};

static inline uint32_t dsm_stream_most(const struct dsm_streams *t)
{
	return t->most ? t->most : DSM_STREAM_HIGH;
}

/* COUNT pages from FIRST on, STEP apart, are to be asked for; MARK of them (if in there) is marked. */
struct dsm_ahead {
	uint64_t first, mark;
	uint32_t count, step;
	bool sure; /* also those that were taken away from here before */
};

enum dsm_stream_how {
	DSM_STREAM_EAGER = 1,  /* with the largest window at once */
	DSM_STREAM_MARKED = 2, /* the page was brought, and marked */
};

/*
 * There was a fault at PAGE of PAGES, or a marked page was touched; HOW: enum dsm_stream_how. Nothing is to
 * be asked for: count is 0.
 */
struct dsm_ahead dsm_stream_touch(struct dsm_streams *t, uint64_t page, uint64_t pages, bool write,
				  unsigned how);

#endif
