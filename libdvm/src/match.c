/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/src/match.h"

#define FIRST_BINS		   64
#define container(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

static void list_init(struct dvmi_match_link *head)
{
	head->prev = head->next = head;
}

static struct dvmi_match_recv *recv_at(struct dvmi_match_link *l)
{
	return container(l, struct dvmi_match_recv, link);
}

static struct dvmi_match_msg *msg_in_bin(struct dvmi_match_link *l)
{
	return container(l, struct dvmi_match_msg, link);
}

static struct dvmi_match_msg *msg_in_order(struct dvmi_match_link *l)
{
	return container(l, struct dvmi_match_msg, order);
}

static bool fits(const struct dvmi_match_key *want, const struct dvmi_match_key *k)
{
	return want->ctx == k->ctx &&
	       (want->source == DVMI_MATCH_ANY || want->source == k->source) &&
	       (want->tag == DVMI_MATCH_ANY || want->tag == k->tag);
}

static struct dvmi_match_link *new_bins(size_t n)
{
	struct dvmi_match_link *bins = malloc(n * sizeof *bins);

	for (size_t i = 0; bins && i < n; i++)
		list_init(&bins[i]);
	return bins;
}

int dvmi_match_init(struct dvmi_match *m)
{
	*m = (struct dvmi_match){ .nbins = FIRST_BINS };
	list_init(&m->wild);
	list_init(&m->arrival);
	m->recv_bins = new_bins(FIRST_BINS);
	m->msg_bins = new_bins(FIRST_BINS);
	if (m->recv_bins && m->msg_bins)
		return 0;
	dvmi_match_fini(m);
	return -ENOMEM;
}

void dvmi_match_fini(struct dvmi_match *m)
{
	free(m->recv_bins);
	free(m->msg_bins);
	*m = (struct dvmi_match){ 0 };
}

/* Moves everything into twice as many bins; order within a bin is kept. */
static void rehash(struct dvmi_match *m, struct dvmi_match_link *recvs,
		   struct dvmi_match_link *msgs, size_t n)
{
	for (size_t i = 0; i < m->nbins; i++) {
		for (struct dvmi_match_link *l = m->recv_bins[i].next, *next; l != &m->recv_bins[i];
		     l = next) {
			next = l->next;
			dvmi_match_append(&recvs[dvmi_match_bin(&recv_at(l)->key, n)], l);
		}
		for (struct dvmi_match_link *l = m->msg_bins[i].next, *next; l != &m->msg_bins[i];
		     l = next) {
			next = l->next;
			dvmi_match_append(&msgs[dvmi_match_bin(&msg_in_bin(l)->key, n)], l);
		}
	}
}

static void grow(struct dvmi_match *m)
{
	size_t n = m->nbins * 4;
	struct dvmi_match_link *recvs = new_bins(n), *msgs = new_bins(n);

	/* Without memory the bins only get longer. */
	if (!recvs || !msgs) {
		free(recvs);
		free(msgs);
		return;
	}
	rehash(m, recvs, msgs, n);
	free(m->recv_bins);
	free(m->msg_bins);
	m->recv_bins = recvs;
	m->msg_bins = msgs;
	m->nbins = n;
}

static void maybe_grow(struct dvmi_match *m)
{
	if (__builtin_expect(m->nexact + m->nmsgs > 2 * m->nbins, 0))
		grow(m);
}

struct dvmi_match_msg *dvmi_match_peek(const struct dvmi_match *m, const struct dvmi_match_key *key)
{
	if (__builtin_expect(!m->nmsgs, 1))
		return NULL;
	if (dvmi_match_is_wild(key)) {
		for (struct dvmi_match_link *l = m->arrival.next; l != &m->arrival; l = l->next)
			if (fits(key, &msg_in_order(l)->key))
				return msg_in_order(l);
		return NULL;
	}
	struct dvmi_match_link *bin = &m->msg_bins[dvmi_match_bin(key, m->nbins)];
	for (struct dvmi_match_link *l = bin->next; l != bin; l = l->next)
		if (dvmi_match_same(key, &msg_in_bin(l)->key))
			return msg_in_bin(l);
	return NULL;
}

