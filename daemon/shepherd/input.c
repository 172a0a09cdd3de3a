/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/shepherd/input.h"

struct reader {
	uv_pipe_t pipe;
	struct shep_input *in;
	bool open;
};

/* One message on its way to all readers. */
struct block {
	struct shep_input *in;
	struct block *next;
	uint64_t seq;
	size_t writers; /* that have not finished */
	size_t len;
	uint8_t data[];
};

struct write {
	uv_write_t req;
	struct block *block;
};

struct shep_input {
	void (*ack)(uint64_t seq, void *arg);
	void *arg;
	struct block *first, **end; /* in order of their numbers */
	uint64_t taken, done;
	bool eof;
	bool destroyed;
	int handles;
	size_t max, n;
	uv_loop_t *loop;
	struct reader readers[];
};

int shep_input_create(struct shep_input **out, uv_loop_t *loop, size_t readers,
		      void (*ack)(uint64_t seq, void *arg), void *arg)
{
	struct shep_input *in = calloc(1, sizeof *in + readers * sizeof(struct reader));

	if (!in)
		return -ENOMEM;
	in->loop = loop;
	in->max = readers;
	in->ack = ack;
	in->arg = arg;
	in->end = &in->first;
	*out = in;
	return 0;
}

static void free_input(struct shep_input *in)
{
	while (in->first) {
		struct block *b = in->first;
		in->first = b->next;
		free(b);
	}
	free(in);
}

static void on_closed(uv_handle_t *h)
{
	struct shep_input *in = ((struct reader *)h->data)->in;

	if (--in->handles == 0 && in->destroyed)
		free_input(in);
}

static void close_reader(struct reader *r)
{
	if (!r->open)
		return;
	r->open = false;
	uv_close((uv_handle_t *)&r->pipe, on_closed);
}

int shep_input_add(struct shep_input *in, int fd)
{
	struct reader *r = &in->readers[in->n];
	int rc = in->n < in->max ? uv_pipe_init(in->loop, &r->pipe, 0) : -ENOSPC;

	if (rc < 0) {
		close(fd);
		return rc;
	}
	in->n++;
	in->handles++;
	r->in = in;
	r->pipe.data = r;
	r->open = true;
	rc = uv_pipe_open(&r->pipe, fd);
	if (rc < 0) {
		close(fd);
		close_reader(r);
	}
	return rc;
}

/* Frees and acknowledges the blocks in front that every reader is done with. */
static void advance(struct shep_input *in)
{
	uint64_t was = in->done;

	while (in->first && in->first->writers == 0) {
		struct block *b = in->first;
		in->done = b->seq;
		in->first = b->next;
		if (!in->first)
			in->end = &in->first;
		free(b);
	}
	if (in->done != was && !in->destroyed)
		in->ack(in->done, in->arg);
	if (in->eof && !in->first)
		for (size_t i = 0; i < in->n; i++)
			close_reader(&in->readers[i]);
}

static void on_written(uv_write_t *req, int status)
{
	struct write *w = (struct write *)req;
	struct reader *r = req->handle->data;
	struct block *b = w->block;

	free(w);
	b->writers--;
	/* It reads no more: that is its own affair. The others still do. */
	if (status < 0)
		close_reader(r);
	advance(b->in);
}

static void write_block(struct reader *r, struct block *b)
{
	struct write *w = r->open ? calloc(1, sizeof *w) : NULL;
	uv_buf_t buf = uv_buf_init((char *)b->data, (unsigned)b->len);

	if (!w) {
		close_reader(r);
		return;
	}
	w->block = b;
	b->writers++;
	if (uv_write(&w->req, (uv_stream_t *)&r->pipe, &buf, 1, on_written) < 0) {
		b->writers--;
		free(w);
		close_reader(r);
	}
}

void shep_input_message(struct shep_input *in, const Pb__Stdin *msg)
{
	if (msg->seq <= in->taken) {
		shep_input_ack_again(in);
		return;
	}
	struct block *b = msg->seq == in->taken + 1 ? calloc(1, sizeof *b + msg->data.len) : NULL;
	if (!b)
		return;
	b->in = in;
	b->seq = in->taken = msg->seq;
	b->len = msg->data.len;
	if (b->len)
		memcpy(b->data, msg->data.data, b->len);
	*in->end = b;
	in->end = &b->next;
	for (size_t i = 0; b->len && i < in->n; i++)
		write_block(&in->readers[i], b);
	in->eof |= msg->eof;
	advance(in);
}

void shep_input_ack_again(struct shep_input *in)
{
	if (in->done)
		in->ack(in->done, in->arg);
}

void shep_input_destroy(struct shep_input *in)
{
	if (!in || in->destroyed)
		return;
	in->destroyed = true;
	for (size_t i = 0; i < in->n; i++)
		close_reader(&in->readers[i]);
	if (in->handles == 0)
		free_input(in);
}
