/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

#include "daemon/cli/feed.h"
#include "daemon/cli/input.h"

/* A shell that brings a running job to the foreground tells nobody: looked at this often. */
#define RECHECK_MS 250

struct piece {
	struct piece *next;
	uint64_t seq;
	size_t n; /* 0: the end of the input */
	uint8_t data[];
};

struct target {
	uint32_t node;
	uint64_t acked;
};

struct cli_input {
	struct cli_feed *feed;
	struct cli_session *session;
	int fd;
	uv_timer_t recheck; /* active while the terminal is another's */
	struct piece *kept; /* sent and not acknowledged by every target */
	size_t bytes;
	uint64_t seq;
	struct target *targets;
	size_t n_targets;
	bool ended;
};

/* Is the input ours to read? Anything but a terminal is; a terminal for its foreground only. */
static bool may_read(int fd)
{
	pid_t foreground = tcgetpgrp(fd);

	return foreground < 0 || foreground == getpgrp();
}

static void on_recheck(uv_timer_t *t);

static void want_more(struct cli_input *in)
{
	bool want = !in->ended && in->bytes < CLI_INPUT_WINDOW, may = want && may_read(in->fd);

	if (may)
		cli_feed_want(in->feed);
	else
		cli_feed_unwant(in->feed);
	if (want && !may)
		uv_timer_start(&in->recheck, on_recheck, RECHECK_MS, 0);
	else
		uv_timer_stop(&in->recheck);
}

static void on_recheck(uv_timer_t *t)
{
	want_more(t->data);
}

static void send_piece(struct cli_input *in, const struct piece *p)
{
	Pb__Stdin msg;

	pb__stdin__init(&msg);
	msg.job = cli_session_job(in->session);
	msg.seq = p->seq;
	msg.data = (ProtobufCBinaryData){ .len = p->n, .data = (uint8_t *)p->data };
	msg.eof = p->n == 0;
	cli_session_stdin(in->session, &msg); /* while away: cli_input_resend() does it */
}

static void on_piece(const void *data, ssize_t n, void *arg)
{
	struct cli_input *in = arg;

	if (n == -EIO && !may_read(in->fd)) {
		want_more(in); /* the terminal is another's now */
		return;
	}
	size_t len = n > 0 ? (size_t)n : 0;
	struct piece *p = malloc(sizeof *p + len);
	in->ended = len == 0 || !p;
	if (!p)
		return;
	*p = (struct piece){ .seq = ++in->seq, .n = len };
	memcpy(p->data, data, len);
	LL_APPEND(in->kept, p);
	in->bytes += len;
	send_piece(in, p);
	want_more(in);
}

static bool has_rank0(const Pb__NodeShare *s)
{
	for (size_t i = 0; i < s->n_ranks; i++)
		if (s->ranks[i] == 0)
			return true;
	return false;
}

static void find_targets(struct cli_input *in, const Pb__Placement *p, bool all)
{
	for (size_t i = 0; i < p->n_nodes; i++)
		if (all || has_rank0(p->nodes[i]))
			in->targets[in->n_targets++].node = p->nodes[i]->node;
}

static void on_closed(uv_handle_t *h)
{
	struct cli_input *in = h->data;

	free(in->targets);
	free(in);
}

int cli_input_open(struct cli_input **out, uv_loop_t *loop, int fd, struct cli_session *session,
		   const Pb__Placement *placement, bool all_ranks)
{
	struct cli_input *in = calloc(1, sizeof *in);

	if (!in || !(in->targets = calloc(placement->n_nodes + 1, sizeof *in->targets))) {
		free(in);
		return -ENOMEM;
	}
	uv_timer_init(loop, &in->recheck);
	in->recheck.data = in;
	in->session = session;
	in->fd = fd;
	find_targets(in, placement, all_ranks);
	int rc = cli_feed_open(&in->feed, loop, fd, on_piece, in);
	if (rc < 0) {
		cli_input_close(in);
		return rc;
	}
	want_more(in);
	*out = in;
	return 0;
}

void cli_input_close(struct cli_input *in)
{
	struct piece *p, *next;

	if (!in)
		return;
	cli_feed_close(in->feed);
	LL_FOREACH_SAFE (in->kept, p, next)
		free(p);
	uv_close((uv_handle_t *)&in->recheck, on_closed);
}

/* What every target has. */
static uint64_t acked_by_all(const struct cli_input *in)
{
	uint64_t least = UINT64_MAX;

	for (size_t i = 0; i < in->n_targets; i++)
		if (in->targets[i].acked < least)
			least = in->targets[i].acked;
	return in->n_targets ? least : in->seq;
}

void cli_input_acked(struct cli_input *in, const Pb__StdinAck *ack)
{
	for (size_t i = 0; i < in->n_targets; i++)
		if (in->targets[i].node == ack->node && ack->seq > in->targets[i].acked &&
		    ack->seq <= in->seq)
			in->targets[i].acked = ack->seq;
	uint64_t done = acked_by_all(in);
	while (in->kept && in->kept->seq <= done) {
		struct piece *p = in->kept;

		LL_DELETE(in->kept, p);
		in->bytes -= p->n;
		free(p);
	}
	want_more(in);
}

void cli_input_resend(struct cli_input *in)
{
	struct piece *p;

	LL_FOREACH (in->kept, p)
		send_piece(in, p);
}

void cli_input_recheck(struct cli_input *in)
{
	want_more(in);
}
