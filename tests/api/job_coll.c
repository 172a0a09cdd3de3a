/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * job collectives SEED [ROUNDS]: batches of random collectives of all kinds, blocking and not, with
 * messages in between, ended in an order of each rank's own. Every rank draws the same batches and
 * computes what it must get.
 */
#include <errno.h>

#include "tests/api/job.h"

enum { BATCH = 8, RANKS_MAX = 64, FAMILIES = 11 };

struct stream {
	uint64_t state;
};

static uint64_t pick(struct stream *s, uint64_t below)
{
	s->state = mix(s->state, 0xc0113c7);
	return (s->state >> 16) % below;
}

/* x -> a * x + b: composition does not commute. */
struct affine {
	uint32_t a, b;
};

static void compose(void *out, const void *ap, const void *bp, size_t n, dvm_type_t type,
		    void *arg_)
{
	const struct affine *f = ap, *g = bp;
	struct affine *o = out;

	for (size_t i = 0; i < n; i++)
		o[i] = (struct affine){ f[i].a * g[i].a, f[i].a * g[i].b + f[i].b };
	*(int *)arg_ += type == (dvm_type_t)dvm_type_opaque(sizeof *o);
}

/* One collective: what was drawn for it, and its buffers. */
struct coll {
	int family, root, blocking, vary, commutes, in_place;
	size_t len, count, lens[RANKS_MAX], offs[RANKS_MAX], counts[RANKS_MAX];
	size_t out_lens[RANKS_MAX], out_offs[RANKS_MAX];
	uint64_t seed;
	dvm_type_t type;
	dvm_op_t op;
	uint8_t *in, *out;
	dvm_req_t *req;
};

enum {
	BARRIER,
	BCAST,
	REDUCE,
	ALLREDUCE,
	REDSCAT,
	SCAN,
	EXSCAN,
	GATHER,
	SCATTER,
	ALLGATHER,
	ALLTOALL
};

static size_t pick_len(struct stream *s)
{
	static const size_t top[] = { 9, 64, 1100, 20000, 150000 };

	return pick(s, top[pick(s, 5)]);
}

/* What rank FROM has for rank TO, where that depends on both. */
static size_t pair_len(const struct coll *c, int from, int to)
{
	if (!c->vary)
		return c->len;
	uint64_t x = mix(c->seed, (uint64_t)(from * RANKS_MAX + to));
	return x % 3 == 0 ? 0 : x % (x % 5 ? 700 : 9000);
}

static void draw_coll(struct job *j, struct stream *s, struct coll *c)
{
	*c = (struct coll){ .family = (int)pick(s, FAMILIES),
			    .root = (int)pick(s, (uint64_t)j->size),
			    .blocking = pick(s, 3) == 0,
			    .vary = (int)pick(s, 2),
			    .commutes = (int)pick(s, 2),
			    .in_place = (int)pick(s, 2),
			    .len = pick_len(s),
			    .seed = pick(s, UINT64_MAX) };
	if (c->family <= EXSCAN && pick(s, 6) == 0)
		c->len += 600000;
	else if (c->family >= GATHER && !c->vary)
		c->len /= 4;
	c->count = c->len / 8;
	for (int i = 0; i < j->size; i++)
		c->counts[i] = c->vary ? pair_len(c, i, i) / 8 : c->count / 4;
}

static struct affine element(const struct coll *c, int rank, size_t i)
{
	uint64_t x = mix(mix(c->seed, (uint64_t)rank), i);

	return (struct affine){ (uint32_t)x | 1, (uint32_t)(x >> 32) };
}

static struct affine two(const struct coll *c, struct affine f, struct affine g)
{
	if (c->commutes) {
		/* As one 64-bit sum. */
		uint64_t x, y;
		memcpy(&x, &f, 8);
		memcpy(&y, &g, 8);
		x += y;
		memcpy(&f, &x, 8);
		return f;
	}
	return (struct affine){ f.a * g.a, f.a * g.b + f.b };
}

static struct affine combined(const struct coll *c, int to, size_t i)
{
	struct affine x = element(c, 0, i);

