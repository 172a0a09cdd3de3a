/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of a node's part in jobs (agent.h) share. */
#ifndef DVMD_AGENT_PRIVATE_H
#define DVMD_AGENT_PRIVATE_H

#include <uthash.h>

#include "daemon/agent.h"
#include "daemon/agent_spawn.h"
#include "daemon/sweep.h"

#define DVMD_AGENT_TICK_MS 1000

/* What came for a shepherd that is not (or not again) connected. */
struct dvmd_waiting {
	struct dvmd_waiting *next;
	uint16_t type;
	size_t len;
	uint8_t body[];
};

struct dvmd_share {
	UT_hash_handle hh;
	uint64_t job;
	uint32_t uid, origin;
	struct dvmd_agent *agent;
	Pb__Placement *placement;
	Pb__JobStatus *status;	    /* the last report */
	struct dvmi_stream *stream; /* to the shepherd, or NULL; the session owns it */
	struct dvmd_child *child;   /* our child, or NULL after a restart */
	uint8_t cookie[DVMD_COOKIE_BYTES];
	struct dvmd_waiting *waiting;
	size_t waiting_bytes;
	uint64_t hello_by;	    /* without a stream: give up then */
	uint64_t reported, repeat_after; /* ns: when, and how soon again if it seems lost */
	uint64_t released_at;
	bool released;
	struct dvmd_interest interest;
};

struct dvmd_agent {
	struct dvmd *d;
	uv_timer_t timer, sweeper;
	int handles;
	unsigned ticks;
	struct dvmd_share *shares;
	struct dvmd_leftover *leftovers;
};

/* agent.c: shares, and their shepherds */
struct dvmd_share *dvmd_share_add(struct dvmd_agent *a, uint64_t job, const Pb__JobSpec *spec,
				  const Pb__Placement *placement, uint32_t origin);
void dvmd_share_remove(struct dvmd_share *s);
/* The node's part of P; NULL: it has none. */
const Pb__NodeShare *dvmd_share_own(const struct dvmd *d, const Pb__Placement *p);
/*
 * The shepherd is dead. Its ranks died with it; what they had started is swept. One that ended in
 * ORDER has seen to that itself. S may be gone behind this.
 */
void dvmd_share_orphan(struct dvmd_share *s, const char *how, bool order);

/* agent_report.c: what the leader is told */
bool dvmd_status_is_final(const Pb__JobStatus *st);
/* ST is the last word of the shepherd of S. Takes ST. */
void dvmd_share_take_status(struct dvmd_share *s, Pb__JobStatus *st);
void dvmd_share_report(struct dvmd_share *s);
/* Again, if R, the record of the job, or time says that it was lost. */
void dvmd_share_repeat(struct dvmd_share *s, const Pb__JobRecord *r, uint64_t now);
/* What a share without a shepherd has to say for itself; S is NULL where nothing is known of JOB. */
void dvmd_agent_report_failed(struct dvmd_agent *a, struct dvmd_share *s, uint64_t job, int code,
			      const char *text);

/* agent_message.c */
/* To the shepherd, or kept until it comes. */
void dvmd_share_to_shepherd(struct dvmd_share *s, uint16_t type, const uint8_t *body, size_t len);
void dvmd_share_flush_waiting(struct dvmd_share *s);
void dvmd_share_forget_waiting(struct dvmd_share *s);

/* agent_sweep.c: what jobs leave */
struct dvmd_place dvmd_agent_place(const struct dvmd_agent *a, uint64_t job);
/* Kills what a job has left here, now and, where it takes time, a few times more. */
void dvmd_agent_clean_up(struct dvmd_agent *a, uint64_t job);
void dvmd_agent_forget_leftovers(struct dvmd_agent *a);

/* agent_recover.c: after a restart, and time */
void dvmd_agent_tick(struct dvmd_agent *a);

#endif
