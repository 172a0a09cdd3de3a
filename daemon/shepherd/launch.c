/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/shepherd/launch.h"
#include "daemon/shepherd/program.h"
#include "daemon/shepherd/programs.h"
#include "daemon/shepherd/spawn.h"
#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/cleanup.h"

enum { BATCH = 32, TEXT = 512, LATE_MS = 2000 };

struct shep_launch {
	struct shep_launch_config c;
	struct shep_spawn_plan plan;
	struct shep_programs programs;
	uv_idle_t idle;	   /* runs while there are ranks to start */
	uv_poll_t reports; /* read end of the report pipe */
	uv_timer_t clock;  /* until it is late, then until the deadline */
	int handles;	   /* not closed yet */
	int report_fd;
	size_t next; /* local rank to start */
	unsigned unbound;
	bool late; /* has been told */
	bool done;
	bool destroyed;
	int failed; /* code of the failure with the lowest rank */
	uint32_t failed_local;
	char text[TEXT];
};

static const Pb__NodeShare *share(const struct shep_launch *l)
{
	return l->c.launch->placement->nodes[l->c.self];
}

static const struct shep_spawn_program *program_of(const struct shep_launch *l, uint32_t rank)
{
	return shep_programs_of(&l->programs, rank);
}

static void finish(struct shep_launch *l, int code)
{
	if (l->done)
		return;
	l->done = true;
	uv_idle_stop(&l->idle);
	uv_poll_stop(&l->reports);
	uv_timer_stop(&l->clock);
	if (l->unbound) {
		char note[TEXT];
		snprintf(note, sizeof note, "%s: %u rank%s not bound as asked: CPUs not allowed",
			 share(l)->name, l->unbound, l->unbound == 1 ? "" : "s");
		l->c.note(note, l->c.arg);
	}
	l->c.done(code, l->text, l->c.arg);
}

static void explain(struct shep_launch *l, const struct shep_spawn_report *r)
{
	const struct shep_spawn_program *p = program_of(l, share(l)->ranks[r->local]);

	l->failed = -r->err;
	l->failed_local = r->local;
	switch ((enum shep_stage)r->stage) {
	case SHEP_STAGE_WDIR:
		l->failed = shep_program_explain_wdir(p->wdir, r->err, l->text, TEXT);
		break;
	case SHEP_STAGE_EXEC:
		l->failed = shep_program_explain(p->argv[0], p->candidates, p->wdir, r->err,
						 l->text, TEXT);
		break;
	case SHEP_STAGE_MEMORY:
		snprintf(l->text, TEXT, "memory of a rank could not be limited: %s",
			 strerrordesc_np(r->err));
		break;
	default:
		snprintf(l->text, TEXT, "%s: could not be started: %s", p->argv[0],
			 strerrordesc_np(r->err));
	}
}

static void take_report(struct shep_launch *l, const struct shep_spawn_report *r)
{
	if (r->stage == SHEP_STAGE_AFFINITY)
		l->unbound++;
	else if (r->stage == SHEP_STAGE_CGROUP)
		l->c.note("a rank could not be put into the job's cgroup", l->c.arg);
	else if (!l->failed || r->local < l->failed_local)
		explain(l, r);
}

/* Reports are complete when the last child has closed its end, by exec or by exit. */
static void on_reports(uv_poll_t *h, int status, int events)
{
	struct shep_launch *l = h->data;
	struct shep_spawn_report r;
	ssize_t n;

	while ((n = read(l->report_fd, &r, sizeof r)) == sizeof r)
		take_report(l, &r);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	finish(l, l->failed);
}

/* Ranks that the kernel still calls by one of our names have not become their program. */
static bool name_late_rank(const struct shep_launch *l, const struct shep_rank *r, char *text)
{
	char path[40], comm[32] = "";

	snprintf(path, sizeof path, "/proc/%d/comm", (int)r->pid);
	cleanup_file FILE *f = fopen(path, "re");
	if (!f || !fgets(comm, sizeof comm, f))
		return false;
	comm[strcspn(comm, "\n")] = 0;
	bool entering = !strcmp(comm, SHEP_COMM_WDIR);
	if (!entering && strcmp(comm, SHEP_COMM_EXEC) != 0)
		return false;
	const struct shep_spawn_program *p = program_of(l, r->rank);
	snprintf(text, TEXT, "rank %u (pid %d) is %s %s", r->rank, (int)r->pid,
		 entering ? "entering" : "loading", entering ? p->wdir : p->argv[0]);
	return true;
}

