/* SPDX-License-Identifier: BSD-3-Clause */
/* Windows between ranks: copies, updates against an oracle, order, locks, deaths. */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include <dvm/am.h>
#include <dvm/rma.h>

#include "tests/api/job.h"

/* Argument 0: 0 the library's memory, 1 the program's. */
static int make_win(struct job *j, uint64_t bytes, dvm_win_t **w, void **mem)
{
	*mem = NULL;
	if (arg(j, 0, 0) == 0)
		return dvm_win_allocate(j->w, bytes, w);
	*mem = calloc(1, bytes + 1);
	return dvm_win_create(j->w, *mem, bytes, w);
}

/* Everybody writes a slice of everybody, then reads all of everybody. */
int rma_copy(struct job *j)
{
	static const size_t sizes[] = { 1, 8, 100, 4096, 70000, 1 << 20 };
	uint8_t *buf = malloc(1 << 20);
	dvm_win_t *w;
	void *mem;

	for (int i = 0; i < 6; i++) {
		size_t n = sizes[i];
		CHECK_INT(make_win(j, n * (size_t)j->size, &w, &mem), 0);
		for (int r = 0; r < j->size; r++) {
			fill(buf, n, mix((uint64_t)j->rank, (uint64_t)r));
			CHECK_INT(dvm_put(w, buf, n, r, n * (size_t)j->rank), 0);
		}
		CHECK_INT(dvm_win_fence(w), 0);
		for (int r = 0; r < j->size; r++)
			for (int s = 0; s < j->size; s++) {
				memset(buf, 0, n);
				CHECK_INT(dvm_get(w, buf, n, r, n * (size_t)s), 0);
				CHECK(filled(buf, n, mix((uint64_t)s, (uint64_t)r)));
			}
		CHECK_INT(dvm_put(w, buf, n, 0, n * (size_t)j->size - n + 1), -EINVAL);
		CHECK_INT(dvm_get(w, buf, n, j->size - 1, UINT64_MAX), -EINVAL);
		CHECK_INT(dvm_win_free(w), 0);
		free(mem);
	}
	free(buf);
	return 0;
}

/* Rows of a square become columns of everybody's, and columns come back as rows. */
int rma_layouts(struct job *j)
{
	enum { N = 150 };
	int32_t *square = malloc(N * N * 4), row[N];
	int next = (j->rank + 1) % j->size, before = (j->rank + j->size - 1) % j->size;
	dvm_layout_t *column;
	dvm_win_t *w;
	void *mem;

	CHECK_INT(dvm_layout_vector(&column, N, 1, N, dvm_layout_of(DVM_INT32)), 0);
	CHECK_INT(make_win(j, N * N * 4, &w, &mem), 0);
	for (int i = 0; i < N * N; i++)
		square[i] = j->rank << 20 | i;
	for (uint64_t i = 0; i < N; i++)
		CHECK_INT(dvm_putl(w, square + i * N, N, dvm_layout_of(DVM_INT32), next, i * 4, 1,
				   column),
			  0);
	CHECK_INT(dvm_win_fence(w), 0);
	CHECK_INT(dvm_get(w, square, N * N * 4, j->rank, 0), 0);
	for (int i = 0; i < N * N; i++)
		CHECK_INT(square[i], before << 20 | (i % N * N + i / N));
	for (uint64_t i = 0; i < N; i++) {
		CHECK_INT(dvm_getl(w, row, N, dvm_layout_of(DVM_INT32), next, i * 4, 1, column), 0);
		for (int k = 0; k < N; k++)
			CHECK_INT(row[k], j->rank << 20 | ((int)i * N + k));
	}
	CHECK_INT(dvm_win_fence(w), 0);
	CHECK_INT(dvm_win_free(w), 0);
	dvm_layout_free(column);
	free(square);
	free(mem);
	return 0;
}

