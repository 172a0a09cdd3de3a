/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two jobs that talk: meet accept|connect SERVICE, meet spawn RANKS [die], meet child [die]. What
 * each rank has checked is in its exit code; rank 0 of each job prints one line at the end.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <dvm/coll.h>
#include <dvm/connect.h>
#include <dvm/ft.h>
#include <dvm/msg.h>
#include <dvm/sync.h>

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "job %llu rank %d: line %d: %s\n",                         \
				(unsigned long long)dvm_job_id(d), dvm_rank(d), __LINE__, #cond);  \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

/* The same for a code that should be WANT. */
#define CHECK_INT(expr, want)                                                                      \
	do {                                                                                       \
		int got_ = (int)(expr);                                                            \
		if (got_ != (want)) {                                                              \
			fprintf(stderr, "job %llu rank %d: line %d: %s is %d (%s)\n",              \
				(unsigned long long)dvm_job_id(d), dvm_rank(d), __LINE__, #expr,   \
				got_, got_ < 0 ? dvm_strerror(got_) : "");                         \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

enum { LONG = 300000, FLOOD = 3000 };

/* Every rank with every rank of the other side, short and long, in both directions at once. */
static int talk(dvm_t *d, dvm_group_t *g)
{
	static char out[LONG], in[LONG];
	int n = dvm_group_remote_size(g), me = dvm_group_rank(g), x;
	dvm_req_t *req[128];
	dvm_status_t st;

	CHECK(n > 0 && n <= 64);
	memset(out, me + 1, sizeof out);
	for (int r = 0; r < n; r++) {
		CHECK_INT(dvm_isend(g, &me, sizeof me, r, 1, &req[2 * r]), 0);
		CHECK_INT(dvm_isend(g, out, sizeof out, r, 2, &req[2 * r + 1]), 0);
	}
	for (int r = 0; r < n; r++) {
		CHECK_INT(dvm_recv(g, &x, sizeof x, DVM_ANY_SOURCE, 1, &st), 0);
		CHECK(x == st.source);
		CHECK_INT(dvm_recv(g, in, sizeof in, x, 2, &st), 0);
		CHECK(st.len == sizeof in && in[0] == (char)(x + 1) && in[LONG - 1] == in[0]);
	}
	CHECK_INT(dvm_waitall(req, 2 * (size_t)n, NULL), 0);
	return 0;
}

/* More than the credit of a pair, unread for a while. */
static int flood(dvm_t *d, dvm_group_t *g)
{
	int n = dvm_group_remote_size(g), me = dvm_group_rank(g);
	char buf[1000] = { 0 };

	if (me > 0 || n < 1)
		return dvm_barrier(g) != 0;
	static dvm_req_t *req[FLOOD];
	for (int i = 0; i < FLOOD; i++)
		CHECK_INT(dvm_isend(g, buf, sizeof buf, 0, 100 + i, &req[i]), 0);
	for (int i = 0; i < FLOOD; i++)
		CHECK_INT(dvm_recv(g, buf, sizeof buf, 0, 100 + i, NULL), 0);
	CHECK_INT(dvm_waitall(req, FLOOD, NULL), 0);
	CHECK_INT(dvm_barrier(g), 0);
	return 0;
}

/* One group of both: its collectives work, what is for one job does not. */
static int together(dvm_t *d, dvm_group_t *g, int high)
{
	static int many[50000];
	int one = 1, sum = 0, size = dvm_group_size(g) + dvm_group_remote_size(g);
	dvm_group_t *all, *other;
	uint32_t flags = 0;

	CHECK_INT(dvm_intergroup_merge(g, high, &all), 0);
	CHECK_INT(dvm_group_size(all), size);
	CHECK(dvm_group_rank(all) == dvm_group_rank(g) + (high ? dvm_group_remote_size(g) : 0));
	for (int i = 0; i < 20; i++) {
		CHECK_INT(dvm_allreduce(all, &one, &sum, 1, DVM_INT32, DVM_SUM), 0);
		CHECK(sum == size);
	}
	for (int root = 0; root < size; root++) {
		for (int i = 0; i < 50000; i++)
			many[i] = dvm_group_rank(all) == root ? root + i : 0;
		CHECK_INT(dvm_bcast(all, many, sizeof many, root), 0);
		CHECK(many[0] == root && many[49999] == root + 49999);
	}
	CHECK_INT(dvm_barrier(all), 0);
	CHECK_INT(dvm_group_num_nodes(all), size);
	CHECK_INT(dvm_group_dup(all, &other), -ENOTSUP);
	CHECK_INT(dvm_group_agree(all, &flags), -ENOTSUP);
	CHECK_INT(dvm_group_shrink(all, &other), -ENOTSUP);
	CHECK_INT(dvm_barrier(all), 0);
	CHECK_INT(dvm_group_free(all), 0);
	return 0;
}

/* One job has memory that the other gets, too: both count in it. */
static int share(dvm_t *d, dvm_group_t *g, int high, uint32_t consistency)
{
	enum { WORDS = 20000, ROUNDS = 30 };
	dvm_seg_config_t c = { .size = sizeof c, .bytes = WORDS * 8, .consistency = consistency };
	dvm_group_t *all;
	dvm_seg_t *s = NULL;
	dvm_error_t err = { 0 };

	CHECK_INT(dvm_intergroup_merge(g, high, &all), 0);
	if (!high)
		CHECK_INT(dvm_seg_create(dvm_world(d), &c, &s, &err), 0);
	uint64_t *p = dvm_seg_base(s);
	for (uint64_t i = 0; s && i < WORDS; i++)
		if (i % (uint64_t)dvm_size(d) == (uint64_t)dvm_rank(d))
			p[i] = i * 3;
	CHECK_INT(dvm_seg_extend(all, &s, &err), 0);
	p = dvm_seg_base(s);
	for (uint64_t i = 1; i < WORDS; i++)
		CHECK(p[i] == i * 3);
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_INT(dvm_lock_acquire(s, 9), 0);
		p[0]++;
		CHECK_INT(dvm_lock_release(s, 9), 0);
		p[1 + dvm_group_rank(all)] += i == 0;
	}
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	CHECK(p[0] == ROUNDS * (uint64_t)dvm_group_size(all));
	for (uint64_t r = 0; r < (uint64_t)dvm_group_size(all); r++)
		CHECK(p[1 + r] == (1 + r) * 3 + 1);
	CHECK_INT(dvm_seg_barrier(s, 1, 0), 0);
	CHECK_INT(dvm_seg_destroy(s), 0);
	CHECK_INT(dvm_group_free(all), 0);
	return 0;
}

static int meet(dvm_t *d, dvm_group_t *g, int high)
{
	int mine = dvm_group_size(g), theirs = dvm_group_remote_size(g);

	if (talk(d, g) || flood(d, g) || together(d, g, high) ||
	    share(d, g, high, DVM_SEG_SEQUENTIAL) || share(d, g, high, DVM_SEG_RELEASE))
		return 1;
	CHECK_INT(dvm_disconnect(g), 0);
	CHECK_INT(dvm_barrier(dvm_world(d)), 0);
	if (dvm_rank(d) == 0)
		printf("%d met %d\n", mine, theirs);
	return 0;
}

/* The last rank of the child dies: both sides hear, of that one alone, and can talk on. */
static int loss(dvm_t *d, dvm_group_t *g, int child)
{
	int n = child ? dvm_group_size(g) : dvm_group_remote_size(g), x = 0, last;

	if (child && dvm_rank(d) == n - 1)
		kill(getpid(), SIGKILL);
	if (child) {
		CHECK_INT(dvm_recv(g, &x, sizeof x, 0, 5, NULL), 0);
		return 0;
	}
	CHECK_INT(dvm_recv(g, &x, sizeof x, n - 1, 5, NULL), -DVM_EPEERLOST);
	CHECK_INT(dvm_recv(g, &x, sizeof x, DVM_ANY_SOURCE, 5, NULL), -DVM_EPEERLOST);
	CHECK(dvm_group_failed(g, &last, 1) == 1 && last == n - 1);
	for (int r = 0; dvm_rank(d) == 0 && r < n - 1; r++)
		CHECK_INT(dvm_send(g, &x, sizeof x, r, 5), 0);
	if (dvm_rank(d) == 0)
		printf("lost one of %d\n", n);
	return 0;
}

static int spawn(dvm_t *d, char **argv)
{
	const char *args[] = { argv[0], "child", argv[3], NULL };
	dvm_spawn_config_t c = { .size = sizeof c,
				 .argv = args,
				 .ranks = (uint32_t)atoi(argv[2]),
				 .flags = DVM_SPAWN_OVERSUBSCRIBE | DVM_SPAWN_KEEP_GOING };
	dvm_error_t err = { 0 };
	dvm_group_t *g;
	int rc = dvm_spawn(dvm_world(d), 0, &c, &g, &err);

	if (rc < 0) {
		if (dvm_rank(d) == 0)
			printf("spawn: %s: %s\n", dvm_strerror(rc), err.text);
		return 1;
	}
	return argv[3] ? loss(d, g, 0) : meet(d, g, 0);
}

/* A child that knows nothing of us, or has no room: an error for everybody, and soon. */
static int refused(dvm_t *d, char **argv)
{
	const char *args[] = { argv[3], NULL };
	dvm_spawn_config_t c = { .size = sizeof c, .argv = args, .ranks = (uint32_t)atoi(argv[2]) };
	dvm_group_t *none = (dvm_group_t *)&c, *g = none;
	dvm_error_t err = { 0 };
	int rc = dvm_spawn(dvm_world(d), 0, &c, &g, &err);

	CHECK(rc < 0 && g == none);
	CHECK_INT(dvm_barrier(dvm_world(d)), 0);
	if (dvm_rank(d) == 0)
		printf("%s\n%s\n", dvm_strerror(rc), err.text);
	return 0;
}

static int child(dvm_t *d, char **argv)
{
	dvm_error_t err = { 0 };
	dvm_group_t *g;

	if (argv[2] && !strcmp(argv[2], "idle")) {
		pause();
		return 1;
	}
	if (dvm_parent(d, &g, &err) < 0) {
		fprintf(stderr, "parent: %s\n", err.text);
		return 1;
	}
	return argv[2] ? loss(d, g, 1) : meet(d, g, 1);
}

static int by_name(dvm_t *d, char **argv)
{
	int accepts = !strcmp(argv[1], "accept");
	dvm_error_t err = { 0 };
	dvm_group_t *g;
	int root = dvm_size(d) - 1;
	int rc = accepts ? dvm_accept(dvm_world(d), root, argv[2], 20000, &g, &err)
			 : dvm_connect(dvm_world(d), root, argv[2], 20000, &g, &err);

	if (rc < 0) {
		if (dvm_rank(d) == root)
			printf("%s: %s: %s\n", argv[1], dvm_strerror(rc), err.text);
		return 1;
	}
	return meet(d, g, accepts);
}

int main(int argc, char **argv)
{
	dvm_t *d;
	int rc = 2;

	alarm(50);
	if (argc < 2 || dvm_open(&d, NULL, NULL) < 0)
		return 2;
	if (!strcmp(argv[1], "spawn") && argc > 2)
		rc = spawn(d, argv);
	else if (!strcmp(argv[1], "refused") && argc > 3)
		rc = refused(d, argv);
	else if (!strcmp(argv[1], "child"))
		rc = child(d, argv);
	else if (argc > 2)
		rc = by_name(d, argv);
	int closed = dvm_close(d);
	return rc ? rc : closed < 0;
}
