/* SPDX-License-Identifier: BSD-3-Clause */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/net/tcp.h"
#include "libdvm/net/wire.h"
#include "libdvm/src/group.h"
#include "libdvm/src/link.h"

static struct dvmi_link *link_of(struct dvmi_tport *t)
{
	return (struct dvmi_link *)(void *)t; /* its first member */
}

/* ---- the face ---- */

static bool names_context(uint8_t kind)
{
	return kind == DVMI_PKT_EAGER || kind == DVMI_PKT_RTS || kind == DVMI_PKT_SYNC ||
	       kind == DVMI_PKT_REVOKE;
}

static int face_send(struct dvmi_tport *t, uint32_t peer, const struct dvmi_pkt *pkt,
		     const void *payload)
{
	struct dvmi_link *l = link_of(t);
	struct dvmi_pkt p = *pkt;

	if (names_context(pkt->kind)) {
		const dvm_group_t *g = dvmi_group_find(l->d, pkt->ctx);
		/* A group that is gone has nobody to talk to. */
		if (!g || g->link != l)
			return 0;
		p.ctx = g->far_ctx + (pkt->ctx - g->ctx);
	}
	return l->inner->ops->send(l->inner, peer - l->base, &p, payload);
}

static int face_progress(struct dvmi_tport *t)
{
	return link_of(t)->inner->ops->progress(link_of(t)->inner);
}

static int face_drain(struct dvmi_tport *t, uint32_t peer, bool dead)
{
	struct dvmi_link *l = link_of(t);

	return l->inner->ops->drain(l->inner, peer - l->base, dead);
}

static int face_arm(struct dvmi_tport *t, struct pollfd *fds, int n)
{
	return link_of(t)->inner->ops->arm(link_of(t)->inner, fds, n);
}

static void face_disarm(struct dvmi_tport *t)
{
	link_of(t)->inner->ops->disarm(link_of(t)->inner);
}

static int face_flush(struct dvmi_tport *t)
{
	return link_of(t)->inner->ops->flush(link_of(t)->inner);
}

static void face_destroy(struct dvmi_tport *t)
{
	struct dvmi_link *l = link_of(t);

	dvmi_tport_destroy(l->inner);
	dvmi_link_unmap(l);
	free(l->members);
	free(l->asked);
	free(l);
}

static const struct dvmi_tport_ops face_ops = {
	.size = sizeof face_ops,
	.name = "link",
	.send = face_send,
	.progress = face_progress,
	.drain = face_drain,
	.arm = face_arm,
	.disarm = face_disarm,
	.flush = face_flush,
	.destroy = face_destroy,
};

/* ---- what comes ---- */

/* Only messages: everything else is among ranks of one job. */
static bool may_come(uint8_t kind)
{
	return (kind >= DVMI_PKT_EAGER && kind <= DVMI_PKT_REVOKE) || kind == DVMI_PKT_SYNC;
}

static int on_packet(void *arg, uint32_t src, const struct dvmi_pkt *pkt, const void *payload)
{
	struct dvmi_link *l = arg;
	struct dvmi_sink s = dvmi_p2p_sink(&l->d->p2p);

	if (may_come(pkt->kind))
		return s.packet(s.arg, l->base + src, pkt, payload);
	l->d->p2p.stats.dropped++;
	return 0;
}

static void *place(void *arg, uint32_t src, const struct dvmi_pkt *pkt, size_t *n)
{
	struct dvmi_link *l = arg;
	struct dvmi_sink s = dvmi_p2p_sink(&l->d->p2p);

	return s.place ? s.place(s.arg, l->base + src, pkt, n) : NULL;
}

static void on_down(void *arg, uint32_t peer, int code)
{
	struct dvmi_link *l = arg;

	dvmi_p2p_down(&l->d->p2p, l->base + peer, code);
}

static int publish(void *arg, const void *addr, size_t len)
{
	struct dvmi_link *l = arg;
	struct dvmi_link_member *m = &l->members[l->self];

	if (len > sizeof m->addr)
		return -EMSGSIZE;
	m->addr_len = (uint32_t)len;
	memcpy(m->addr, addr, len);
	return 0;
}

static void give_address(struct dvmi_link *l, uint32_t i)
{
	if (l->asked[i] && l->members[i].addr_len)
		dvmi_remote_address(l->inner, i, 0, l->members[i].addr, l->members[i].addr_len);
}

static int lookup(void *arg, uint32_t peer)
{
	struct dvmi_link *l = arg;

	l->asked[peer] = true;
	give_address(l, peer);
	return 0;
}

