/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rank that does what it is told with dvm/dynamic.h, and prints what comes of it.
 *
 *	dyn [-r RANK] COMMAND ARG... , COMMAND ARG... , ...
 *
 * With -r that rank alone; the others only open, wait until it has closed, and close. A command that
 * fails prints its name, the error and the text; the next one follows.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <dvm/dvm.h>
#include <dvm/dynamic.h>

struct run {
	dvm_t *d;
	uint64_t child; /* spawned last */
	char **arg;	/* of the command; NULL at the end */
	int exit_code;
	int over;
};

static const char *name_of(int code)
{
	const char *name = strerrorname_np(-code);

	return name ? name : dvm_strerror(code);
}

static void say(const char *what, int rc, const dvm_error_t *err)
{
	if (rc < 0)
		printf("%s: %s: %s\n", what, name_of(rc), err ? err->text : "");
	else
		printf("%s: ok\n", what);
}

static long number(const char *s, long other)
{
	return s ? strtol(s, NULL, 10) : other;
}

static void id(struct run *r)
{
	int rank = -1;
	unsigned long long parent = dvm_parent_job(r->d, &rank);

	printf("job %llu rank %d of %d on %s, parent %llu.%d\n",
	       (unsigned long long)dvm_job_id(r->d), dvm_rank(r->d), dvm_size(r->d),
	       dvm_node_name(r->d), parent, rank);
}

/* A word in front of the program. */
static int spawn_option(dvm_spawn_config_t *c, char *word)
{
	static char *env[2];

	if (!strncmp(word, "ranks=", 6))
		c->ranks = (uint32_t)number(word + 6, 0);
	else if (!strncmp(word, "nodes=", 6))
		c->nodes = (uint32_t)number(word + 6, 0);
	else if (!strncmp(word, "timeout=", 8))
		c->timeout_ms = (uint32_t)number(word + 8, 0);
	else if (!strncmp(word, "hosts=", 6))
		c->hosts = word + 6;
	else if (!strncmp(word, "map=", 4))
		c->map_by = word + 4;
	else if (!strncmp(word, "name=", 5))
		c->name = word + 5;
	else if (!strncmp(word, "wdir=", 5))
		c->wdir = word + 5;
	else if (!strncmp(word, "env:", 4)) {
		env[0] = word + 4;
		c->env = (const char *const *)env;
	} else if (!strcmp(word, "detached"))
		c->flags |= DVM_SPAWN_DETACHED;
	else if (!strcmp(word, "oversubscribe"))
		c->flags |= DVM_SPAWN_OVERSUBSCRIBE;
	else if (!strcmp(word, "keep-going"))
		c->flags |= DVM_SPAWN_KEEP_GOING;
	else
		return 0;
	return 1;
}

static void spawn(struct run *r)
{
	dvm_spawn_config_t c = { .size = sizeof c, .ranks = 1 };
	dvm_error_t err = { 0 };
	int i = 0;

	while (r->arg[i] && spawn_option(&c, r->arg[i]))
		i++;
	c.argv = (const char *const *)&r->arg[i];
	int rc = dvm_job_spawn(r->d, &c, &r->child, &err);
	if (rc < 0)
		say("spawn", rc, &err);
	else
		printf("spawned %llu\n", (unsigned long long)r->child);
}

static void cancel(struct run *r)
{
	dvm_error_t err = { 0 };
	uint64_t job = r->arg[0] ? (uint64_t)number(r->arg[0], 0) : r->child;

	say("cancel", dvm_job_cancel(r->d, job, &err), &err);
}

static void publish(struct run *r)
{
	dvm_error_t err = { 0 };
	const char *value = r->arg[1] ? r->arg[1] : "";

	say("publish", dvm_name_publish(r->d, r->arg[0], value, strlen(value), &err), &err);
}

static void lookup(struct run *r)
{
	dvm_error_t err = { 0 };
	char value[DVM_SERVICE_VALUE_MAX + 1] = "";
	uint64_t job = 0;
	size_t len = 0;
	int rank = -1;
	int rc = dvm_name_lookup(r->d, r->arg[0], value, sizeof value - 1, &len, &job, &rank,
				 (uint32_t)number(r->arg[1], 0), &err);

	if (rc < 0)
		say("lookup", rc, &err);
	else
		printf("found %.*s of %llu.%d\n", (int)len, value, (unsigned long long)job, rank);
}

static void unpublish(struct run *r)
{
	dvm_error_t err = { 0 };

	say("unpublish", dvm_name_unpublish(r->d, r->arg[0], &err), &err);
}

static void hosts(struct run *r)
{
	static const char *const states[] = { "up", "suspect", "down" };
	dvm_error_t err = { 0 };
	dvm_host_t h[64];
	int n = dvm_hosts(r->d, h, 64, &err);

	if (n < 0)
		say("hosts", n, &err);
	for (int i = 0; i < n && i < 64; i++)
		printf("host %u %s %s slots %u\n", h[i].id, h[i].name, states[h[i].state % 3],
		       h[i].slots);
}

