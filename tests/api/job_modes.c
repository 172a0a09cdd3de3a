/* SPDX-License-Identifier: BSD-3-Clause */
/* Modes, persistent requests, matched probes and memory in pieces, between living ranks. */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <dvm/layout.h>
#include <dvm/pack.h>

#include "tests/api/job.h"

enum { LONGEST = 900000 };

static const size_t sizes[] = { 0, 8, 1000, 16368, 16369, 20000, LONGEST };
enum { SIZES = sizeof sizes / sizeof sizes[0] };

/* A synchronous send is not complete before the receive is posted, and soon afterwards it is. */
static int send_and_watch(struct job *j, const uint8_t *buf, size_t n)
{
	dvm_req_t *req;

	CHECK_INT(dvm_issend(j->w, buf, n, 1, 1, &req), 0);
	CHECK_INT(dvm_recv(j->w, NULL, 0, 1, 2, NULL), 0); /* it is there */
	for (int i = 0; i < 100; i++)
		CHECK_INT(dvm_test(&req, NULL), 0);
	CHECK_INT(dvm_send(j->w, NULL, 0, 1, 3), 0);
	CHECK_INT(dvm_wait(&req, NULL), 0);
	CHECK_INT(dvm_ssend(j->w, buf, n, 1, 4), 0);
	CHECK_INT(dvm_rsend(j->w, buf, n, 1, 5), 0);
	return 0;
}

static int receive_late(struct job *j, uint8_t *buf, size_t n, uint64_t seed)
{
	dvm_status_t st;
	dvm_req_t *req;

	CHECK_INT(dvm_probe(j->w, 0, 1, &st), 0);
	CHECK_INT(st.len, n);
	CHECK_INT(dvm_irecv(j->w, buf, n, 0, 5, &req), 0);
	CHECK_INT(dvm_send(j->w, NULL, 0, 0, 2), 0);
	CHECK_INT(dvm_recv(j->w, NULL, 0, 0, 3, NULL), 0);
	for (int tag = 1; tag <= 4; tag += 3) {
		memset(buf, 0, n);
		CHECK_INT(dvm_recv(j->w, buf, n, 0, tag, &st), 0);
		CHECK(st.len == n && filled(buf, n, seed));
	}
	CHECK_INT(dvm_wait(&req, NULL), 0);
	CHECK(filled(buf, n, seed));
	return 0;
}

int synchronous(struct job *j)
{
	uint8_t *buf = malloc(LONGEST);
	int bad = 0;

	for (int i = 0; i < SIZES && !bad; i++) {
		fill(buf, sizes[i], (uint64_t)i);
		if (j->rank == 0)
			bad = send_and_watch(j, buf, sizes[i]);
		else if (j->rank == 1)
			bad = receive_late(j, buf, sizes[i], (uint64_t)i);
	}
	free(buf);
	return bad;
}

/* Messages of all modes keep their order. */
int mixed_order(struct job *j)
{
	enum { N = 400 };
	int v[N], got;
	dvm_req_t *req[N];

	for (int i = 0; i < N; i++) {
		v[i] = i;
		if (j->rank != 0)
			continue;
		switch (i % 4) {
		case 0:
			CHECK_INT(dvm_isend(j->w, &v[i], sizeof v[i], 1, 1, &req[i]), 0);
			break;
		case 1:
			CHECK_INT(dvm_issend(j->w, &v[i], sizeof v[i], 1, 1, &req[i]), 0);
			break;
		case 2:
			CHECK_INT(dvm_irsend(j->w, &v[i], sizeof v[i], 1, 1, &req[i]), 0);
			break;
		default:
			CHECK_INT(dvm_isendl(j->w, &v[i], 4, dvm_layout_of(DVM_INT8), 1, 1,
					     DVM_SEND_SYNC, &req[i]),
				  0);
		}
	}
	if (j->rank == 0)
		return dvm_waitall(req, N, NULL) != 0;
	for (int i = 0; j->rank == 1 && i < N; i++) {
		CHECK_INT(dvm_recv(j->w, &got, sizeof got, 0, DVM_ANY_TAG, NULL), 0);
		CHECK_INT(got, i);
	}
	return 0;
}