/* What the launch waits for, in words. */
static void describe(const struct shep_launch *l, char *text)
{
	if (l->c.hold)
		snprintf(text, TEXT, "waiting for the PMIx server");
	else
		snprintf(text, TEXT, "%zu of %zu ranks forked", l->next, l->c.ranks->n);
	for (size_t i = 0; i < l->next; i++)
		if (!l->c.ranks->r[i].exited && name_late_rank(l, &l->c.ranks->r[i], text))
			return;
}

static uint64_t deadline_ms(const struct shep_launch *l)
{
	return (l->c.launch->launch_deadline_ns + DVMI_MSEC - 1) / DVMI_MSEC;
}

static void on_clock(uv_timer_t *h)
{
	struct shep_launch *l = h->data;
	uint64_t deadline = deadline_ms(l);
	char text[TEXT];

	describe(l, text);
	if (!l->late && (!deadline || deadline > LATE_MS)) {
		l->late = true;
		if (deadline)
			uv_timer_start(h, on_clock, deadline - LATE_MS, 0);
		l->c.late(text, l->c.arg);
		return;
	}
	snprintf(l->text, TEXT, "not started in time: %.480s", text);
	finish(l, -ETIMEDOUT);
}

static void fail_now(struct shep_launch *l, int code, const char *what)
{
	snprintf(l->text, TEXT, "rank %u: %s: %s", share(l)->ranks[l->next], what,
		 dvm_strerror(code));
	finish(l, code);
}

static cpu_set_t *cpus_of(struct shep_launch *l, size_t local)
{
	const Pb__NodeShare *s = share(l);
	cpu_set_t *cpus = NULL;

	if (local >= s->n_cpus)
		return NULL;
	int rc = shep_affinity_of(l->c.affinity, s->cpus[local], &cpus);
	if (rc < 0 || rc == SHEP_BOUND_PARTLY)
		l->unbound++;
	return cpus;
}

/* The group a rank starts in, and whether the descriptor is to be closed. */
static int group_of(struct shep_launch *l, uint32_t rank, bool *own)
{
	const struct shep_limits limits = shep_limits_of(l->c.launch->spec);

	*own = l->c.group->there && (l->c.group->memory || l->c.group->cpu);
	return *own ? shep_group_rank(l->c.group, rank, &limits) : l->c.group->ranks_fd;
}

static int start_with(struct shep_launch *l, struct shep_rank *r, struct shep_spawn_rank *sr)
{
	bool own_group;

	sr->cgroup_fd = group_of(l, r->rank, &own_group);
	if (own_group && sr->cgroup_fd < 0)
		return sr->cgroup_fd;
	cpu_set_t *cpus = cpus_of(l, sr->local);
	sr->cpus = cpus;
	sr->cpus_bytes = l->c.affinity->bytes;
	sr->program = program_of(l, r->rank);
	sr->envp = shep_environ_of(l->c.environ, r->rank, sr->local, sr->keep_fd);
	pid_t pid = shep_spawn(&l->plan, sr);
	if (cpus)
		CPU_FREE(cpus);
	if (own_group)
		close(sr->cgroup_fd);
	if (pid < 0)
		return pid;
	r->pid = pid;
	return 0;
}

static int start_one(struct shep_launch *l)
{
	struct shep_spawn_rank sr = { .local = (uint32_t)l->next };
	int rc = l->c.stdio(sr.local, sr.stdio, l->c.arg);

	if (rc < 0) {
		fail_now(l, rc, "no descriptors for it");
		return rc;
	}
	if (!l->next)
		l->c.ranks->began = dvmi_clock_mono();
	sr.keep_fd = l->c.extra_fd(sr.local, l->c.arg);
	rc = start_with(l, &l->c.ranks->r[l->next], &sr);
	for (int i = 0; i < 3; i++)
		close(sr.stdio[i]);
	if (sr.keep_fd >= 0)
		close(sr.keep_fd);
	if (rc < 0)
		fail_now(l, rc, "could not be forked");
	else
		l->next++;
	return rc;
}

