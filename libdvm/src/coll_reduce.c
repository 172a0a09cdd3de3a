/* SPDX-License-Identifier: BSD-3-Clause */
/* The calls that combine elements: arguments are checked here, before anything is sent. */
#include <errno.h>

#include "libdvm/src/coll.h"
#include "libdvm/src/coll_shm.h"

/* What all reductions have in common. */
static int common(struct dvmi_coll_args *a, enum dvmi_coll_kind kind, dvm_group_t *g,
		  const void *in, void *out, size_t count, dvm_type_t type, dvm_op_t op)
{
	*a = (struct dvmi_coll_args){ .kind = kind };
	if (!g || dvmi_coll_combine(g, type, op, &a->op) < 0 || (!in && count) ||
	    count > SIZE_MAX / 4 / a->op.each)
		return -EINVAL;
	a->v = (struct dvmi_vector){
		.in = in, .out = out, .count = count, .each = a->op.each, .commutes = a->op.commutes
	};
	return 0;
}

static int reduce_args(struct dvmi_coll_args *a, dvm_group_t *g, const void *in, void *out,
		       size_t count, dvm_type_t type, dvm_op_t op, int root)
{
	if (common(a, DVMI_COLL_REDUCE, g, in, out, count, type, op) < 0 || root < 0 ||
	    (uint32_t)root >= g->size || ((uint32_t)root == g->rank && !out && count))
		return -EINVAL;
	a->root = (uint32_t)root;
	return 0;
}

int dvm_reduce(dvm_group_t *g, const void *in, void *out, size_t count, dvm_type_t type,
	       dvm_op_t op, int root)
{
	struct dvmi_coll_args a;
	int rc = reduce_args(&a, g, in, out, count, type, op, root);

	return rc < 0 ? rc : dvmi_coll_run(g, &a);
}

int dvm_ireduce(dvm_group_t *g, const void *in, void *out, size_t count, dvm_type_t type,
		dvm_op_t op, int root, dvm_req_t **req)
{
	struct dvmi_coll_args a;
	int rc = reduce_args(&a, g, in, out, count, type, op, root);

	return rc < 0 || !req ? -EINVAL : dvmi_coll_start(g, &a, req);
}

/* All whose result goes to OUT of every rank. */
static int everywhere(struct dvmi_coll_args *a, enum dvmi_coll_kind kind, dvm_group_t *g,
		      const void *in, void *out, size_t count, dvm_type_t type, dvm_op_t op)
{
	int rc = common(a, kind, g, in, out, count, type, op);

	return rc < 0 || (!out && count) ? -EINVAL : 0;
}

/* What fits into a line, with an operator of ours. */
static bool quick_allreduce(dvm_group_t *g, const void *in, void *out, size_t count,
			    dvm_type_t type, dvm_op_t op, int *rc)
{
	dvmi_reduce_fn *fn = dvmi_reduce_fn_of(type, op);

	if (!g || !in || !out || !fn || count - 1 >= DVMI_AREA_INLINE)
		return false;
	size_t len = count * (size_t)dvm_type_size(type);
	struct dvmi_area *a = len <= DVMI_AREA_INLINE ? dvmi_coll_quick(g) : NULL;
	if (!a)
		return false;
	*rc = dvmi_coll_quick_end(g, dvmi_shm_allreduce_line(a, fn, in, out, count, len));
	return true;
}

int dvm_allreduce(dvm_group_t *g, const void *in, void *out, size_t count, dvm_type_t type,
		  dvm_op_t op)
{
	struct dvmi_coll_args a;
	int quick;

	if (quick_allreduce(g, in, out, count, type, op, &quick))
		return quick;
	int rc = everywhere(&a, DVMI_COLL_ALLREDUCE, g, in, out, count, type, op);

	return rc < 0 ? rc : dvmi_coll_run(g, &a);
}

int dvm_iallreduce(dvm_group_t *g, const void *in, void *out, size_t count, dvm_type_t type,
		   dvm_op_t op, dvm_req_t **req)
{
	struct dvmi_coll_args a;
	int rc = everywhere(&a, DVMI_COLL_ALLREDUCE, g, in, out, count, type, op);

	return rc < 0 || !req ? -EINVAL : dvmi_coll_start(g, &a, req);
}

