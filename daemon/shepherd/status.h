/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The report: what a JobStatus says, and the file `status` that holds the last one for a daemon
 * that comes back when we are gone.
 */
#ifndef SHEP_STATUS_H
#define SHEP_STATUS_H

#include "daemon/shepherd/ranks.h"
#include "libdvm/proto/pb.h"

enum { SHEP_NOTES_MAX = 8 };

struct shep_status {
	uint64_t job;
	uint32_t node;
	uint64_t serial; /* of the last report made */
	Pb__SharePhase phase;
	int code;
	char text[512];
	int abort_code;
	char abort_text[512];
	uint64_t output_seq;
	uint64_t ran_ns; /* until the last end of a rank */
	char *notes[SHEP_NOTES_MAX];
	size_t n_notes;
};

/*
 * Calls FN with a report of this moment under a new serial number. While ranks are being started
 * it says nothing of those that have ended: whether they ran is not known yet. -ENOMEM.
 */
int shep_status_report(struct shep_status *s, const struct shep_ranks *ranks,
		       void (*fn)(const Pb__JobStatus *st, void *arg), void *arg);

/* Adds a note, unless it is there or there are too many. */
void shep_status_note(struct shep_status *s, const char *text);

/* Replaces the file `status` in DIR, as a whole or not at all. -E… */
int shep_status_write(int dir, const Pb__JobStatus *st);

void shep_status_free(struct shep_status *s);

#endif