static int cut_short(struct job *j, uint8_t *buf, size_t n, int way)
{
	dvm_message_t *msg;
	dvm_layout_t *l;
	dvm_status_t st = { 0 };
	dvm_req_t *req;
	int rc;

	memset(buf, 0xee, n);
	CHECK_INT(dvm_layout_hvector(&l, n / 4, 1, 2, dvm_layout_of(DVM_INT8)), 0);
	switch (way) {
	case 0:
		rc = dvm_recv(j->w, buf, n / 4, 0, 1, &st);
		break;
	case 1:
		CHECK_INT(dvm_mprobe(j->w, 0, 1, &msg, NULL), 0);
		rc = dvm_mrecv(&msg, buf, n / 4, &st);
		break;
	case 2:
		CHECK_INT(dvm_recv_init(j->w, buf, n / 4, 0, 1, &req), 0);
		CHECK_INT(dvm_start(req), 0);
		rc = dvm_wait(&req, &st);
		CHECK_INT(dvm_req_free(&req), 0);
		break;
	default:
		rc = dvm_recvl(j->w, buf, 1, l, 0, 1, &st);
		for (size_t i = 0; i < n / 4; i++)
			buf[i] = buf[2 * i];
		buf[n / 4] = buf[n / 4 * 2];
	}
	dvm_layout_free(l);
	CHECK_INT(rc, -DVM_ETRUNC);
	CHECK(st.len == n && st.error == -DVM_ETRUNC && st.source == 0 && st.tag == 1);
	CHECK(filled(buf, n / 4 / 8 * 8, 7) && buf[n / 4] == 0xee);
	return 0;
}

/* Too long for the receive, in each mode on both sides; the sender is served all the same. */
int truncated(struct job *j)
{
	uint8_t *buf = malloc(LONGEST);
	dvm_layout_t *l;

	for (int i = 2; i < SIZES; i++)
		for (int way = 0; way < 16; way++) {
			size_t n = sizes[i] / 8 * 8;
			if (j->rank == 1 && cut_short(j, buf, n, way / 4))
				return 1;
			if (j->rank != 0)
				continue;
			fill(buf, n, 7);
			if (way % 4 < 3) {
				CHECK_INT(dvm_sendl(j->w, buf, n, dvm_layout_of(DVM_INT8), 1, 1,
						    way % 4),
					  0);
				continue;
			}
			uint8_t *wide = malloc(2 * n);
			CHECK_INT(dvm_layout_hvector(&l, n / 8, 8, 16, dvm_layout_of(DVM_INT8)),
				  0);
			CHECK_INT(dvm_layout_unpack(buf, n, wide, 1, l), 0);
			CHECK_INT(dvm_sendl(j->w, wide, 1, l, 1, 1, DVM_SEND_SYNC), 0);
			dvm_layout_free(l);
			free(wide);
		}
	free(buf);
	return 0;
}

/* Columns go round the ring by persistent requests, into columns of another matrix. */
int halo(struct job *j)
{
	enum { ROWS = 20000, COLS = 5, ROUNDS = 12 };
	int next = (j->rank + 1) % j->size, prev = (j->rank + j->size - 1) % j->size;
	double *m = calloc(ROWS * COLS, sizeof *m);
	dvm_layout_t *column;
	dvm_req_t *req[2];
	dvm_status_t st[2];

	CHECK_INT(dvm_layout_vector(&column, ROWS, 1, COLS, dvm_layout_of(DVM_DOUBLE)), 0);
	CHECK_INT(dvm_sendl_init(j->w, m, 1, column, next, 2, j->rank % 2, &req[0]), 0);
	CHECK_INT(dvm_recvl_init(j->w, m + 3, 1, column, prev, 2, &req[1]), 0);
	dvm_layout_free(column);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < ROWS; i++)
			m[i * COLS] = i + round * 1e6 + j->rank * 1e8;
		CHECK_INT(dvm_startall(req, 2), 0);
		CHECK_INT(dvm_waitall(req, 2, st), 0);
		CHECK(st[1].source == prev && st[1].len == ROWS * sizeof *m);
		for (int i = 0; i < ROWS; i++)
			CHECK(m[i * COLS + 3] == i + round * 1e6 + prev * 1e8 &&
			      m[i * COLS + 2] == 0 && m[i * COLS + 4] == 0);
	}
	CHECK_INT(dvm_req_free(&req[0]), 0);
	CHECK_INT(dvm_req_free(&req[1]), 0);
	free(m);
	return 0;
}