int dvm_scan(dvm_group_t *g, const void *in, void *out, size_t count, dvm_type_t type, dvm_op_t op)
{
	struct dvmi_coll_args a;
	int rc = everywhere(&a, DVMI_COLL_SCAN, g, in, out, count, type, op);

	return rc < 0 ? rc : dvmi_coll_run(g, &a);
}

int dvm_iscan(dvm_group_t *g, const void *in, void *out, size_t count, dvm_type_t type, dvm_op_t op,
	      dvm_req_t **req)
{
	struct dvmi_coll_args a;
	int rc = everywhere(&a, DVMI_COLL_SCAN, g, in, out, count, type, op);

	return rc < 0 || !req ? -EINVAL : dvmi_coll_start(g, &a, req);
}

int dvm_exscan(dvm_group_t *g, const void *in, void *out, size_t count, dvm_type_t type,
	       dvm_op_t op)
{
	struct dvmi_coll_args a;
	int rc = everywhere(&a, DVMI_COLL_EXSCAN, g, in, out, count, type, op);

	return rc < 0 ? rc : dvmi_coll_run(g, &a);
}

int dvm_iexscan(dvm_group_t *g, const void *in, void *out, size_t count, dvm_type_t type,
		dvm_op_t op, dvm_req_t **req)
{
	struct dvmi_coll_args a;
	int rc = everywhere(&a, DVMI_COLL_EXSCAN, g, in, out, count, type, op);

	return rc < 0 || !req ? -EINVAL : dvmi_coll_start(g, &a, req);
}

/* COUNTS NULL: COUNT elements for each rank. The whole input must be a size, too. */
static int scatter_args(struct dvmi_coll_args *a, dvm_group_t *g, const void *in, void *out,
			const size_t *counts, size_t count, dvm_type_t type, dvm_op_t op)
{
	size_t all = 0, most;

	if (common(a, DVMI_COLL_REDUCE_SCATTER, g, NULL, out, 0, type, op) < 0)
		return -EINVAL;
	most = SIZE_MAX / 4 / a->op.each;
	for (uint32_t i = 0; i < g->size; i++) {
		size_t n = counts ? counts[i] : count;
		if (n > most - all)
			return -EINVAL;
		all += n;
	}
	if ((all && !in) || (!out && (counts ? counts[g->rank] : count)))
		return -EINVAL;
	a->v.in = in;
	a->v.count = count;
	a->counts = counts;
	return 0;
}

int dvm_reduce_scatter(dvm_group_t *g, const void *in, void *out, const size_t *counts,
		       dvm_type_t type, dvm_op_t op)
{
	struct dvmi_coll_args a;

	if (!counts || scatter_args(&a, g, in, out, counts, 0, type, op) < 0)
		return -EINVAL;
	return dvmi_coll_run(g, &a);
}

int dvm_ireduce_scatter(dvm_group_t *g, const void *in, void *out, const size_t *counts,
			dvm_type_t type, dvm_op_t op, dvm_req_t **req)
{
	struct dvmi_coll_args a;

	if (!counts || !req || scatter_args(&a, g, in, out, counts, 0, type, op) < 0)
		return -EINVAL;
	return dvmi_coll_start(g, &a, req);
}

int dvm_reduce_scatter_block(dvm_group_t *g, const void *in, void *out, size_t count,
			     dvm_type_t type, dvm_op_t op)
{
	struct dvmi_coll_args a;
	int rc = scatter_args(&a, g, in, out, NULL, count, type, op);

	return rc < 0 ? rc : dvmi_coll_run(g, &a);
}

int dvm_ireduce_scatter_block(dvm_group_t *g, const void *in, void *out, size_t count,
			      dvm_type_t type, dvm_op_t op, dvm_req_t **req)
{
	struct dvmi_coll_args a;
	int rc = scatter_args(&a, g, in, out, NULL, count, type, op);

	return rc < 0 || !req ? -EINVAL : dvmi_coll_start(g, &a, req);
}
