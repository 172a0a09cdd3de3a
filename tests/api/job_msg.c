/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages between living ranks. */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "tests/api/job.h"

int place(struct job *j)
{
	int nodes = dvm_num_nodes(j->d), last = 0;

	CHECK(dvm_node(j->d) == dvm_node_of(j->d, j->rank));
	for (int r = 0; r < j->size; r++) {
		int node = dvm_node_of(j->d, r);
		CHECK(node >= last && node < nodes);
		CHECK_INT(dvm_peer_state(j->d, r) == DVM_LOST, 0);
		last = node;
	}
	CHECK_INT(last, nodes - 1);
	CHECK(!strncmp(dvm_node_name(j->d), "mini", 4));
	return 0;
}

/* Messages of all sizes from each rank to each arrive in order. */
int order(struct job *j)
{
	static const size_t sizes[] = { 0, 1, 8, 24, 1000, 1024, 1025, 5000, 16384, 16385, 70000 };
	enum { N = sizeof sizes / sizeof sizes[0], ROUNDS = 20 };
	uint8_t *buf = malloc(70000), *out = malloc(70000);
	dvm_status_t st;
	dvm_req_t *req;

	for (int i = 0; i < N * ROUNDS; i++)
		for (int k = 0; k < j->size; k++) {
			int to = (j->rank + k) % j->size, from = (j->rank + j->size - k) % j->size;
			size_t n = sizes[i % N];
			fill(out, n, mix((uint64_t)i, (uint64_t)j->rank));
			CHECK_INT(dvm_isend(j->w, out, n, to, 3, &req), 0);
			CHECK_INT(dvm_recv(j->w, buf, 70000, from, 3, &st), 0);
			CHECK(st.source == from && st.tag == 3 && st.len == n && st.error == 0);
			CHECK(filled(buf, n, mix((uint64_t)i, (uint64_t)from)));
			CHECK_INT(dvm_wait(&req, NULL), 0);
			CHECK(!req);
		}
	free(buf);
	free(out);
	return 0;
}

/* Rank 0 takes from anyone, any tag; of each rank in order, and all of them. */
int wildcards(struct job *j)
{
	enum { EACH = 300 };
	int *next = calloc((size_t)j->size, sizeof *next), v[2];
	dvm_status_t st;

	if (j->rank) {
		for (int i = 0; i < EACH; i++) {
			v[0] = j->rank;
			v[1] = i;
			CHECK_INT(dvm_send(j->w, v, sizeof v, 0, i % 5), 0);
		}
		free(next);
		return 0;
	}
	for (int i = 0; i < EACH * (j->size - 1); i++) {
		CHECK_INT(dvm_recv(j->w, v, sizeof v, DVM_ANY_SOURCE, DVM_ANY_TAG, &st), 0);
		CHECK_INT(st.source, v[0]);
		CHECK_INT(v[1], next[v[0]]++);
		CHECK_INT(st.tag, v[1] % 5);
	}
	free(next);
	return 0;
}

int truncation(struct job *j)
{
	static const size_t sizes[] = { 100, 5000, 200000 };
	uint8_t *buf = malloc(200000);
	dvm_status_t st;

	for (int i = 0; i < 3; i++) {
		if (j->rank == 0) {
			fill(buf, sizes[i], 5);
			CHECK_INT(dvm_send(j->w, buf, sizes[i], 1, 1), 0);
			CHECK_INT(dvm_send(j->w, buf, 8, 1, 2), 0);
		} else if (j->rank == 1) {
			memset(buf, 0xee, 200000);
			CHECK_INT(dvm_recv(j->w, buf, 64, 0, 1, &st), -DVM_ETRUNC);
			CHECK(st.len == sizes[i] && st.error == -DVM_ETRUNC && st.source == 0);
			CHECK(filled(buf, 64, 5) && buf[64] == 0xee);
			CHECK_INT(dvm_recv(j->w, NULL, 0, 0, 2, &st), -DVM_ETRUNC);
			CHECK_INT(st.len, 8);
		}
	}
	free(buf);
	return 0;
}

/* Long messages, several at once, received in the reverse order. */
int longer(struct job *j)
{
	enum { N = 6, STEP = 700001 };
	uint8_t *buf[N];
	dvm_req_t *req[N];
	dvm_status_t st[N];

	for (int i = 0; i < N; i++) {
		size_t n = (size_t)(i + 1) * STEP;
		buf[i] = malloc(n);
		if (j->rank == 0) {
			fill(buf[i], n, (uint64_t)i);
			CHECK_INT(dvm_isend(j->w, buf[i], n, j->size - 1, i, &req[i]), 0);
		} else if (j->rank == j->size - 1) {
			int k = N - 1 - i;
			free(buf[i]);
			n = (size_t)(k + 1) * STEP;
			buf[i] = malloc(n);
			CHECK_INT(dvm_irecv(j->w, buf[i], n, 0, k, &req[i]), 0);
		}
	}
	if (j->rank == 0 || j->rank == j->size - 1)
		CHECK_INT(dvm_waitall(req, N, st), 0);
	for (int i = 0; i < N; i++) {
		int k = N - 1 - i;
		if (j->rank == j->size - 1) {
			CHECK(st[i].tag == k && st[i].len == (size_t)(k + 1) * STEP);
			CHECK(filled(buf[i], st[i].len, (uint64_t)k));
		}
		free(buf[i]);
	}
	return 0;
}

