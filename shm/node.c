/* SPDX-License-Identifier: BSD-3-Clause */
/* A node: its life, what comes, and who is there. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

#include "libdvm/base/clock.h"
#include "shm/node_private.h"

#define LOOK_EVERY (20 * DVMI_MSEC) /* for who has died */
#define EARLY_MAX  4096
#define FAULTS_MAX 32

/* ---- life ---- */

static int init(struct dsm_node *n)
{
	n->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (n->kick < 0)
		return -errno;
	int rc = dsm_member_init(&n->member, n->c.self, n->c.nodes);
	if (rc == 0)
		rc = dsm_out_init(n);
	if (rc == 0)
		rc = dsm_run_start(n);
	return rc;
}

int dsm_node_create(struct dsm_node **out, const struct dsm_node_config *c)
{
	if (!c->nodes || c->nodes > DSM_NODES_MAX || c->self >= c->nodes)
		return -EINVAL;
	struct dsm_node *n = calloc(1, sizeof *n);
	if (!n)
		return -ENOMEM;
	n->c = *c;
	n->kick = n->uffd[0].fd = n->uffd[1].fd = -1;
	pthread_mutex_init(&n->lock, NULL);
	/* The link may deliver as soon as there is a thread. */
	*out = n;
	int rc = init(n);
	if (rc < 0) {
		*out = NULL;
		dsm_node_destroy(n);
	}
	return rc;
}