/* Pieces of odd lengths leave, other pieces take them. */
int scattered(struct job *j)
{
	enum { PIECES = 700 };
	static uint8_t out[PIECES * 1000], in[sizeof out], flat[sizeof out], back[sizeof out];
	dvm_iov_t from[PIECES], to[PIECES / 2];
	size_t all = 0, room = 0, at = 0;
	int next = (j->rank + 1) % j->size, prev = (j->rank + j->size - 1) % j->size;
	dvm_status_t st;
	dvm_req_t *req[2];

	for (size_t i = 0; i < PIECES; i++) {
		from[i] = (dvm_iov_t){ out + i * 1000, mix(3, i) % 1000 };
		all += from[i].len;
	}
	for (size_t i = 0; i < PIECES / 2; i++) {
		to[i] = (dvm_iov_t){ in + sizeof in - (i + 1) * 2000, 2000 - mix(4, i) % 100 };
		room += to[i].len;
	}
	CHECK(room >= all);
	for (int round = 0; round < 4; round++) {
		size_t n = round % 2 ? PIECES : 5;
		fill(flat, sizeof flat, (uint64_t)(round + j->rank));
		at = 0;
		for (size_t i = 0; i < n; i++) {
			memcpy(from[i].base, flat + at, from[i].len);
			at += from[i].len;
		}
		if (round < 2) {
			CHECK_INT(dvm_irecvv(j->w, to, PIECES / 2, prev, 1, &req[0]), 0);
			CHECK_INT(dvm_sendv(j->w, from, n, next, 1), 0);
			CHECK_INT(dvm_wait(&req[0], &st), 0);
		} else {
			CHECK_INT(dvm_isendv(j->w, from, n, next, 1, &req[1]), 0);
			CHECK_INT(dvm_recvv(j->w, to, PIECES / 2, prev, 1, &st), 0);
			CHECK_INT(dvm_wait(&req[1], NULL), 0);
		}
		CHECK_INT(st.len, at);
		at = 0;
		for (size_t i = 0; i < PIECES / 2; i++) {
			memcpy(back + at, to[i].base, to[i].len);
			at += to[i].len;
		}
		CHECK(filled(back, st.len / 8 * 8, (uint64_t)(round + prev)));
	}
	return 0;
}

/* Rank 0 collects with waitsome, testsome, testany and testall in turns. */
int some(struct job *j)
{
	enum { ROUNDS = 60 };
	int v[64], left;
	dvm_req_t *req[64] = { NULL };
	size_t count, indices[64], at;
	dvm_status_t st[64];

	for (int i = 0; i < ROUNDS; i++) {
		int x = j->rank * 1000 + i;
		if (j->rank) {
			CHECK_INT(dvm_ssend(j->w, &x, sizeof x, 0, i), 0);
			continue;
		}
		for (int r = 1; r < j->size; r++)
			CHECK_INT(dvm_irecv(j->w, &v[r], sizeof v[r], r, i, &req[r]), 0);
		for (left = j->size - 1; left > 0; left -= (int)count) {
			int rc;
			count = 0;
			switch (i % 4) {
			case 0:
				CHECK_INT(dvm_waitsome(req, 64, &count, indices, st), 0);
				CHECK(count > 0);
				break;
			case 1:
				CHECK_INT(dvm_testsome(req, 64, &count, indices, st), 0);
				break;
			case 2:
				rc = dvm_testany(req, 64, &at, st);
				CHECK(rc == 0 || rc == 1);
				indices[0] = at;
				count = (size_t)rc;
				break;
			default:
				rc = dvm_testall(req, 64, NULL);
				CHECK(rc == 0 || rc == 1);
				count = rc ? (size_t)left : 0;
			}
			for (size_t k = 0; i % 4 < 3 && k < count; k++)
				CHECK(st[k].source == (int)indices[k] && st[k].tag == i &&
				      !req[indices[k]]);
		}
		for (int r = 1; r < j->size; r++)
			CHECK_INT(v[r], r * 1000 + i);
	}
	return 0;
}

