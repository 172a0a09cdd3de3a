/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Links to other jobs: a map of each for our ranks, kept true by what that job's shepherds tell.
 *
 * We say WATCH to each shepherd of a linked job, again and again, so that it knows of us for a while;
 * it tells us the states of its ranks then and at each change. What it can no longer tell follows
 * from the daemon's news: its node is lost, its job is over. The other way round, those who watch
 * this job are remembered here.
 */
#ifndef SHEP_LINKS_H
#define SHEP_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#include "libdvm/base/idset.h"
#include "libdvm/proto/pb.h"

struct shep;
struct shep_linked; /* incomplete */
struct shep_watcher; /* incomplete */

#define SHEP_ENDED_TOLD 64

struct shep_links {
	struct shep_linked *list;
	uint64_t told[SHEP_ENDED_TOLD]; /* jobs whose end was an event here, the last ones */
	unsigned next_told;
	struct shep_watcher *watchers;
	size_t n_watchers;
};

struct shep_linked *shep_links_find(const struct shep *s, uint64_t job);
/* A job's record has come: NULL without memory, or where it makes no sense. */
struct shep_linked *shep_links_add(struct shep *s, const Pb__JobRecord *r);
/* A local rank is told of it from now on, or not any more; with nobody left the link is gone. */
int shep_links_join(struct shep_linked *l, uint32_t local);
void shep_links_leave(struct shep *s, uint64_t job, uint32_t local);
bool shep_links_has(const struct shep_linked *l, uint32_t local);
void shep_links_forget(struct shep *s, uint32_t local);

/* What a LINKED packet needs: its body, and the map to pass. */
int shep_links_map(const struct shep_linked *l, struct dvmi_rank_linked *out);

/* A rank wants the address of a linked job's rank. */
void shep_links_lookup(struct shep *s, uint32_t local, uint64_t job, uint32_t rank);

/* From a shepherd of another job. */
void shep_links_message(struct shep *s, const Pb__PeerMessage *msg);
/* Our ranks have changed: tell who watches. */
void shep_links_tell(struct shep *s);

/* JOB_ENDED, once for each job, to the local ranks in TO (NULL: all). */
void shep_links_ended(struct shep *s, uint64_t job, int32_t status, const char *reason,
		      const struct dvmi_idset *to);

/* NEWS of a job and of a host; and the connection is new. */
void shep_links_job(struct shep *s, const Pb__News *n);
void shep_links_host_lost(struct shep *s, uint32_t node);
void shep_links_up(struct shep *s);
void shep_links_turn(struct shep *s, uint64_t now);
uint64_t shep_links_next(const struct shep *s);
void shep_links_free(struct shep *s);

#endif