struct dvmi_match_msg *dvmi_match_take_kept(struct dvmi_match *m, const struct dvmi_match_key *key)
{
	struct dvmi_match_msg *msg = dvmi_match_peek(m, key);

	if (msg)
		dvmi_match_drop(m, msg);
	return msg;
}

void dvmi_match_drop(struct dvmi_match *m, struct dvmi_match_msg *msg)
{
	dvmi_match_unlink(&msg->link);
	dvmi_match_unlink(&msg->order);
	m->nmsgs--;
}

void dvmi_match_keep(struct dvmi_match *m, struct dvmi_match_msg *msg)
{
	maybe_grow(m);
	dvmi_match_append(&m->msg_bins[dvmi_match_bin(&msg->key, m->nbins)], &msg->link);
	dvmi_match_append(&m->arrival, &msg->order);
	m->nmsgs++;
}

void dvmi_match_post_slowly(struct dvmi_match *m, struct dvmi_match_recv *r)
{
	r->seq = m->seq++;
	if (dvmi_match_is_wild(&r->key)) {
		dvmi_match_append(&m->wild, &r->link);
		m->nwild++;
		return;
	}
	maybe_grow(m);
	dvmi_match_append(&m->recv_bins[dvmi_match_bin(&r->key, m->nbins)], &r->link);
	m->nexact++;
}

void dvmi_match_cancel(struct dvmi_match *m, struct dvmi_match_recv *r)
{
	dvmi_match_unlink(&r->link);
	if (dvmi_match_is_wild(&r->key))
		m->nwild--;
	else
		m->nexact--;
}

static struct dvmi_match_recv *oldest_exact(struct dvmi_match *m, const struct dvmi_match_key *key)
{
	struct dvmi_match_link *bin = &m->recv_bins[dvmi_match_bin(key, m->nbins)];

	for (struct dvmi_match_link *l = bin->next; l != bin; l = l->next)
		if (dvmi_match_same(key, &recv_at(l)->key))
			return recv_at(l);
	return NULL;
}

static struct dvmi_match_recv *oldest_wild(struct dvmi_match *m, const struct dvmi_match_key *key)
{
	for (struct dvmi_match_link *l = m->wild.next; l != &m->wild; l = l->next)
		if (fits(&recv_at(l)->key, key))
			return recv_at(l);
	return NULL;
}

struct dvmi_match_recv *dvmi_match_search(struct dvmi_match *m, const struct dvmi_match_key *key)
{
	struct dvmi_match_recv *r = m->nexact ? oldest_exact(m, key) : NULL;
	struct dvmi_match_recv *w = m->nwild ? oldest_wild(m, key) : NULL;

	if (!r || (w && w->seq < r->seq))
		r = w;
	if (r)
		dvmi_match_cancel(m, r);
	return r;
}

void dvmi_match_each_recv(struct dvmi_match *m, void (*fn)(struct dvmi_match_recv *r, void *arg),
			  void *arg)
{
	for (size_t i = 0; i <= m->nbins; i++) {
		struct dvmi_match_link *head = i < m->nbins ? &m->recv_bins[i] : &m->wild;
		for (struct dvmi_match_link *l = head->next, *next; l != head; l = next) {
			next = l->next;
			fn(recv_at(l), arg);
		}
	}
}

void dvmi_match_each_msg(struct dvmi_match *m, void (*fn)(struct dvmi_match_msg *msg, void *arg),
			 void *arg)
{
	for (struct dvmi_match_link *l = m->arrival.next, *next; l != &m->arrival; l = next) {
		next = l->next;
		fn(msg_in_order(l), arg);
	}
}
