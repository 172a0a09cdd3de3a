/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * job random SEED [ROUNDS]: every rank draws the same program from the seed, runs its part, and
 * compares what it gets with what a serial run would have given it. A round is either a batch of
 * messages between random pairs or one collective.
 */
#include "tests/api/job.h"
#include "tests/api/ways.h"

enum { MAX_MSGS = 40, TAGS = 3, ELEMS_MAX = 20000 };

struct rnd {
	uint64_t state;
};

/* What is drawn from the common stream must be drawn by every rank alike. */
static uint64_t draw(struct rnd *r, uint64_t below)
{
	r->state = mix(r->state, 0x51ed);
	return (r->state >> 16) % below;
}

struct message {
	int from, to, tag;
	size_t len;
	uint64_t seed;
	int taken;
};

static size_t draw_len(struct rnd *r)
{
	static const size_t top[] = { 1, 64, 1100, 20000, 300000 };

	return draw(r, top[draw(r, 5)]) + (draw(r, 4) == 0);
}

static int draw_messages(struct rnd *r, int size, struct message *m)
{
	int n = 1 + (int)draw(r, MAX_MSGS);

	for (int i = 0; i < n; i++)
		m[i] = (struct message){
			.from = (int)draw(r, (uint64_t)size),
			.to = (int)draw(r, (uint64_t)size),
			.tag = (int)draw(r, TAGS),
			.len = draw_len(r),
			.seed = draw(r, UINT64_MAX),
		};
	return n;
}

/* The message that a receive from SOURCE with TAG must get, given what was taken before. */
static struct message *oldest(struct message *m, int n, int to, int source, int tag)
{
	for (int i = 0; i < n; i++)
		if (m[i].to == to && !m[i].taken && m[i].from == source && m[i].tag == tag)
			return &m[i];
	return NULL;
}

struct batch {
	struct message *m;
	int n, tag0; /* tags of this round start at tag0 */
	dvm_req_t *req[MAX_MSGS];
	struct way way[MAX_MSGS];
	int nreq;
};

static int check_message(struct job *j, struct batch *b, const dvm_status_t *st, const uint8_t *buf)
{
	struct message *m = oldest(b->m, b->n, j->rank, st->source, st->tag - b->tag0);

	CHECK(m);
	CHECK(st->len == m->len && st->error == 0);
	CHECK(filled(buf, m->len, m->seed));
	m->taken = 1;
	return 0;
}

static int incoming(struct job *j, const struct batch *b)
{
	int n = 0;

	for (int i = 0; i < b->n; i++)
		n += b->m[i].to == j->rank;
	return n;
}

/*
 * A receive posted for message i takes the oldest of its source and tag, which is another one
 * when some earlier one was not posted for; its room may then be too small. Room for any will do.
 */
static size_t most(const struct batch *b)
{
	size_t n = 0;

	for (int i = 0; i < b->n; i++)
		n = b->m[i].len > n ? b->m[i].len : n;
	return n;
}

/* Some receives exact and before the sends, the rest from anyone afterwards. */
static int post_some(struct job *j, struct batch *b, struct rnd *mine)
{
	for (int i = 0; i < b->n; i++) {
		struct message *m = &b->m[i];
		if (m->to != j->rank || draw(mine, 2))
			continue;
		struct way *w = &b->way[b->nreq];
		way_make(w, most(b), draw(mine, UINT64_MAX));
		CHECK_INT(way_irecv(w, j->w, m->from, b->tag0 + m->tag, &b->req[b->nreq]), 0);
		b->nreq++;
	}
	return 0;
}

static int send_all(struct job *j, struct batch *b, struct rnd *mine, dvm_req_t **req,
		    struct way *way)
{
	uint8_t *flat = malloc(most(b) + 1);

	for (int i = 0; i < b->n; i++) {
		struct message *m = &b->m[i];
		if (m->from != j->rank)
			continue;
		fill(flat, m->len, m->seed);
		way_make(&way[i], m->len, draw(mine, UINT64_MAX));
		way_put(&way[i], flat);
		if (m->len < 1000 && draw(mine, 2))
			CHECK_INT(dvm_send(j->w, flat, m->len, m->to, b->tag0 + m->tag), 0);
		else
			CHECK_INT(way_isend(&way[i], j->w, m->to, b->tag0 + m->tag, &req[i]), 0);
	}
	free(flat);
	return 0;
}