static void add(struct run *r)
{
	dvm_error_t err = { 0 };

	say("add", dvm_host_add(r->d, r->arg[0], &err), &err);
}

static void drop(struct run *r)
{
	dvm_error_t err = { 0 };

	say("remove", dvm_host_remove(r->d, r->arg[0], &err), &err);
}

static void watch(struct run *r)
{
	say("watch", dvm_watch(r->d, (uint32_t)number(r->arg[0], DVM_EVENT_ANY)), NULL);
}

static const char *const kinds[] = { "exit", "ended", "joined", "lost", "left", "missed" };

static void print_event(const dvm_event_t *e)
{
	switch (e->kind) {
	case DVM_EVENT_RANK_EXIT:
		printf("exit %llu.%d on %u status %d signal %d\n", (unsigned long long)e->job,
		       e->rank, e->host, e->status, e->signal);
		break;
	case DVM_EVENT_JOB_ENDED:
		printf("ended %llu status %d: %s\n", (unsigned long long)e->job, e->status, e->text);
		break;
	default:
		printf("%s %s\n", kinds[e->kind % 6], e->text);
	}
}

/* Prints events up to the first one of that kind. */
static void until(struct run *r)
{
	int ms = (int)number(r->arg[1], 10000);
	dvm_event_t e;
	int rc;

	do {
		rc = dvm_event_wait(r->d, &e, ms);
		if (rc == 1)
			print_event(&e);
		fflush(stdout);
	} while (rc == 1 && strcmp(kinds[e.kind % 6], r->arg[0]));
	if (rc < 0)
		say("until", rc, NULL);
}

static void peek(struct run *r)
{
	dvm_event_t e;
	int rc = dvm_event(r->d, &e);

	if (rc == 1)
		print_event(&e);
	else if (rc == 0)
		printf("no event\n");
	else
		say("peek", rc, NULL);
}

/* Touches FILE, then waits until OTHER is there: how a test and a rank take turns. */
static void meet(struct run *r)
{
	const struct timespec nap = { .tv_nsec = 5000000 };
	FILE *f = fopen(r->arg[0], "w");

	if (f)
		fclose(f);
	for (int i = 0; r->arg[1] && access(r->arg[1], F_OK) < 0 && i < 6000; i++)
		nanosleep(&nap, NULL);
}

static void leave(struct run *r)
{
	r->exit_code = (int)number(r->arg[0], 0);
	r->over = 1;
}

static void crash(struct run *r)
{
	raise((int)number(r->arg[0], SIGKILL));
}

static const struct {
	const char *name;
	void (*fn)(struct run *r);
	int args; /* at least */
} commands[] = {
	{ "id", id, 0 },	 { "spawn", spawn, 1 },
	{ "cancel", cancel, 0 }, { "publish", publish, 1 },
	{ "lookup", lookup, 1 }, { "unpublish", unpublish, 1 },
	{ "hosts", hosts, 0 },	 { "add", add, 0 },
	{ "remove", drop, 1 },	 { "watch", watch, 0 },
	{ "until", until, 1 },	 { "peek", peek, 0 },
	{ "meet", meet, 1 },	 { "exit", leave, 0 },
	{ "crash", crash, 0 },
};

static void perform(struct run *r, const char *name)
{
	int n = 0;

	while (r->arg[n])
		n++;
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (!strcmp(commands[i].name, name) && n >= commands[i].args) {
			commands[i].fn(r);
			fflush(stdout);
			return;
		}
	printf("no command %s with %d arguments\n", name, n);
	leave(r);
}

static void wait_for(dvm_t *d, int rank)
{
	const struct timespec nap = { .tv_nsec = 5000000 };

	while (dvm_peer_state(d, rank) == DVM_ALIVE)
		nanosleep(&nap, NULL);
}

int main(int argc, char **argv)
{
	struct run r = { 0 };
	dvm_error_t err;
	int only = -1, i = 1;

	if (argc > 2 && !strcmp(argv[1], "-r")) {
		only = atoi(argv[2]);
		i = 3;
	}
	if (dvm_open(&r.d, NULL, &err) < 0) {
		fprintf(stderr, "dyn: %s\n", err.text);
		return 98;
	}
	if (only >= 0 && dvm_rank(r.d) != only) {
		wait_for(r.d, only);
		return dvm_close(r.d) < 0;
	}
	while (i < argc && !r.over) {
		char *name = argv[i];
		r.arg = &argv[i + 1];
		for (i++; i < argc && strcmp(argv[i], ","); i++)
			;
		if (i < argc)
			argv[i++] = NULL;
		perform(&r, name);
	}
	dvm_close(r.d);
	return r.exit_code;
}
