/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/net/unpack.h"

#define FRAME sizeof(struct dvmi_wire_frame)

void dvmi_unpack_fini(struct dvmi_unpack *u)
{
	free(u->rest);
	u->rest = NULL;
	u->len = u->room = 0;
	u->data.len = 0;
	u->stuck = false;
}

static int keep(struct dvmi_unpack *u, const uint8_t *p, size_t n)
{
	if (u->len + n > u->room) {
		uint8_t *more = realloc(u->rest, u->len + n);
		if (!more)
			return -ENOMEM;
		u->rest = more;
		u->room = u->len + n;
	}
	memcpy(u->rest + u->len, p, n);
	u->len += n;
	return 0;
}

/* A piece of the DATA packet under way. */
static void hand_on(struct dvmi_unpack *u, const void *p, size_t n)
{
	struct dvmi_pkt piece = u->data;

	piece.len = (uint32_t)n;
	u->data.len -= (uint32_t)n;
	u->sink->packet(u->sink->arg, u->src, &piece, p);
}

/*
 * A packet whose frame is at P, with N bytes there: how many of them are used, 0 when more are
 * needed, -DVM_EPROTO, or -EAGAIN.
 */
static ssize_t take(struct dvmi_unpack *u, const uint8_t *p, size_t n)
{
	struct dvmi_pkt pkt;

	if (n < FRAME)
		return 0;
	int rc = dvmi_wire_get_frame(u->limits, p, &pkt);
	if (rc < 0)
		return rc;
	if (pkt.kind == DVMI_PKT_DATA) {
		u->data = pkt;
		return FRAME;
	}
	if (n - FRAME < pkt.len)
		return 0;
	rc = u->sink->packet(u->sink->arg, u->src, &pkt, p + FRAME);
	return rc < 0 ? -EAGAIN : (ssize_t)(FRAME + pkt.len);
}

/* How many bytes the packet in rest lacks, as far as that is known. */
static size_t lacks(const struct dvmi_unpack *u)
{
	struct dvmi_pkt pkt;

	if (u->len < FRAME)
		return FRAME - u->len;
	return dvmi_wire_get_frame(u->limits, u->rest, &pkt) < 0 ? 0 : FRAME + pkt.len - u->len;
}

/* Completes the packet in rest from the N bytes at P. Bytes used or -E…. */
static ssize_t complete(struct dvmi_unpack *u, const uint8_t *p, size_t n)
{
	size_t want = lacks(u);

	n = n < want ? n : want;
	int rc = keep(u, p, n);
	if (rc < 0)
		return rc;
	ssize_t used = take(u, u->rest, u->len);
	if (used == -EAGAIN) {
		u->stuck = true;
		return (ssize_t)n;
	}
	if (used > 0)
		u->len = 0;
	return used < 0 ? used : (ssize_t)n;
}

static ssize_t step(struct dvmi_unpack *u, const uint8_t *p, size_t n)
{
	if (u->data.len) {
		n = n < u->data.len ? n : u->data.len;
		hand_on(u, p, n);
		return (ssize_t)n;
	}
	if (u->len)
		return complete(u, p, n);
	ssize_t used = take(u, p, n);
	if (used == -EAGAIN)
		u->stuck = true;
	else if (used)
		return used;
	int rc = keep(u, p, n);
	return rc < 0 ? rc : (ssize_t)n;
}

int dvmi_unpack_feed(struct dvmi_unpack *u, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	while (n) {
		if (u->stuck)
			return keep(u, p, n);
		ssize_t used = step(u, p, n);
		if (used <= 0)
			return used < 0 ? (int)used : -DVM_EPROTO;
		p += used;
		n -= (size_t)used;
	}
	return 0;
}

int dvmi_unpack_retry(struct dvmi_unpack *u)
{
	uint8_t *bytes = u->rest;
	size_t n = u->len;

	u->rest = NULL;
	u->len = u->room = 0;
	u->stuck = false;
	int rc = dvmi_unpack_feed(u, bytes, n);
	free(bytes);
	return rc;
}

void *dvmi_unpack_place(struct dvmi_unpack *u, size_t *n)
{
	if (!u->data.len || !u->sink->place)
		return NULL;
	return u->sink->place(u->sink->arg, u->src, &u->data, n);
}

void dvmi_unpack_placed(struct dvmi_unpack *u, const void *at, size_t n)
{
	hand_on(u, at, n);
}
