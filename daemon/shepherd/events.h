/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events for ranks: what each wants to be told of, and the machine's nodes as far as they are known
 * here. A rank that does not read gets no more of them, and is told that it has missed some.
 */
#ifndef SHEP_EVENTS_H
#define SHEP_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "libdvm/base/idset.h"
#include "libdvm/proto/pb.h"
#include "libdvm/proto/rank.h"

struct shep;

struct shep_host {
	uint32_t id;
	bool up, seen;
	char name[64];
};

struct shep_events {
	uint32_t *masks; /* by local rank */
	bool *missed;	 /* the same: events were dropped */
	bool any_missed;
	struct shep_host *hosts;
	size_t n_hosts;
	bool hosts_known, hosts_wanted, hosts_asked;
};

int shep_events_init(struct shep *s);
void shep_events_free(struct shep *s);

/* To the local ranks in TO (NULL: all) that watch its kind. */
void shep_event_send(struct shep *s, const struct dvmi_rank_event *e, const char *text,
		     const struct dvmi_idset *to);
/* LOCAL is gone. */
void shep_events_forget(struct shep *s, uint32_t local);

/* Rank of this job has ended; once for each. */
void shep_event_exit(struct shep *s, uint32_t rank, uint32_t node, int32_t status, uint32_t signal);

/* Somebody here needs to know of the nodes; they are asked for if they have not been. */
void shep_events_want_hosts(struct shep *s);
/* NEWS of one; ALL of them may have changed. */
void shep_events_host(struct shep *s, const Pb__News *n);
void shep_events_hosts_again(struct shep *s);
/* Tells who can hear again that events were missed. */
void shep_events_turn(struct shep *s);

#endif
