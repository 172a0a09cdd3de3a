/* SPDX-License-Identifier: BSD-3-Clause */
/* The calls that move bytes: arguments are checked here, before anything is sent. */
#include <errno.h>
#include <string.h>

#include "libdvm/src/coll.h"
#include "libdvm/src/coll_shm.h"
#include "libdvm/src/group.h"

static struct dvmi_parts part(const void *buf, size_t len)
{
	return (struct dvmi_parts){ .buf = (uint8_t *)(uintptr_t)buf, .len = len };
}

static struct dvmi_parts parts(const void *buf, const size_t *lens, const size_t *offsets)
{
	return (struct dvmi_parts){ .buf = (uint8_t *)(uintptr_t)buf,
				    .lens = lens,
				    .offsets = offsets };
}

static bool in_group(const dvm_group_t *g, int root)
{
	return root >= 0 && (uint32_t)root < g->size;
}

/* Somewhere to be for all of N parts. */
static bool has_room(const struct dvmi_parts *p, uint32_t n)
{
	if (p->buf)
		return true;
	for (uint32_t i = 0; i < n; i++)
		if (dvmi_part_len(p, i))
			return false;
	return true;
}

static int barrier_args(struct dvmi_coll_args *a, dvm_group_t *g)
{
	*a = (struct dvmi_coll_args){ .kind = DVMI_COLL_BARRIER };
	return g ? 0 : -EINVAL;
}

int dvm_barrier(dvm_group_t *g)
{
	struct dvmi_coll_args a;

	if (!g)
		return -EINVAL;
	if (g->local)
		return dvmi_intergroup_barrier(g);
	struct dvmi_area *area = dvmi_coll_quick(g);
	if (area)
		return dvmi_coll_quick_end(g, dvmi_shm_barrier(area));
	barrier_args(&a, g);
	return dvmi_coll_run(g, &a);
}

int dvm_ibarrier(dvm_group_t *g, dvm_req_t **req)
{
	struct dvmi_coll_args a;

	if (barrier_args(&a, g) < 0 || !req)
		return -EINVAL;
	return dvmi_coll_start(g, &a, req);
}

static int bcast_args(struct dvmi_coll_args *a, dvm_group_t *g, void *buf, size_t len, int root)
{
	if (!g || (!buf && len) || !in_group(g, root))
		return -EINVAL;
	*a = (struct dvmi_coll_args){ .kind = DVMI_COLL_BCAST,
				      .root = (uint32_t)root,
				      .out = part(buf, len) };
	return 0;
}

int dvm_bcast(dvm_group_t *g, void *buf, size_t len, int root)
{
	struct dvmi_coll_args a;
	int rc = bcast_args(&a, g, buf, len, root);

	return rc < 0 ? rc : dvmi_coll_run(g, &a);
}

int dvm_ibcast(dvm_group_t *g, void *buf, size_t len, int root, dvm_req_t **req)
{
	struct dvmi_coll_args a;
	int rc = bcast_args(&a, g, buf, len, root);

	return rc < 0 || !req ? -EINVAL : dvmi_coll_start(g, &a, req);
}

static int gather_args(struct dvmi_coll_args *a, dvm_group_t *g, const void *in, size_t len,
		       void *out, int root)
{
	if (!g || (!in && len) || !in_group(g, root) || ((uint32_t)root == g->rank && !out && len))
		return -EINVAL;
	*a = (struct dvmi_coll_args){
		.kind = DVMI_COLL_GATHER,
		.root = (uint32_t)root,
		.in = part(in, len),
		.out = part(out, len),
	};
	return 0;
}

int dvm_gather(dvm_group_t *g, const void *in, size_t len, void *out, int root)
{
	struct dvmi_coll_args a;
	int rc = gather_args(&a, g, in, len, out, root);

	return rc < 0 ? rc : dvmi_coll_run(g, &a);
}

int dvm_igather(dvm_group_t *g, const void *in, size_t len, void *out, int root, dvm_req_t **req)
{
	struct dvmi_coll_args a;
	int rc = gather_args(&a, g, in, len, out, root);

	return rc < 0 || !req ? -EINVAL : dvmi_coll_start(g, &a, req);
}

