/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mailboxes. An entry belongs to who has put it: only that task may put another one in its place or
 * take it out, unless it is overwritable. It ends with its owner, unless it is persistent; then
 * nobody owns it.
 */
#include <stdio.h>

#include "daemon/pvm/world_private.h"

#define EXACT 0x40000000 /* of pvm_insert(): this index and no other */

static struct box *find(const struct pvm_world *w, const char *name, int index)
{
	struct box *b;

	LL_FOREACH(w->boxes, b)
		if (b->index == index && strcmp(b->name, name) == 0)
			return b;
	return NULL;
}

static struct box *find_from(const struct pvm_world *w, const char *name, int index)
{
	struct box *best = NULL, *b;

	LL_FOREACH(w->boxes, b)
		if (b->index >= index && strcmp(b->name, name) == 0 &&
		    (!best || b->index < best->index))
			best = b;
	return best;
}

static bool may_change(const struct box *b, int tid)
{
	return b->owner == tid || b->flags & PvmMboxOverWritable;
}

static void remove_box(struct pvm_world *w, struct box *b)
{
	LL_DELETE(w->boxes, b);
	free(b->name);
	free(b->body);
	free(b);
}

/* ---- put ---- */

static int new_box(struct pvm_world *w, const struct box *like)
{
	struct box *b = malloc(sizeof *b);

	if (!b)
		return PvmNoMem;
	*b = *like;
	b->name = strdup(like->name);
	b->body = malloc(like->len + 1);
	b->next = NULL;
	if (!b->name || !b->body) {
		free(b->name);
		free(b->body);
		free(b);
		return PvmNoMem;
	}
	memcpy(b->body, like->body, like->len);
	LL_APPEND(w->boxes, b);
	pvm_mbox_look(w);
	return like->index;
}

static int put(struct pvm_world *w, struct box *like)
{
	struct box *old = find(w, like->name, like->index);
	bool exact = like->flags & EXACT;

	like->flags &= ~EXACT;
	if (exact && old)
		return PvmDenied;
	if (!exact && like->flags & PvmMboxMultiInstance)
		while (find(w, like->name, like->index))
			like->index++;
	else if (old && !may_change(old, like->owner))
		return PvmDenied;
	else if (old)
		remove_box(w, old);
	return new_box(w, like);
}

static int do_put(struct pvm_world *w, int tid, char *name, int index, int flags,
		  struct dvmi_reader *r)
{
	struct box b = { .name = name, .index = index, .flags = flags, .owner = tid };

	b.enc = (int)dvmi_get_u32(r);
	const uint8_t *body = dvmi_get_blob(r, PVMI_FRAME_MAX, &b.len);
	if (!body || index < 0)
		return PvmBadParam;
	b.body = (void *)(uintptr_t)body; /* copied before it is kept */
	return put(w, &b);
}

/* ---- get ---- */

/* Answers question ID of TID with the entry, if it is there. False: not. */
static bool get(struct pvm_world *w, int tid, uint32_t id, const char *name, int index, int flags)
{
	struct box *b = flags & PvmMboxFirstAvail ? find_from(w, name, index) :
						    find(w, name, index);
	struct dvmi_buf body = { 0 };

	if (!b)
		return false;
	if (flags & PvmMboxReadAndDelete && !may_change(b, tid)) {
		pvm_answer(w, tid, id, PvmDenied, NULL);
		return true;
	}
	dvmi_buf_put_u32(&body, (uint32_t)b->index);
	dvmi_buf_put_u32(&body, (uint32_t)b->owner);
	dvmi_buf_put_u32(&body, (uint32_t)b->flags);
	dvmi_buf_put_u32(&body, (uint32_t)b->enc);
	dvmi_buf_put_blob(&body, b->body, b->len);
	pvm_answer(w, tid, id, 0, &body);
	dvmi_buf_free(&body);
	if (flags & PvmMboxReadAndDelete)
		remove_box(w, b);
	return true;
}

static void do_get(struct pvm_world *w, int tid, uint32_t id, const char *name, int index,
		   int flags)
{
	if (get(w, tid, id, name, index, flags))
		return;
	struct waiter *x = flags & PvmMboxWaitForInfo ?
				   pvm_wait_new(w, tid, id, PVMI_MBOX, name) :
				   NULL;
	if (!x) {
		pvm_answer(w, tid, id, PvmNotFound, NULL);
		return;
	}
	x->a = index;
	x->b = flags;
}