	for (int r = 1; r < to; r++)
		x = two(c, x, element(c, r, i));
	return x;
}

static int call_reduction(struct job *j, struct coll *c)
{
	size_t n = c->count, all = n;
	void *out;

	if (c->family == REDSCAT)
		all = 0;
	for (int i = 0; c->family == REDSCAT && i < j->size; i++)
		all += c->counts[i];
	c->in = malloc(all * 8 + 1);
	for (size_t i = 0; i < all; i++)
		((struct affine *)(void *)c->in)[i] = element(c, j->rank, i);
	out = c->out = c->in_place ? c->in : calloc(all + 1, 8);
	dvm_req_t **req = c->blocking ? NULL : &c->req;
	switch (c->family) {
	case REDUCE:
		if (c->root != j->rank)
			out = NULL;
		return req ? dvm_ireduce(j->w, c->in, out, n, c->type, c->op, c->root, req)
			   : dvm_reduce(j->w, c->in, out, n, c->type, c->op, c->root);
	case ALLREDUCE:
		return req ? dvm_iallreduce(j->w, c->in, out, n, c->type, c->op, req)
			   : dvm_allreduce(j->w, c->in, out, n, c->type, c->op);
	case SCAN:
		return req ? dvm_iscan(j->w, c->in, out, n, c->type, c->op, req)
			   : dvm_scan(j->w, c->in, out, n, c->type, c->op);
	case EXSCAN:
		return req ? dvm_iexscan(j->w, c->in, out, n, c->type, c->op, req)
			   : dvm_exscan(j->w, c->in, out, n, c->type, c->op);
	default:
		n = c->counts[0];
		if (c->vary)
			return req ? dvm_ireduce_scatter(j->w, c->in, out, c->counts, c->type,
							 c->op, req)
				   : dvm_reduce_scatter(j->w, c->in, out, c->counts, c->type,
							c->op);
		return req ? dvm_ireduce_scatter_block(j->w, c->in, out, n, c->type, c->op, req)
			   : dvm_reduce_scatter_block(j->w, c->in, out, n, c->type, c->op);
	}
}

/* Offsets of parts of these lengths, with gaps where they vary. Returns the size of it all. */
static size_t lay_out(const struct coll *c, int n, const size_t *lens, size_t *offs)
{
	size_t all = 0;

	for (int i = 0; i < n; i++) {
		offs[i] = all + (c->vary ? 5 : 0);
		all = offs[i] + lens[i];
	}
	return all;
}

static uint64_t pair_seed(const struct coll *c, int from, int to)
{
	return mix(mix(c->seed, (uint64_t)from), (uint64_t)to);
}

static int call_bcast(struct job *j, struct coll *c)
{
	c->in = c->out = malloc(c->len + 1);
	if (j->rank == c->root)
		fill(c->out, c->len, c->seed);
	return c->blocking ? dvm_bcast(j->w, c->out, c->len, c->root)
			   : dvm_ibcast(j->w, c->out, c->len, c->root, &c->req);
}

/* Gather and allgather: rank i gives what it has for rank 0. */
static int call_collect(struct job *j, struct coll *c)
{
	for (int i = 0; i < j->size; i++)
		c->out_lens[i] = pair_len(c, i, 0);
	size_t n = c->out_lens[j->rank], all = lay_out(c, j->size, c->out_lens, c->out_offs);
	c->in = malloc(n + 1);
	fill(c->in, n, pair_seed(c, j->rank, 0));
	uint8_t *out = c->out = calloc(1, all + 1);
	dvm_req_t **req = c->blocking ? NULL : &c->req;
	const size_t *lens = c->out_lens, *offs = c->out_offs;
	if (c->family == ALLGATHER && c->vary)
		return req ? dvm_iallgatherv(j->w, c->in, out, lens, offs, req)
			   : dvm_allgatherv(j->w, c->in, out, lens, offs);
	if (c->family == ALLGATHER)
		return req ? dvm_iallgather(j->w, c->in, n, out, req)
			   : dvm_allgather(j->w, c->in, n, out);
	if (j->rank != c->root)
		lens = offs = NULL, out = NULL;
	if (c->vary)
		return req ? dvm_igatherv(j->w, c->in, n, out, lens, offs, c->root, req)
			   : dvm_gatherv(j->w, c->in, n, out, lens, offs, c->root);
	return req ? dvm_igather(j->w, c->in, n, out, c->root, req)
		   : dvm_gather(j->w, c->in, n, out, c->root);
}

