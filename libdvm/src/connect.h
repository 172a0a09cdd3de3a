/* SPDX-License-Identifier: BSD-3-Clause */
/* How two jobs come together, once their roots have a door: a link of the two alone. */
#ifndef DVMI_SRC_CONNECT_H
#define DVMI_SRC_CONNECT_H

#include "libdvm/src/link.h"
#include "libdvm/src/make.h"

/* What the acceptor publishes; little-endian. */
struct dvmi_door_sign {
	uint64_t key;
	uint32_t ctx; /* that the door has there */
	uint32_t unused;
	struct dvmi_link_member at;
};

/* At a root, while the sides come together. */
struct dvmi_door {
	dvm_group_t *g; /* the intergroup of the roots; NULL: none */
	bool child;	/* whoever comes is rank 0 of the job that its link watches */
};

/* What each root tells the other; little-endian. */
struct dvmi_door_word {
	int32_t code;
	uint32_t n;   /* members of its side */
	uint32_t ctx; /* of the intergroup to be, there */
	uint32_t door_ctx;
	uint64_t key; /* of the link to be: the acceptor's counts */
	uint64_t job;
};

/* A door of its own: publishes where it is in SIGN. */
int dvmi_door_make(dvm_t *d, struct dvmi_door *door, struct dvmi_door_sign *sign);
/* The door that SIGN tells of. */
int dvmi_door_find(dvm_t *d, struct dvmi_door *door, const struct dvmi_door_sign *sign);
/* Only rank 0 of JOB, a child of ours, will come: if it ends before, nobody will. 0 or -E…. */
int dvmi_door_expect(struct dvmi_door *door, uint64_t job);
/* Whoever is expected has ended. */
bool dvmi_door_is_futile(const struct dvmi_door *door);
void dvmi_door_close(struct dvmi_door *door);

/*
 * Both sides go through: all members of G call. At ROOT, CODE is what came of the door so far.
 * END is when to give up waiting for the other root, ns; 0: never.
 */
int dvmi_meet(dvm_group_t *g, int root, struct dvmi_door *door, bool accepts, int code,
	      uint64_t end, dvm_group_t **out);

#endif
