/* SPDX-License-Identifier: BSD-3-Clause */
/* Those that only move bytes. */
#include <errno.h>
#include <string.h>

#include "libdvm/src/coll_shm.h"
#include "libdvm/src/coll_shm_private.h"

int dvmi_shm_barrier(struct dvmi_area *a)
{
	int rc = dvmi_area_enter(a, DVMI_COLL_BARRIER);

	if (rc < 0)
		return rc;
	dvmi_area_publish(a);
	return dvmi_area_wait_all(a);
}

static int bcast_piece(struct dvmi_area *a, uint8_t *buf, size_t n, uint32_t root, uint64_t what)
{
	int rc = dvmi_area_enter(a, what);

	if (rc < 0)
		return rc;
	if (a->team.rank == root)
		memcpy(dvmi_area_mine(a, n), buf, n);
	dvmi_area_publish(a);
	if (a->team.rank == root)
		return 0;
	rc = dvmi_area_wait(a, root);
	if (rc == 0)
		memcpy(buf, dvmi_area_at(a, root, n), n);
	return rc;
}

int dvmi_shm_bcast(struct dvmi_area *a, uint8_t *buf, size_t len, uint32_t root)
{
	uint64_t what = dvmi_shm_what(DVMI_COLL_BCAST, root, len);
	size_t piece = dvmi_shm_flow(a);
	int rc = 0;

	if (dvmi_shm_direct(a, DVMI_COLL_BCAST, len))
		return dvmi_direct_bcast(a, buf, len, root);
	for (size_t at = 0, n; at < len && rc == 0; at += n) {
		n = len - at < piece ? len - at : piece;
		rc = bcast_piece(a, buf + at, n, root, what);
	}
	return rc;
}

/* The root's slot has a piece for each, in their order. */
static int scatter_piece(struct dvmi_area *a, const uint8_t *in, uint8_t *out, size_t len, size_t n,
			 uint32_t root, uint64_t what)
{
	uint32_t size = a->team.size;
	int rc = dvmi_area_enter(a, what);

	if (rc < 0)
		return rc;
	for (uint32_t m = 0; a->team.rank == root && m < size; m++)
		if (m != root)
			memcpy(dvmi_area_mine(a, n * size) + m * n, in + m * len, n);
	dvmi_area_publish(a);
	if (a->team.rank == root) {
		if (out != in + root * len)
			memcpy(out, in + root * len, n);
		return 0;
	}
	rc = dvmi_area_wait(a, root);
	if (rc == 0)
		memcpy(out, dvmi_area_at(a, root, n * size) + a->team.rank * n, n);
	return rc;
}

int dvmi_shm_scatter(struct dvmi_area *a, const uint8_t *in, uint8_t *out, size_t len,
		     uint32_t root)
{
	uint64_t what = dvmi_shm_what(DVMI_COLL_SCATTER, root, len);
	size_t piece = dvmi_shm_flow(a) / a->team.size;
	int rc = 0;

	if (dvmi_shm_direct(a, DVMI_COLL_SCATTER, len))
		return dvmi_direct_scatter(a, in, out, len, root);
	for (size_t at = 0, n; at < len && rc == 0; at += n) {
		n = len - at < piece ? len - at : piece;
		rc = scatter_piece(a, in + at, out + at, len, n, root, what);
	}
	return rc;
}

/* Member M's piece to where it belongs, unless it is this rank's own and there already. */
static void take(struct dvmi_area *a, uint32_t m, const uint8_t *own, uint8_t *out, size_t n,
		 size_t slot_len)
{
	const uint8_t *from = m == a->team.rank ? own : dvmi_area_at(a, m, slot_len);

	if (n && from != out)
		memcpy(out, from, n);
}

static int gather_piece(struct dvmi_area *a, const uint8_t *in, uint8_t *out, size_t len, size_t n,
			uint32_t root, uint64_t what)
{
	int rc = dvmi_area_enter(a, what);

	if (rc < 0)
		return rc;
	if (a->team.rank != root)
		memcpy(dvmi_area_mine(a, n), in, n);
	dvmi_area_publish(a);
	if (a->team.rank != root)
		return 0;
	for (uint32_t m = 0; m < a->team.size && rc == 0; m++) {
		rc = m == root ? 0 : dvmi_area_wait(a, m);
		if (rc == 0)
			take(a, m, in, out + m * len, n, n);
	}
	return rc;
}

int dvmi_shm_gather(struct dvmi_area *a, const uint8_t *in, size_t len, uint8_t *out, uint32_t root)
{
	uint64_t what = dvmi_shm_what(DVMI_COLL_GATHER, root, len);
	size_t piece = dvmi_shm_flow(a);
	int rc = 0;

	if (dvmi_shm_direct(a, DVMI_COLL_GATHER, len))
		return dvmi_direct_gather(a, in, len, out, root);
	for (size_t at = 0, n; at < len && rc == 0; at += n) {
		n = len - at < piece ? len - at : piece;
		rc = gather_piece(a, in + at, out ? out + at : NULL, len, n, root, what);
	}
	return rc;
}

/* How much of LEN is left from AT on, at most PIECE. */
static size_t rest(size_t len, size_t at, size_t piece)
{
	return len <= at ? 0 : len - at < piece ? len - at : piece;
}

