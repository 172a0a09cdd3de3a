/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <sodium.h>

#include "daemon/cast.h"
#include "daemon/lead.h"
#include "daemon/live.h"
#include "daemon/queue.h"
#include "daemon/replica.h"
#include "daemon/roster.h"
#include "libdvm/base/clock.h"

#define LOAD_EVERY (2 * DVMI_SEC)
#define LOOK_EVERY (10 * DVMI_SEC)

struct dvmd_live {
	struct dvmd *d;
	dvmd_member_t *engine;
	uv_timer_t timer;
	uint64_t load_read, looked;
};

static void send_message(struct dvmd_live *l, uint32_t to, const struct dvmi_member_msg *msg)
{
	struct dvmi_buf b = { 0 };

	if (dvmi_member_msg_encode(msg, &b) == 0)
		dvmd_transport_send(l->d->wire, to, DVMI_MSG_SWIM, b.data, b.len);
	dvmi_buf_free(&b);
}

static void node_down(struct dvmd_live *l, uint32_t node, unsigned flags)
{
	struct dvmd *d = l->d;
	char name[32];

	dvmi_log(&d->log, "member", LOG_WARNING, "node %s %s", dvmd_node_name(d, node, name),
		 flags & DVMD_MEMBER_F_LEFT ? "has left" : "is dead");
	dvmd_transport_peer_down(d->wire, node);
	dvmd_cast_node_down(d->cast, node);
	if (dvmd_leads(d)) {
		dvmd_roster_node_changed(d, node, false);
		dvmd_lead_node_down(d->lead, node);
		dvmd_queue_kick(d);
	}
}

static void node_up(struct dvmd_live *l, uint32_t node, unsigned flags)
{
	struct dvmd *d = l->d;
	char name[32];

	dvmi_log(&d->log, "member", LOG_NOTICE, "node %s is up%s", dvmd_node_name(d, node, name),
		 flags & DVMD_MEMBER_F_RESTARTED ? " again" : "");
	/* A new life of a daemon has lost what the old one was asked to do. */
	if (flags & DVMD_MEMBER_F_RESTARTED) {
		dvmd_transport_peer_down(d->wire, node);
		dvmd_cast_node_down(d->cast, node);
	}
	dvmd_cast_node_up(d->cast, node);
	if (dvmd_leads(d))
		dvmd_roster_node_changed(d, node, true);
	if (dvmd_leads(d) && (flags & DVMD_MEMBER_F_RESTARTED))
		dvmd_lead_node_restarted(d->lead, node);
	dvmd_queue_kick(d); /* who joined again is a member before it is heard of */
}

static void on_event(struct dvmd_live *l, const struct dvmd_member_act *act)
{
	char name[32];

	switch (act->event) {
	case DVMD_MEMBER_DOWN:
		node_down(l, act->node, act->flags);
		break;
	case DVMD_MEMBER_UP:
		node_up(l, act->node, act->flags);
		break;
	case DVMD_MEMBER_SUSPECTED:
		dvmi_log(&l->d->log, "member", LOG_INFO, "node %s does not answer",
			 dvmd_node_name(l->d, act->node, name));
		break;
	case DVMD_MEMBER_TRUSTED:
		dvmi_log(&l->d->log, "member", LOG_INFO, "node %s answers again",
			 dvmd_node_name(l->d, act->node, name));
		break;
	}
}

static void on_timer(uv_timer_t *t);

/* After each input: does what the engine wants and sets the timer to its next deadline. */
static void drain(struct dvmd_live *l)
{
	struct dvmd_member_act act;

	while (dvmd_member_next(l->engine, &act)) {
		if (act.type == DVMD_MEMBER_SEND)
			send_message(l, act.node, act.msg);
		else
			on_event(l, &act);
	}
	uint64_t now = dvmi_clock_mono(), at = dvmd_member_next_deadline(l->engine);
	uint64_t wait = at > now ? (at - now + DVMI_MSEC - 1) / DVMI_MSEC : 0;
	if (at == DVMD_MEMBER_NEVER)
		uv_timer_stop(&l->timer);
	else
		uv_timer_start(&l->timer, on_timer, wait, 0);
}