static int call_scatter(struct job *j, struct coll *c)
{
	for (int i = 0; i < j->size; i++)
		c->lens[i] = pair_len(c, 0, i);
	size_t n = c->lens[j->rank], all = lay_out(c, j->size, c->lens, c->offs);
	c->out = malloc(n + 1);
	c->in = malloc(all + 1);
	for (int i = 0; i < j->size; i++)
		fill(c->in + c->offs[i], c->lens[i], pair_seed(c, 0, i));
	const uint8_t *in = j->rank == c->root ? c->in : NULL;
	const size_t *lens = in ? c->lens : NULL, *offs = in ? c->offs : NULL;
	if (c->vary)
		return c->blocking
			       ? dvm_scatterv(j->w, in, lens, offs, c->out, n, c->root)
			       : dvm_iscatterv(j->w, in, lens, offs, c->out, n, c->root, &c->req);
	return c->blocking ? dvm_scatter(j->w, in, n, c->out, c->root)
			   : dvm_iscatter(j->w, in, n, c->out, c->root, &c->req);
}

static int call_alltoall(struct job *j, struct coll *c)
{
	for (int i = 0; i < j->size; i++) {
		c->lens[i] = pair_len(c, j->rank, i);
		c->out_lens[i] = pair_len(c, i, j->rank);
	}
	c->in = malloc(lay_out(c, j->size, c->lens, c->offs) + 1);
	c->out = malloc(lay_out(c, j->size, c->out_lens, c->out_offs) + 1);
	for (int i = 0; i < j->size; i++)
		fill(c->in + c->offs[i], c->lens[i], pair_seed(c, j->rank, i));
	if (c->vary)
		return c->blocking ? dvm_alltoallv(j->w, c->in, c->lens, c->offs, c->out,
						   c->out_lens, c->out_offs)
				   : dvm_ialltoallv(j->w, c->in, c->lens, c->offs, c->out,
						    c->out_lens, c->out_offs, &c->req);
	return c->blocking ? dvm_alltoall(j->w, c->in, c->len, c->out)
			   : dvm_ialltoall(j->w, c->in, c->len, c->out, &c->req);
}

static int call(struct job *j, struct coll *c)
{
	switch (c->family) {
	case BARRIER:
		return c->blocking ? dvm_barrier(j->w) : dvm_ibarrier(j->w, &c->req);
	case BCAST:
		return call_bcast(j, c);
	case GATHER:
	case ALLGATHER:
		return call_collect(j, c);
	case SCATTER:
		return call_scatter(j, c);
	case ALLTOALL:
		return call_alltoall(j, c);
	default:
		return call_reduction(j, c);
	}
}

static int check_reduction(struct job *j, const struct coll *c)
{
	int to = c->family == SCAN ? j->rank + 1 : c->family == EXSCAN ? j->rank : j->size;
	size_t first = 0, n = c->count;

	if (c->family == REDUCE && j->rank != c->root)
		return 0;
	if (c->family == REDSCAT) {
		for (int i = 0; i < j->rank; i++)
			first += c->counts[i];
		n = c->counts[j->rank];
	}
	for (size_t i = 0; i < n && to; i++) {
		struct affine want = combined(c, to, first + i);
		CHECK(!memcmp(c->out + i * 8, &want, 8));
	}
	return 0;
}

