/* SPDX-License-Identifier: BSD-3-Clause */
/* pvm_addmhf(): functions of the program that take messages, in whatever call they come. */
#include <stdlib.h>

#include "libdvm/pvm3/state.h"

#define FIRST_ID 9

static bool wants(const struct pvmi_handler *h, const struct pvmi_msg *m)
{
	return h->fn && (h->src == -1 || h->src == m->src) && (h->tag == -1 || h->tag == m->tag) &&
	       (h->ctx == -1 || h->ctx == m->ctx);
}

static const struct pvmi_handler *handler_of(const struct pvmi_msg *m)
{
	for (int i = 0; i < pvmi.nhandlers; i++)
		if (wants(&pvmi.handlers[i], m))
			return &pvmi.handlers[i];
	return NULL;
}

static struct pvmi_msg *next_handled(struct pvmi_handler *out)
{
	for (struct pvmi_entry *e = pvmi.first; e; e = e->next) {
		const struct pvmi_handler *h = e->coming ? NULL : handler_of(e->msg);
		if (h) {
			*out = *h;
			return e->msg;
		}
	}
	return NULL;
}

/* The handler unpacks the message, sends and receives as it likes, with buffers of its own. */
static void handle(struct pvmi_msg *m, int (*fn)(int buffer))
{
	struct pvmi_msg *rbuf = pvmi.rbuf, *sbuf = pvmi.sbuf;
	int mid = m->mid ? m->mid : pvmi_mids_add(&pvmi.mids, m);

	if (mid < 0)
		return;
	pvmi_unqueue(m);
	pvmi.rbuf = m;
	pvmi.sbuf = NULL;
	fn(mid);
	if (pvmi_mids_get(&pvmi.mids, mid) == m)
		pvmi_drop(m);
	if (pvmi.rbuf != rbuf)
		pvmi_drop(pvmi.rbuf);
	pvmi_drop(pvmi.sbuf);
	pvmi.rbuf = rbuf;
	pvmi.sbuf = sbuf;
}

void pvmi_handle(void)
{
	struct pvmi_handler h;
	struct pvmi_msg *m;

	if (pvmi.handling)
		return;
	pvmi.handling = true;
	while ((m = next_handled(&h)))
		handle(m, h.fn);
	pvmi.handling = false;
}

static bool meet(int a, int b)
{
	return a == b || a == -1 || b == -1;
}

/* Whether two handlers could want the same message. */
static bool conflict(const struct pvmi_handler *a, const struct pvmi_handler *b)
{
	return meet(a->src, b->src) && meet(a->tag, b->tag) && meet(a->ctx, b->ctx);
}

/* The lowest number that is free, behind those of PVM's own handlers. */
static int free_id(void)
{
	int id = FIRST_ID;

	for (int i = 0; i < pvmi.nhandlers; i++)
		if (pvmi.handlers[i].id == id) {
			id++;
			i = -1;
		}
	return id;
}

/* PVM has handlers of its own for what tasks say to one another, whoever says it. */
static bool meets_the_system(const struct pvmi_handler *h)
{
	return meet(h->ctx, SYSCTX_TC) &&
	       (h->tag == -1 || (h->tag >= TC_FIRST && h->tag <= TC_LAST));
}

static int add(const struct pvmi_handler *h)
{
	if (meets_the_system(h))
		return PvmExists;
	for (int i = 0; i < pvmi.nhandlers; i++)
		if (conflict(&pvmi.handlers[i], h))
			return PvmExists;
	struct pvmi_handler *more =
		realloc(pvmi.handlers, ((size_t)pvmi.nhandlers + 1) * sizeof *more);
	if (!more)
		return PvmNoMem;
	pvmi.handlers = more;
	more[pvmi.nhandlers] = *h;
	more[pvmi.nhandlers].id = free_id();
	return more[pvmi.nhandlers++].id;
}

int pvm_addmhf(int src, int tag, int context, int (*handler)(int buffer))
{
	const struct pvmi_handler h = { .src = src, .tag = tag, .ctx = context, .fn = handler };
	int rc = pvmi_enrol();

	return pvmi_result("pvm_addmhf", rc < 0 ? rc : add(&h));
}

int pvm_delmhf(int id)
{
	if (id < 0)
		return pvmi_result("pvm_delmhf", PvmBadParam);
	if (id < FIRST_ID)
		return 0; /* PVM's own: what they are for we do in other ways */
	for (int i = 0; i < pvmi.nhandlers; i++)
		if (pvmi.handlers[i].id == id) {
			for (int k = i + 1; k < pvmi.nhandlers; k++)
				pvmi.handlers[k - 1] = pvmi.handlers[k];
			pvmi.nhandlers--;
			return 0;
		}
	return pvmi_result("pvm_delmhf", PvmNotFound);
}