static int gatherv_args(struct dvmi_coll_args *a, dvm_group_t *g, const void *in, size_t len,
			void *out, const size_t *lens, const size_t *offsets, int root)
{
	if (!g || (!in && len) || !in_group(g, root))
		return -EINVAL;
	*a = (struct dvmi_coll_args){
		.kind = DVMI_COLL_GATHER,
		.root = (uint32_t)root,
		.in = part(in, len),
		.out = parts(out, lens, offsets),
		.vary = true,
	};
	if ((uint32_t)root != g->rank)
		return 0;
	return lens && offsets && lens[root] == len && has_room(&a->out, g->size) ? 0 : -EINVAL;
}

int dvm_gatherv(dvm_group_t *g, const void *in, size_t len, void *out, const size_t *lens,
		const size_t *offsets, int root)
{
	struct dvmi_coll_args a;
	int rc = gatherv_args(&a, g, in, len, out, lens, offsets, root);

	return rc < 0 ? rc : dvmi_coll_run(g, &a);
}

int dvm_igatherv(dvm_group_t *g, const void *in, size_t len, void *out, const size_t *lens,
		 const size_t *offsets, int root, dvm_req_t **req)
{
	struct dvmi_coll_args a;
	int rc = gatherv_args(&a, g, in, len, out, lens, offsets, root);

	return rc < 0 || !req ? -EINVAL : dvmi_coll_start(g, &a, req);
}

static int scatter_args(struct dvmi_coll_args *a, dvm_group_t *g, const void *in, size_t len,
			void *out, int root)
{
	if (!g || (!out && len) || !in_group(g, root) || ((uint32_t)root == g->rank && !in && len))
		return -EINVAL;
	*a = (struct dvmi_coll_args){
		.kind = DVMI_COLL_SCATTER,
		.root = (uint32_t)root,
		.in = part(in, len),
		.out = part(out, len),
	};
	return 0;
}

int dvm_scatter(dvm_group_t *g, const void *in, size_t len, void *out, int root)
{
	struct dvmi_coll_args a;
	int rc = scatter_args(&a, g, in, len, out, root);

	return rc < 0 ? rc : dvmi_coll_run(g, &a);
}

int dvm_iscatter(dvm_group_t *g, const void *in, size_t len, void *out, int root, dvm_req_t **req)
{
	struct dvmi_coll_args a;
	int rc = scatter_args(&a, g, in, len, out, root);

	return rc < 0 || !req ? -EINVAL : dvmi_coll_start(g, &a, req);
}

static int scatterv_args(struct dvmi_coll_args *a, dvm_group_t *g, const void *in,
			 const size_t *lens, const size_t *offsets, void *out, size_t len, int root)
{
	if (!g || (!out && len) || !in_group(g, root))
		return -EINVAL;
	*a = (struct dvmi_coll_args){
		.kind = DVMI_COLL_SCATTER,
		.root = (uint32_t)root,
		.in = parts(in, lens, offsets),
		.out = part(out, len),
		.vary = true,
	};
	if ((uint32_t)root != g->rank)
		return 0;
	return lens && offsets && lens[root] == len && has_room(&a->in, g->size) ? 0 : -EINVAL;
}

int dvm_scatterv(dvm_group_t *g, const void *in, const size_t *lens, const size_t *offsets,
		 void *out, size_t len, int root)
{
	struct dvmi_coll_args a;
	int rc = scatterv_args(&a, g, in, lens, offsets, out, len, root);

	return rc < 0 ? rc : dvmi_coll_run(g, &a);
}

int dvm_iscatterv(dvm_group_t *g, const void *in, const size_t *lens, const size_t *offsets,
		  void *out, size_t len, int root, dvm_req_t **req)
{
	struct dvmi_coll_args a;
	int rc = scatterv_args(&a, g, in, lens, offsets, out, len, root);

	return rc < 0 || !req ? -EINVAL : dvmi_coll_start(g, &a, req);
}

static int allgather_args(struct dvmi_coll_args *a, dvm_group_t *g, const void *in, size_t len,
			  void *out)
{
	if (!g || (len && (!in || !out)))
		return -EINVAL;
	*a = (struct dvmi_coll_args){ .kind = DVMI_COLL_ALLGATHER,
				      .in = part(in, len),
				      .out = part(out, len) };
	return 0;
}

int dvm_allgather(dvm_group_t *g, const void *in, size_t len, void *out)
{
	struct dvmi_coll_args a;
	int rc = allgather_args(&a, g, in, len, out);

	return rc < 0 ? rc : dvmi_coll_run(g, &a);
}

