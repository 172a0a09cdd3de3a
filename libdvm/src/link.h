/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Links: ranks of another job as peers. A link is a transport of its own between the members of
 * one group here and one there, who have numbers in it: those of the accepting side first. Its
 * face to the protocol adds the numbers that such peers have here, and turns the contexts of a
 * group here into those of the group there. doc/design/0011-groups.md. Under the handle's lock.
 */
#ifndef DVMI_SRC_LINK_H
#define DVMI_SRC_LINK_H

#include "libdvm/net/remote.h"
#include "libdvm/src/handle.h"

#define DVMI_LINK_ADDR 64 /* bytes of an address */

/* What a member says of itself; little-endian. */
struct dvmi_link_member {
	int32_t code;	   /* 0, or why it cannot take part */
	uint32_t rank;	   /* in its job */
	uint32_t addr_len; /* 1 … DVMI_LINK_ADDR */
	uint8_t addr[DVMI_LINK_ADDR];
};

struct dvmi_link {
	struct dvmi_tport face; /* peers by their numbers here */
	struct dvmi_tport *inner;
	struct dvmi_link *next;
	dvm_t *d;
	uint32_t base; /* the peer that is number 0 of the link */
	uint32_t self, size;
	uint32_t first_far, n_far;	  /* the members of the other job */
	uint32_t users;			  /* groups */
	struct dvmi_link_member *members; /* [size]; addr_len 0: not known yet */
	bool *asked;			  /* [size]: the transport waits for the address */
	/* Of the other job: what becomes of its ranks. NULL: nobody tells. */
	const struct dvmi_jobmap *map;
	size_t map_bytes;
	const _Atomic uint8_t *state;
	bool leaving; /* somebody has left and is not drained */
};

/* Opens a link of SIZE members with KEY, for its caller to put, and listens. 0, -ENOTCONN, -ENOSPC, -E…. */
int dvmi_link_open(dvm_t *d, uint64_t key, uint32_t self, uint32_t size, struct dvmi_link **out);
/* Ours: where we can be reached. */
void dvmi_link_self(const struct dvmi_link *l, struct dvmi_link_member *out);
/* Number I of the link is M. 0 or -DVM_EPROTO. */
int dvmi_link_member_set(struct dvmi_link *l, uint32_t i, const struct dvmi_link_member *m);
/* From now on states come from JOB's map. 0 or what the shepherd says. Releases the lock. */
int dvmi_link_watch(struct dvmi_link *l, uint64_t job);
void dvmi_link_unmap(struct dvmi_link *l);
/* RANK of the job that L watches has ended or closed. */
bool dvmi_link_has_left(const struct dvmi_link *l, uint32_t rank);
/* The same of PEER, as it is called here. */
bool dvmi_link_peer_left(const struct dvmi_link *l, uint32_t peer);
/* Looks at the states of the other job's members. */
void dvmi_link_look(struct dvmi_link *l);
/* A group needs L no more; without any the link ends when all is sent. */
void dvmi_link_put(struct dvmi_link *l);

/* The transport to far PEER. */
struct dvmi_tport *dvmi_link_route(dvm_t *d, uint32_t peer);
int dvmi_links_progress(dvm_t *d);
/* News: some state has changed. */
void dvmi_links_look(dvm_t *d);
/* True when nothing that was sent needs us any more. */
bool dvmi_links_flushed(dvm_t *d);
/* As arm of a transport: descriptors, -EAGAIN or -ENOTSUP. */
int dvmi_links_arm(dvm_t *d, struct pollfd *fds, int n);
void dvmi_links_disarm(dvm_t *d);
void dvmi_links_fini(dvm_t *d);

#endif
