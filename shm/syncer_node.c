/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Synchronisation as a service of a node: every rank is a home, and its service thread serves it.
 * The node's lock is ours, too. What dies with a home is an error for who asks there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "shm/syncer_private.h"

#define OBJECTS 65536u
#define ENTRIES 32768u

/* A message: what it is, and that. Little-endian. */
enum kind { ASK = 1, TELL = 2 };

struct message {
	uint64_t kind;
	union {
		struct dsm_sync_req ask;
		struct dsm_sync_reply tell;
	} u;
};

_Static_assert(sizeof(struct dsm_sync_req) == 48, "wire format");
_Static_assert(sizeof(struct dsm_sync_reply) == 24, "wire format");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "wire format");

#define ASK_BYTES  (sizeof(uint64_t) + sizeof(struct dsm_sync_req))
#define TELL_BYTES (sizeof(uint64_t) + sizeof(struct dsm_sync_reply))

struct by_node {
	struct dsm_syncer s; /* first */
	struct dsm_node *n;
	void *mem;
};

static struct by_node *node_of(struct dsm_syncer *s)
{
	return (struct by_node *)s;
}

static void enter(struct dsm_syncer *s)
{
	dsm_node_enter(node_of(s)->n);
}

static void leave(struct dsm_syncer *s)
{
	dsm_node_leave(node_of(s)->n);
}

static int wait_for(struct dsm_syncer *s, _Atomic uint32_t *word, uint64_t deadline)
{
	leave(s);
	int rc = dsm_node_wait(node_of(s)->n, word, deadline);
	enter(s);
	return rc;
}

static void wake(struct dsm_syncer *s, _Atomic uint32_t *word)
{
	(void)s;
	dsm_node_done(word, 1);
}

static void on_tell(void *arg, uint32_t rank, const struct dsm_sync_reply *r)
{
	struct by_node *b = arg;
	struct message m = { .kind = TELL, .u.tell = *r };

	/* To one that is gone, or without memory: it asks again, or is cut off, when that is seen.
	 */
	if (rank == b->s.self)
		dsm_sync_replied(&b->s.client, r);
	else
		dsm_node_post(b->n, rank, DSM_SYNC_SERVICE, &m, TELL_BYTES);
}

static int64_t agent_of(void *arg, uint32_t home, uint64_t id, int64_t preferred)
{
	struct by_node *b = arg;

	(void)id;
	(void)preferred;
	return home == b->s.self || dsm_node_alive(b->n, home) ? (int64_t)home : -1;
}

static int send_to(void *arg, uint32_t home, uint32_t agent, const struct dsm_sync_req *q)
{
	struct by_node *b = arg;
	struct message m = { .kind = ASK, .u.ask = *q };

	(void)home;
	if (agent == b->s.self) {
		dsm_syncer_serve(&b->s, q);
		return 0;
	}
	int rc = dsm_node_post(b->n, agent, DSM_SYNC_SERVICE, &m, ASK_BYTES);
	return rc == -ENOTCONN ? -DVM_EPEERLOST : rc;
}

/* Nobody speaks for another. */
static void on_message(void *arg, uint32_t from, const void *bytes, size_t len, uint64_t now)
{
	struct by_node *b = arg;
	struct message m = { 0 };

	(void)now;
	memcpy(&m, bytes, len < sizeof m ? len : sizeof m);
	if (m.kind == ASK && len == ASK_BYTES && m.u.ask.rank == from)
		dsm_syncer_serve(&b->s, &m.u.ask);
	else if (m.kind == TELL && len == TELL_BYTES)
		dsm_sync_replied(&b->s.client, &m.u.tell);
}

static void on_gone(void *arg, uint32_t node, uint64_t now)
{
	struct by_node *b = arg;

	(void)now;
	dsm_syncer_lost(&b->s, node, node);
}

static void destroy(struct dsm_syncer *s)
{
	struct by_node *b = node_of(s);

	dsm_node_unserve(b->n, DSM_SYNC_SERVICE);
	dsm_syncer_fini(s);
	free(b->mem);
	free(b);
}

static const struct dsm_way by_node = {
	.enter = enter,
	.leave = leave,
	.wait = wait_for,
	.wake = wake,
	.destroy = destroy,
	.client = { agent_of, send_to, dsm_syncer_changed },
};

int dsm_syncer_create(struct dsm_syncer **out, struct dsm_node *n)
{
	struct by_node *b = calloc(1, sizeof *b);

	if (!b)
		return -ENOMEM;
	b->n = n;
	/* Touched as far as it is used: that much of zeros comes from the system. */
	b->mem = calloc(1, dsm_sync_bytes(OBJECTS, ENTRIES));
	if (!b->mem) {
		free(b);
		return -ENOMEM;
	}
	dsm_sync_open(&b->s.home, b->mem, OBJECTS, ENTRIES, on_tell, b);
	dsm_syncer_init(&b->s, &by_node, dsm_node_self(n), dsm_node_size(n), dsm_node_size(n));
	struct dsm_service service = { .message = on_message, .gone = on_gone, .arg = b };
	int rc = dsm_node_serve(n, DSM_SYNC_SERVICE, &service);
	if (rc < 0) {
		dsm_syncer_fini(&b->s);
		free(b->mem);
		free(b);
		return rc;
	}
	*out = &b->s;
	return 0;
}
