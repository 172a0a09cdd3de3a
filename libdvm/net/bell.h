/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waking a sleeping rank of the same node: a Unix datagram socket per rank in the job's directory.
 * A descriptor rather than a futex, because a sleeper also waits for its shepherd and its fabric.
 * It is bound on the first sleep, so ranks that never sleep pay nothing.
 */
#ifndef DVMI_NET_BELL_H
#define DVMI_NET_BELL_H

#include <stdint.h>
#include <sys/un.h>

struct dvmi_bell {
	char dir[sizeof((struct sockaddr_un *)0)->sun_path];
	uint32_t self;
	int fd; /* our own bell, -1 until armed */
	int tx; /* to ring others, -1 until needed */
};

/* DIR too long for a socket address makes a bell that cannot be armed. */
void dvmi_bell_init(struct dvmi_bell *b, const char *dir, uint32_t self);
void dvmi_bell_fini(struct dvmi_bell *b);

/* The descriptor that becomes readable when somebody rings, or -E… (then sleep only briefly). */
int dvmi_bell_fd(struct dvmi_bell *b);

/* Takes all rings so far. */
void dvmi_bell_clear(struct dvmi_bell *b);

/* Rings at local rank PEER. Errors do not matter: a peer without a bell sleeps only briefly. */
void dvmi_bell_ring(struct dvmi_bell *b, uint32_t peer);

#endif