static int check(struct job *j, const struct coll *c)
{
	switch (c->family) {
	case BARRIER:
		return 0;
	case BCAST:
		CHECK(filled(c->out, c->len, c->seed));
		return 0;
	case SCATTER:
		CHECK(filled(c->out, c->lens[j->rank], pair_seed(c, 0, j->rank)));
		return 0;
	case GATHER:
	case ALLGATHER:
	case ALLTOALL:
		if (c->family == GATHER && j->rank != c->root)
			return 0;
		for (int i = 0; i < j->size; i++)
			CHECK(filled(c->out + c->out_offs[i], c->out_lens[i],
				     pair_seed(c, i, c->family == ALLTOALL ? j->rank : 0)));
		return 0;
	default:
		return check_reduction(j, c);
	}
}

/* In any order, by any of the calls that wait. */
static int end_all(struct job *j, struct coll *batch, int n, struct stream *mine)
{
	dvm_req_t *reqs[BATCH];
	size_t index;

	for (int left = n; left > 0; left--) {
		for (int i = 0; i < n; i++)
			reqs[i] = batch[i].req;
		int rc = 0, i = (int)pick(mine, (uint64_t)n);
		if (pick(mine, 2)) {
			rc = dvm_waitany(reqs, (size_t)n, &index, NULL);
			if (rc == -ENOENT)
				break;
			batch[index].req = reqs[index];
		} else if (pick(mine, 2)) {
			rc = dvm_wait(&batch[i].req, NULL);
		} else {
			while ((rc = dvm_test(&batch[i].req, NULL)) == 0)
				;
		}
		CHECK(rc >= 0);
	}
	for (int i = 0; i < n; i++)
		CHECK_INT(dvm_wait(&batch[i].req, NULL), 0);
	return 0;
}

/* Messages round the ranks, while collectives are under way. */
static int talk(struct job *j, int round)
{
	char a = (char)j->rank, b = 0;
	int next = (j->rank + 1) % j->size, prev = (j->rank + j->size - 1) % j->size;
	dvm_req_t *req;

	CHECK_INT(dvm_irecv(j->w, &b, 1, prev, round, &req), 0);
	CHECK_INT(dvm_send(j->w, &a, 1, next, round), 0);
	CHECK_INT(dvm_wait(&req, NULL), 0);
	CHECK_INT(b, (char)prev);
	return 0;
}

static int one_batch(struct job *j, struct stream *common, struct stream *mine, int round,
		     dvm_op_t op)
{
	struct coll *batch = calloc(BATCH, sizeof *batch);
	int n = 1 + (int)pick(common, BATCH), talker = (int)pick(common, BATCH);

	for (int i = 0; i < n; i++) {
		struct coll *c = &batch[i];
		draw_coll(j, common, c);
		c->op = c->commutes ? DVM_SUM : op;
		c->type = c->commutes ? DVM_UINT64 : (dvm_type_t)dvm_type_opaque(8);
		CHECK_INT(call(j, c), 0);
		if (i == talker && talk(j, round))
			return 1;
	}
	if (end_all(j, batch, n, mine))
		return 1;
	for (int i = 0; i < n; i++) {
		struct coll *c = &batch[i];
		if (check(j, c)) {
			fprintf(stderr, "rank %d: number %d of %d: family %d, %zu bytes%s%s\n",
				j->rank, i, n, c->family, c->len, c->blocking ? ", blocking" : "",
				c->vary ? ", varying" : "");
			return 1;
		}
		free(c->in);
		if (c->out != c->in)
			free(c->out);
	}
	free(batch);
	return 0;
}

int collectives(struct job *j)
{
	uint64_t seed = (uint64_t)arg(j, 0, 1);
	struct stream common = { .state = seed }, mine = { .state = mix(seed, (uint64_t)j->rank) };
	int right_type = 0, op = dvm_op_create(j->d, compose, &right_type, 0);
	long rounds = arg(j, 1, 40);

	CHECK(op >= DVM_OP_USER);
	for (int i = 0; i < rounds; i++)
		if (one_batch(j, &common, &mine, i, (dvm_op_t)op)) {
			fprintf(stderr, "rank %d: seed %llu, round %d\n", j->rank,
				(unsigned long long)seed, i);
			return 1;
		}
	CHECK(j->size == 1 || rounds < 10 || right_type > 0);
	CHECK_INT(dvm_op_destroy(j->d, (dvm_op_t)op), 0);
	return 0;
}

