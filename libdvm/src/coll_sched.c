/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/src/coll_sched.h"

struct dvmi_scratch {
	struct dvmi_scratch *next;
	_Alignas(16) uint8_t bytes[];
};

void dvmi_sched_init(struct dvmi_sched *s)
{
	s->rc = 0;
	s->nsteps = s->nmsgs = s->nmsgs_max = 0;
	s->cap = DVMI_SCHED_STEPS;
	s->steps = s->own_steps;
	s->used = 0;
	s->scratch = NULL;
}

void dvmi_sched_fini(struct dvmi_sched *s)
{
	struct dvmi_scratch *next;

	for (struct dvmi_scratch *b = s->scratch; b; b = next) {
		next = b->next;
		free(b);
	}
	if (s->steps != s->own_steps)
		free(s->steps);
	dvmi_sched_init(s);
}

static void fail(struct dvmi_sched *s, int code)
{
	if (s->rc == 0)
		s->rc = code;
}

static int grow(struct dvmi_sched *s)
{
	bool own = s->steps == s->own_steps;
	uint32_t cap = s->cap * 2;
	struct dvmi_step *p = realloc(own ? NULL : s->steps, cap * sizeof *p);

	if (!p) {
		fail(s, -ENOMEM);
		return -ENOMEM;
	}
	if (own)
		memcpy(p, s->own_steps, sizeof s->own_steps);
	s->steps = p;
	s->cap = cap;
	return 0;
}

static void add(struct dvmi_sched *s, const struct dvmi_step *step)
{
	if (s->nsteps == s->cap && grow(s) < 0)
		return;
	s->steps[s->nsteps++] = *step;
}

static void add_message(struct dvmi_sched *s, const struct dvmi_step *step)
{
	add(s, step);
	if (++s->nmsgs > s->nmsgs_max)
		s->nmsgs_max = s->nmsgs;
}

void dvmi_sched_send(struct dvmi_sched *s, uint32_t peer, const void *buf, size_t len)
{
	add_message(s, &(struct dvmi_step){
			       .kind = DVMI_STEP_SEND, .peer = peer, .len = len, .a = buf });
}

void dvmi_sched_recv(struct dvmi_sched *s, uint32_t peer, void *buf, size_t len)
{
	add_message(s, &(struct dvmi_step){
			       .kind = DVMI_STEP_RECV, .peer = peer, .len = len, .out = buf });
}

void dvmi_sched_copy(struct dvmi_sched *s, void *out, const void *in, size_t len)
{
	if (len && out != in)
		add(s,
		    &(struct dvmi_step){ .kind = DVMI_STEP_COPY, .len = len, .a = in, .out = out });
}

void dvmi_sched_reduce(struct dvmi_sched *s, void *out, const void *a, const void *b, size_t n)
{
	if (n)
		add(s, &(struct dvmi_step){
			       .kind = DVMI_STEP_REDUCE, .len = n, .a = a, .b = b, .out = out });
}

void dvmi_sched_round(struct dvmi_sched *s)
{
	if (s->nsteps)
		s->steps[s->nsteps - 1].last = true;
	s->nmsgs = 0;
}

static void *own_scratch(struct dvmi_sched *s, size_t bytes)
{
	size_t room = (bytes + 15) & ~(size_t)15;

	if (bytes > sizeof s->own_scratch || room > sizeof s->own_scratch - s->used)
		return NULL;
	s->used += room;
	return s->own_scratch + s->used - room;
}

void *dvmi_sched_tmp(struct dvmi_sched *s, size_t bytes)
{
	void *p = own_scratch(s, bytes);

	if (p)
		return p;
	struct dvmi_scratch *b = bytes < SIZE_MAX - sizeof *b ? malloc(sizeof *b + bytes) : NULL;
	if (!b) {
		fail(s, -ENOMEM);
		return NULL;
	}
	b->next = s->scratch;
	s->scratch = b;
	return b->bytes;
}
