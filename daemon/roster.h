/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who belongs to the machine: admitting nodes by token, marking them up and down, removing them,
 * halting them all. The deciding half runs on the leader; the rest passes on what is for it.
 */
#ifndef DVMD_ROSTER_H
#define DVMD_ROSTER_H

#include "daemon/call.h"

struct dvmd_roster; /* incomplete */

int dvmd_roster_create(struct dvmd_roster **out, struct dvmd *d);
void dvmd_roster_destroy(struct dvmd_roster *r);

/* What this node says of itself; pointers into D. */
void dvmd_roster_self(struct dvmd *d, Pb__Member *m);

/* JOIN, from a token's holder, or from a member that has changed. */
void dvmd_roster_join(struct dvmd *d, const struct dvmd_sender *from, const uint8_t *body,
		      size_t len, struct dvmd_reply_to reply);
/* JOIN_VIA and PROPOSE, from a member. */
void dvmd_roster_join_via(struct dvmd *d, const uint8_t *body, size_t len,
			  struct dvmd_reply_to reply);
void dvmd_roster_propose(struct dvmd *d, const uint8_t *body, size_t len,
			 struct dvmd_reply_to reply);

/* A restarted member tells the leader what it is now, if that has changed. */
void dvmd_roster_refresh(struct dvmd *d);

/* Now and then: what of this node may change while it is up, /dev/kvm, and the leader hears of it. */
void dvmd_roster_look_again(struct dvmd *d);

/* Membership has found NODE dead or back (leader). */
void dvmd_roster_node_changed(struct dvmd *d, uint32_t node, bool up);

/* The log has a new token: it is taken back when its time is over (leader). */
void dvmd_roster_token_added(struct dvmd_roster *r, const Pb__Token *token);

/* Requests of clients; each takes the call. */
void dvmd_roster_serve_token(struct dvmd_call *call, const uint8_t *body, size_t len);
void dvmd_roster_serve_remove(struct dvmd_call *call, const uint8_t *body, size_t len);
void dvmd_roster_serve_halt(struct dvmd_call *call, const uint8_t *body, size_t len);
void dvmd_roster_serve_leave(struct dvmd_call *call, const uint8_t *body, size_t len);

#endif