/*
 * job subgroups SEED [ROUNDS]: the same in groups that are made and freed again, of ranks that are
 * no neighbours and whose order is turned round; each with memory of its own on each node.
 */
int subgroups(struct job *j)
{
	dvm_group_t *world = j->w;
	int rank = j->rank, size = j->size, bad = 0;

	for (int i = 0; i < 4 && !bad; i++) {
		dvm_group_t *part;
		CHECK_INT(dvm_group_split(world, rank % (1 + i % 3), -rank, &part), 0);
		j->w = part;
		j->rank = dvm_group_rank(part);
		j->size = dvm_group_size(part);
		bad = collectives(j);
		j->w = world;
		j->rank = rank;
		j->size = size;
		CHECK_INT(dvm_group_free(part), 0);
	}
	return bad;
}

/* Whose least value it was, everywhere the same, and of equal ones the lowest rank's. */
int minloc(struct job *j)
{
	dvm_double_int_t in[3], out[3];
	float complex_in[4] = { 1, (float)j->rank, 0, 1 }, complex_out[4];
	int n = j->size;

	for (int i = 0; i < 3; i++)
		in[i] = (dvm_double_int_t){ .value = (j->rank + i) % n, .index = j->rank };
	in[2].value = 7;
	CHECK_INT(dvm_allreduce(j->w, in, out, 3, DVM_DOUBLE_INT, DVM_MINLOC), 0);
	CHECK(out[0].value == 0 && out[0].index == 0);
	CHECK(out[1].value == 0 && out[1].index == n - 1);
	CHECK(out[2].value == 7 && out[2].index == 0);
	CHECK_INT(dvm_allreduce(j->w, in, out, 3, DVM_DOUBLE_INT, DVM_MAXLOC), 0);
	CHECK(out[0].value == n - 1 && out[0].index == n - 1);
	CHECK(out[2].value == 7 && out[2].index == 0);
	CHECK_INT(dvm_allreduce(j->w, complex_in, complex_out, 2, DVM_FLOAT_COMPLEX, DVM_SUM), 0);
	CHECK(complex_out[0] == (float)n && complex_out[1] == (float)(n * (n - 1) / 2));
	CHECK(complex_out[2] == 0 && complex_out[3] == (float)n);
	return 0;
}

/* Nobody leaves before everybody has come. */
int barriers(struct job *j)
{
	dvm_req_t *req;
	int n = 0;

	for (int i = 0; i < 50; i++) {
		int late = i % j->size;
		if (j->rank == late) {
			for (int r = 0; r < j->size; r++)
				if (r != late)
					CHECK_INT(dvm_send(j->w, &i, sizeof i, r, i), 0);
		}
		if (i % 2) {
			CHECK_INT(dvm_ibarrier(j->w, &req), 0);
			CHECK_INT(dvm_wait(&req, NULL), 0);
		} else {
			CHECK_INT(dvm_barrier(j->w), 0);
		}
		dvm_status_t st;
		if (j->rank != late) {
			CHECK_INT(dvm_recv(j->w, &n, sizeof n, late, i, &st), 0);
			CHECK_INT(n, i);
		}
	}
	return 0;
}

/* Ranks that do not agree on the size get an error, not garbage or a hang. */
int disagree(struct job *j)
{
	char buf[4096] = { 0 };
	size_t n = j->rank == j->size - 1 ? 1000 : 800;

	int rc = dvm_allreduce(j->w, buf, buf, n, DVM_INT8, DVM_SUM);
	CHECK_INT(rc, -DVM_EPROTO);
	CHECK_INT(dvm_barrier(j->w), -DVM_EPROTO);
	/* Who leaves at once is a reason to fail as good as the other. */
	for (int r = 0; r < j->size; r++)
		if (r != j->rank)
			CHECK_INT(dvm_send(j->w, buf, 1, r, 1), 0);
	for (int r = 0; r < j->size; r++)
		if (r != j->rank)
			CHECK_INT(dvm_recv(j->w, buf, 1, r, 1, NULL), 0);
	return 0;
}
