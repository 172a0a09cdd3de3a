/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A farm whose workers come and go. `dvm submit -n 1-8 elastic 400 50` does 400 tasks of 50 ms with
 * whatever the machine lends, and gives that back when somebody waits for room.
 *
 * Rank 0 is the master and works, too. Each worker is a child of one rank: it says what it has done
 * and gets the next task, or says that it leaves.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <dvm/connect.h>
#include <dvm/msg.h>

#define WORKERS_MAX 64
#define NOTHING	    (-1)

struct report {
	int done; /* task, or NOTHING */
	bool leaves;
};

struct worker {
	dvm_group_t *g; /* NULL: none here */
	dvm_req_t *req;
	struct report report;
	int task; /* it has, or NOTHING */
};

struct farm {
	dvm_t *d;
	const char **argv;
	struct worker workers[WORKERS_MAX];
	int *todo, ntodo; /* tasks that nobody has */
	int here, there, came, left;
	int pause_ms;
	bool stuck; /* workers cannot be started, and that has nothing to do with room */
};

static void do_task(int ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

/* ---- a worker ---- */

static bool is_wanted_back(dvm_t *d)
{
	dvm_room_t room = { .size = sizeof room };

	return dvm_room(d, &room, NULL) == 0 && room.wanted_by;
}

static int be_worker(dvm_t *d, int ms)
{
	struct report r = { NOTHING, false };
	dvm_group_t *g;
	int task = NOTHING, rc = dvm_parent(d, &g, NULL);

	if (rc < 0)
		return rc;
	do {
		r.leaves = is_wanted_back(d);
		rc = dvm_send(g, &r, sizeof r, 0, 0);
		if (rc >= 0 && !r.leaves)
			rc = dvm_recv(g, &task, sizeof task, 0, 0, NULL);
		if (rc >= 0 && !r.leaves && task != NOTHING)
			do_task(ms);
		r.done = task;
	} while (rc >= 0 && !r.leaves && task != NOTHING);
	dvm_disconnect(g);
	return rc < 0 ? rc : 0;
}

/* ---- the master ---- */

static int next_task(struct farm *f)
{
	return f->ntodo ? f->todo[--f->ntodo] : NOTHING;
}

static void expect(struct worker *w)
{
	if (dvm_irecv(w->g, &w->report, sizeof w->report, 0, 0, &w->req) < 0)
		w->req = NULL;
}

static void part(struct farm *f, struct worker *w)
{
	if (w->task != NOTHING)
		f->todo[f->ntodo++] = w->task;
	dvm_disconnect(w->g);
	*w = (struct worker){ 0 };
}

/* What a worker has said; one that is lost leaves its task behind. */
static void serve(struct farm *f, struct worker *w)
{
	int rc = w->req ? dvm_test(&w->req, NULL) : -ECANCELED;

	if (rc == 0)
		return;
	if (rc < 0) {
		part(f, w);
		return;
	}
	f->there += w->report.done != NOTHING;
	f->left += w->report.leaves;
	w->task = w->report.leaves ? NOTHING : next_task(f);
	if (!w->report.leaves)
		rc = dvm_send(w->g, &w->task, sizeof w->task, 0, 0);
	if (rc < 0 || w->task == NOTHING)
		part(f, w);
	else
		expect(w);
}

static int serve_all(struct farm *f)
{
	int n = 0;

	for (int i = 0; i < WORKERS_MAX; i++)
		if (f->workers[i].g) {
			serve(f, &f->workers[i]);
			n += f->workers[i].g != NULL;
		}
	return n;
}

/* One worker more; false: there is no room, or no place. */
static bool grow(struct farm *f)
{
	const dvm_spawn_config_t c = { .size = sizeof c, .argv = f->argv, .ranks = 1,
				       .flags = DVM_SPAWN_LENT };
	dvm_error_t err;
	int i = 0;

	while (i < WORKERS_MAX && f->workers[i].g)
		i++;
	if (f->stuck || i == WORKERS_MAX)
		return false;
	int rc = dvm_spawn(dvm_world(f->d), 0, &c, &f->workers[i].g, &err);
	f->stuck = rc < 0 && rc != -EBUSY;
	if (f->stuck)
		fprintf(stderr, "elastic: going on alone: %s\n", err.text);
	if (rc < 0)
		return false;
	f->came++;
	f->workers[i].task = NOTHING;
	expect(&f->workers[i]);
	return true;
}

/* How many ranks there may be in all: 1 at least, this one. */
static int room(struct farm *f)
{
	dvm_room_t r = { .size = sizeof r };

	return dvm_room(f->d, &r, NULL) == 0 && r.room ? (int)r.room : 1;
}

static void be_master(struct farm *f)
{
	for (;;) {
		int workers = serve_all(f);
		if (!workers && !f->ntodo)
			return;
		while (f->ntodo && workers + 1 < room(f) && grow(f))
			workers++;
		bool mine = next_task(f) != NOTHING;
		do_task(f->pause_ms);
		f->here += mine;
	}
}

static int farm(dvm_t *d, const char **argv, int tasks, int ms)
{
	struct farm f = { .d = d, .argv = argv, .ntodo = tasks, .pause_ms = ms };

	f.todo = calloc((size_t)tasks + 1, sizeof *f.todo);
	if (!f.todo)
		return -ENOMEM;
	for (int i = 0; i < tasks; i++)
		f.todo[i] = i;
	be_master(&f);
	printf("%d tasks: %d by the master, %d by %d workers, of which %d were asked to leave\n",
	       tasks, f.here, f.there, f.came, f.left);
	free(f.todo);
	return f.here + f.there == tasks ? 0 : -EIO;
}

int main(int argc, char **argv)
{
	int tasks = argc > 1 ? atoi(argv[1]) : 100, ms = argc > 2 ? atoi(argv[2]) : 10, rc;
	dvm_error_t err;
	dvm_t *d;

	if (tasks < 0 || ms < 0 || dvm_open(&d, NULL, &err) < 0)
		return 2;
	if (dvm_parent_job(d, NULL))
		rc = be_worker(d, ms);
	else
		rc = dvm_size(d) == 1 ? farm(d, (const char **)argv, tasks, ms) : -EINVAL;
	if (rc < 0)
		fprintf(stderr, "elastic: %s\n", dvm_strerror(rc));
	return dvm_close(d) < 0 || rc < 0;
}
