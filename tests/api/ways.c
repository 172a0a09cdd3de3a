/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/api/ways.h"

/* Blocks at equal distances, and what is left behind them. */
static void make_layout(struct way *w, size_t block, size_t gap)
{
	size_t count = w->len / block, lens[2] = { 1, w->len % block };
	int64_t displs[2] = { 0, (int64_t)(count * (block + gap)) };
	const dvm_layout_t *ofs[2] = { NULL, dvm_layout_of(DVM_INT8) };
	dvm_layout_t *blocks;

	if (dvm_layout_hvector(&blocks, count, block, (int64_t)(block + gap), ofs[1]) < 0)
		abort();
	ofs[0] = blocks;
	if (dvm_layout_struct(&w->l, 2, lens, displs, ofs) < 0)
		abort();
	dvm_layout_free(blocks);
	w->memory = calloc(count + 1, block + gap);
}

static void make_pieces(struct way *w)
{
	size_t cuts[4] = { 0, w->len / 3, w->len / 2, w->len };

	w->memory = calloc(1, w->len + 20);
	for (size_t i = 0; i < 3; i++)
		w->iov[i] = (dvm_iov_t){ w->memory + cuts[i] + 5 * i, cuts[i + 1] - cuts[i] };
}

void way_make(struct way *w, size_t len, uint64_t seed)
{
	*w = (struct way){ .form = seed % 3, .mode = (int)(seed >> 4 & 3), .len = len };
	w->again = seed >> 6 & 1;
	w->mode %= 3;
	if (w->form == WAY_LAYOUT)
		make_layout(w, 1 + (seed >> 8) % 61, (seed >> 16) % 30);
	else if (w->form == WAY_PIECES)
		make_pieces(w);
	else
		w->memory = malloc(len + 1);
}

void way_free(struct way *w)
{
	dvm_layout_free(w->l);
	free(w->memory);
}

void way_put(struct way *w, const uint8_t *flat)
{
	if (w->form == WAY_FLAT)
		memcpy(w->memory, flat, w->len);
	else if (w->form == WAY_LAYOUT && dvm_layout_unpack(flat, w->len, w->memory, 1, w->l) < 0)
		abort();
	for (size_t i = 0; w->form == WAY_PIECES && i < 3; flat += w->iov[i++].len)
		memcpy(w->iov[i].base, flat, w->iov[i].len);
}

void way_get(const struct way *w, uint8_t *flat)
{
	if (w->form == WAY_FLAT)
		memcpy(flat, w->memory, w->len);
	else if (w->form == WAY_LAYOUT && dvm_layout_pack(w->memory, 1, w->l, flat, w->len) < 0)
		abort();
	for (size_t i = 0; w->form == WAY_PIECES && i < 3; flat += w->iov[i++].len)
		memcpy(flat, w->iov[i].base, w->iov[i].len);
}

static int start(int rc, dvm_req_t **req)
{
	return rc < 0 ? rc : dvm_start(*req);
}

static int isend_flat(const struct way *w, dvm_group_t *g, int to, int tag, dvm_req_t **req)
{
	if (w->again)
		return start(dvm_send_init(g, w->memory, w->len, to, tag, w->mode, req), req);
	switch (w->mode) {
	case DVM_SEND_SYNC:
		return dvm_issend(g, w->memory, w->len, to, tag, req);
	case DVM_SEND_READY:
		return dvm_irsend(g, w->memory, w->len, to, tag, req);
	default:
		return dvm_isend(g, w->memory, w->len, to, tag, req);
	}
}

int way_isend(const struct way *w, dvm_group_t *g, int to, int tag, dvm_req_t **req)
{
	if (w->form == WAY_FLAT)
		return isend_flat(w, g, to, tag, req);
	if (w->form == WAY_PIECES)
		return dvm_isendv(g, w->iov, 3, to, tag, req);
	if (w->again)
		return start(dvm_sendl_init(g, w->memory, 1, w->l, to, tag, w->mode, req), req);
	return dvm_isendl(g, w->memory, 1, w->l, to, tag, w->mode, req);
}

int way_irecv(const struct way *w, dvm_group_t *g, int from, int tag, dvm_req_t **req)
{
	if (w->form == WAY_PIECES)
		return dvm_irecvv(g, w->iov, 3, from, tag, req);
	if (w->form == WAY_FLAT && w->again)
		return start(dvm_recv_init(g, w->memory, w->len, from, tag, req), req);
	if (w->form == WAY_FLAT)
		return dvm_irecv(g, w->memory, w->len, from, tag, req);
	if (w->again)
		return start(dvm_recvl_init(g, w->memory, 1, w->l, from, tag, req), req);
	return dvm_irecvl(g, w->memory, 1, w->l, from, tag, req);
}

/* A list of pieces is received as a layout of bytes whose displacements count from the memory. */
static int mrecv_pieces(const struct way *w, dvm_message_t **msg, dvm_status_t *st)
{
	size_t lens[3];
	int64_t displs[3];
	dvm_layout_t *l;

	for (int i = 0; i < 3; i++) {
		lens[i] = w->iov[i].len;
		displs[i] = (uint8_t *)w->iov[i].base - w->memory;
	}
	int rc = dvm_layout_hindexed(&l, 3, lens, displs, dvm_layout_of(DVM_UINT8));
	if (rc < 0)
		return rc;
	rc = dvm_mrecvl(msg, w->memory, 1, l, st);
	dvm_layout_free(l);
	return rc;
}

int way_mrecv(const struct way *w, dvm_message_t **msg, dvm_status_t *st)
{
	dvm_req_t *req;
	int rc;

	if (w->form == WAY_PIECES)
		return mrecv_pieces(w, msg, st);
	if (!w->again)
		return w->form == WAY_FLAT ? dvm_mrecv(msg, w->memory, w->len, st) :
					     dvm_mrecvl(msg, w->memory, 1, w->l, st);
	rc = w->form == WAY_FLAT ? dvm_imrecv(msg, w->memory, w->len, &req) :
				   dvm_imrecvl(msg, w->memory, 1, w->l, &req);
	return rc < 0 ? rc : dvm_wait(&req, st);
}