void pvm_mbox_look(struct pvm_world *w)
{
	struct waiter *x, *next;

	LL_FOREACH_SAFE(w->waiters, x, next)
		if (x->kind == PVMI_MBOX && get(w, x->tid, x->id, x->name, x->a, x->b))
			pvm_wait_free(w, x);
}

/* ---- delete, list ---- */

static int do_delete(struct pvm_world *w, int tid, const char *name, int index)
{
	struct box *b = find(w, name, index);

	if (!b)
		return PvmNotFound;
	if (!may_change(b, tid))
		return PvmDenied;
	remove_box(w, b);
	return index;
}

/* The parts of PATTERN between its stars are in NAME, one behind the other. */
static bool like(const char *pattern, const char *name)
{
	while (*(pattern += strspn(pattern, "*"))) {
		size_t n = strcspn(pattern, "*");
		const char *at = memmem(name, strlen(name), pattern, n);
		if (!at)
			return false;
		name = at + n;
		pattern += n;
	}
	return true;
}

/* The first entry of its name. */
static bool first_of_name(const struct pvm_world *w, const struct box *b)
{
	for (const struct box *x = w->boxes; x != b; x = x->next)
		if (strcmp(x->name, b->name) == 0)
			return false;
	return true;
}

static void put_class(const struct pvm_world *w, const char *name, struct dvmi_buf *out)
{
	uint32_t n = 0;

	for (const struct box *b = find_from(w, name, 0); b; b = find_from(w, name, b->index + 1))
		n++;
	dvmi_buf_put_str(out, name);
	dvmi_buf_put_u32(out, n);
	for (const struct box *b = find_from(w, name, 0); b; b = find_from(w, name, b->index + 1)) {
		dvmi_buf_put_u32(out, (uint32_t)b->index);
		dvmi_buf_put_u32(out, (uint32_t)b->owner);
		dvmi_buf_put_u32(out, (uint32_t)b->flags);
	}
}

static void do_list(struct pvm_world *w, int tid, uint32_t id, const char *pattern)
{
	struct dvmi_buf all = { 0 }, out = { 0 };
	const struct box *b;
	uint32_t n = 0;

	LL_FOREACH(w->boxes, b)
		if (first_of_name(w, b) && like(pattern, b->name)) {
			put_class(w, b->name, &all);
			n++;
		}
	dvmi_buf_put_u32(&out, n);
	dvmi_buf_put(&out, all.data, all.len);
	pvm_answer(w, tid, id, all.err ? PvmNoMem : 0, &out);
	dvmi_buf_free(&all);
	dvmi_buf_free(&out);
}

void pvm_call_mbox(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	uint32_t op = dvmi_get_u32(r);
	char *name = dvmi_get_str(r, PVMI_NAME_MAX);
	int index = (int)dvmi_get_u32(r), flags = (int)dvmi_get_u32(r);

	if (r->err || !name)
		pvm_answer(w, t->tid, id, PvmBadParam, NULL);
	else if (op == PVMI_MBOX_PUT)
		pvm_answer(w, t->tid, id, do_put(w, t->tid, name, index, flags, r), NULL);
	else if (op == PVMI_MBOX_GET)
		do_get(w, t->tid, id, name, index, flags);
	else if (op == PVMI_MBOX_DEL)
		pvm_answer(w, t->tid, id, do_delete(w, t->tid, name, index), NULL);
	else
		do_list(w, t->tid, id, name);
	free(name);
}

void pvm_mbox_task_end(struct pvm_world *w, int tid)
{
	struct box *b, *next;

	LL_FOREACH_SAFE(w->boxes, b, next) {
		if (b->owner != tid)
			continue;
		if (b->flags & PvmMboxPersistent)
			b->owner = 0;
		else
			remove_box(w, b);
	}
}

void pvm_boxes_free(struct pvm_world *w)
{
	while (w->boxes)
		remove_box(w, w->boxes);
}

/* ---- waiting ---- */

struct waiter *pvm_wait_new(struct pvm_world *w, int tid, uint32_t id, uint16_t kind,
			    const char *name)
{
	struct waiter *x = calloc(1, sizeof *x);

	if (!x)
		return NULL;
	*x = (struct waiter){ .tid = tid, .id = id, .kind = kind, .name = strdup(name) };
	if (!x->name) {
		free(x);
		return NULL;
	}
	LL_APPEND(w->waiters, x);
	return x;
}

void pvm_wait_free(struct pvm_world *w, struct waiter *x)
{
	LL_DELETE(w->waiters, x);
	free(x->name);
	free(x);
}
