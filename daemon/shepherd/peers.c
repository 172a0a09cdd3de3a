/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "daemon/shepherd/jobmap.h"
#include "daemon/shepherd/peers.h"
#include "dvm/error.h"
#include "libdvm/base/idset.h"

/* Shepherds of other jobs that wait for one rank's address; more are not kept. */
#define ASKERS_MAX 4096

struct asker {
	uint64_t job;
	uint32_t node; /* id */
};

/* What is known of one rank's address, and who waits for it. */
struct entry {
	uint32_t rank;
	size_t len;		  /* 0: not known */
	struct dvmi_idset locals; /* local ranks that wait */
	struct dvmi_idset nodes;  /* node indexes that wait; for a rank of ours only */
	struct asker *askers;	  /* the same of other jobs */
	size_t n_askers;
	UT_hash_handle hh;
	uint8_t addr[DVMI_RANK_ADDR_MAX];
};

struct shep_peers {
	struct shep_peers_config c;
	struct entry *entries;
};

int shep_peers_create(struct shep_peers **out, const struct shep_peers_config *config)
{
	struct shep_peers *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	p->c = *config;
	*out = p;
	return 0;
}

void shep_peers_destroy(struct shep_peers *p)
{
	struct entry *e, *next;

	if (!p)
		return;
	HASH_ITER(hh, p->entries, e, next) {
		HASH_DEL(p->entries, e);
		dvmi_idset_free(&e->locals);
		dvmi_idset_free(&e->nodes);
		free(e->askers);
		free(e);
	}
	free(p);
}

static struct entry *find(const struct shep_peers *p, uint32_t rank)
{
	struct entry *e;

	HASH_FIND(hh, p->entries, &rank, sizeof rank, e);
	return e;
}

static struct entry *find_or_add(struct shep_peers *p, uint32_t rank)
{
	struct entry *e = find(p, rank);

	if (e || !(e = calloc(1, sizeof *e)))
		return e;
	e->rank = rank;
	HASH_ADD(hh, p->entries, rank, sizeof e->rank, e);
	return e;
}

/* Are these the ranks of another job? */
static bool is_linked(const struct shep_peers *p)
{
	return p->c.own != 0;
}

static bool is_local(const struct shep_peers *p, uint32_t rank)
{
	return !is_linked(p) && shep_jobmap_node_of(p->c.map, rank) == (int64_t)p->c.map->node;
}

/* 0 while the rank may still publish. */
static int why_never(const struct shep_peers *p, uint32_t rank)
{
	switch (shep_jobmap_state(p->c.map, rank)) {
	case DVMI_RANK_ALIVE:
		return 0;
	case DVMI_RANK_CLOSED:
		return -DVM_ECLOSED;
	default:
		return -DVM_EPEERLOST;
	}
}

static void send_lookup(struct shep_peers *p, uint32_t rank)
{
	Pb__PeerMessage msg = PB__PEER_MESSAGE__INIT;

	msg.job = p->c.job;
	msg.from_job = p->c.own;
	msg.from = p->c.node;
	msg.to = p->c.node_ids[shep_jobmap_node_of(p->c.map, rank)];
	msg.kind = PB__PEER_MESSAGE__KIND__LOOKUP;
	msg.rank = rank;
	p->c.send(&msg, p->c.arg);
}

/* To the shepherd of JOB at the node with that id. */
static void send_address(struct shep_peers *p, uint64_t job, uint32_t node, const struct entry *e,
			 int code)
{
	Pb__PeerMessage msg = PB__PEER_MESSAGE__INIT;

	msg.job = job;
	msg.from_job = job == p->c.job ? 0 : p->c.job;
	msg.from = p->c.node;
	msg.to = node;
	msg.kind = PB__PEER_MESSAGE__KIND__ADDRESS;
	msg.rank = e->rank;
	msg.code = code;
	if (code == 0)
		msg.address = (ProtobufCBinaryData){ .len = e->len, .data = (uint8_t *)e->addr };
	p->c.send(&msg, p->c.arg);
}

/* Tells everybody who waits, and they wait no more. */
static void settle(struct shep_peers *p, struct entry *e, int code)
{
	struct dvmi_idset locals = e->locals, nodes = e->nodes;

	struct asker *askers = e->askers;
	size_t n_askers = e->n_askers;

	e->locals = e->nodes = (struct dvmi_idset){ 0 };
	e->askers = NULL;
	e->n_askers = 0;
	for (size_t i = 0; i < locals.n; i++)
		for (uint32_t id = locals.r[i].lo; id <= locals.r[i].hi; id++)
			p->c.answer(id, e->rank, code, e->addr, code ? 0 : e->len, p->c.arg);
	for (size_t i = 0; i < nodes.n; i++)
		for (uint32_t id = nodes.r[i].lo; id <= nodes.r[i].hi; id++)
			send_address(p, p->c.job, p->c.node_ids[id], e, code);
	for (size_t i = 0; i < n_askers; i++)
		send_address(p, askers[i].job, askers[i].node, e, code);
	free(askers);
	dvmi_idset_free(&locals);
	dvmi_idset_free(&nodes);
}

static uint32_t local_rank_of(const struct shep_peers *p, uint32_t rank)
{
	const uint8_t *base = (const uint8_t *)p->c.map;

	return ((const uint32_t *)(base + p->c.map->local_rank_off))[rank];
}

