/* SPDX-License-Identifier: BSD-3-Clause */
/* Between agents: a frame is a libdvm message. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "daemon/pvm/agent.h"

/* ---- sending ---- */

static void reap(struct agent *a)
{
	for (struct pvm_sent **p = &a->sent, *s; (s = *p);) {
		if (dvm_test(&s->req, NULL) == 0) {
			p = &s->next;
			continue;
		}
		*p = s->next;
		dvmi_buf_free(&s->buf);
		free(s);
	}
}

void pvm_link_send(struct agent *a, struct pvm_link *l, uint16_t type, uint32_t id, int code,
		   const struct dvmi_buf *body)
{
	const struct pvmi_frame f = { .len = body ? (uint32_t)body->len : 0,
				      .type = type,
				      .version = PVMI_VERSION,
				      .id = id,
				      .code = code };
	struct pvm_sent *s = l->down || (body && body->err) ? NULL : calloc(1, sizeof *s);

	if (!s)
		return;
	dvmi_buf_put(&s->buf, &f, sizeof f);
	if (f.len)
		dvmi_buf_put(&s->buf, body->data, body->len);
	if (s->buf.err || dvm_isend(l->g, s->buf.data, s->buf.len, l->rank, 0, &s->req) < 0) {
		dvmi_buf_free(&s->buf);
		free(s);
		return;
	}
	s->next = a->sent;
	a->sent = s;
}

void pvm_to_master(struct agent *a, uint16_t type, uint32_t id, int code,
		   const struct dvmi_buf *body)
{
	const struct pvmi_frame f = { .len = body ? (uint32_t)body->len : 0,
				      .type = type,
				      .version = PVMI_VERSION,
				      .id = id,
				      .code = code };

	if (body && body->err)
		return;
	if (a->master)
		pvm_master_take(a, a->index, &f, body ? body->data : NULL);
	else if (a->links)
		pvm_link_send(a, a->links, type, id, code, body);
}

/* ---- what the master says ---- */

static void take_welcome(struct agent *a, struct dvmi_reader *r)
{
	a->index = dvmi_get_u32(r);
	a->cap = dvmi_get_u32(r);
	a->key = dvmi_get_u64(r);
	uint32_t node = dvmi_get_u32(r), used = dvmi_get_u32(r);
	if (r->err || !a->index || a->nbanks || pvm_bank_add(a, node, used) < 0 ||
	    pvm_ranks_open(a) < 0 || pvm_clients_open(a) < 0)
		a->stop = true;
}

static void take_tell(struct agent *a, struct dvmi_reader *r)
{
	int tid = (int)dvmi_get_u32(r);
	uint32_t type = dvmi_get_u32(r), id = dvmi_get_u32(r);
	int code = (int)dvmi_get_u32(r);

	if (!r->err)
		pvm_tell_task(a, tid, (uint16_t)type, id, code, r->p, (size_t)(r->end - r->p));
}

static void take_gone(struct agent *a, struct dvmi_reader *r)
{
	uint32_t rank = dvmi_get_u32(r), tid = dvmi_get_u32(r), closed = dvmi_get_u32(r);

	const struct pvm_slot *s;

	if (r->err || !a->nbanks)
		return;
	for (uint32_t i = 0; (s = pvm_slot_at(a, i)); i++)
		if (s->client)
			pvm_client_send(a, s->client, PVMI_GONE, 0, 0, &tid, sizeof tid);
	pvm_rank_gone(a, rank, closed);
}

static void take_kill(struct agent *a, struct dvmi_reader *r)
{
	uint32_t rank = dvmi_get_u32(r), sig = dvmi_get_u32(r);
	const struct pvm_slot *s = r->err || !a->cap ? NULL : pvm_slot_of_rank(a, rank);

	/* While its descriptor is open the process is the one we mean. */
	if (s && s->state == PVM_SLOT_TAKEN && s->pid > 0 && s->pid_fd.fd >= 0)
		kill(s->pid, (int)sig);
}

static void take_clock(struct agent *a, struct dvmi_reader *r)
{
	struct dvmi_buf b = { 0 };
	struct timeval now;

	gettimeofday(&now, NULL);
	dvmi_buf_put_u32(&b, dvmi_get_u32(r));
	dvmi_buf_put_u32(&b, dvmi_get_u32(r));
	dvmi_buf_put_u32(&b, (uint32_t)now.tv_sec);
	dvmi_buf_put_u32(&b, (uint32_t)now.tv_usec);
	if (!r->err)
		pvm_to_master(a, PVMI_A_CLOCK, 0, 0, &b);
	dvmi_buf_free(&b);
}