void dsm_node_destroy(struct dsm_node *n)
{
	struct dsm_early *e, *tmp;

	if (!n)
		return;
	dsm_run_stop(n);
	DL_FOREACH_SAFE(n->early, e, tmp)
		free(e);
	dsm_uffd_close(&n->uffd[0]);
	dsm_uffd_close(&n->uffd[1]);
	dsm_out_fini(n);
	dsm_member_fini(&n->member);
	free(n->self);
	if (n->kick >= 0)
		close(n->kick);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

uint32_t dsm_node_self(const struct dsm_node *n)
{
	return n->c.self;
}

uint32_t dsm_node_size(const struct dsm_node *n)
{
	return n->c.nodes;
}

bool dsm_node_alive(const struct dsm_node *n, uint32_t node)
{
	return node < n->c.nodes && !n->member.gone[node] && (!n->cut || node == n->c.self);
}

int dsm_node_uffd(struct dsm_node *n, bool signals, const struct dsm_uffd **out)
{
	struct dsm_uffd *u = &n->uffd[signals];
	bool there = u->fd >= 0;
	int rc = there ? 0 : dsm_uffd_open(u, signals, n->c.open_uffd, n->c.arg);

	n->fresh |= !there && rc == 0;
	*out = u;
	return rc;
}

int dsm_node_maps(struct dsm_node *n, bool signals)
{
	const struct dsm_uffd *u;

	dsm_node_enter(n);
	int rc = dsm_node_uffd(n, signals, &u);
	dsm_node_leave(n);
	return rc < 0 ? rc : u->minor;
}

/* ---- services ---- */

int dsm_node_serve(struct dsm_node *n, unsigned number, const struct dsm_service *s)
{
	if (number >= DSM_SERVICES || !s->message)
		return -EINVAL;
	dsm_node_enter(n);
	int rc = n->services[number].message ? -EBUSY : 0;
	if (rc == 0)
		n->services[number] = *s;
	dsm_node_leave(n);
	return rc;
}

void dsm_node_unserve(struct dsm_node *n, unsigned number)
{
	dsm_node_enter(n);
	if (number < DSM_SERVICES)
		memset(&n->services[number], 0, sizeof n->services[number]);
	dsm_node_leave(n);
}

static int post_own(struct dsm_node *n, unsigned number, const void *message, size_t len)
{
	size_t need = n->self_len + dsm_wire_room(len);

	if (need > n->self_room) {
		uint8_t *p = realloc(n->self, need * 2);
		if (!p)
			return -ENOMEM;
		n->self = p;
		n->self_room = need * 2;
	}
	memcpy(dsm_wire_record(n->self + n->self_len, number, len), message, len);
	n->self_len = need;
	return 0;
}

int dsm_node_post(struct dsm_node *n, uint32_t to, unsigned number, const void *message, size_t len)
{
	if (to >= n->c.nodes || number >= DSM_SERVICES || len > DSM_POST_MAX)
		return -EINVAL;
	if (to == n->c.self)
		return post_own(n, number, message, len);
	if (!dsm_node_alive(n, to))
		return -ENOTCONN;
	void *body = dsm_out_record(n, to, number, len);
	if (!body)
		return -ENOMEM;
	memcpy(body, message, len);
	return 0;
}

/* ---- who is there ---- */

static void tell(struct dsm_node *n, uint32_t to, unsigned service)
{
	void *body = dsm_out_in_lane(n, to, service, dsm_wire_view_len(n->c.nodes),
				     DSM_LANE_FREE);

	if (body)
		dsm_wire_put_view(body, n->member.epoch, n->member.gone, n->c.nodes);
}

static void services_gone(struct dsm_node *n, uint32_t node)
{
	for (unsigned i = 0; i < DSM_SERVICES; i++)
		if (n->services[i].gone)
			n->services[i].gone(n->services[i].arg, node, n->now);
}

void dsm_node_cut_off(struct dsm_node *n)
{
	dvmi_log(n->c.log, "shm", LOG_ERR, "the other nodes go on without this one");
	n->cut = true;
	for (uint32_t i = 0; i < n->nsegs; i++)
		if (n->segs[i])
			dsm_seg_cut(n->segs[i]);
	for (uint32_t i = 0; i < n->c.nodes; i++)
		if (i != n->c.self)
			services_gone(n, i);
	if (n->c.out)
		n->c.out(n->c.arg);
}

/* The view is a new one; BEFORE: who was gone in the last. */
static void new_view(struct dsm_node *n, const bool *before)
{
	bool alive[DSM_NODES_MAX];

	if (n->cut)
		return;
	if (n->member.gone[n->c.self]) {
		dsm_node_cut_off(n);
		return;
	}
	for (uint32_t i = 0; i < n->c.nodes; i++) {
		alive[i] = !n->member.gone[i];
		if (n->member.gone[i])
			dsm_out_forget(n, i);
	}
	dsm_gate_open(n);
	for (uint32_t i = 0; i < n->nsegs; i++)
		if (n->segs[i])
			dsm_seg_view(n->segs[i], n->member.epoch, alive);
	for (uint32_t i = 0; i < n->c.nodes; i++)
		if (n->member.gone[i] && !before[i])
			services_gone(n, i);
}

static void tell_all(struct dsm_node *n)
{
	for (uint32_t i = 0; i < n->c.nodes; i++)
		if (i != n->c.self && !n->member.gone[i]) {
			dsm_homes_tell(n, i);
			tell(n, i, DSM_WIRE_VIEW);
		}
}

void dsm_node_decide(struct dsm_node *n, bool again)
{
	bool before[DSM_NODES_MAX];

	memcpy(before, n->member.gone, n->c.nodes * sizeof *before);
	if (n->cut || !(again ? dsm_member_decide_again(&n->member) : dsm_member_decide(&n->member)))
		return;
	tell_all(n);
	new_view(n, before);
}

static void decide(struct dsm_node *n)
{
	dsm_node_decide(n, false);
}

/* Told by another: with it come the homes. */
static void take_view(struct dsm_node *n, const bool *before)
{
	if (dsm_homes_adopt(n, &n->next_homes) < 0) {
		/* Better no node than one that takes itself for a home. */
		dsm_node_cut_off(n);
		return;
	}
	new_view(n, before);
	decide(n);
}

void dsm_node_look(struct dsm_node *n)
{
	if (!n->c.dead || n->now - n->looked < LOOK_EVERY)
		return;
	n->looked = n->now;
	for (uint32_t i = 0; i < n->nsegs; i++)
		if (n->segs[i])
			dsm_seg_show(n->segs[i]);
	for (uint32_t i = 0; i < n->c.nodes; i++)
		if (i != n->c.self && !n->member.heard[i] && n->c.dead(n->c.arg, i))
			dsm_member_heard(&n->member, i);
	decide(n);
	dsm_leave_look(n);
}

static void on_view(struct dsm_node *n, uint32_t from, const struct dsm_wire_record *r)
{
	bool before[DSM_NODES_MAX], gone[DSM_NODES_MAX];
	uint32_t epoch;

	memcpy(before, n->member.gone, n->c.nodes * sizeof *before);
	if (dsm_wire_get_view(r, n->c.nodes, &epoch, gone) < 0) {
		n->dropped++;
		return;
	}
	if (r->service == DSM_WIRE_STALE) {
		dsm_member_stale(&n->member, epoch);
		dsm_homes_again(n);
		decide(n);
		return;
	}
	switch (dsm_member_told(&n->member, from, epoch, gone)) {
	case DSM_TOLD_NEW:
		take_view(n, before);
		break;
	case DSM_TOLD_STALE:
		tell(n, from, DSM_WIRE_STALE);
		break;
	default:
		break;
	}
	n->next_homes.n = 0;
}

/* ---- what comes ---- */

static void drop_early(struct dsm_node *n, struct dsm_early *e)
{
	DL_DELETE(n->early, e);
	n->nearly--;
	free(e);
}

/* Some are for a segment that is gone, so when there are too many the oldest one goes. */
static void keep_early(struct dsm_node *n, uint32_t from, const struct dsm_wire_record *r)
{
	struct dsm_early *e = malloc(sizeof *e + r->len);

	if (n->nearly == EARLY_MAX) {
		drop_early(n, n->early);
		n->dropped++;
	}

	if (!e) {
		n->starved = true;
		return;
	}
	e->from = from;
	e->len = r->len;
	e->service = r->service;
	memcpy(e->bytes, r->body, r->len);
	DL_APPEND(n->early, e);
	n->nearly++;
}

void dsm_node_replay(struct dsm_node *n, uint32_t id)
{
	struct dsm_early *e, *tmp;

	DL_FOREACH_SAFE(n->early, e, tmp) {
		struct dsm_wire_record r = { .service = e->service,
					     .body = e->bytes,
					     .len = e->len };
		if (dsm_wire_segment(&r) != id)
			continue;
		dsm_seg_message(n->segs[id], e->from, &r);
		drop_early(n, e);
	}
}

void dsm_node_forget_early(struct dsm_node *n, uint32_t id)
{
	struct dsm_early *e, *tmp;

	DL_FOREACH_SAFE(n->early, e, tmp) {
		struct dsm_wire_record r = { .service = e->service,
					     .body = e->bytes,
					     .len = e->len };
		if (dsm_wire_segment(&r) == id)
			drop_early(n, e);
	}
}

static void on_page(struct dsm_node *n, uint32_t from, const struct dsm_wire_record *r)
{
	uint32_t id = dsm_wire_segment(r);

	if (id >= DSM_SEGS)
		n->dropped++;
	else if (n->segs[id])
		dsm_seg_message(n->segs[id], from, r);
	else
		keep_early(n, from, r);
}

/* Ended by another node. */
static void on_end(struct dsm_node *n, const struct dsm_wire_record *r)
{
	uint32_t id;

	if (r->len == sizeof id)
		memcpy(&id, r->body, sizeof id);
	if (r->len != sizeof id || le32toh(id) >= DSM_SEGS || !n->segs[le32toh(id)])
		n->dropped++;
	else
		dsm_seg_end(n->segs[le32toh(id)]);
}

static void on_why(struct dsm_node *n, uint32_t from, const struct dsm_wire_record *r)
{
	struct dsm_wire_why w;

	if (r->len == sizeof w)
		memcpy(&w, r->body, sizeof w);
	if (r->len != sizeof w || le32toh(w.segment) >= DSM_SEGS || !n->segs[le32toh(w.segment)])
		n->dropped++;
	else
		dsm_seg_on_why(n->segs[le32toh(w.segment)], from, le64toh(w.page));
}

static void on_record(struct dsm_node *n, uint32_t from, const struct dsm_wire_record *r)
{
	if (r->service == DSM_WIRE_PAGES || r->service == DSM_WIRE_RELEASE) {
		on_page(n, from, r);
	} else if (r->service == DSM_WIRE_VIEW || r->service == DSM_WIRE_STALE) {
		on_view(n, from, r);
	} else if (r->service == DSM_WIRE_HOMES) {
		dsm_homes_on_list(n, r);
	} else if (r->service == DSM_WIRE_MOVE) {
		dsm_homes_on_ask(n, r);
	} else if (r->service == DSM_WIRE_END) {
		on_end(n, r);
	} else if (r->service == DSM_WIRE_WHY) {
		on_why(n, from, r);
	} else if (r->service == DSM_WIRE_LEAVE) {
		dsm_leave_on(n, r);
	} else if (r->service < DSM_SERVICES && n->services[r->service].message) {
		const struct dsm_service *s = &n->services[r->service];
		s->message(s->arg, from, r->body, r->len, n->now);
	} else {
		n->dropped++;
	}
}

static int take_records(struct dsm_node *n, uint32_t from, const void *p, size_t len)
{
	struct dsm_wire_record r;
	size_t at = 0;
	int rc, count = 0;

	while ((rc = dsm_wire_next(p, len, &at, &r)) > 0) {
		on_record(n, from, &r);
		count++;
	}
	n->dropped += rc < 0;
	return count;
}

void dsm_node_packet(struct dsm_node *n, uint32_t from, const void *packet, size_t len)
{
	if (from < n->c.nodes && from != n->c.self && !n->cut)
		take_records(n, from, packet, len);
}

int dsm_node_take_own(struct dsm_node *n)
{
	int count = 0;

	while (n->self_len) {
		uint8_t *p = n->self;
		size_t len = n->self_len;
		n->self = NULL;
		n->self_len = n->self_room = 0;
		count += take_records(n, n->c.self, p, len);
		free(p);
	}
	return count;
}

/* ---- everything there is to do ---- */

static int take_faults(struct dsm_node *n)
{
	struct dsm_uffd_fault f[FAULTS_MAX];
	int count = n->uffd[0].fd >= 0 ? dsm_uffd_read(&n->uffd[0], f, FAULTS_MAX) : 0;

	for (int i = 0; i < count; i++)
		for (uint32_t s = 0; s < n->nsegs; s++)
			if (n->segs[s] && dsm_seg_fault(n->segs[s], &f[i]))
				break;
	return count;
}

static void tick(struct dsm_node *n)
{
	for (unsigned i = 0; i < DSM_SERVICES; i++) {
		struct dsm_service *s = &n->services[i];
		if (s->deadline && s->tick && s->deadline(s->arg) <= n->now)
			s->tick(s->arg, n->now);
	}
	for (uint32_t i = 0; i < n->nsegs; i++)
		if (n->segs[i] && dsm_seg_deadline(n->segs[i]) <= n->now)
			dsm_seg_tick(n->segs[i]);
}

uint64_t dsm_node_deadline(struct dsm_node *n)
{
	uint64_t t = n->c.dead ? n->looked + 5 * LOOK_EVERY : UINT64_MAX;

	for (unsigned i = 0; i < DSM_SERVICES; i++) {
		const struct dsm_service *s = &n->services[i];
		uint64_t at = s->deadline ? s->deadline(s->arg) : UINT64_MAX;
		t = at < t ? at : t;
	}
	for (uint32_t i = 0; i < n->nsegs; i++) {
		uint64_t at = n->segs[i] ? dsm_seg_deadline(n->segs[i]) : UINT64_MAX;
		t = at < t ? at : t;
	}
	return t;
}

/* Memory for what is on its way costs nothing while that is so. */
static void warm_up(struct dsm_node *n)
{
	if (n->warm)
		(void)*n->warm;
	n->warm = NULL;
}

static void note_idle(struct dsm_node *n, int events)
{
	uint64_t due = dsm_node_deadline(n), look = n->now + LOOK_EVERY;

	n->idle_till = events || n->behind || n->self_len ? 0 : due < look ? due : look;
}

int dsm_node_round(struct dsm_node *n, bool faults)
{
	n->now = dvmi_clock_mono();
	int events = faults ? take_faults(n) : 0;
	events += n->c.link.progress(n->c.link.arg);
	/* Who waits looks again and again: mostly this is all. */
	if (!events && n->now < n->idle_till)
		return 0;
	tick(n);
	dsm_node_look(n);
	events += dsm_node_take_own(n);
	for (uint32_t i = 0; i < n->nsegs; i++)
		if (n->segs[i])
			dsm_seg_settle(n->segs[i]);
	dsm_gate_step(n);
	dsm_leave_starved(n);
	dsm_out_flush(n);
	warm_up(n);
	note_idle(n, events);
	return events;
}
