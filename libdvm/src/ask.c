/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "libdvm/base/err.h"
#include "libdvm/src/ask.h"
#include "libdvm/src/wait.h"

int dvmi_ask_start(dvm_t *d, struct dvmi_ask *a, const struct dvmi_question *q)
{
	struct dvmi_rank_ask head;

	if (!d->env.shepherd)
		return -ENOTCONN;
	if (q->head_len + q->tail_len > DVMI_RANK_PACKET_MAX - sizeof(struct dvmi_rank_hdr))
		return -EMSGSIZE;
	a->id = ++d->dyn.last_ask;
	a->done = false;
	a->fd = -1;
	memcpy(&head, q->head, sizeof head);
	head.id = a->id;
	memcpy(q->head, &head, sizeof head);
	int rc = dvmi_ctl_send_fd(&d->ctl, q->type, q->head, q->head_len, q->tail, q->tail_len, q->fd);
	if (rc < 0)
		return rc;
	a->next = d->dyn.asks;
	d->dyn.asks = a;
	return 0;
}

static void finish(dvm_t *d, struct dvmi_ask *a)
{
	struct dvmi_ask **at = &d->dyn.asks;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	a->done = true;
}

int dvmi_ask_wait(dvm_t *d, struct dvmi_ask *a, dvm_error_t *err)
{
	struct dvmi_wait w = { 0 };

	while (!a->done)
		dvmi_wait_round(d, &w);
	if (a->code >= 0)
		return 0;
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	if (a->len)
		return dvmi_error_set(err, a->code, "%.*s", (int)a->len, (const char *)a->bytes);
	return dvmi_error_set(err, a->code, "%s", dvm_strerror(a->code));
}

int dvmi_ask(dvm_t *d, struct dvmi_ask *a, const struct dvmi_question *q, dvm_error_t *err)
{
	dvmi_enter(d);
	int rc = dvmi_ask_start(d, a, q);
	rc = rc < 0 ? dvmi_error_set(err, rc, "%s",
				     rc == -ENOTCONN ? "this process is no part of a machine" :
						       dvm_strerror(rc)) :
		      dvmi_ask_wait(d, a, err);
	dvmi_leave(d);
	return rc;
}

static struct dvmi_ask *find(dvm_t *d, uint32_t id)
{
	struct dvmi_ask *a = d->dyn.asks;

	while (a && a->id != id)
		a = a->next;
	return a;
}

void dvmi_ask_answered(dvm_t *d, struct dvmi_ctl_packet *p)
{
	struct dvmi_rank_answer r;
	struct dvmi_ask *a;

	if (p->len < sizeof r)
		return;
	memcpy(&r, p->body, sizeof r);
	if (!(a = find(d, r.id)))
		return;
	a->code = r.code > 0 ? -DVM_EPROTO : r.code;
	a->job = r.job;
	a->rank = r.rank;
	a->count = r.count;
	a->len = p->len - (uint32_t)sizeof r;
	memcpy(a->bytes, p->body + sizeof r, a->len);
	a->fd = p->fd;
	p->fd = -1;
	finish(d, a);
}

void dvmi_asks_lost(dvm_t *d)
{
	while (d->dyn.asks) {
		struct dvmi_ask *a = d->dyn.asks;
		a->code = -DVM_EPEERLOST;
		a->len = 0;
		finish(d, a);
	}
}