/* The thread sanitizer keeps notes of all memory. */
#ifdef __SANITIZE_THREAD__
#define NOTES 4
#else
#define NOTES 1
#endif

static long resident_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = -1, all;

	if (f && fscanf(f, "%ld %ld", &all, &pages) != 2)
		pages = -1;
	if (f)
		fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/*
 * 60 000 unexpected KiB: the receiver's memory stays bounded, and the last one can be had first.
 * What a connection costs is there before the count.
 */
int flood(struct job *j)
{
	enum { N = 60000, BYTES = 1024, LIMIT_KIB = NOTES * 32 * 1024 };
	uint8_t buf[BYTES];
	dvm_req_t **req = calloc(N + 1, sizeof *req);

	CHECK_INT(dvm_barrier(j->w), 0);
	if (j->rank == 0) {
		fill(buf, BYTES, 1);
		for (int i = 0; i < N; i++)
			CHECK_INT(dvm_isend(j->w, buf, BYTES, 1, 1, &req[i]), 0);
		CHECK_INT(dvm_isend(j->w, buf, 8, 1, 2, &req[N]), 0);
		CHECK_INT(dvm_waitall(req, N + 1, NULL), 0);
	} else if (j->rank == 1) {
		long before = resident_kib();
		CHECK_INT(dvm_recv(j->w, buf, BYTES, 0, 2, NULL), 0);
		long more = resident_kib() - before;
		if (more >= LIMIT_KIB)
			fprintf(stderr, "%ld KiB more\n", more);
		CHECK(more < LIMIT_KIB);
		for (int i = 0; i < N; i++) {
			CHECK_INT(dvm_recv(j->w, buf, BYTES, 0, 1, NULL), 0);
			CHECK(filled(buf, BYTES, 1));
			memset(buf, 0, BYTES);
		}
	}
	free(req);
	return 0;
}

/* All ranks send to all others first and receive afterwards, until blocking sends must wait. */
int crossing(struct job *j)
{
	enum { N = 3000, BYTES = 64 };
	uint8_t buf[BYTES];

	for (int k = 1; k < j->size; k++)
		for (int i = 0; i < N; i++) {
			fill(buf, BYTES, mix((uint64_t)i, (uint64_t)j->rank));
			CHECK_INT(dvm_send(j->w, buf, BYTES, (j->rank + k) % j->size, k), 0);
		}
	for (int k = 1; k < j->size; k++)
		for (int i = 0; i < N; i++) {
			int from = (j->rank + j->size - k) % j->size;
			CHECK_INT(dvm_recv(j->w, buf, BYTES, from, k, NULL), 0);
			CHECK(filled(buf, BYTES, mix((uint64_t)i, (uint64_t)from)));
		}
	return 0;
}

/* waitany, test and cancel at rank 0 over one receive per rank. */
int gathered(struct job *j)
{
	int v = j->rank * 10, got[64], left = j->size - 1;
	dvm_req_t *req[64] = { NULL }, *never;
	dvm_status_t st;
	size_t at;

	if (j->rank) {
		CHECK_INT(dvm_send(j->w, &v, sizeof v, 0, 4), 0);
		return dvm_recv(j->w, NULL, 0, 0, 5, NULL) != 0;
	}
	for (int r = 1; r < j->size; r++)
		CHECK_INT(dvm_irecv(j->w, &got[r], sizeof v, r, 4, &req[r]), 0);
	CHECK_INT(dvm_irecv(j->w, &v, sizeof v, j->size - 1, 77, &never), 0);
	for (; left > 1; left--) {
		CHECK_INT(dvm_waitany(req, (size_t)j->size, &at, &st), 0);
		CHECK(!req[at] && st.source == (int)at && got[at] == (int)at * 10);
	}
	for (int r = 1; r < j->size && left; r++) {
		int rc = 0;
		while (req[r] && (rc = dvm_test(&req[r], &st)) == 0)
			;
		CHECK(rc >= 0 && !req[r] && got[r] == r * 10);
	}
	CHECK_INT(dvm_test(&never, NULL), 0);
	CHECK_INT(dvm_cancel(never), 0);
	CHECK_INT(dvm_wait(&never, &st), -ECANCELED);
	CHECK_INT(st.error, -ECANCELED);
	for (int r = 1; r < j->size; r++)
		CHECK_INT(dvm_send(j->w, NULL, 0, r, 5), 0);
	return 0;
}

