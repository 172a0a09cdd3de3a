/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "daemon/shepherd/jobmap.h"
#include "daemon/shepherd/linked_private.h"
#include "dvm/error.h"
#include "libdvm/base/clock.h"

#define LINKS_MAX     1024 /* each takes a descriptor */
#define WATCH_SOON    (1 * DVMI_SEC)
#define WATCH_EVERY   (10 * DVMI_SEC)
#define ASK_AGAIN     (1 * DVMI_SEC)
#define LAST_WORDS    (500 * DVMI_MSEC) /* of shepherds whose job is over, on another way than that news */
#define RECORD_MS     30000

struct shep_linked *shep_links_find(const struct shep *s, uint64_t job)
{
	struct shep_linked *l;

	DL_SEARCH_SCALAR(s->links.list, l, job, job);
	return l;
}

/* ---- states ---- */

void shep_linked_mark(struct shep_linked *l, uint32_t rank, enum dvmi_rank_state state)
{
	if (!shep_jobmap_mark(l->mem.map, rank, state))
		return;
	shep_peers_changed(l->peers, rank);
	l->s->news.linked = true;
}

void shep_links_ended(struct shep *s, uint64_t job, int32_t status, const char *reason,
		      const struct dvmi_idset *to)
{
	const struct dvmi_rank_event e = { .kind = DVMI_EVENT_JOB_ENDED,
					   .job = job,
					   .status = status };

	for (unsigned i = 0; i < SHEP_ENDED_TOLD; i++)
		if (s->links.told[i] == job)
			return;
	s->links.told[s->links.next_told++ % SHEP_ENDED_TOLD] = job;
	shep_event_send(s, &e, reason, to);
}

static void tell_ended(struct shep_linked *l)
{
	if (l->ended)
		return;
	l->ended = true;
	/* A child's end is for all ranks of its parent. */
	shep_links_ended(l->s, l->job, l->exit_code, l->reason,
			 l->parent == l->s->c->launch->job ? NULL : &l->locals);
}

void shep_linked_exit(struct shep_linked *l, uint32_t rank, int32_t status, uint32_t signal)
{
	struct dvmi_rank_event e = { .kind = DVMI_EVENT_RANK_EXIT,
				     .rank = rank,
				     .job = l->job,
				     .status = status,
				     .signal = signal };

	if (rank >= l->mem.map->size || l->told[rank])
		return;
	l->told[rank] = 1;
	l->n_told++;
	e.node = l->node_ids[shep_jobmap_node_of(l->mem.map, rank)];
	shep_event_send(l->s, &e, "", &l->locals);
	if (l->over_by && l->n_told == l->mem.map->size)
		tell_ended(l);
}

static void lose_rank(struct shep_linked *l, uint32_t rank)
{
	shep_linked_mark(l, rank, DVMI_RANK_GONE);
	shep_linked_exit(l, rank, -1, 0);
}

static void lose_all(struct shep_linked *l)
{
	for (uint32_t r = 0; r < l->mem.map->size; r++)
		lose_rank(l, r);
	tell_ended(l);
}

static void is_over(struct shep_linked *l, int32_t exit_code, const char *reason)
{
	if (l->over_by)
		return;
	l->over_by = dvmi_clock_mono() + LAST_WORDS;
	l->exit_code = exit_code;
	snprintf(l->reason, sizeof l->reason, "%s", reason);
	if (l->n_told == l->mem.map->size)
		tell_ended(l);
}

void shep_links_job(struct shep *s, const Pb__News *n)
{
	struct shep_linked *l = shep_links_find(s, n->job);

	if (n->state != PB__JOB_STATE__JOB_DONE)
		return;
	if (l)
		is_over(l, n->exit_code, n->reason);
	else if (n->parent == s->c->launch->job && !shep_ask_spawns(s, n->job))
		shep_links_ended(s, n->job, n->exit_code, n->reason, NULL);
}

void shep_links_host_lost(struct shep *s, uint32_t node)
{
	struct shep_linked *l;

	DL_FOREACH(s->links.list, l)
		for (uint32_t r = 0; r < l->mem.map->size; r++)
			if (l->node_ids[shep_jobmap_node_of(l->mem.map, r)] == node)
				lose_rank(l, r);
}

