/* SPDX-License-Identifier: BSD-3-Clause */
/* Output of tasks, to whoever wants it: from when a task has an id to the end of what it prints. */
#include "daemon/pvm/world_private.h"

#define EARLY_MAX (1u << 20) /* bytes that are kept of what is printed early */

/* Who wants the output hears of its task before the first of it. */
static void announce(struct pvm_world *w, const struct spawn *s, const struct task *t)
{
	const int begins[] = { t->tid, -2, s->parent > 0 ? s->parent : 0 };
	const int spawned[] = { t->tid, -1 };

	struct outlet *o = s->out.tid && pvm_task(w, s->out.tid) ? malloc(sizeof *o) : NULL;

	if (!o)
		return;
	*o = (struct outlet){ .host = t->host, .rank = t->rank, .tid = t->tid, .to = s->out };
	LL_PREPEND(w->outlets, o);
	pvm_message(w, s->out.tid, s->out.tag, s->out.ctx, begins, 3);
	pvm_message(w, s->out.tid, s->out.tag, s->out.ctx, spawned, 2);
}

void pvm_output_begin(struct pvm_world *w, const struct spawn *s, const struct item *it,
		      const struct task *t)
{
	announce(w, s, t);
	if (it->said.len)
		pvm_world_output(w, it->host, it->rank, it->said.data, (uint32_t)it->said.len);
	if (it->silent)
		pvm_world_output(w, it->host, it->rank, NULL, 0);
}

/* A process whose output somebody wants, from when it has an id to the end of its output. */
static struct outlet *outlet_of(const struct pvm_world *w, uint32_t host, uint32_t rank)
{
	struct outlet *o = w->outlets;

	while (o && (o->host != host || o->rank != rank))
		o = o->next;
	return o;
}

/* It runs, while others of its spawn do not yet. */
static void keep_early(struct item *it, const void *text, uint32_t n)
{
	if (it && n && it->said.len + n <= EARLY_MAX)
		dvmi_buf_put(&it->said, text, n);
	if (it)
		it->silent |= n == 0;
}

/* A task's text goes as two numbers, its id and the length, and the bytes. */
void pvm_world_output(struct pvm_world *w, uint32_t host, uint32_t rank, const void *text,
		      uint32_t n)
{
	struct outlet *o = outlet_of(w, host, rank);
	struct dvmi_buf b = { 0 };

	if (!o) {
		keep_early(pvm_expected_item(w, host, rank), text, n);
		return;
	}
	const uint32_t head[] = { __builtin_bswap32((uint32_t)o->tid), __builtin_bswap32(n) };
	dvmi_buf_put(&b, head, sizeof head);
	if (n) {
		dvmi_buf_put(&b, text, n);
		dvmi_buf_put(&b, "\0\0\0", (4 - n % 4) % 4);
	}
	if (!b.err && pvm_task(w, o->to.tid))
		pvm_deliver(w, o->to.tid, SYSTEM_TID, o->to.tag, o->to.ctx, ENC_XDR, 0, b.data,
			    (uint32_t)b.len);
	dvmi_buf_free(&b);
	if (n)
		return;
	LL_DELETE(w->outlets, o);
	free(o);
	pvm_look_idle(w);
}

void pvm_outlets_free(struct pvm_world *w)
{
	struct outlet *o, *next;

	LL_FOREACH_SAFE(w->outlets, o, next)
		free(o);
	w->outlets = NULL;
}
