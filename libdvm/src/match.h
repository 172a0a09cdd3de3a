/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Matching of messages and receives, as pure data structures: no sockets, no memory of its own
 * beside its bins, no time.
 *
 * A posted receive takes the oldest message that fits; a message goes to the oldest posted
 * receive that fits. Receives that name source and tag, and all messages, are in bins by
 * (context, source, tag), so thousands of them cost nothing; receives with a wildcard are in one
 * list in the order of posting, and a sequence number decides between the two. Messages are in
 * one more list in the order of arrival, for wildcards to search.
 */
#ifndef DVMI_SRC_MATCH_H
#define DVMI_SRC_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DVMI_MATCH_ANY (-1)

/* Source and tag may be DVMI_MATCH_ANY in a receive. */
struct dvmi_match_key {
	uint32_t ctx;
	int32_t source, tag;
};

/*
 * A key, whose first two members are written as one word: keys are read so again at once, and two
 * short writes that are still under way make a processor wait.
 */
static inline struct dvmi_match_key dvmi_match_key(uint32_t ctx, int32_t source, int32_t tag)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	uint64_t both = (uint64_t)(uint32_t)source << 32 | ctx;
#else
	uint64_t both = (uint64_t)ctx << 32 | (uint32_t)source;
#endif
	struct dvmi_match_key k;

	memcpy(&k, &both, sizeof both);
	k.tag = tag;
	return k;
}

struct dvmi_match_link {
	struct dvmi_match_link *prev, *next;
};

/* Embedded in its owner; belongs to the engine between post and match (or cancel). */
struct dvmi_match_recv {
	struct dvmi_match_link link;
	struct dvmi_match_key key;
	uint64_t seq;
};

/* A message that met no receive; belongs to the engine between keep and match. */
struct dvmi_match_msg {
	struct dvmi_match_link link;  /* in its bin */
	struct dvmi_match_link order; /* in the order of arrival */
	struct dvmi_match_key key;
};

struct dvmi_match {
	struct dvmi_match_link *recv_bins, *msg_bins; /* circular lists with the bin as head */
	struct dvmi_match_link wild, arrival;
	size_t nbins; /* of each kind, a power of two */
	size_t nexact, nwild, nmsgs;
	uint64_t seq;
};

/* 0 or -ENOMEM. */
int dvmi_match_init(struct dvmi_match *m);
/* Forgets what is still in it; the owners free their objects. */
void dvmi_match_fini(struct dvmi_match *m);

/* Takes the oldest message that R (its key is set) fits out of the engine, or NULL. */
struct dvmi_match_msg *dvmi_match_take_kept(struct dvmi_match *m, const struct dvmi_match_key *key);
/* The same message without taking it. */
struct dvmi_match_msg *dvmi_match_peek(const struct dvmi_match *m,
				       const struct dvmi_match_key *key);

static inline struct dvmi_match_msg *dvmi_match_take(struct dvmi_match *m,
						     const struct dvmi_match_key *key)
{
	return __builtin_expect(m->nmsgs != 0, 0) ? dvmi_match_take_kept(m, key) : NULL;
}

/* What follows is in the header because it is most of what a short message costs. */

static inline bool dvmi_match_is_wild(const struct dvmi_match_key *k)
{
	return k->source == DVMI_MATCH_ANY || k->tag == DVMI_MATCH_ANY;
}

static inline bool dvmi_match_same(const struct dvmi_match_key *a, const struct dvmi_match_key *b)
{
	return a->tag == b->tag && a->source == b->source && a->ctx == b->ctx;
}

/* Neighbouring tags and sources must not share bins; the multiply spreads them. */
static inline size_t dvmi_match_bin(const struct dvmi_match_key *k, size_t nbins)
{
	uint64_t h = ((uint64_t)(uint32_t)k->source << 32 | (uint32_t)k->tag) + k->ctx;

	return (h * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (nbins - 1);
}

static inline void dvmi_match_append(struct dvmi_match_link *head, struct dvmi_match_link *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

static inline void dvmi_match_unlink(struct dvmi_match_link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
}

void dvmi_match_post_slowly(struct dvmi_match *m, struct dvmi_match_recv *r);
struct dvmi_match_recv *dvmi_match_search(struct dvmi_match *m, const struct dvmi_match_key *key);

/* Queues R, for which take found nothing. */
static inline void dvmi_match_post(struct dvmi_match *m, struct dvmi_match_recv *r)
{
	if (__builtin_expect(dvmi_match_is_wild(&r->key) || m->nexact + m->nmsgs >= 2 * m->nbins,
			     0)) {
		dvmi_match_post_slowly(m, r);
		return;
	}
	r->seq = m->seq++;
	dvmi_match_append(&m->recv_bins[dvmi_match_bin(&r->key, m->nbins)], &r->link);
	m->nexact++;
}

/* A message with KEY has come: takes the receive it belongs to out of the engine, or NULL. */
static inline struct dvmi_match_recv *dvmi_match_arrive(struct dvmi_match *m,
							const struct dvmi_match_key *key)
{
	if (__builtin_expect(!m->nexact || m->nwild, 0))
		return dvmi_match_search(m, key);
	struct dvmi_match_link *bin = &m->recv_bins[dvmi_match_bin(key, m->nbins)];
	struct dvmi_match_recv *r =
		(struct dvmi_match_recv *)(void *)bin->next; /* its first member */
	if (__builtin_expect(bin->next == bin || !dvmi_match_same(key, &r->key), 0))
		return dvmi_match_search(m, key);
	dvmi_match_unlink(&r->link);
	m->nexact--;
	return r;
}

/* Queues MSG (its key is set), for which arrive found nothing. */
void dvmi_match_keep(struct dvmi_match *m, struct dvmi_match_msg *msg);

/* Takes R out again. */
void dvmi_match_cancel(struct dvmi_match *m, struct dvmi_match_recv *r);
/* Takes MSG out again. */
void dvmi_match_drop(struct dvmi_match *m, struct dvmi_match_msg *msg);

/* Calls FN for every posted receive; FN may cancel the one it was called for. */
void dvmi_match_each_recv(struct dvmi_match *m, void (*fn)(struct dvmi_match_recv *r, void *arg),
			  void *arg);
/* Calls FN for every kept message in order of arrival; FN may drop the one it was called for. */
void dvmi_match_each_msg(struct dvmi_match *m, void (*fn)(struct dvmi_match_msg *msg, void *arg),
			 void *arg);

#endif
