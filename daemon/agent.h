/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A node's part in jobs: starts their shepherds, knows them again after a restart, passes on what
 * they and the rest of the machine have to say to each other, and cleans up after them.
 */
#ifndef DVMD_AGENT_H
#define DVMD_AGENT_H

#include "daemon/dvmd.h"
#include "daemon/interest.h"
#include "libdvm/proto/stream.h"

struct dvmd_agent; /* incomplete */
struct dvmd_share; /* incomplete: one job's share on this node */

int dvmd_agent_create(struct dvmd_agent **out, struct dvmd *d);
/* Leaves the shepherds alone. */
void dvmd_agent_destroy(struct dvmd_agent *a);

/* Looks for shares of before our restart. Once, when the node is ready. */
void dvmd_agent_recover(struct dvmd_agent *a);

/* LAUNCH has come: starts the shepherd. 0 or -E… with a text for the leader. */
int dvmd_agent_launch(struct dvmd_agent *a, const uint8_t *body, size_t len, dvm_error_t *err);

/* JOB_KILL, JOB_RELEASE, RANKS_LOST, STATUS_WANTED from the leader (to 0: not known here). */
int dvmd_agent_from_leader(struct dvmd_agent *a, uint16_t type, const uint8_t *body, size_t len);

/* STDIN, OUTPUT_ACK from the job's origin; PEER from another node of the job. */
void dvmd_agent_from_origin(struct dvmd_agent *a, uint16_t type, const uint8_t *body, size_t len);

/* A shepherd's first message: its share, or NULL and why not. */
struct dvmd_share *dvmd_agent_hello(struct dvmd_agent *a, struct dvmi_stream *stream,
				    const struct dvmi_peercred *cred, const uint8_t *body,
				    size_t len, dvm_error_t *err);
/* The shepherd has its answer: what has waited for it follows. */
void dvmd_agent_greeted(struct dvmd_share *share);
void dvmd_agent_message(struct dvmd_agent *a, struct dvmd_share *share,
			const struct dvmi_envelope *env, const uint8_t *body, size_t len);
void dvmd_agent_shepherd_gone(struct dvmd_agent *a, struct dvmd_share *share);

/* Shares whose shepherd is connected, or was. */
struct dvmd_share *dvmd_agent_share(struct dvmd_agent *a, uint64_t job);
void dvmd_agent_each(struct dvmd_agent *a, void (*fn)(struct dvmd_share *s, void *arg), void *arg);
uint64_t dvmd_share_job(const struct dvmd_share *s);
uint32_t dvmd_share_uid(const struct dvmd_share *s);
struct dvmd_interest *dvmd_share_interest(struct dvmd_share *s);
/* To its shepherd, if that is connected: one that is not asks again when it comes. */
void dvmd_share_tell(struct dvmd_share *s, uint16_t type, const void *msg);

/* Ends all shares at once (halt). True when none is left; asked again by the caller. */
bool dvmd_agent_end_all(struct dvmd_agent *a);

#endif