/* Many requests at once, both ways, waited for out of order. */
int rma_requests(struct job *j)
{
	enum { N = 40, BYTES = 30000 };
	uint8_t *out = malloc(N * BYTES), *in = malloc(N * BYTES);
	int to = (j->rank + 1) % j->size;
	dvm_req_t *req[N];
	dvm_win_t *w;
	void *mem;

	CHECK_INT(make_win(j, N * BYTES, &w, &mem), 0);
	for (uint64_t i = 0; i < N; i++) {
		fill(out + i * BYTES, BYTES, mix(i, (uint64_t)to));
		CHECK_INT(dvm_rput(w, out + i * BYTES, BYTES, to, i * BYTES, &req[i]), 0);
	}
	CHECK_INT(dvm_win_flush_local(w, to), 0);
	CHECK_INT(dvm_waitall(req, N, NULL), 0);
	CHECK_INT(dvm_win_flush(w, to), 0);
	for (uint64_t i = 0; i < N; i++)
		CHECK_INT(dvm_rget(w, in + i * BYTES, BYTES, to, i * BYTES, &req[i]), 0);
	for (int i = N - 1; i >= 0; i--)
		CHECK_INT(dvm_wait(&req[i], NULL), 0);
	CHECK(!memcmp(in, out, N * BYTES));
	CHECK_INT(dvm_win_fence(w), 0);
	CHECK_INT(dvm_win_free(w), 0);
	free(mem);
	free(in);
	free(out);
	return 0;
}

/* Tickets from rank 0: each number is given once; and a sum by compare and swap. */
int rma_tickets(struct job *j)
{
	enum { EACH = 500 };
	uint64_t total = (uint64_t)j->size * EACH, one = 1, got, old, new;
	uint8_t *seen = calloc(total, 1), *all = calloc(total, 1);
	dvm_win_t *w;
	void *mem;

	CHECK_INT(make_win(j, 64, &w, &mem), 0);
	for (int i = 0; i < EACH; i++) {
		CHECK_INT(dvm_fetch_op(w, &one, &got, DVM_UINT64, DVM_SUM, 0, 0), 0);
		CHECK(got < total);
		seen[got] = 1;
		CHECK_INT(dvm_fetch_op(w, NULL, &old, DVM_UINT64, DVM_NO_OP, 0, 8), 0);
		for (;;) {
			new = old + 3;
			CHECK_INT(dvm_compare_swap(w, &old, &new, &got, DVM_UINT64, 0, 8), 0);
			if (got == old)
				break;
			old = got;
		}
	}
	CHECK_INT(dvm_win_fence(w), 0);
	CHECK_INT(dvm_get(w, &got, 8, 0, 8), 0);
	CHECK_INT(got, 3 * total);
	CHECK_INT(dvm_allreduce(j->w, seen, all, total, DVM_UINT8, DVM_SUM), 0);
	for (uint64_t i = 0; i < total; i++)
		CHECK_INT(all[i], 1);
	CHECK_INT(dvm_win_free(w), 0);
	free(mem);
	free(seen);
	free(all);
	return 0;
}

/*
 * A random program and its oracle. Each cell has a type and an operator of its own, for which
 * order does not matter, so that what all ranks do together is known.
 */
enum { CELLS = 48, STEPS = 300 };