/* ---- making and ending ---- */

static void send_answer(uint32_t local, uint32_t rank, int code, const uint8_t *addr, size_t len,
			void *arg)
{
	struct shep_linked *l = arg;

	shep_wire_send_address(l->s, local, l->job, rank, code, addr, len);
}

/* Linked ranks are never ours: nobody here is wanted. */
static void send_wanted(uint32_t local, void *arg)
{
}

static void send_peer(const Pb__PeerMessage *msg, void *arg)
{
	struct shep_linked *l = arg;

	shep_link_send_pb(l->s->link, DVMI_MSG_PEER, msg);
}

static void destroy(struct shep *s, struct shep_linked *l)
{
	DL_DELETE(s->links.list, l);
	shep_peers_destroy(l->peers);
	shep_jobmem_destroy(&l->mem);
	dvmi_idset_free(&l->locals);
	free(l->node_ids);
	free(l->heard);
	free(l->told);
	free(l);
}

static int make_peers(struct shep_linked *l)
{
	const struct shep_peers_config config = {
		.job = l->job,
		.own = l->s->c->launch->job,
		.node = l->s->share->node,
		.map = l->mem.map,
		.node_ids = l->node_ids,
		.answer = send_answer,
		.wanted = send_wanted,
		.send = send_peer,
		.arg = l,
	};

	return shep_peers_create(&l->peers, &config);
}

static int make(struct shep_linked *l, const Pb__Placement *p)
{
	l->node_ids = calloc(p->n_nodes + 1, sizeof *l->node_ids);
	l->heard = calloc(p->n_nodes + 1, sizeof *l->heard);
	l->told = calloc((size_t)p->ranks + 1, 1);
	if (!l->node_ids || !l->heard || !l->told)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_nodes; i++)
		l->node_ids[i] = p->nodes[i]->node;
	int rc = shep_jobmem_create_linked(&l->mem, l->job, p, l->s->share->node, l->s->mem.map);
	return rc < 0 ? rc : make_peers(l);
}

static bool is_full(const struct shep *s)
{
	const struct shep_linked *l;
	unsigned n = 0;

	DL_COUNT(s->links.list, l, n);
	return n >= LINKS_MAX;
}

struct shep_linked *shep_links_add(struct shep *s, const Pb__JobRecord *r)
{
	struct shep_linked *l = shep_links_find(s, r->id);

	if (l)
		return l;
	if (!r->placement || !r->spec || is_full(s) || !(l = calloc(1, sizeof *l)))
		return NULL;
	l->s = s;
	l->job = r->id;
	l->key = r->key;
	l->parent = r->spec->parent_job;
	l->parent_rank = r->spec->parent_rank;
	l->mem = (struct shep_jobmem){ .map_fd = -1, .rings_fd = -1 };
	DL_APPEND(s->links.list, l);
	if (make(l, r->placement) < 0) {
		destroy(s, l);
		return NULL;
	}
	shep_linked_watch(l, true);
	l->watch_at = dvmi_clock_mono() + WATCH_SOON;
	shep_events_want_hosts(s);
	if (r->state == PB__JOB_STATE__JOB_DONE)
		is_over(l, r->exit_code, r->reason);
	return l;
}

int shep_links_join(struct shep_linked *l, uint32_t local)
{
	return dvmi_idset_add(&l->locals, local, local);
}

bool shep_links_has(const struct shep_linked *l, uint32_t local)
{
	return dvmi_idset_has(&l->locals, local);
}

static void leave(struct shep *s, struct shep_linked *l, uint32_t local)
{
	shep_peers_forget(l->peers, local);
	dvmi_idset_del(&l->locals, local, local);
	if (l->locals.n == 0)
		destroy(s, l);
}

void shep_links_leave(struct shep *s, uint64_t job, uint32_t local)
{
	struct shep_linked *l = shep_links_find(s, job);

	if (l && shep_links_has(l, local))
		leave(s, l, local);
}