struct taker {
	struct job *j;
	int taken, bad;
	uint64_t sum;
};

/* Takes messages until one is empty; between probe and receive another thread may do the same. */
static int take_all(struct taker *t)
{
	struct job *j = t->j;
	dvm_message_t *msg;
	dvm_status_t st;
	uint8_t *buf = malloc(LONGEST);

	for (;;) {
		CHECK_INT(dvm_mprobe(j->w, DVM_ANY_SOURCE, 1, &msg, &st), 0);
		CHECK_INT(dvm_mrecv(&msg, buf, st.len, &st), 0);
		CHECK(!msg);
		if (!st.len)
			break;
		CHECK(filled(buf + 8, st.len - 8, *(uint64_t *)(void *)buf));
		t->sum += *(uint64_t *)(void *)buf;
		t->taken++;
	}
	free(buf);
	return 0;
}

static void *taker_main(void *p)
{
	struct taker *t = p;

	t->bad = take_all(t);
	return NULL;
}

/* Threads of rank 0 share the messages of all others; none is lost, none taken twice. */
int matched(struct job *j)
{
	enum { T = 3, EACH = 120 };
	struct taker t[T];
	pthread_t id[T];
	uint8_t *buf = malloc(LONGEST);
	uint64_t sum = 0, want = 0;
	int taken = 0;

	for (int r = 1; r < j->size; r++)
		for (uint64_t i = 1; i <= EACH; i++)
			want += (uint64_t)r * 1000 + i;
	if (j->rank) {
		for (uint64_t i = 1; i <= EACH; i++) {
			uint64_t seed = (uint64_t)j->rank * 1000 + i;
			size_t n = i % 10 ? 8 + seed % 3000 : LONGEST / 10;
			memcpy(buf, &seed, 8);
			fill(buf + 8, n - 8, seed);
			CHECK_INT(i % 3 ? dvm_send(j->w, buf, n, 0, 1) :
					  dvm_ssend(j->w, buf, n, 0, 1),
				  0);
		}
		CHECK_INT(dvm_barrier(j->w), 0);
		for (int i = 0; j->rank == 1 && i < T; i++)
			CHECK_INT(dvm_send(j->w, NULL, 0, 0, 1), 0);
		free(buf);
		return 0;
	}
	free(buf);
	for (int i = 0; i < T; i++) {
		t[i] = (struct taker){ .j = j };
		CHECK_INT(pthread_create(&id[i], NULL, taker_main, &t[i]), 0);
	}
	CHECK_INT(dvm_barrier(j->w), 0);
	for (int i = 0; i < T; i++) {
		pthread_join(id[i], NULL);
		CHECK(!t[i].bad);
		sum += t[i].sum;
		taken += t[i].taken;
	}
	CHECK_INT(taken, EACH * (j->size - 1));
	CHECK_INT(sum, want);
	return 0;
}

