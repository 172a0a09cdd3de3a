/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>

#include "dvm/error.h"
#include "libdvm/proto/member_msg.h"

static bool type_known(unsigned type)
{
	return type >= DVMI_MEMBER_PING && type <= DVMI_MEMBER_NACK;
}

/* A sender is there or it goes; nobody calls itself suspect or dead. */
static bool sender_state_ok(unsigned state)
{
	return state == DVMI_MEMBER_ALIVE || state == DVMI_MEMBER_LEFT;
}

static bool header_ok(const struct dvmi_member_msg *m)
{
	return type_known(m->type) && sender_state_ok(m->state) &&
	       m->nupdates <= DVMI_MEMBER_UPDATES_MAX && m->incarnation < UINT64_MAX;
}

/* The highest incarnation could never be refuted, so nobody may claim it. */
static bool update_ok(const struct dvmi_member_update *u)
{
	return u->state < DVMI_MEMBER_STATES && u->incarnation < UINT64_MAX;
}

size_t dvmi_member_msg_size(const struct dvmi_member_msg *m)
{
	return DVMI_MEMBER_HEADER_BYTES + (size_t)m->nupdates * DVMI_MEMBER_UPDATE_BYTES;
}

static void put_header(struct dvmi_buf *b, const struct dvmi_member_msg *m)
{
	dvmi_buf_put_u8(b, m->type);
	dvmi_buf_put_u8(b, m->state);
	dvmi_buf_put_u16(b, m->nupdates);
	dvmi_buf_put_u32(b, m->seq);
	dvmi_buf_put_u32(b, m->target);
	dvmi_buf_put_u64(b, m->incarnation);
	dvmi_buf_put_u64(b, m->applied);
	dvmi_buf_put_u64(b, m->digest);
	dvmi_buf_put_u64(b, m->load.mem_free);
	dvmi_buf_put_u32(b, m->load.load100);
	dvmi_buf_put_u32(b, m->load.slots_used);
}

static void get_header(struct dvmi_reader *r, struct dvmi_member_msg *m)
{
	m->type = dvmi_get_u8(r);
	m->state = dvmi_get_u8(r);
	m->nupdates = dvmi_get_u16(r);
	m->seq = dvmi_get_u32(r);
	m->target = dvmi_get_u32(r);
	m->incarnation = dvmi_get_u64(r);
	m->applied = dvmi_get_u64(r);
	m->digest = dvmi_get_u64(r);
	m->load.mem_free = dvmi_get_u64(r);
	m->load.load100 = dvmi_get_u32(r);
	m->load.slots_used = dvmi_get_u32(r);
}

static void put_update(struct dvmi_buf *b, const struct dvmi_member_update *u)
{
	dvmi_buf_put_u64(b, u->incarnation);
	dvmi_buf_put_u32(b, u->id);
	dvmi_buf_put_u32(b, u->by);
	dvmi_buf_put_u8(b, u->state);
}

static int get_update(struct dvmi_reader *r, struct dvmi_member_update *u)
{
	u->incarnation = dvmi_get_u64(r);
	u->id = dvmi_get_u32(r);
	u->by = dvmi_get_u32(r);
	u->state = dvmi_get_u8(r);
	return r->err || update_ok(u) ? r->err : -DVM_EPROTO;
}

int dvmi_member_msg_encode(const struct dvmi_member_msg *m, struct dvmi_buf *b)
{
	if (!header_ok(m))
		return -EINVAL;
	for (unsigned i = 0; i < m->nupdates; i++) {
		if (!update_ok(&m->updates[i]))
			return -EINVAL;
	}
	put_header(b, m);
	for (unsigned i = 0; i < m->nupdates; i++)
		put_update(b, &m->updates[i]);
	return b->err;
}

int dvmi_member_msg_decode(struct dvmi_member_msg *out, const void *p, size_t n)
{
	struct dvmi_reader r;
	struct dvmi_member_msg m; /* filled as far as nupdates says */

	dvmi_reader_init(&r, p, n);
	get_header(&r, &m);
	if (r.err || !header_ok(&m) || n != dvmi_member_msg_size(&m))
		return -DVM_EPROTO;
	for (unsigned i = 0; i < m.nupdates; i++) {
		if (get_update(&r, &m.updates[i]) < 0)
			return -DVM_EPROTO;
	}
	if (dvmi_reader_done(&r) < 0)
		return -DVM_EPROTO;
	*out = m;
	return 0;
}

const char *dvmi_member_msg_type_name(unsigned type)
{
	static const char *const names[] = { "?", "ping", "ping-req", "ack", "nack" };

	return type_known(type) ? names[type] : "?";
}

const char *dvmi_member_state_name(unsigned state)
{
	static const char *const names[] = { "alive", "suspect", "dead", "left" };

	return state < DVMI_MEMBER_STATES ? names[state] : "?";
}