/* ---- life ---- */

static int start(struct dvmi_link *l, uint64_t key)
{
	dvm_t *d = l->d;
	struct dvmi_remote_config cfg = {
		.interface = d->map.map->interface,
		.port_low = d->map.map->port_low,
		.port_high = d->map.map->port_high,
		.key = key,
		.self = l->self,
		.size = l->size,
		.sink = { .packet = on_packet, .place = place, .down = on_down, .arg = l },
		.log = &d->log,
		.publish = publish,
		.lookup = lookup,
		.arg = l,
	};
	int rc = dvmi_tcp_create(&l->inner, &cfg);

	if (rc < 0)
		return rc;
	dvmi_remote_wanted(l->inner);
	l->face = *l->inner; /* its sizes */
	l->face.ops = &face_ops;
	return l->members[l->self].addr_len ? 0 : -ENETDOWN;
}

int dvmi_link_open(dvm_t *d, uint64_t key, uint32_t self, uint32_t size, struct dvmi_link **out)
{
	if (!d->map.map)
		return -ENOTCONN;
	struct dvmi_link *l = calloc(1, sizeof *l);
	if (!l)
		return -ENOMEM;
	*l = (struct dvmi_link){ .d = d, .self = self, .size = size, .users = 1 };
	l->members = calloc(size, sizeof *l->members);
	l->asked = calloc(size, sizeof *l->asked);
	int rc = l->members && l->asked ? dvmi_p2p_add_far(&d->p2p, size, &l->base) : -ENOMEM;
	if (rc == 0)
		rc = start(l, key);
	if (rc < 0) {
		face_destroy(&l->face);
		return rc;
	}
	l->next = d->links;
	d->links = l;
	*out = l;
	return 0;
}

void dvmi_link_self(const struct dvmi_link *l, struct dvmi_link_member *out)
{
	*out = l->members[l->self];
	out->rank = htole32(l->d->env.rank);
	out->addr_len = htole32(out->addr_len);
}

int dvmi_link_member_set(struct dvmi_link *l, uint32_t i, const struct dvmi_link_member *m)
{
	struct dvmi_link_member *to = &l->members[i];
	uint32_t len = le32toh(m->addr_len);

	if (!len || len > sizeof m->addr || m->code)
		return -DVM_EPROTO;
	*to = *m;
	to->rank = le32toh(m->rank);
	to->addr_len = len;
	give_address(l, i);
	return 0;
}

void dvmi_link_put(struct dvmi_link *l)
{
	l->users--;
}

struct dvmi_tport *dvmi_link_route(dvm_t *d, uint32_t peer)
{
	struct dvmi_link *l = d->links;

	while (peer < l->base || peer - l->base >= l->size)
		l = l->next;
	dvmi_remote_likely(l->inner, peer - l->base);
	return &l->face;
}

/* Everything with its peers has ended before the link does. */
static void end(struct dvmi_link *l)
{
	for (uint32_t i = 0; i < l->size; i++)
		dvmi_p2p_down(&l->d->p2p, l->base + i, -DVM_ECLOSED);
	face_destroy(&l->face);
}

int dvmi_links_progress(dvm_t *d)
{
	int n = 0;

	for (struct dvmi_link **p = &d->links, *l; (l = *p);) {
		n += face_progress(&l->face);
		if (l->leaving)
			dvmi_link_look(l);
		if (l->users || d->p2p.busy || face_flush(&l->face) == -EAGAIN) {
			p = &l->next;
			continue;
		}
		*p = l->next;
		end(l);
	}
	return n;
}

bool dvmi_links_flushed(dvm_t *d)
{
	bool done = true;

	for (struct dvmi_link *l = d->links; l; l = l->next)
		done &= face_flush(&l->face) == 0;
	return done;
}

int dvmi_links_arm(dvm_t *d, struct pollfd *fds, int n)
{
	int used = 0;

	for (struct dvmi_link *l = d->links; l; l = l->next) {
		int rc = l->leaving || !l->users ? -ENOTSUP :
						   face_arm(&l->face, fds + used, n - used);
		if (rc < 0)
			return rc;
		used += rc;
	}
	return used;
}

void dvmi_links_disarm(dvm_t *d)
{
	for (struct dvmi_link *l = d->links; l; l = l->next)
		face_disarm(&l->face);
}

void dvmi_links_fini(dvm_t *d)
{
	struct dvmi_link *l;

	while ((l = d->links)) {
		d->links = l->next;
		face_destroy(&l->face);
	}
}
