/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The node a job was started from: ties the job's events, output and input to its client.
 *
 * Nothing is kept here but what comes before the client has its answer; output that finds no
 * client is dropped, since its shepherd keeps it until it is acknowledged. A job whose client is
 * gone is ended: at once when the client's socket closed, after a grace period when it was this
 * dvmd that restarted. A detached job goes on; its shepherds are told that nobody listens.
 *
 * A job that was spawned belongs to the client of its parent, and so on down: that is told of it, and
 * gets its events and output. Both follow from the job's record, so neither can be missed.
 */
#ifndef DVMD_ORIGIN_H
#define DVMD_ORIGIN_H

#include "daemon/call.h"

struct dvmd_origin; /* incomplete */

int dvmd_origin_create(struct dvmd_origin **out, struct dvmd *d);
void dvmd_origin_destroy(struct dvmd_origin *o);

/* A client of this node is being answered: RUN and ATTACH tie its session to the job. */
void dvmd_origin_answered(const struct dvmd_call *call, uint16_t type, const uint8_t *body,
			  size_t len);

/* Does a living client hold the job that this AttachRequest names? */
bool dvmd_origin_is_held(struct dvmd_origin *o, const uint8_t *body, size_t len);

/* The log has a new job: if it was spawned by one that was started here, its client is told. */
void dvmd_origin_job_added(struct dvmd_origin *o, uint64_t job);

/* How a client is told that R, which is done, has ended. Borrows from R. */
Pb__JobEvent dvmd_origin_ended(const Pb__JobRecord *r);

void dvmd_origin_session_gone(struct dvmd_origin *o, uint64_t session);

/* JOB_EVENT from the leader; OUTPUT and STDIN_ACK from a node of the job. */
void dvmd_origin_to_client(struct dvmd_origin *o, uint16_t type, const uint8_t *body, size_t len);

/* STDIN and OUTPUT_ACK from a client. */
void dvmd_origin_from_client(struct dvmd_origin *o, uint64_t session, uint16_t type,
			     const uint8_t *body, size_t len);

#endif
