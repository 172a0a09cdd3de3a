/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * This node's copy of the cluster state: its log, the state machine, and keeping both in step
 * with the leader. The leader appends and pushes; the others apply in order and fetch gaps.
 */
#ifndef DVMD_REPLICA_H
#define DVMD_REPLICA_H

#include "daemon/dvmd.h"

struct dvmd_replica; /* incomplete */

/* Opens the log in the node's state directory; applies it, silently. */
int dvmd_replica_create(struct dvmd_replica **out, struct dvmd *d, dvm_error_t *err);
void dvmd_replica_destroy(struct dvmd_replica *r);

const struct dvmd_cstate *dvmd_replica_state(const struct dvmd_replica *r);

/*
 * Leader only: checks CMD, makes it durable, applies it (dvmd_applied() is called before this
 * returns) and tells the others. Its wall clock is filled in. On failure nothing has changed.
 */
int dvmd_replica_propose(struct dvmd_replica *r, Pb__Command *cmd, dvm_error_t *err);

/*
 * From hold() to release() commands are proposed, checked and applied as ever, but become durable by
 * release(), all or none: where it fails the state is again what it was before hold(). Until then
 * nothing that follows from them may leave this process. Not nested.
 */
void dvmd_replica_hold(struct dvmd_replica *r);
int dvmd_replica_release(struct dvmd_replica *r, dvm_error_t *err);

/* Replaces everything by a snapshot: after joining, or when too far behind. */
int dvmd_replica_install(struct dvmd_replica *r, const Pb__StateSnapshot *snap, dvm_error_t *err);

/* The same for a node that has just joined: whatever machine it knew before is forgotten. */
int dvmd_replica_begin(struct dvmd_replica *r, const Pb__StateSnapshot *snap, dvm_error_t *err);

/* This node is no member any more: the next start must not take up the log. */
void dvmd_replica_forget(struct dvmd_replica *r);

/* STATE_PUSH from the leader. */
void dvmd_replica_pushed(struct dvmd_replica *r, const uint8_t *body, size_t len);

/* STATE_FETCH from a member. */
void dvmd_replica_fetched(struct dvmd_replica *r, const uint8_t *body, size_t len,
			  struct dvmd_reply_to reply);

/* The leader is said to have applied entry INDEX: fetches what is missing. */
void dvmd_replica_catch_up(struct dvmd_replica *r, uint64_t index);

#endif