int probing(struct job *j)
{
	uint8_t buf[3000] = { 0 };
	dvm_status_t st;

	if (j->rank == j->size - 1) {
		CHECK_INT(dvm_send(j->w, buf, 10, 0, 1), 0);
		CHECK_INT(dvm_send(j->w, buf, 3000, 0, 2), 0);
		return dvm_recv(j->w, buf, 1, 0, 9, NULL) != 0;
	}
	if (j->rank)
		return 0;
	CHECK_INT(dvm_probe(j->w, DVM_ANY_SOURCE, 2, &st), 0);
	CHECK(st.source == j->size - 1 && st.tag == 2 && st.len == 3000);
	CHECK_INT(dvm_iprobe(j->w, j->size - 1, DVM_ANY_TAG, &st), 1);
	CHECK(st.tag == 1 && st.len == 10);
	CHECK_INT(dvm_iprobe(j->w, 0, DVM_ANY_TAG, &st), 0);
	CHECK_INT(dvm_recv(j->w, buf, 3000, st.source < 0 ? j->size - 1 : st.source, 2, NULL), 0);
	CHECK_INT(dvm_recv(j->w, buf, 3000, DVM_ANY_SOURCE, DVM_ANY_TAG, &st), 0);
	CHECK_INT(st.len, 10);
	return dvm_send(j->w, buf, 1, j->size - 1, 9) != 0;
}

/* The last rank's goodbye comes with its message: whoever probes takes the message. */
int probes_last(struct job *j)
{
	char byte = 0;

	if (j->rank != 0)
		return dvm_send(j->w, &byte, 1, 0, 1) != 0;
	for (int r = 1; r < j->size; r++) {
		dvm_message_t *msg;

		CHECK_INT(dvm_mprobe(j->w, DVM_ANY_SOURCE, 1, &msg, NULL), 0);
		CHECK_INT(dvm_mrecv(&msg, &byte, 1, NULL), 0);
	}
	return 0;
}

struct thread {
	struct job *j;
	int tag;
	int bad;
};

static int ping(struct job *j, int tag)
{
	int peer = j->size - 1 - j->rank, v, n = 2000;

	if (peer == j->rank)
		return 0;
	for (int i = 0; i < n; i++) {
		v = i * 8 + tag;
		if (j->rank < peer)
			CHECK_INT(dvm_send(j->w, &v, sizeof v, peer, tag), 0);
		CHECK_INT(dvm_recv(j->w, &v, sizeof v, peer, tag, NULL), 0);
		CHECK_INT(v, i * 8 + tag);
		if (j->rank > peer)
			CHECK_INT(dvm_send(j->w, &v, sizeof v, peer, tag), 0);
	}
	return 0;
}

static void *thread_main(void *p)
{
	struct thread *t = p;

	t->bad = ping(t->j, t->tag);
	return NULL;
}

/* Several threads of each rank, each with its own tag and partner. */
int threads(struct job *j)
{
	enum { T = 4 };
	struct thread t[T];
	pthread_t id[T];

	for (int i = 0; i < T; i++) {
		t[i] = (struct thread){ .j = j, .tag = i };
		CHECK_INT(pthread_create(&id[i], NULL, thread_main, &t[i]), 0);
	}
	for (int i = 0; i < T; i++) {
		pthread_join(id[i], NULL);
		CHECK(!t[i].bad);
	}
	return 0;
}

/* More than 2 GiB in one message. */
int huge(struct job *j)
{
	size_t n = (size_t)arg(j, 0, 2300) << 20;
	uint8_t *buf = calloc(1, n);
	dvm_status_t st;

	CHECK(buf);
	if (j->rank == 0) {
		fill(buf + n - 4096, 4096, 9);
		fill(buf + n / 2, 4096, 8);
		CHECK_INT(dvm_send(j->w, buf, n, 1, 1), 0);
	} else if (j->rank == 1) {
		CHECK_INT(dvm_recv(j->w, buf, n, 0, 1, &st), 0);
		CHECK(st.len == n && filled(buf + n - 4096, 4096, 9) &&
		      filled(buf + n / 2, 4096, 8));
	}
	free(buf);
	return 0;
}

/* What was sent before closing arrives, however late it is received. */
int survives_close(struct job *j)
{
	enum { N = 400 };
	uint8_t buf[2000] = { 0 };
	dvm_status_t st;

	if (j->rank != 0) {
		for (int i = 0; i < N; i++) {
			fill(buf, sizeof buf, mix((uint64_t)i, (uint64_t)j->rank));
			CHECK_INT(dvm_send(j->w, buf, sizeof buf, 0, 1), 0);
		}
		return 0;
	}
	for (int r = 1; r < j->size; r++)
		while (dvm_peer_state(j->d, r) == DVM_ALIVE)
			;
	for (int r = 1; r < j->size; r++) {
		for (int i = 0; i < N; i++) {
			CHECK_INT(dvm_recv(j->w, buf, sizeof buf, r, 1, &st), 0);
			CHECK(filled(buf, sizeof buf, mix((uint64_t)i, (uint64_t)r)));
		}
		CHECK_INT(dvm_recv(j->w, buf, sizeof buf, r, 1, &st), -DVM_ECLOSED);
		CHECK_INT(st.error, -DVM_ECLOSED);
	}
	CHECK_INT(dvm_recv(j->w, buf, 1, DVM_ANY_SOURCE, 1, NULL),
		  j->size > 1 ? -DVM_ECLOSED : -EDEADLK);
	return 0;
}