/* A synchronous persistent ping-pong of a strided record; every other answer by a matched probe. */
static int play(struct job *j, int tag)
{
	enum { N = 300 };
	int peer = j->size - 1 - j->rank, out[2 * N] = { 0 }, in[2 * N];
	dvm_layout_t *every;
	dvm_req_t *req[2];
	dvm_message_t *msg;

	if (peer == j->rank)
		return 0;
	CHECK_INT(dvm_layout_vector(&every, N, 1, 2, dvm_layout_of(DVM_INT32)), 0);
	CHECK_INT(dvm_sendl_init(j->w, out, 1, every, peer, tag, DVM_SEND_SYNC, &req[0]), 0);
	CHECK_INT(dvm_recvl_init(j->w, in, 1, every, peer, tag, &req[1]), 0);
	for (int i = 0; i < 150; i++) {
		for (int k = 0; k < N; k++)
			out[2 * k] = i * 1000 + k + tag;
		CHECK_INT(dvm_startall(req, i % 2 + 1), 0);
		if (i % 2 == 0) {
			CHECK_INT(dvm_mprobe(j->w, peer, tag, &msg, NULL), 0);
			CHECK_INT(dvm_mrecvl(&msg, in, 1, every, NULL), 0);
		}
		CHECK_INT(dvm_waitall(req, 2, NULL), 0);
		for (int k = 0; k < N; k++)
			CHECK_INT(in[2 * k], i * 1000 + k + tag);
	}
	CHECK_INT(dvm_req_free(&req[0]), 0);
	CHECK_INT(dvm_req_free(&req[1]), 0);
	dvm_layout_free(every);
	return 0;
}

struct player {
	struct job *j;
	int tag, bad;
};

static void *player_main(void *arg)
{
	struct player *p = arg;

	p->bad = play(p->j, p->tag);
	return NULL;
}

/* Several threads of each rank, each with its own tag and partner. */
int players(struct job *j)
{
	enum { T = 3 };
	struct player p[T];
	pthread_t id[T];

	for (int i = 0; i < T; i++) {
		p[i] = (struct player){ .j = j, .tag = i };
		CHECK_INT(pthread_create(&id[i], NULL, player_main, &p[i]), 0);
	}
	for (int i = 0; i < T; i++) {
		pthread_join(id[i], NULL);
		CHECK(!p[i].bad);
	}
	return 0;
}

/* Sends that nobody waits for, and then the handle closes. */
int detached(struct job *j)
{
	enum { N = 2000 };
	int *v = calloc(N, sizeof *v), got;
	uint8_t *buf = malloc(LONGEST);
	dvm_req_t *req;

	for (int i = 0; j->rank && i < N; i++) {
		v[i] = i;
		CHECK_INT(dvm_issend(j->w, &v[i], sizeof *v, 0, 1, &req), 0);
		CHECK_INT(dvm_req_free(&req), 0);
		CHECK(!req);
	}
	fill(buf, LONGEST, (uint64_t)j->rank);
	if (j->rank) {
		CHECK_INT(dvm_isend(j->w, buf, LONGEST, 0, 2, &req), 0);
		CHECK_INT(dvm_req_free(&req), 0);
		CHECK_INT(dvm_close(j->d), 0);
		j->d = NULL;
	}
	for (int r = 1; !j->rank && r < j->size; r++) {
		CHECK_INT(dvm_recv(j->w, buf, LONGEST, r, 2, NULL), 0);
		CHECK(filled(buf, LONGEST, (uint64_t)r));
		for (int i = 0; i < N; i++) {
			CHECK_INT(dvm_recv(j->w, &got, sizeof got, r, 1, NULL), 0);
			CHECK_INT(got, i);
		}
	}
	free(v);
	free(buf);
	return 0;
}