static const struct {
	dvm_type_t type;
	dvm_op_t op;
} kinds[] = {
	{ DVM_INT64, DVM_SUM },	  { DVM_UINT32, DVM_SUM }, { DVM_INT8, DVM_SUM },
	{ DVM_UINT16, DVM_BXOR }, { DVM_INT32, DVM_MAX },  { DVM_UINT64, DVM_MIN },
	{ DVM_DOUBLE, DVM_SUM },  { DVM_FLOAT, DVM_MAX },  { DVM_INT16, DVM_PROD },
	{ DVM_UINT8, DVM_BOR },	  { DVM_INT64, DVM_BAND }, { DVM_UINT32, DVM_LOR },
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

struct step {
	int target, kind;
	size_t cell, count;
	uint64_t how;
	uint8_t value[4 * 8];
};

static void small_number(dvm_type_t type, uint64_t r, uint8_t *at)
{
	double d = (double)(r % 1000);
	float f = (float)d;

	if (type == DVM_DOUBLE)
		memcpy(at, &d, sizeof d);
	else if (type == DVM_FLOAT)
		memcpy(at, &f, sizeof f);
	else
		memcpy(at, &r, (size_t)dvm_type_size(type));
}

static struct step step_of(uint64_t seed, int rank, int i, int ranks)
{
	uint64_t r = mix(mix(seed, (uint64_t)rank), (uint64_t)i);
	struct step s = {
		.target = (int)(r % (uint64_t)ranks),
		.kind = (int)(mix(r, 1) % KINDS),
		.count = 1 + mix(r, 2) % 4,
		.how = mix(r, 4) % 3,
	};
	size_t size = (size_t)dvm_type_size(kinds[s.kind].type);

	s.cell = mix(r, 3) % (CELLS - s.count);
	for (size_t k = 0; k < s.count; k++)
		small_number(kinds[s.kind].type, mix(r, 5 + k), s.value + k * size);
	return s;
}

/* Cells of a kind lie together, eight bytes each at most. */
static uint64_t offset_of(const struct step *s)
{
	return (uint64_t)s->kind * CELLS * 8 + s->cell * (size_t)dvm_type_size(kinds[s->kind].type);
}

static int take_step(struct job *j, dvm_win_t *w, const struct step *s)
{
	dvm_type_t type = kinds[s->kind].type;
	dvm_op_t op = kinds[s->kind].op;
	uint8_t old[4 * 8];

	if (s->how == 0)
		return dvm_accumulate(w, s->value, s->count, type, op, s->target, offset_of(s));
	if (s->how == 1)
		return dvm_get_accumulate(w, s->value, old, s->count, type, op, s->target,
					  offset_of(s));
	for (size_t k = 0; k < s->count; k++) {
		size_t at = k * (size_t)dvm_type_size(type);
		int rc =
			dvm_fetch_op(w, s->value + at, old, type, op, s->target, offset_of(s) + at);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* What one rank's memory holds in the end, by the same operators on one processor. */
static int serial(struct job *j, uint64_t seed, int target, dvm_win_t *w, uint8_t *mem)
{
	(void)w;
	for (int r = 0; r < j->size; r++)
		for (int i = 0; i < STEPS; i++) {
			struct step s = step_of(seed, r, i, j->size);
			if (s.target != target)
				continue;
			size_t n = s.count;
			uint8_t *at = mem + offset_of(&s);
			/* The reduction of the collectives, over one rank at a time. */
			switch (kinds[s.kind].type) {
#define CASE(ID, T, SUM, XOR)                                                                      \
	case ID:                                                                                   \
		for (size_t k = 0; k < n; k++) {                                                   \
			T a, b;                                                                    \
			memcpy(&a, at + k * sizeof a, sizeof a);                                   \
			memcpy(&b, s.value + k * sizeof b, sizeof b);                              \
			switch (kinds[s.kind].op) {                                                \
			case DVM_SUM:                                                              \
				a = (T)(SUM);                                                      \
				break;                                                             \
			case DVM_PROD:                                                             \
				a = (T)(a * b);                                                    \
				break;                                                             \
			case DVM_MAX:                                                              \
				a = b > a ? b : a;                                                 \
				break;                                                             \
			case DVM_MIN:                                                              \
				a = b < a ? b : a;                                                 \
				break;                                                             \
			case DVM_LOR:                                                              \
				a = (T)(a || b);                                                   \
				break;                                                             \
			default:                                                                   \
				XOR;                                                               \
			}                                                                          \
			memcpy(at + k * sizeof a, &a, sizeof a);                                   \
		}                                                                                  \
		break;
				CASE(DVM_INT64, int64_t, (uint64_t)a + (uint64_t)b, a &= b)
				CASE(DVM_UINT32, uint32_t, a + b, a ^= b)
				CASE(DVM_INT8, int8_t, a + b, a ^= b)
				CASE(DVM_UINT16, uint16_t, a + b, a ^= b)
				CASE(DVM_INT32, int32_t, (uint32_t)a + (uint32_t)b, a ^= b)
				CASE(DVM_UINT64, uint64_t, a + b, a ^= b)
				CASE(DVM_DOUBLE, double, a + b, a = a)
				CASE(DVM_FLOAT, float, a + b, a = a)
				CASE(DVM_INT16, int16_t, a + b, a ^= b)
				CASE(DVM_UINT8, uint8_t, a + b, a |= b)
			default:
				return 1;
			}
		}
	return 0;
}

int rma_random(struct job *j)
{
	uint64_t seed = (uint64_t)arg(j, 1, 1), bytes = (uint64_t)KINDS * CELLS * 8;
	uint8_t *mine = malloc(bytes), *want = malloc(bytes);
	dvm_win_t *w;
	void *mem;

	CHECK_INT(make_win(j, bytes, &w, &mem), 0);
	fill(mine, bytes, 77);
	/* Numbers, not any bits, where the arithmetic is inexact. */
	memset(mine + 6 * CELLS * 8, 0, 2 * CELLS * 8);
	memcpy(want, mine, bytes);
	CHECK_INT(dvm_put(w, mine, bytes, j->rank, 0), 0);
	CHECK_INT(dvm_win_fence(w), 0);
	for (int i = 0; i < STEPS; i++) {
		struct step s = step_of(seed, j->rank, i, j->size);
		CHECK_INT(take_step(j, w, &s), 0);
	}
	CHECK_INT(dvm_win_fence(w), 0);
	CHECK_INT(dvm_get(w, mine, bytes, j->rank, 0), 0);
	CHECK_INT(serial(j, seed, j->rank, w, want), 0);
	for (uint64_t i = 0; i < bytes; i++)
		if (mine[i] != want[i]) {
			fprintf(stderr, "seed %llu: kind %llu, byte %llu is %d, not %d\n",
				(unsigned long long)seed, (unsigned long long)(i / (CELLS * 8)),
				(unsigned long long)(i % (CELLS * 8)), mine[i], want[i]);
			return 1;
		}
	CHECK_INT(dvm_win_free(w), 0);
	free(mem);
	free(mine);
	free(want);
	return 0;
}

/* Data, flush, flag: whoever sees the flag sees the data. Rank 0 writes to all others. */
int rma_flags(struct job *j)
{
	enum { ROUNDS = 300, WORDS = 64 };
	uint64_t data[WORDS];
	dvm_win_t *w;
	void *mem;

	CHECK_INT(make_win(j, (WORDS + 1) * 8, &w, &mem), 0);
	volatile uint64_t *base = dvm_win_base(w, j->rank);
	CHECK(base);
	for (uint64_t k = 1; k <= ROUNDS; k++) {
		for (int i = 0; i < WORDS; i++)
			data[i] = k;
		for (int r = 1; r < j->size && j->rank == 0; r++) {
			CHECK_INT(dvm_put(w, data, sizeof data, r, 8), 0);
			CHECK_INT(dvm_win_flush(w, r), 0);
			CHECK_INT(dvm_put(w, &k, 8, r, 0), 0);
			CHECK_INT(dvm_win_flush(w, r), 0);
		}
		while (j->rank && base[0] < k)
			CHECK(dvm_progress(j->d, 0) >= 0);
		CHECK_INT(dvm_win_sync(w), 0);
		for (int i = 1; i <= WORDS && j->rank; i++)
			CHECK_INT(base[i], k);
		CHECK_INT(dvm_barrier(j->w), 0);
	}
	CHECK_INT(dvm_win_free(w), 0);
	free(mem);
	return 0;
}

/* Read, add, write, under an exclusive lock; readers see both words equal, or the lock is none. */
int rma_locks(struct job *j)
{
	enum { EACH = 60 };
	uint64_t pair[2];
	dvm_win_t *w;
	void *mem;

	CHECK_INT(make_win(j, 16, &w, &mem), 0);
	for (int i = 0; i < EACH; i++)
		for (int t = 0; t < j->size; t++) {
			CHECK_INT(dvm_win_lock(w, DVM_LOCK_EXCLUSIVE, t), 0);
			CHECK_INT(dvm_win_lock(w, DVM_LOCK_SHARED, t), -EALREADY);
			CHECK_INT(dvm_get(w, pair, 16, t, 0), 0);
			CHECK_INT(pair[0], pair[1]);
			pair[0]++;
			CHECK_INT(dvm_put(w, &pair[0], 8, t, 0), 0);
			CHECK_INT(dvm_win_flush(w, t), 0);
			CHECK_INT(dvm_put(w, &pair[0], 8, t, 8), 0);
			CHECK_INT(dvm_win_unlock(w, t), 0);
			CHECK_INT(dvm_win_unlock(w, t), -EPERM);
			CHECK_INT(dvm_win_lock(w, DVM_LOCK_SHARED, t), 0);
			CHECK_INT(dvm_get(w, pair, 16, t, 0), 0);
			CHECK_INT(pair[0], pair[1]);
			CHECK_INT(dvm_win_unlock(w, t), 0);
		}
	CHECK_INT(dvm_win_lock_all(w), 0);
	CHECK_INT(dvm_win_lock(w, DVM_LOCK_SHARED, 0), -EALREADY);
	CHECK_INT(dvm_win_unlock_all(w), 0);
	CHECK_INT(dvm_win_fence(w), 0);
	for (int t = 0; t < j->size; t++) {
		CHECK_INT(dvm_get(w, pair, 16, t, 0), 0);
		CHECK_INT(pair[0], (uint64_t)EACH * (uint64_t)j->size);
	}
	CHECK_INT(dvm_win_free(w), 0);
	free(mem);
	return 0;
}

/* The target computes; its progress thread serves. */
int rma_passive(struct job *j)
{
	uint64_t one = 1, old;
	dvm_win_t *w;
	void *mem;

	CHECK_INT(make_win(j, 16, &w, &mem), 0);
	_Atomic uint64_t *base = dvm_win_base(w, j->rank);
	for (int i = 0; i < 200 && j->rank; i++)
		CHECK_INT(dvm_fetch_op(w, &one, &old, DVM_UINT64, DVM_SUM, 0, 0), 0);
	while (j->rank == 0 && atomic_load(base) < 200 * (uint64_t)(j->size - 1))
		usleep(100);
	CHECK_INT(dvm_win_free(w), 0);
	free(mem);
	return 0;
}

static void die(int sig)
{
	(void)sig;
	raise(SIGKILL);
}

enum { HOLDING, ASKING, FLUSHED, FENCED, READ };

/* Rank 1 dies: holding locks, waiting for one, or as a target. The others go on. */
int dies_rma(struct job *j)
{
	long how = arg(j, 1, HOLDING);
	int last = j->size - 1, rc = 0;
	uint8_t buf[3000] = "";
	dvm_win_t *w;
	void *mem;

	CHECK_INT(make_win(j, 4096, &w, &mem), 0);
	for (int r = 0; r < j->size && j->rank == 1; r++)
		if (r != 1)
			CHECK_INT(dvm_recv(j->w, NULL, 0, r, 3, NULL), 0);
	if (j->rank != 1)
		CHECK_INT(dvm_send(j->w, NULL, 0, 1, 3), 0);
	if (j->rank == 1) {
		if (how == HOLDING)
			CHECK_INT(dvm_win_lock_all(w), 0);
		for (int r = 0; r < j->size; r++)
			if (r != 1)
				CHECK_INT(dvm_send(j->w, NULL, 0, r, 1), 0);
		if (how == ASKING) {
			CHECK_INT(dvm_recv(j->w, NULL, 0, last, 2, NULL), 0);
			signal(SIGALRM, die);
			alarm(1);
			dvm_win_lock(w, DVM_LOCK_EXCLUSIVE, last);
		}
		raise(SIGKILL);
	}
	if (how == ASKING && j->rank == last) {
		CHECK_INT(dvm_win_lock(w, DVM_LOCK_EXCLUSIVE, last), 0);
		CHECK_INT(dvm_send(j->w, NULL, 0, 1, 2), 0);
	}
	CHECK_INT(dvm_recv(j->w, NULL, 0, 1, 1, NULL), 0);
	if (how == FLUSHED)
		while (rc == 0) {
			rc = dvm_put(w, buf, sizeof buf, 1, 0);
			rc = rc ? rc : dvm_win_flush(w, 1);
		}
	else if (how == FENCED)
		while (rc == 0)
			rc = dvm_win_fence(w);
	else if (how == READ)
		while (rc == 0) {
			rc = dvm_get(w, buf, sizeof buf, 1, 0);
			rc = rc ? rc : dvm_win_flush(w, 1);
		}
	else
		while (dvm_peer_state(j->d, 1) == DVM_ALIVE)
			dvm_progress(j->d, 10);
	CHECK(how == HOLDING || how == ASKING || rc == -DVM_EPEERLOST);
	if (how == ASKING && j->rank == last)
		CHECK_INT(dvm_win_unlock(w, last), 0);
	/* The lock is to be had, the survivors' memory, too. */
	for (int i = 0; i < 20; i++) {
		CHECK_INT(dvm_win_lock(w, DVM_LOCK_EXCLUSIVE, last), 0);
		CHECK_INT(dvm_put(w, buf, 8, last, 0), 0);
		CHECK_INT(dvm_win_unlock(w, last), 0);
	}
	rc = dvm_win_lock(w, DVM_LOCK_SHARED, 1);
	CHECK(rc == -DVM_EPEERLOST);
	/* Stay until all have had it. */
	for (int r = 0; r < j->size; r++)
		if (r != 1 && r != j->rank)
			CHECK_INT(dvm_sendrecv(j->w, NULL, 0, r, 9, NULL, 0, r, 9, NULL), 0);
	CHECK(dvm_win_free(w) < 0); /* lost, or the others have closed by now */
	free(mem);
	return 0;
}
