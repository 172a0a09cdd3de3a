/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Elastic jobs: how many ranks this job may have, and whether it, being lent, is to leave; as the
 * daemon's news and the job's record say.
 */
#ifndef SHEP_ROOM_H
#define SHEP_ROOM_H

#include "libdvm/proto/pb.h"

struct shep;

struct shep_room {
	uint32_t room;	    /* ranks in all; 0: nothing was said yet */
	uint64_t wanted_by; /* 0: nobody */
	uint64_t leave_by;  /* monotonic ns */
};

/* NEWS of this job, or of what was lent to it. */
void shep_room_news(struct shep *s, const Pb__News *n);
/* The connection is new: something may have been said meanwhile. */
void shep_room_up(struct shep *s);
/* LOCAL watches from now on: tells it what has been said. */
void shep_room_watched(struct shep *s, uint32_t local);

#endif