/* Records of all encodings go to all. */
int packed(struct job *j)
{
	enum { N = 30000 };
	static double v[N], got[N];
	dvm_buf_t *b, *in;
	char text[8];
	int32_t id;
	dvm_status_t st;
	dvm_req_t *req[64] = { NULL };

	for (int i = 0; i < N; i++)
		v[i] = i + j->rank * 0.5;
	CHECK_INT(dvm_buf_create(&b, j->rank % 2 ? DVM_PACK_RAW : DVM_PACK_XDR), 0);
	CHECK_INT(dvm_buf_create(&in, DVM_PACK_DEFAULT), 0);
	for (int len = 10; len <= N; len += N - 10) {
		CHECK_INT(dvm_buf_reset(b), 0);
		CHECK_INT(dvm_pack_int32(b, &j->rank, 1, 1), 0);
		CHECK_INT(dvm_pack_string(b, "record"), 0);
		CHECK_INT(dvm_pack_double(b, v, (size_t)len, 1), 0);
		for (int r = 0; r < j->size; r++)
			CHECK_INT(dvm_buf_isend(j->w, b, r, len, &req[r]), 0);
		for (int k = 0; k < j->size; k++) {
			CHECK_INT(dvm_buf_recv(j->w, in, DVM_ANY_SOURCE, len, &st), 0);
			CHECK_INT(dvm_unpack_int32(in, &id, 1, 1), 0);
			CHECK_INT(id, st.source);
			CHECK_INT(dvm_buf_encoding(in), id % 2 ? DVM_PACK_RAW : DVM_PACK_XDR);
			CHECK_INT(dvm_unpack_string(in, text, sizeof text, NULL), 0);
			CHECK(!strcmp(text, "record"));
			CHECK_INT(dvm_unpack_double(in, got, (size_t)len, 1), 0);
			CHECK_INT(dvm_unpack_double(in, got, 1, 1), -ENODATA);
			for (int i = 0; i < len; i++)
				CHECK(got[i] == i + id * 0.5);
		}
		CHECK_INT(dvm_waitall(req, 64, NULL), 0);
	}
	dvm_buf_free(b);
	dvm_buf_free(in);
	return 0;
}

/* BYTES of address space that are the same PERIOD bytes of memory again and again. */
static uint8_t *fold(size_t bytes, size_t period)
{
	int fd = memfd_create("fold", MFD_CLOEXEC);
	uint8_t *p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (fd < 0 || p == MAP_FAILED || ftruncate(fd, (off_t)period) < 0)
		return NULL;
	for (size_t at = 0; at < bytes; at += period) {
		size_t n = bytes - at < period ? bytes - at : period;
		if (mmap(p + at, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
		    MAP_FAILED)
			return NULL;
	}
	close(fd);
	return p;
}

/*
 * More than 2 GiB in one message, with little memory: both ends fold it. The period divides no
 * power of two, so bytes that go astray by 2 or 4 GiB would be other ones.
 */
int folded(struct job *j)
{
	const size_t period = (size_t)40 * 1024 * 1024 + 5 * 4096, n = ((size_t)1 << 31) + 12345;
#ifdef __SANITIZE_THREAD__
	return 0; /* minutes of shadow memory */
#endif
	uint8_t *p = fold(n, period);
	dvm_status_t st;
	dvm_iov_t iov[2];

	CHECK(p);
	iov[0] = (dvm_iov_t){ p, 100 };
	iov[1] = (dvm_iov_t){ p + 100, n - 100 };
	int pieces = (int)arg(j, 0, 0);
	if (j->size == 1) {
		uint8_t *q = fold(n, period);
		dvm_req_t *req;
		CHECK(q);
		fill(p, period, 1);
		CHECK_INT(dvm_irecv(j->w, q, n, 0, 1, &req), 0);
		CHECK_INT(dvm_send(j->w, p, n, 0, 1), 0);
		CHECK_INT(dvm_wait(&req, &st), 0);
		CHECK(st.len == n && filled(q, period, 1));
		munmap(q, n);
	} else if (j->rank == 0) {
		fill(p, period, 1);
		CHECK_INT(pieces ? dvm_sendv(j->w, iov, 2, 1, 1) :
				   dvm_ssend(j->w, p, n, 1, 1),
			  0);
	} else if (j->rank == 1) {
		CHECK_INT(pieces ? dvm_recvv(j->w, iov, 2, 0, 1, &st) :
				   dvm_recv(j->w, p, n, 0, 1, &st),
			  0);
		CHECK_INT(st.len, n);
		CHECK(filled(p, period, 1));
	}
	munmap(p, n);
	return 0;
}