void shep_links_forget(struct shep *s, uint32_t local)
{
	struct shep_linked *l, *next;

	DL_FOREACH_SAFE(s->links.list, l, next)
		if (shep_links_has(l, local))
			leave(s, l, local);
}

int shep_links_map(const struct shep_linked *l, struct dvmi_rank_linked *out)
{
	*out = (struct dvmi_rank_linked){ .map_bytes = l->mem.bytes,
					  .key = l->key,
					  .parent_job = l->parent,
					  .parent_rank = l->parent_rank,
					  .size = l->mem.map->size };
	return l->mem.map_fd;
}

void shep_links_lookup(struct shep *s, uint32_t local, uint64_t job, uint32_t rank)
{
	struct shep_linked *l = shep_links_find(s, job);

	if (!l || !shep_links_has(l, local)) {
		shep_wire_send_address(s, local, job, rank, -EINVAL, NULL, 0);
		return;
	}
	shep_peers_lookup(l->peers, local, rank);
	if (!l->ask_again)
		l->ask_again = dvmi_clock_mono() + ASK_AGAIN;
}

/* ---- upkeep ---- */

/* News may have been missed: how is that job now? */
static void on_record(struct shep *s, struct shep_ask *a, const struct shep_said *said)
{
	cleanup_pb Pb__JobRecord *r = NULL;
	struct shep_linked *l = shep_links_find(s, a->job);

	if (l && said->code == -ENOENT)
		is_over(l, 0, "");
	else if (l && said->code == 0 &&
		 dvmi_pb_unpack(&pb__job_record__descriptor, said->body, said->len, &r) == 0 &&
		 r->state == PB__JOB_STATE__JOB_DONE)
		is_over(l, r->exit_code, r->reason);
	shep_ask_drop(s, a);
}

static void ask_record(struct shep *s, uint64_t job)
{
	Pb__JobRef ref = PB__JOB_REF__INIT;
	struct shep_ask *a = shep_asks_own(s, RECORD_MS);

	if (!a)
		return;
	a->job = ref.job = job;
	shep_ask_call(s, a, DVMI_MSG_JOB_RECORD, &ref, true, on_record);
}

void shep_links_up(struct shep *s)
{
	struct shep_linked *l;

	DL_FOREACH(s->links.list, l)
	{
		ask_record(s, l->job);
		shep_linked_watch(l, true);
		shep_peers_ask_again(l->peers);
	}
}

static bool all_heard(const struct shep_linked *l)
{
	for (uint32_t i = 0; i < l->mem.map->nnodes; i++)
		if (!l->heard[i])
			return false;
	return true;
}

static void turn(struct shep_linked *l, uint64_t now)
{
	if (!l->over_by && now >= l->watch_at) {
		bool all = all_heard(l);
		shep_linked_watch(l, all);
		if (!all) /* who does not answer may be over */
			ask_record(l->s, l->job);
		l->watch_at = now + (all ? WATCH_EVERY : WATCH_SOON);
	}
	if (l->over_by && !l->ended && now >= l->over_by)
		lose_all(l);
	if (l->ask_again && now >= l->ask_again)
		l->ask_again = shep_peers_ask_again(l->peers) ? now + ASK_AGAIN : 0;
}

void shep_links_turn(struct shep *s, uint64_t now)
{
	struct shep_linked *l, *next;

	DL_FOREACH_SAFE(s->links.list, l, next)
	{
		turn(l, now);
		/* All that its map will ever say stands in it, and is the ranks' who mapped it. */
		if (l->ended)
			destroy(s, l);
	}
	if (s->news.linked) {
		s->news.linked = false;
		shep_server_tell_changed(s->server);
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return b && (!a || b < a) ? b : a;
}

uint64_t shep_links_next(const struct shep *s)
{
	const struct shep_linked *l;
	uint64_t t = 0;

	DL_FOREACH(s->links.list, l)
	{
		t = earlier(t, l->over_by ? 0 : l->watch_at);
		t = earlier(t, l->over_by);
		t = earlier(t, l->ask_again);
	}
	return t;
}

void shep_links_free(struct shep *s)
{
	while (s->links.list)
		destroy(s, s->links.list);
	free(s->links.watchers);
}