int dvmi_shm_allgather(struct dvmi_area *a, const uint8_t *in, const struct dvmi_parts *out)
{
	size_t piece = dvmi_shm_all(a), most = 0, all = 0;
	uint32_t me = a->team.rank;
	int rc = 0;

	if (!out->lens && dvmi_shm_direct(a, DVMI_COLL_ALLGATHER, out->len))
		return dvmi_direct_allgather(a, in, out->len, out->buf);
	for (uint32_t m = 0; m < a->team.size; m++) {
		size_t len = dvmi_part_len(out, m);
		most = len > most ? len : most;
		all += len * (m + 1);
	}
	uint64_t what = dvmi_shm_what(DVMI_COLL_ALLGATHER, 0, all);
	for (size_t at = 0; at < most && rc == 0; at += piece) {
		size_t mine = rest(dvmi_part_len(out, me), at, piece);
		rc = dvmi_area_enter(a, what);
		if (rc < 0)
			break;
		if (mine)
			memcpy(dvmi_area_mine(a, mine), in + at, mine);
		dvmi_area_publish(a);
		for (uint32_t m = 0; m < a->team.size && rc == 0; m++) {
			size_t n = rest(dvmi_part_len(out, m), at, piece);
			rc = m == me ? 0 : dvmi_area_wait(a, m);
			if (rc == 0 && n)
				take(a, m, in + at, dvmi_part_at(out, m) + at, n, n);
		}
	}
	return rc;
}

static int alltoall_piece(struct dvmi_area *a, const uint8_t *in, uint8_t *out, size_t len,
			  size_t n, uint64_t what)
{
	uint32_t size = a->team.size, me = a->team.rank;
	int rc = dvmi_area_enter(a, what);

	if (rc < 0)
		return rc;
	for (uint32_t m = 0; m < size; m++)
		if (m != me)
			memcpy(dvmi_area_mine(a, n * size) + m * n, in + m * len, n);
	dvmi_area_publish(a);
	if (out + me * len != in + me * len)
		memcpy(out + me * len, in + me * len, n);
	/* Each begins with another, so that not all read the same memory. */
	for (uint32_t k = 1; k < size && rc == 0; k++) {
		uint32_t m = dvmi_team_before(&a->team, k);
		rc = dvmi_area_wait(a, m);
		if (rc == 0)
			memcpy(out + m * len, dvmi_area_at(a, m, n * size) + me * n, n);
	}
	return rc;
}

int dvmi_shm_alltoall(struct dvmi_area *a, const uint8_t *in, uint8_t *out, size_t len)
{
	uint64_t what = dvmi_shm_what(DVMI_COLL_ALLTOALL, 0, len);
	size_t piece = dvmi_shm_all(a) / a->team.size;
	int rc = 0;

	if (dvmi_shm_direct(a, DVMI_COLL_ALLTOALL, len))
		return dvmi_direct_alltoall(a, in, out, len);
	for (size_t at = 0, n; at < len && rc == 0; at += n) {
		n = len - at < piece ? len - at : piece;
		rc = alltoall_piece(a, in + at, out + at, len, n, what);
	}
	return rc;
}

static int reductions(struct dvmi_area *a, const struct dvmi_coll_args *args)
{
	switch (args->kind) {
	case DVMI_COLL_REDUCE:
		return dvmi_shm_reduce(a, &args->op, &args->v, args->root);
	case DVMI_COLL_ALLREDUCE:
		return dvmi_shm_allreduce(a, &args->op, &args->v);
	case DVMI_COLL_REDUCE_SCATTER:
		return dvmi_shm_reduce_scatter(a, &args->op, &args->v, args->counts);
	default:
		return dvmi_shm_scan(a, &args->op, &args->v, args->kind == DVMI_COLL_EXSCAN);
	}
}

/* An element for each must fit into a piece. */
bool dvmi_shm_fits(const struct dvmi_area *a, const struct dvmi_combine *op)
{
	return op->each <= dvmi_shm_flow(a) / a->team.size;
}

bool dvmi_shm_collective(struct dvmi_area *a, const struct dvmi_coll_args *args, int *rc)
{
	/* Lengths that only some ranks know: also no common number of pieces. */
	if (args->vary && args->kind != DVMI_COLL_ALLGATHER)
		return false;
	switch (args->kind) {
	case DVMI_COLL_BARRIER:
		*rc = dvmi_shm_barrier(a);
		break;
	case DVMI_COLL_BCAST:
		*rc = dvmi_shm_bcast(a, args->out.buf, args->out.len, args->root);
		break;
	case DVMI_COLL_GATHER:
		*rc = dvmi_shm_gather(a, args->in.buf, args->in.len, args->out.buf, args->root);
		break;
	case DVMI_COLL_SCATTER:
		*rc = dvmi_shm_scatter(a, args->in.buf, args->out.buf, args->out.len, args->root);
		break;
	case DVMI_COLL_ALLGATHER:
		*rc = dvmi_shm_allgather(a, args->in.buf, &args->out);
		break;
	case DVMI_COLL_ALLTOALL:
		*rc = dvmi_shm_alltoall(a, args->in.buf, args->out.buf, args->in.len);
		break;
	default:
		if (!dvmi_shm_fits(a, &args->op))
			return false;
		*rc = reductions(a, args);
	}
	return true;
}