/* Signals are blocked over the forks: no child may run our handlers before it has reset them. */
static void on_idle(uv_idle_t *h)
{
	struct shep_launch *l = h->data;
	sigset_t all, was;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &was);
	for (int i = 0; i < BATCH && l->next < l->c.ranks->n; i++)
		if (start_one(l) < 0)
			break;
	sigprocmask(SIG_SETMASK, &was, NULL);
	if (l->next < l->c.ranks->n)
		return;
	uv_idle_stop(&l->idle);
	close(l->plan.report_fd);
	l->plan.report_fd = -1;
}

static int make_plan(struct shep_launch *l)
{
	const Pb__JobSpec *spec = l->c.launch->spec;
	bool limit = spec->mem_per_rank && !(l->c.group->there && l->c.group->memory);
	int rc = shep_programs_init(&l->programs, spec, shep_environ_get(l->c.environ, "PATH"));
	int fds[2];

	if (rc < 0)
		return rc;
	l->plan.umask = spec->umask & 0777;
	l->plan.shepherd = getpid();
	l->plan.data_limit = limit ? spec->mem_per_rank : RLIM_INFINITY;
	l->plan.nofile = l->c.nofile;
	l->plan.no_new_privs = l->c.no_new_privs;
	l->plan.timer_slack = l->c.timer_slack;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	l->report_fd = fds[0];
	l->plan.report_fd = fds[1];
	/* Our end only: the two ends are file descriptions of their own. */
	return fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static void start_handles(struct shep_launch *l)
{
	uint64_t deadline = deadline_ms(l);

	uv_idle_init(l->c.loop, &l->idle);
	uv_poll_init(l->c.loop, &l->reports, l->report_fd);
	uv_timer_init(l->c.loop, &l->clock);
	l->idle.data = l->reports.data = l->clock.data = l;
	l->handles = 3;
	if (!l->c.hold)
		uv_idle_start(&l->idle, on_idle);
	uv_poll_start(&l->reports, UV_READABLE, on_reports);
	uv_timer_start(&l->clock, on_clock, deadline && deadline < LATE_MS ? deadline : LATE_MS, 0);
}

static void free_launch(struct shep_launch *l)
{
	if (l->report_fd >= 0)
		close(l->report_fd);
	if (l->plan.report_fd >= 0)
		close(l->plan.report_fd);
	shep_programs_free(&l->programs);
	free(l);
}

int shep_launch_create(struct shep_launch **out, const struct shep_launch_config *config)
{
	struct shep_launch *l = calloc(1, sizeof *l);

	if (!l)
		return -ENOMEM;
	l->c = *config;
	l->report_fd = l->plan.report_fd = -1;
	int rc = make_plan(l);
	if (rc < 0) {
		free_launch(l);
		return rc;
	}
	start_handles(l);
	*out = l;
	return 0;
}

void shep_launch_go(struct shep_launch *l, int code, const char *why)
{
	if (!l->c.hold || l->done)
		return;
	l->c.hold = false;
	snprintf(l->text, TEXT, "%s", code < 0 ? why : "");
	if (code < 0)
		finish(l, code);
	else
		uv_idle_start(&l->idle, on_idle);
}

void shep_launch_cancel(struct shep_launch *l)
{
	snprintf(l->text, TEXT, "ended before all ranks were started");
	finish(l, -ECANCELED);
}

static void on_closed(uv_handle_t *h)
{
	struct shep_launch *l = h->data;

	if (--l->handles == 0)
		free_launch(l);
}

void shep_launch_destroy(struct shep_launch *l)
{
	if (!l || l->destroyed)
		return;
	l->destroyed = true;
	uv_close((uv_handle_t *)&l->idle, on_closed);
	uv_close((uv_handle_t *)&l->reports, on_closed);
	uv_close((uv_handle_t *)&l->clock, on_closed);
}
