/* SPDX-License-Identifier: BSD-3-Clause */
/* Probes: looking at what a receive would take, and taking it. */
#include <errno.h>

#include "libdvm/src/p2p_private.h"
#include "libdvm/src/sendrecv.h"
#include "libdvm/src/wait.h"

/* What a probe looks for, and where it puts what it finds. */
struct probe {
	dvm_group_t *g;
	struct dvmi_match_key key;
	dvm_status_t *status;
	dvm_message_t **msg; /* NULL: the message stays where it is */
};

static int find(const struct probe *p, uint32_t *source, dvm_status_t *st)
{
	struct dvmi_p2p *p2p = &p->g->d->p2p;
	struct dvmi_unexpected *u;

	if (!p->msg)
		return dvmi_p2p_probe(p2p, &p->key, source, &st->tag, &st->len);
	int rc = dvmi_p2p_take(p2p, &p->key, &u);
	if (rc <= 0)
		return rc;
	u->owner = p->g;
	*source = (uint32_t)u->msg.key.source;
	st->tag = u->msg.key.tag;
	st->len = u->len;
	*p->msg = (dvm_message_t *)u;
	return 1;
}

/* One look; the status of what is there. As dvm_iprobe(). */
static int look(const struct probe *p)
{
	dvm_status_t st;
	uint32_t source;
	int rc = find(p, &source, &st);

	if (rc <= 0)
		return rc;
	st.source = (int32_t)dvmi_rankmap_rank(&p->g->dests, source);
	st.error = st.reserved = 0;
	if (p->status)
		*p->status = st;
	return 1;
}

static int nobody(const struct probe *p)
{
	dvmi_status_empty(p->status, 0);
	if (p->msg)
		*p->msg = NULL;
	return 1;
}

static int try(dvm_group_t *g, int source, int tag, dvm_message_t **msg, dvm_status_t *status)
{
	struct probe p = { .g = g, .status = status, .msg = msg };

	if (source == DVM_NOBODY)
		return nobody(&p);
	p.key = dvmi_key_of(g, source, tag);
	dvmi_enter(g->d);
	int rc = look(&p);
	if (rc == 0) {
		dvmi_poll(g->d);
		rc = look(&p);
	}
	dvmi_leave(g->d);
	if (rc < 0)
		dvmi_status_empty(status, rc);
	return rc;
}

/* Nothing but this very thread could send what is asked for. */
static bool hopeless(const dvm_t *d, const struct dvmi_match_key *key)
{
	return !d->threads.on && dvmi_p2p_no_sender(&d->p2p, key);
}

static int await(dvm_group_t *g, int source, int tag, dvm_message_t **msg, dvm_status_t *status)
{
	struct probe p = { .g = g, .status = status, .msg = msg };
	struct dvmi_wait w = { 0 };
	int rc;

	if (source == DVM_NOBODY)
		return nobody(&p) < 0;
	p.key = dvmi_key_of(g, source, tag);
	dvmi_enter(g->d);
	while ((rc = look(&p)) == 0) {
		if (dvmi_wait_round(g->d, &w) != 0 || !hopeless(g->d, &p.key))
			continue;
		/* The news that the last one has left may have come with its last message. */
		rc = look(&p);
		if (rc == 0)
			rc = -EDEADLK;
		break;
	}
	dvmi_leave(g->d);
	if (rc < 0)
		dvmi_status_empty(status, rc);
	return rc < 0 ? rc : 0;
}

int dvm_iprobe(dvm_group_t *g, int source, int tag, dvm_status_t *status)
{
	int rc = dvmi_check_source(g, source, tag);

	return rc < 0 ? rc : try(g, source, tag, NULL, status);
}

int dvm_probe(dvm_group_t *g, int source, int tag, dvm_status_t *status)
{
	int rc = dvmi_check_source(g, source, tag);

	return rc < 0 ? rc : await(g, source, tag, NULL, status);
}

int dvm_improbe(dvm_group_t *g, int source, int tag, dvm_message_t **msg, dvm_status_t *status)
{
	int rc = msg ? dvmi_check_source(g, source, tag) : -EINVAL;

	return rc < 0 ? rc : try(g, source, tag, msg, status);
}

int dvm_mprobe(dvm_group_t *g, int source, int tag, dvm_message_t **msg, dvm_status_t *status)
{
	int rc = msg ? dvmi_check_source(g, source, tag) : -EINVAL;

	return rc < 0 ? rc : await(g, source, tag, msg, status);
}

/* The handle of a message is the message itself. */
static struct dvmi_unexpected *take(dvm_message_t **msg, dvm_group_t **g)
{
	struct dvmi_unexpected *u = (struct dvmi_unexpected *)*msg;

	*g = u->owner;
	*msg = NULL;
	return u;
}

int dvmi_mrecv(dvm_message_t **msg, const struct dvmi_mem *mem, dvm_status_t *status)
{
	dvm_group_t *g;
	struct dvmi_unexpected *u = take(msg, &g);
	struct dvmi_op op;

	dvmi_enter(g->d);
	dvmi_p2p_mrecv(&g->d->p2p, &op, u, mem);
	int rc = dvmi_wait_op(g->d, &op);
	dvmi_leave(g->d);
	dvmi_status_set(status, g, &op);
	return rc;
}

int dvmi_imrecv(dvm_message_t **msg, const struct dvmi_mem *mem, dvm_req_t **req)
{
	dvm_group_t *g = ((struct dvmi_unexpected *)*msg)->owner;
	dvm_t *d = g->d;

	dvmi_enter(d);
	struct dvm_req *r = dvmi_req_get(g);
	if (r) {
		dvmi_p2p_mrecv(&d->p2p, &r->op, take(msg, &g), mem);
		r->cur = mem->cur;
	}
	dvmi_leave(d);
	if (!r)
		return -ENOMEM;
	*req = r;
	return 0;
}

int dvm_mrecv(dvm_message_t **msg, void *buf, size_t len, dvm_status_t *status)
{
	if (!msg || dvmi_check_buffer(buf, len) < 0)
		return -EINVAL;
	if (!*msg) {
		dvmi_status_empty(status, 0);
		return 0;
	}
	struct dvmi_mem mem = dvmi_mem_flat(buf, len);
	return dvmi_mrecv(msg, &mem, status);
}

int dvm_imrecv(dvm_message_t **msg, void *buf, size_t len, dvm_req_t **req)
{
	if (!msg || !req || dvmi_check_buffer(buf, len) < 0)
		return -EINVAL;
	if (!*msg) {
		*req = NULL;
		return 0;
	}
	struct dvmi_mem mem = dvmi_mem_flat(buf, len);
	return dvmi_imrecv(msg, &mem, req);
}
