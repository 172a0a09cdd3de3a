/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared by the tcp*.c files.
 *
 * Two threads at most: the owner, and the flusher once there is one. What the flusher touches is
 * under the lock: the list of those that have something unsent, their buffers and descriptors.
 */
#ifndef DVMI_NET_TCP_PRIVATE_H
#define DVMI_NET_TCP_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "libdvm/net/tcp.h"
#include "libdvm/net/unpack.h"
#include "libdvm/net/wire.h"

#define FRAME	   sizeof(struct dvmi_wire_frame)
#define EAGER_MAX  (16u * 1024)
#define CHUNK	   (128u * 1024)
#define GATHER_MAX (16u * 1024)			/* short packets written together */
#define OUT_ROOM   (GATHER_MAX + FRAME + CHUNK) /* what may be left of a write */
#define IN_ROOM	   (64u * 1024)			/* read at a time */
#define STRANGERS  64				/* connections that have not said hello */

/* An address as it is published. */
struct tcp_addr {
	uint32_t magic;
	uint16_t family; /* 4 or 6 */
	uint16_t port;	 /* both big-endian on the wire, in which form they stay */
	uint8_t ip[16];
};

enum link {
	LINK_NONE,  /* none was needed yet */
	LINK_DIAL,  /* we connect */
	LINK_CALL,  /* we have said hello */
	LINK_AWAIT, /* both of us have, and the peer's counts */
	LINK_UP,
	LINK_LOST,
};

struct peer {
	enum link link;
	int fd; /* -1: none; changed under the lock */
	uint32_t rank;
	int down;	 /* why no packet goes to it any more, or 0 */
	uint64_t broken; /* since when its connection is wanting, or 0 */
	uint64_t drain;	 /* since when it is known to have left, or 0 */
	bool asked, known, bye_got, bye_sent;
	bool ended; /* the stream from it */
	struct tcp_addr addr;
	struct dvmi_unpack in;
	struct dvmi_wire_hello hello; /* the welcome as far as it is here */
	uint32_t hello_len;
	/* Bursts, see tcp_tx.c. */
	uint32_t round, burst, free;
	uint64_t last;
	/* Under the lock: */
	uint8_t *out; /* OUT_ROOM, bytes from out_head on are unsent */
	uint32_t out_head, out_len;
	uint64_t held; /* since when, or 0: it waits for room in the socket */
	bool queued;   /* in the list */
	bool deaf;     /* a write has failed; reading tells the rest */
	bool wants;    /* EPOLLOUT is asked for */
	struct peer *next_queued;
};

struct stranger {
	int fd;
	uint32_t len;
	uint64_t since;
	struct dvmi_wire_hello hello;
};

struct tcp_flusher {
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_t thread;
	bool on;	   /* changed by the owner before and after the thread's life */
	bool stop, asleep; /* under the lock */
};

struct tcp {
	struct dvmi_tport t;
	struct dvmi_remote_config cfg;
	struct dvmi_wire_end end;
	struct dvmi_wire_limits limits;
	struct dvmi_sink inner; /* ours, between the stream and the owner's */
	int failed;		/* why there are no messages between nodes, or 0 */
	int epoll, listener;
	struct sockaddr_storage self;
	socklen_t self_len;
	struct peer *peers; /* [size] */
	struct peer *hot;   /* the last that something came from, or NULL */
	uint32_t nlinks;    /* descriptors of peers in use */
	uint32_t nbroken, nstuck;
	uint32_t round; /* counts progress */
	uint32_t looks; /* at the last busy connection */
	uint32_t idle;	/* rounds without an event */
	bool wanted, armed;
	bool roused; /* was armed since the last look: something may have come, from anyone */
	uint64_t leaving;
	uint8_t *in; /* IN_ROOM */
	struct stranger *strangers;
	uint32_t nstrangers;
	uint64_t dropped;
	_Atomic uint32_t nqueued;
	struct peer *queue;
	struct tcp_flusher flusher;
};

static inline struct tcp *tcp_of(struct dvmi_tport *t)
{
	return (struct tcp *)t;
}

static inline void lock(struct tcp *t)
{
	if (__builtin_expect(t->flusher.on, 0))
		pthread_mutex_lock(&t->flusher.lock);
}

static inline void unlock(struct tcp *t)
{
	if (__builtin_expect(t->flusher.on, 0))
		pthread_mutex_unlock(&t->flusher.lock);
}

/* tcp_addr.c: where we listen, and how that is told. */

/* A socket that listens at the first free port of the configured range. It, or -E…. */
int dvmi_tcp_listen(struct tcp *t);
void dvmi_tcp_self(const struct tcp *t, struct tcp_addr *out);
/* A socket that is being connected to ADDR. It, or -E…. */
int dvmi_tcp_dial(const struct tcp *t, const struct tcp_addr *addr);
/* Sets what a connection needs, once it stands. */
void dvmi_tcp_tune(int fd);
/* 0 or -DVM_EPROTO. */
int dvmi_tcp_addr_get(struct tcp_addr *out, const void *p, size_t n);

/* tcp_link.c: from nothing to a connection and to its end. */

/* Opens what is needed to be reached. 0 or why it cannot be. */
int dvmi_tcp_start(struct tcp *t);
/* What an event's number stands for. */
void dvmi_tcp_on_event(struct tcp *t, uint64_t what, uint32_t events);
/* Sees to it that there will be a connection to P, whose address is known. */
void dvmi_tcp_connect(struct tcp *t, struct peer *p);
/* The connection of P is over. What it had brought stays. */
void dvmi_tcp_lose(struct tcp *t, struct peer *p);
/* P is lost to us with CODE; the sink is told once. */
void dvmi_tcp_peer_down(struct tcp *t, struct peer *p, int code);
/* Ends peers for whose broken connection there was no word. */
void dvmi_tcp_judge(struct tcp *t);
/* Asks the kernel to tell when more can be written. Under the lock. */
void dvmi_tcp_want_room(struct tcp *t, struct peer *p, bool want);
void dvmi_tcp_close_all(struct tcp *t);

/* tcp_tx.c */

int dvmi_tcp_send(struct dvmi_tport *t, uint32_t peer, const struct dvmi_pkt *pkt,
		  const void *payload);
/* Writes what is unsent, as far as it goes. Under the lock. */
void dvmi_tcp_flush_held(struct tcp *t, uint64_t older_than);
/* The same by the owner, without the lock. Returns the number of those that have all away. */
int dvmi_tcp_flush(struct tcp *t);
/* P has nothing unsent any more, be it lost. Under the lock. */
void dvmi_tcp_forget(struct tcp *t, struct peer *p);

/* tcp_rx.c */

/* Reads from P. Returns the number of events. */
int dvmi_tcp_read(struct tcp *t, struct peer *p);
/* Offers what the sink could not take. */
int dvmi_tcp_retry(struct tcp *t);

/* tcp_flusher.c */

/* Something was held back: makes sure it will go. Under the lock, if there is one already. */
int dvmi_tcp_flusher_start(struct tcp *t);
void dvmi_tcp_flusher_poke(struct tcp *t);
void dvmi_tcp_flusher_stop(struct tcp *t);

#endif