/* Posted ones complete in order per source and tag; so check them in the order of posting. */
static int end_posted(struct job *j, struct batch *b)
{
	uint8_t *flat = malloc(most(b) + 1);

	for (int i = 0; i < b->nreq; i++) {
		dvm_status_t st;
		CHECK_INT(dvm_wait(&b->req[i], &st), 0);
		CHECK_INT(dvm_req_free(&b->req[i]), 0);
		way_get(&b->way[i], flat);
		if (check_message(j, b, &st, flat))
			return 1;
		way_free(&b->way[i]);
	}
	free(flat);
	return 0;
}

/* One message with TAG from anyone, looked at before it is received, taken, or neither. */
static int take_one(struct job *j, struct batch *b, struct rnd *mine, int tag, uint8_t *flat,
		    dvm_status_t *st)
{
	dvm_message_t *msg;
	dvm_status_t seen;
	struct way w;

	switch (draw(mine, 3)) {
	case 0:
		CHECK_INT(dvm_recv(j->w, flat, most(b), DVM_ANY_SOURCE, tag, st), 0);
		return 0;
	case 1:
		CHECK_INT(dvm_probe(j->w, DVM_ANY_SOURCE, tag, &seen), 0);
		CHECK_INT(dvm_recv(j->w, flat, seen.len, seen.source, tag, st), 0);
		return 0;
	default:
		CHECK_INT(dvm_mprobe(j->w, DVM_ANY_SOURCE, tag, &msg, &seen), 0);
		way_make(&w, seen.len, draw(mine, UINT64_MAX));
		CHECK_INT(way_mrecv(&w, &msg, st), 0);
		way_get(&w, flat);
		way_free(&w);
		return 0;
	}
}

static int take_rest(struct job *j, struct batch *b, struct rnd *mine)
{
	uint8_t *buf = malloc(most(b) + 1);

	for (int left = incoming(j, b) - b->nreq; left > 0; left--) {
		dvm_status_t st;
		/* Only tags of this round: other ranks may be ahead. */
		int tag = -1;
		for (int i = 0; i < b->n && tag < 0; i++)
			if (b->m[i].to == j->rank && !b->m[i].taken)
				tag = b->tag0 + b->m[i].tag;
		if (take_one(j, b, mine, tag, buf, &st))
			return 1;
		if (check_message(j, b, &st, buf))
			return 1;
	}
	free(buf);
	return 0;
}

static int messages(struct job *j, struct rnd *common, struct rnd *mine, int round)
{
	struct message m[MAX_MSGS];
	struct batch b = { .m = m, .tag0 = round * TAGS };
	dvm_req_t *req[MAX_MSGS] = { NULL };
	struct way way[MAX_MSGS] = { 0 };

	b.n = draw_messages(common, j->size, m);
	if (post_some(j, &b, mine) || send_all(j, &b, mine, req, way) || end_posted(j, &b) ||
	    take_rest(j, &b, mine))
		return 1;
	CHECK_INT(dvm_waitall(req, MAX_MSGS, NULL), 0);
	for (int i = 0; i < MAX_MSGS; i++) {
		CHECK_INT(dvm_req_free(&req[i]), 0);
		way_free(&way[i]);
	}
	return 0;
}

/* What rank R puts in: element I of the collective with SEED. */
static int64_t value(uint64_t seed, int r, size_t i)
{
	return (int64_t)(mix(mix(seed, (uint64_t)r), i) % 2001) - 1000;
}

static int64_t combine(dvm_op_t op, int64_t a, int64_t b)
{
	switch (op) {
	case DVM_SUM:
		return a + b;
	case DVM_PROD:
		return (int64_t)((uint64_t)a * (uint64_t)b);
	case DVM_MIN:
		return a < b ? a : b;
	case DVM_MAX:
		return a > b ? a : b;
	case DVM_LAND:
		return a && b;
	case DVM_LOR:
		return a || b;
	case DVM_BAND:
		return a & b;
	case DVM_BOR:
		return a | b;
	default:
		return a ^ b;
	}
}