int dvm_iallgather(dvm_group_t *g, const void *in, size_t len, void *out, dvm_req_t **req)
{
	struct dvmi_coll_args a;
	int rc = allgather_args(&a, g, in, len, out);

	return rc < 0 || !req ? -EINVAL : dvmi_coll_start(g, &a, req);
}

static int allgatherv_args(struct dvmi_coll_args *a, dvm_group_t *g, const void *in, void *out,
			   const size_t *lens, const size_t *offsets)
{
	if (!g || !lens || !offsets || (!in && lens[g->rank]))
		return -EINVAL;
	*a = (struct dvmi_coll_args){
		.kind = DVMI_COLL_ALLGATHER,
		.in = part(in, lens[g->rank]),
		.out = parts(out, lens, offsets),
		.vary = true,
	};
	return has_room(&a->out, g->size) ? 0 : -EINVAL;
}

int dvm_allgatherv(dvm_group_t *g, const void *in, void *out, const size_t *lens,
		   const size_t *offsets)
{
	struct dvmi_coll_args a;
	int rc = allgatherv_args(&a, g, in, out, lens, offsets);

	return rc < 0 ? rc : dvmi_coll_run(g, &a);
}

int dvm_iallgatherv(dvm_group_t *g, const void *in, void *out, const size_t *lens,
		    const size_t *offsets, dvm_req_t **req)
{
	struct dvmi_coll_args a;
	int rc = allgatherv_args(&a, g, in, out, lens, offsets);

	return rc < 0 || !req ? -EINVAL : dvmi_coll_start(g, &a, req);
}

static int alltoall_args(struct dvmi_coll_args *a, dvm_group_t *g, const void *in, size_t len,
			 void *out)
{
	if (!g || (len && (!in || !out)))
		return -EINVAL;
	*a = (struct dvmi_coll_args){ .kind = DVMI_COLL_ALLTOALL,
				      .in = part(in, len),
				      .out = part(out, len) };
	return 0;
}

int dvm_alltoall(dvm_group_t *g, const void *in, size_t len, void *out)
{
	struct dvmi_coll_args a;
	int rc = alltoall_args(&a, g, in, len, out);

	return rc < 0 ? rc : dvmi_coll_run(g, &a);
}

int dvm_ialltoall(dvm_group_t *g, const void *in, size_t len, void *out, dvm_req_t **req)
{
	struct dvmi_coll_args a;
	int rc = alltoall_args(&a, g, in, len, out);

	return rc < 0 || !req ? -EINVAL : dvmi_coll_start(g, &a, req);
}

static int alltoallv_args(struct dvmi_coll_args *a, dvm_group_t *g, const struct dvmi_parts *in,
			  const struct dvmi_parts *out)
{
	if (!g || !in->lens || !in->offsets || !out->lens || !out->offsets ||
	    !has_room(in, g->size) || !has_room(out, g->size) ||
	    in->lens[g->rank] != out->lens[g->rank])
		return -EINVAL;
	*a = (struct dvmi_coll_args){
		.kind = DVMI_COLL_ALLTOALL, .in = *in, .out = *out, .vary = true
	};
	return 0;
}

int dvm_alltoallv(dvm_group_t *g, const void *in, const size_t *in_lens, const size_t *in_offsets,
		  void *out, const size_t *out_lens, const size_t *out_offsets)
{
	struct dvmi_parts from = parts(in, in_lens, in_offsets);
	struct dvmi_parts to = parts(out, out_lens, out_offsets);
	struct dvmi_coll_args a;
	int rc = alltoallv_args(&a, g, &from, &to);

	return rc < 0 ? rc : dvmi_coll_run(g, &a);
}

int dvm_ialltoallv(dvm_group_t *g, const void *in, const size_t *in_lens, const size_t *in_offsets,
		   void *out, const size_t *out_lens, const size_t *out_offsets, dvm_req_t **req)
{
	struct dvmi_parts from = parts(in, in_lens, in_offsets);
	struct dvmi_parts to = parts(out, out_lens, out_offsets);
	struct dvmi_coll_args a;
	int rc = alltoallv_args(&a, g, &from, &to);

	return rc < 0 || !req ? -EINVAL : dvmi_coll_start(g, &a, req);
}