static void read_load(struct dvmd_live *l, uint64_t now)
{
	double avg[3];
	struct dvmi_member_load load = { 0 };

	if (l->load_read && now - l->load_read < LOAD_EVERY)
		return;
	l->load_read = now;
	uv_loadavg(avg);
	load.load100 = (uint32_t)(avg[0] * 100);
	load.mem_free = uv_get_free_memory();
	dvmd_member_set_load(l->engine, &load);
}

/* Seldom: where there is no such device, opening it may have the kernel look for a module. */
static void look_again(struct dvmd_live *l, uint64_t now)
{
	if (now - l->looked < LOOK_EVERY)
		return;
	l->looked = now;
	dvmd_roster_look_again(l->d);
}

static void on_timer(uv_timer_t *t)
{
	struct dvmd_live *l = t->data;
	uint64_t now = dvmi_clock_mono();

	read_load(l, now);
	look_again(l, now);
	dvmd_member_tick(l->engine, now);
	drain(l);
}

void dvmd_live_received(struct dvmd_live *l, uint32_t from, const uint8_t *body, size_t len)
{
	struct dvmi_member_msg msg;

	if (!l)
		return;
	if (dvmi_member_msg_decode(&msg, body, len) < 0) {
		dvmi_log(&l->d->log, "member", LOG_WARNING, "malformed message of node %u", from);
		return;
	}
	dvmd_member_receive(l->engine, dvmi_clock_mono(), from, &msg);
	drain(l);
	/* The log may call it down from before our restart, since when there was no event. */
	if (dvmd_leads(l->d) && dvmd_member_is_up(l->engine, from))
		dvmd_roster_node_changed(l->d, from, true);
	if (from == DVMD_LEADER)
		dvmd_replica_catch_up(l->d->replica, msg.applied);
}

void dvmd_live_add(struct dvmd_live *l, uint32_t id)
{
	if (l && dvmd_member_add(l->engine, dvmi_clock_mono(), id) == 0)
		drain(l);
}

void dvmd_live_remove(struct dvmd_live *l, uint32_t id)
{
	if (!l)
		return;
	dvmd_member_remove(l->engine, dvmi_clock_mono(), id);
	drain(l);
}

void dvmd_live_applied(struct dvmd_live *l, uint64_t index)
{
	if (l)
		dvmd_member_set_applied(l->engine, index);
}

void dvmd_live_leave(struct dvmd_live *l)
{
	if (!l)
		return;
	dvmd_member_leave(l->engine, dvmi_clock_mono());
	drain(l);
}

bool dvmd_live_is_up(const struct dvmd_live *l, uint32_t id)
{
	return l && dvmd_member_is_up(l->engine, id);
}

int dvmd_live_info(const struct dvmd_live *l, uint32_t id, struct dvmd_member_info *info)
{
	return l ? dvmd_member_get(l->engine, id, info) : -ENOENT;
}

int dvmd_live_create(struct dvmd_live **out, struct dvmd *d, uint32_t life)
{
	struct dvmd_live *l = calloc(1, sizeof *l);
	struct dvmd_member_conf conf = { .size = sizeof conf };
	uint64_t now = dvmi_clock_mono(), seed;

	if (!l)
		return -ENOMEM;
	randombytes_buf(&seed, sizeof seed);
	l->d = d;
	int rc = dvmd_member_conf_init(&conf, d->setup.failure_timeout);
	if (rc == 0)
		rc = dvmd_member_create(&l->engine, &conf, d->self, DVMD_MEMBER_LIFE(life), seed, now);
	if (rc < 0) {
		free(l);
		return rc;
	}
	uv_timer_init(d->loop, &l->timer);
	l->timer.data = l;
	read_load(l, now);
	l->looked = now;
	*out = l;
	drain(l);
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

void dvmd_live_destroy(struct dvmd_live *l)
{
	if (!l)
		return;
	dvmd_member_destroy(l->engine);
	uv_close((uv_handle_t *)&l->timer, on_closed);
}