static void take_address(struct agent *a, struct dvmi_reader *r)
{
	uint32_t who = dvmi_get_u32(r), rank = dvmi_get_u32(r), len = 0;
	int code = (int)dvmi_get_u32(r);
	const uint8_t *addr = dvmi_get_blob(r, DVMI_RANK_ADDR_MAX, &len);

	if (addr && a->cap)
		pvm_rank_address(a, who, rank, code, addr, len);
}

void pvm_from_master(struct agent *a, const struct pvmi_frame *f, const uint8_t *body)
{
	struct dvmi_reader r;
	uint32_t rank;

	dvmi_reader_init(&r, body, f->len);
	switch (f->type) {
	case PVMI_WELCOME:
		take_welcome(a, &r);
		break;
	case PVMI_TELL:
		take_tell(a, &r);
		break;
	case PVMI_ENROLLED:
		pvm_enrolled(a, f->id, f->code, &r);
		break;
	case PVMI_RANK_GONE:
		take_gone(a, &r);
		break;
	case PVMI_KILL:
		take_kill(a, &r);
		break;
	case PVMI_CLOCK:
		take_clock(a, &r);
		break;
	case PVMI_LOOKUP:
		rank = dvmi_get_u32(&r);
		if (a->cap)
			pvm_rank_lookup(a, rank, dvmi_get_u32(&r));
		break;
	case PVMI_ADDRESS:
		take_address(a, &r);
		break;
	case PVMI_OPTIONS:
		free(a->wd);
		free(a->ep);
		a->wd = dvmi_get_str(&r, PVMI_NAME_MAX);
		a->ep = dvmi_get_str(&r, PVMI_NAME_MAX);
		break;
	case PVMI_TASKER:
		a->tasker = f->code != 0;
		break;
	case PVMI_NODE:
		rank = dvmi_get_u32(&r);
		pvm_bank_add(a, rank, dvmi_get_u32(&r)); /* else places run out */
		break;
	case PVMI_RENEW:
		pvm_banks_renew(a);
		break;
	case PVMI_LEAVE:
		pvm_slots_kill(a);
		a->stop = true;
		break;
	default:
		break;
	}
}

/* ---- receiving ---- */

static void take_message(struct agent *a, struct pvm_link *l, const uint8_t *p, size_t n)
{
	struct pvmi_frame f;
	struct dvmi_reader r;

	if (n < sizeof f)
		return;
	memcpy(&f, p, sizeof f);
	if (f.version != PVMI_VERSION || f.len != n - sizeof f)
		return;
	if (!a->master) {
		pvm_from_master(a, &f, p + sizeof f);
		return;
	}
	if (f.type != PVMI_HELLO) {
		pvm_master_take(a, l->host, &f, p + sizeof f);
		return;
	}
	dvmi_reader_init(&r, p + sizeof f, f.len);
	char *name = dvmi_get_str(&r, PVMI_NAME_MAX);
	if (name)
		pvm_master_hello(a, l, name);
	free(name);
}

/* Takes one message of L: 1, 0 where there is none, or why there will be no more. */
static int take_one(struct agent *a, struct pvm_link *l)
{
	dvm_message_t *msg;
	dvm_status_t st;
	int rc = dvm_improbe(l->g, l->rank, 0, &msg, &st);

	if (rc <= 0)
		return rc;
	uint8_t *p = st.len <= PVMI_FRAME_MAX + sizeof(struct pvmi_frame) ? malloc(st.len + 1) :
									    NULL;
	rc = dvm_mrecv(&msg, p, p ? st.len : 0, NULL);
	if (rc == 0 && p)
		take_message(a, l, p, st.len);
	free(p);
	return rc == -DVM_ETRUNC || rc == 0 ? 1 : rc;
}

bool pvm_relay_look(struct agent *a)
{
	int rc = 0;

	reap(a);
	for (struct pvm_link *l = a->links, *next; l; l = next) {
		next = l->next;
		while (!l->down && (rc = take_one(a, l)) > 0)
			;
		if (l->down || rc >= 0)
			continue;
		l->down = true;
		if (!a->master)
			return false;
		pvm_master_lost(a, l);
	}
	return true;
}

void pvm_relay_close(struct agent *a)
{
	struct pvm_link *l;
	struct pvm_sent *s;

	while ((s = a->sent)) {
		a->sent = s->next;
		dvm_wait(&s->req, NULL);
		dvmi_buf_free(&s->buf);
		free(s);
	}
	while ((l = a->links)) {
		a->links = l->next;
		free(l->early);
		free(l);
	}
}
