/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client's request on its way through the machine: where it came from, who asks, and how to
 * answer, once. The same handler serves it whether its client sits here or on another node.
 */
#ifndef DVMD_CALL_H
#define DVMD_CALL_H

#include "daemon/dvmd.h"

struct dvmd_call {
	struct dvmd *d;
	uint16_t type;
	uint32_t uid, gid;
	char user[64];
	uint32_t origin;	    /* node of the client */
	uint64_t job;		    /* asks through its shepherd; 0: a client asks */
	uint64_t session;	    /* of the client or shepherd when it is here, else 0 */
	uint32_t request;	    /* its number in the session */
	struct dvmd_reply_to reply; /* of the node that carried it, when it is not */
};

/* Each answer consumes the call and sets *CALL to NULL. MSG is a protobuf message or NULL. */
void dvmd_call_answer(struct dvmd_call **call, uint16_t type, const void *msg);
void dvmd_call_raw(struct dvmd_call **call, uint16_t type, const void *body, size_t len);
void dvmd_call_error(struct dvmd_call **call, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* One more answer of several; the call lives on. Only for a client that sits here. */
void dvmd_call_more(struct dvmd_call *call, uint16_t type, const void *msg);

/* May a job ask this, through its shepherd? */
bool dvmd_call_for_jobs(uint16_t type);

/* A client's request that has arrived here, straight or carried; takes the call. */
void dvmd_call_dispatch(struct dvmd_call *call, const uint8_t *body, size_t len);

/* A FORWARD from another node. */
void dvmd_call_forwarded(struct dvmd *d, const struct dvmd_sender *from, const uint8_t *body,
			 size_t len, struct dvmd_reply_to reply);

/* Carries the call to NODE; its answer goes back by itself. Takes the call. */
void dvmd_call_forward(struct dvmd_call *call, uint32_t node, const uint8_t *body, size_t len);

/* May this caller touch what belongs to UID? */
static inline bool dvmd_call_may(const struct dvmd_call *call, uint32_t uid)
{
	return call->uid == 0 || call->uid == uid;
}

/* Carries it to NODE, too, whose answer is of no interest. The call lives on. */
void dvmd_call_copy(struct dvmd_call *call, uint32_t node, const uint8_t *body, size_t len);

/* Is it the machine's owner who asks, or root? */
bool dvmd_call_is_admin(const struct dvmd_call *call);

#endif