static int64_t get(const void *buf, dvm_type_t type, size_t i)
{
	switch (type) {
	case DVM_INT16:
		return ((const int16_t *)buf)[i];
	case DVM_INT32:
		return ((const int32_t *)buf)[i];
	case DVM_INT64:
		return ((const int64_t *)buf)[i];
	default:
		return (int64_t)((const double *)buf)[i];
	}
}

static void put(void *buf, dvm_type_t type, size_t i, int64_t v)
{
	switch (type) {
	case DVM_INT16:
		((int16_t *)buf)[i] = (int16_t)v;
		break;
	case DVM_INT32:
		((int32_t *)buf)[i] = (int32_t)v;
		break;
	case DVM_INT64:
		((int64_t *)buf)[i] = v;
		break;
	default:
		((double *)buf)[i] = (double)v;
	}
}

static int check_reduced(struct job *j, const void *out, dvm_type_t type, dvm_op_t op, size_t n,
			 uint64_t seed)
{
	for (size_t i = 0; i < n; i++) {
		int64_t want = value(seed, 0, i), got = get(out, type, i);
		char one[8];
		for (int r = 1; r < j->size; r++)
			want = combine(op, want, value(seed, r, i));
		put(one, type, 0, want); /* as wide as the type */
		CHECK_INT(got, get(one, type, 0));
	}
	return 0;
}

static int reduction(struct job *j, struct rnd *r)
{
	static const dvm_type_t types[] = { DVM_INT16, DVM_INT32, DVM_INT64, DVM_DOUBLE };
	static const size_t top[] = { 4, 500, ELEMS_MAX };
	dvm_type_t type = types[draw(r, 4)];
	/* Of doubles only what is exact in any order. */
	static const dvm_op_t exact[] = { DVM_SUM, DVM_MIN, DVM_MAX, DVM_LAND, DVM_LOR };
	dvm_op_t op = type == DVM_DOUBLE ? exact[draw(r, 5)] : (dvm_op_t)(1 + draw(r, 9));
	size_t n = draw(r, top[draw(r, 3)]);
	int root = (int)draw(r, (uint64_t)j->size + 1) - 1, in_place = (int)draw(r, 2);
	uint64_t seed = draw(r, UINT64_MAX);
	void *in = malloc(n * 8 + 1), *out = in_place ? in : malloc(n * 8 + 1);

	for (size_t i = 0; i < n; i++)
		put(in, type, i, value(seed, j->rank, i));
	if (root < 0)
		CHECK_INT(dvm_allreduce(j->w, in, out, n, type, op), 0);
	else
		CHECK_INT(dvm_reduce(j->w, in, j->rank == root ? out : NULL, n, type, op, root), 0);
	int bad = (root < 0 || root == j->rank) && check_reduced(j, out, type, op, n, seed);
	if (out != in)
		free(out);
	free(in);
	return bad;
}

/* Lengths of each rank's part, some zero. */
static size_t draw_parts(struct rnd *r, int size, size_t *lens, size_t *offs, int equal)
{
	size_t all = 0, each = draw_len(r) / 4;

	for (int i = 0; i < size; i++) {
		lens[i] = equal ? each : draw(r, 5) ? draw_len(r) / 4 : 0;
		offs[i] = all;
		all += lens[i] + (equal ? 0 : draw(r, 9));
	}
	return all;
}

static int parts_good(struct job *j, const uint8_t *out, const size_t *lens, const size_t *offs,
		      uint64_t seed)
{
	for (int i = 0; i < j->size; i++)
		CHECK(filled(out + offs[i], lens[i], mix(seed, (uint64_t)i)));
	return 0;
}

static int collected(struct job *j, struct rnd *r)
{
	size_t lens[64], offs[64];
	int equal = (int)draw(r, 2), root = (int)draw(r, (uint64_t)j->size + 1) - 1, me = j->rank;
	size_t all = draw_parts(r, j->size, lens, offs, equal), n = lens[me];
	uint64_t seed = draw(r, UINT64_MAX);
	uint8_t *in = malloc(n + 1), *out = malloc(all + 1);

	fill(in, n, mix(seed, (uint64_t)me));
	if (root < 0 && equal)
		CHECK_INT(dvm_allgather(j->w, in, n, out), 0);
	else if (root < 0)
		CHECK_INT(dvm_allgatherv(j->w, in, out, lens, offs), 0);
	else if (equal)
		CHECK_INT(dvm_gather(j->w, in, n, me == root ? out : NULL, root), 0);
	else
		CHECK_INT(dvm_gatherv(j->w, in, n, me == root ? out : NULL, lens, offs, root), 0);
	int bad = (root < 0 || root == me) && parts_good(j, out, lens, offs, seed);
	free(in);
	free(out);
	return bad;
}