void shep_peers_lookup(struct shep_peers *p, uint32_t local, uint32_t rank)
{
	if (rank >= p->c.map->size) {
		p->c.answer(local, rank, -EINVAL, NULL, 0, p->c.arg);
		return;
	}
	struct entry *e = find_or_add(p, rank);
	int code = why_never(p, rank);
	if (!e)
		code = -ENOMEM;
	if (code || e->len) {
		p->c.answer(local, rank, code, e ? e->addr : NULL, code ? 0 : e->len, p->c.arg);
		return;
	}
	bool first = e->locals.n == 0;
	if (dvmi_idset_add(&e->locals, local, local) < 0)
		p->c.answer(local, rank, -ENOMEM, NULL, 0, p->c.arg);
	else if (is_local(p, rank))
		p->c.wanted(local_rank_of(p, rank), p->c.arg);
	else if (first)
		send_lookup(p, rank);
}

void shep_peers_publish(struct shep_peers *p, uint32_t rank, const uint8_t *addr, size_t len)
{
	struct entry *e = find_or_add(p, rank);

	if (!e || len == 0 || len > sizeof e->addr)
		return;
	memcpy(e->addr, addr, len);
	e->len = len;
	settle(p, e, 0);
}

/* Index of a node of the job, other than ours within our own, or -EINVAL. */
static int64_t index_of(const struct shep_peers *p, uint32_t node_id)
{
	for (uint32_t i = 0; i < p->c.map->nnodes; i++)
		if (p->c.node_ids[i] == node_id && (is_linked(p) || i != p->c.map->node))
			return i;
	return -EINVAL;
}

static int add_asker(struct entry *e, const struct asker *who)
{
	for (size_t i = 0; i < e->n_askers; i++)
		if (e->askers[i].job == who->job && e->askers[i].node == who->node)
			return 0;
	if (e->n_askers >= ASKERS_MAX)
		return -ENOSPC;
	struct asker *v = reallocarray(e->askers, e->n_askers + 1, sizeof *v);
	if (!v)
		return -ENOMEM;
	e->askers = v;
	v[e->n_askers++] = *who;
	return 0;
}

/* From the shepherd of another job. */
static void take_foreign_lookup(struct shep_peers *p, uint32_t rank, const struct asker *who)
{
	struct entry *e = is_local(p, rank) ? find_or_add(p, rank) : NULL;

	if (!e)
		return;
	int code = why_never(p, rank);
	if (code || e->len)
		send_address(p, who->job, who->node, e, code);
	else if (add_asker(e, who) == 0)
		p->c.wanted(local_rank_of(p, rank), p->c.arg);
}

static void take_lookup(struct shep_peers *p, uint32_t rank, uint32_t from)
{
	struct entry *e = is_local(p, rank) ? find_or_add(p, rank) : NULL;

	if (!e)
		return;
	int code = why_never(p, rank);
	if (code || e->len)
		send_address(p, p->c.job, p->c.node_ids[from], e, code);
	else if (dvmi_idset_add(&e->nodes, from, from) == 0)
		p->c.wanted(local_rank_of(p, rank), p->c.arg);
}

static void take_address(struct shep_peers *p, const Pb__PeerMessage *msg, uint32_t from)
{
	struct entry *e = find(p, msg->rank);

	if (!e || shep_jobmap_node_of(p->c.map, msg->rank) != (int64_t)from)
		return;
	if (msg->code == 0 && (msg->address.len == 0 || msg->address.len > sizeof e->addr))
		return;
	if (msg->code == 0) {
		memcpy(e->addr, msg->address.data, msg->address.len);
		e->len = msg->address.len;
	}
	settle(p, e, msg->code < 0 ? msg->code : msg->code ? -DVM_EPROTO : 0);
}

void shep_peers_message(struct shep_peers *p, const Pb__PeerMessage *msg)
{
	const struct asker who = { msg->from_job, msg->from };
	int64_t from = index_of(p, msg->from);

	if (msg->from_job && !is_linked(p)) {
		if (msg->kind == PB__PEER_MESSAGE__KIND__LOOKUP)
			take_foreign_lookup(p, msg->rank, &who);
		return;
	}
	if (from < 0)
		return;
	if (msg->kind == PB__PEER_MESSAGE__KIND__LOOKUP)
		take_lookup(p, msg->rank, (uint32_t)from);
	else if (msg->kind == PB__PEER_MESSAGE__KIND__ADDRESS)
		take_address(p, msg, (uint32_t)from);
}

bool shep_peers_is_wanted(const struct shep_peers *p, uint32_t rank)
{
	const struct entry *e = find(p, rank);

	return e && e->len == 0 && (e->locals.n || e->nodes.n || e->n_askers);
}

void shep_peers_changed(struct shep_peers *p, uint32_t rank)
{
	struct entry *e = find(p, rank);
	int code = why_never(p, rank);

	if (e && code)
		settle(p, e, code);
}

void shep_peers_forget(struct shep_peers *p, uint32_t local)
{
	struct entry *e, *next;

	HASH_ITER(hh, p->entries, e, next)
		dvmi_idset_del(&e->locals, local, local);
}

size_t shep_peers_ask_again(struct shep_peers *p)
{
	struct entry *e, *next;
	size_t n = 0;

	HASH_ITER(hh, p->entries, e, next) {
		if (e->len || e->locals.n == 0 || is_local(p, e->rank))
			continue;
		send_lookup(p, e->rank);
		n++;
	}
	return n;
}