static int spread(struct job *j, struct rnd *r)
{
	size_t lens[64], offs[64];
	int equal = (int)draw(r, 2), root = (int)draw(r, (uint64_t)j->size), me = j->rank;
	size_t all = draw_parts(r, j->size, lens, offs, equal), n = lens[me];
	uint64_t seed = draw(r, UINT64_MAX);
	uint8_t *in = malloc(all + 1), *out = malloc(n + 1);

	for (int i = 0; me == root && i < j->size; i++)
		fill(in + offs[i], lens[i], mix(seed, (uint64_t)i));
	if (equal)
		CHECK_INT(dvm_scatter(j->w, in, n, out, root), 0);
	else
		CHECK_INT(dvm_scatterv(j->w, in, lens, offs, out, n, root), 0);
	CHECK(filled(out, n, mix(seed, (uint64_t)me)));
	free(in);
	free(out);
	return 0;
}

static int exchanged(struct job *j, struct rnd *r)
{
	size_t lens[64][64], in_offs[64], out_lens[64], out_offs[64], in_all = 0, out_all = 0;
	size_t each = draw_len(r) / 8;
	int equal = (int)draw(r, 2), me = j->rank;
	uint64_t seed = draw(r, UINT64_MAX);

	for (int i = 0; i < j->size; i++)
		for (int k = 0; k < j->size; k++)
			lens[i][k] = equal ? each : draw_len(r) / 8;
	for (int i = 0; i < j->size; i++) {
		in_offs[i] = in_all;
		in_all += lens[me][i];
		out_lens[i] = lens[i][me];
		out_offs[i] = out_all;
		out_all += out_lens[i];
	}
	uint8_t *in = malloc(in_all + 1), *out = malloc(out_all + 1);
	for (int i = 0; i < j->size; i++)
		fill(in + in_offs[i], lens[me][i], mix(mix(seed, (uint64_t)me), (uint64_t)i));
	if (equal)
		CHECK_INT(dvm_alltoall(j->w, in, each, out), 0);
	else
		CHECK_INT(dvm_alltoallv(j->w, in, lens[me], in_offs, out, out_lens, out_offs), 0);
	for (int i = 0; i < j->size; i++)
		CHECK(filled(out + out_offs[i], out_lens[i],
			     mix(mix(seed, (uint64_t)i), (uint64_t)me)));
	free(in);
	free(out);
	return 0;
}

static int broadcast(struct job *j, struct rnd *r)
{
	size_t n = draw(r, 8) ? draw_len(r) : 700000;
	int root = (int)draw(r, (uint64_t)j->size);
	uint64_t seed = draw(r, UINT64_MAX);
	uint8_t *buf = malloc(n + 1);

	if (j->rank == root)
		fill(buf, n, seed);
	CHECK_INT(dvm_bcast(j->w, buf, n, root), 0);
	CHECK(filled(buf, n, seed));
	free(buf);
	return 0;
}

int random_program(struct job *j)
{
	uint64_t seed = (uint64_t)arg(j, 0, 1);
	struct rnd common = { .state = seed }, mine = { .state = mix(seed, (uint64_t)j->rank) };
	long rounds = arg(j, 1, 40);
	int bad = 0;

	for (int i = 0; i < rounds && !bad; i++) {
		switch (draw(&common, 10)) {
		case 0:
			bad = dvm_barrier(j->w) != 0;
			break;
		case 1:
			bad = broadcast(j, &common);
			break;
		case 2:
		case 3:
			bad = reduction(j, &common);
			break;
		case 4:
			bad = collected(j, &common);
			break;
		case 5:
			bad = spread(j, &common);
			break;
		case 6:
			bad = exchanged(j, &common);
			break;
		default:
			bad = messages(j, &common, &mine, i);
		}
		if (bad)
			fprintf(stderr, "rank %d: seed %llu, round %d\n", j->rank,
				(unsigned long long)seed, i);
	}
	return bad;
}
