/* SPDX-License-Identifier: BSD-3-Clause */
/* What the master has the machine do, by calls of libdvm; and what it hears of the machine. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pvm3.h"
#include "daemon/pvm/master.h"
#include "libdvm/base/clock.h"

#define AGENTS_MS 5000 /* for those of a whole machine to say hello */

static char **copy_list(const char *const *list, size_t front)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	char **all = calloc(front + n + 1, sizeof *all);
	for (size_t i = 0; all && i < n; i++)
		all[front + i] = strdup(list[i]);
	return all;
}

/* This very program; the same path is good on all nodes. */
static char *own_path(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

	if (n < 0)
		return NULL;
	path[n] = 0;
	char *gone = strstr(path, " (deleted)"); /* a newer one was installed */
	if (gone)
		*gone = 0;
	return strdup(path);
}

static char *decimal(uint32_t v)
{
	char *text;

	return asprintf(&text, "%u", v) < 0 ? NULL : text;
}

/* ---- tasks ---- */

enum { ARG_PATH, ARG_VERB, ARG_SPAWN, ARG_NONCE, ARG_COLLECT, ARG_REST };

void pvm_master_spawn(void *arg, const struct pvm_order *order)
{
	struct agent *a = arg;
	struct pvm_work *w = pvm_work_new(a, PVM_WORK_SPAWN, order->id);
	char **v = w ? copy_list(order->argv, ARG_REST) : NULL;

	if (v) {
		v[ARG_PATH] = own_path();
		v[ARG_VERB] = strdup("task");
		v[ARG_SPAWN] = decimal(order->id);
		v[ARG_NONCE] = strdup(order->nonce);
		v[ARG_COLLECT] = decimal(order->collect);
		w->argv = v;
		w->env = copy_list(order->env, 1); /* there is one place in front */
		if (w->env && asprintf(&w->env[0], "%s=%s", PVMI_ENV_DIR, order->wdir) < 0)
			w->env[0] = NULL;
		w->hosts = strdup(order->hosts);
		w->count = order->count;
		if (v[ARG_PATH] && w->env && w->env[0] && pvm_work_start(w) == 0)
			return;
	}
	if (w)
		pvm_work_free(w);
	pvm_world_spawned(a->world, order->id, PvmNoMem);
}

static void do_spawn(struct pvm_work *w)
{
	dvm_spawn_config_t c = { .size = sizeof c,
				 .argv = (const char *const *)w->argv,
				 .env = (const char *const *)w->env,
				 .wdir = "/", /* they go on to their place */
				 .hosts = w->hosts,
				 .map_by = "node",
				 .name = w->argv[ARG_REST],
				 .ranks = w->count,
				 .flags = DVM_SPAWN_OVERSUBSCRIBE | DVM_SPAWN_KEEP_GOING };

	w->code = dvm_job_spawn(w->a->d, &c, &w->job, NULL);
}

/* ---- agents ---- */

static struct pvm_work *new_agents(struct agent *a, const char *hosts, uint32_t n)
{
	struct pvm_work *w = pvm_work_new(a, PVM_WORK_AGENTS, 0);

	if (!w)
		return NULL;
	w->argv = calloc(3, sizeof *w->argv);
	w->hosts = strdup(hosts);
	w->count = n;
	if (w->argv) {
		w->argv[0] = own_path();
		w->argv[1] = strdup("serve");
	}
	if (w->argv && w->argv[0] && w->argv[1] && w->hosts)
		return w;
	pvm_work_free(w);
	return NULL;
}

static void do_agents(struct pvm_work *w)
{
	dvm_spawn_config_t c = { .size = sizeof c,
				 .argv = (const char *const *)w->argv,
				 .hosts = w->hosts,
				 .map_by = "ppr:1:node",
				 .name = "pvm",
				 .ranks = w->count,
				 .wdir = "/",
				 .flags = DVM_SPAWN_OVERSUBSCRIBE | DVM_SPAWN_KEEP_GOING |
					  DVM_SPAWN_NO_SLOTS };

	w->code = dvm_spawn(dvm_world(w->a->d), 0, &c, &w->group, NULL);
}

static void start_agents(struct agent *a, const char *hosts, uint32_t n)
{
	struct pvm_work *w = new_agents(a, hosts, n);

	if (w && pvm_work_start(w) < 0)
		pvm_work_free(w);
}

/* At the beginning: a first program sees all of the machine. */
static void await_agents(struct agent *a, struct pvm_work *w)
{
	uint64_t end = dvmi_clock_mono() + AGENTS_MS * DVMI_MSEC;
	uint32_t n = w->count;

	a->gathering = true;
	pvm_work_do(w);
	bool good = w->code == 0;
	pvm_work_done(w);
	while (good && pvm_master_early(a) < n && dvmi_clock_mono() < end && pvm_relay_look(a) &&
	       dvm_progress(a->d, 20) >= 0)
		;
	pvm_master_welcome_early(a);
}

void pvm_master_begin_agents(struct agent *a)
{
	int n = dvm_hosts(a->d, NULL, 0, NULL), count = 0;
	dvm_host_t *hosts = n > 0 ? calloc((size_t)n, sizeof *hosts) : NULL;
	struct dvmi_buf names = { 0 };

	if (!hosts)
		return;
	n = dvm_hosts(a->d, hosts, n, NULL);
	for (int i = 0; i < n; i++)
		if (hosts[i].state == DVM_HOST_UP && strcmp(hosts[i].name, a->name) != 0)
			dvmi_buf_printf(&names, "%s%s", count++ ? "," : "", hosts[i].name);
	dvmi_buf_put_u8(&names, 0);
	struct pvm_work *w = count && !names.err ?
				     new_agents(a, (const char *)names.data, (uint32_t)count) :
				     NULL;
	if (w)
		await_agents(a, w);
	dvmi_buf_free(&names);
	free(hosts);
}

/* ---- hosts ---- */

/* Ends NAME's part in the virtual machine, and the tasks there. The node stays the machine's. */
static int drop_host(struct agent *a, const char *name)
{
	struct pvm_link *l = pvm_master_link(a, name);

	if (!l)
		return PvmDenied; /* ours */
	pvm_link_send(a, l, PVMI_LEAVE, 0, 0, NULL);
	pvm_world_host_down(a->world, name);
	return 0;
}

/* Run there, it says whether the host has a node of this machine. */
const char *pvm_master_host_command(void *arg)
{
	static char text[4200];
	char *path = own_path();

	(void)arg;
	snprintf(text, sizeof text, "%s host", path ? path : "dvm-pvm");
	free(path);
	return text;
}

void pvm_master_change_host(void *arg, uint32_t id, bool add, const char *name)
{
	struct agent *a = arg;
	struct pvm_work *w = add ? pvm_work_new(a, PVM_WORK_HOST, id) : NULL;

	if (!add) {
		pvm_world_hosts_done(a->world, id, drop_host(a, name));
		return;
	}
	if (w) {
		w->hosts = strdup(name);
		if (w->hosts && pvm_work_start(w) == 0)
			return;
		pvm_work_free(w);
	}
	pvm_world_hosts_done(a->world, id, PvmNoMem);
}

static dvm_host_t *list_hosts(dvm_t *d, int *n)
{
	int room = dvm_hosts(d, NULL, 0, NULL) + 64;
	dvm_host_t *v = room > 0 ? calloc((size_t)room, sizeof *v) : NULL;

	*n = v ? dvm_hosts(d, v, room, NULL) : 0;
	*n = *n < room ? *n : room;
	return v;
}

static bool among(const dvm_host_t *v, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (v[i].state != DVM_HOST_DOWN && strcmp(v[i].name, name) == 0)
			return true;
	return false;
}

/* A node of the machine only wants an agent; others become nodes, by whatever name. */
static void do_host(struct pvm_work *w)
{
	int nbefore, nafter;
	dvm_host_t *before = list_hosts(w->a->d, &nbefore), *after = NULL;

	w->here = before && among(before, nbefore, w->hosts);
	if (!before || w->here) {
		w->code = before ? 0 : -ENOMEM;
		free(before);
		return;
	}
	w->code = dvm_host_add(w->a->d, w->hosts, NULL);
	after = w->code == 0 ? list_hosts(w->a->d, &nafter) : NULL;
	for (int i = 0; after && i < nafter; i++)
		if (!among(before, nbefore, after[i].name)) {
			free(w->hosts);
			w->hosts = strdup(after[i].name);
			break;
		}
	free(before);
	free(after);
}

/* Agents of HOSTS (names with commas) do not start: whoever waits for them hears so. */
void pvm_master_missed(struct agent *a, const char *hosts)
{
	struct pvm_expected *e = a->expected, *next;

	for (; e; e = next) {
		next = e->next;
		if (strcmp(e->name, hosts) != 0)
			continue;
		uint32_t id = e->id;
		pvm_master_forget(a, e);
		pvm_world_hosts_done(a->world, id, PvmCantStart);
	}
}

void pvm_master_forget(struct agent *a, struct pvm_expected *e)
{
	struct pvm_expected **p = &a->expected;

	while (*p != e)
		p = &(*p)->next;
	*p = e->next;
	free(e->name);
	free(e);
}

/* The machine has node W->hosts. If it is new, the news of that bring an agent. */
void pvm_master_added(struct agent *a, struct pvm_work *w)
{
	pvm_master_expect(a, w->id, w->hosts);
	if (w->here && !pvm_world_has_host(a->world, w->hosts))
		start_agents(a, w->hosts, 1);
}

void pvm_master_expect(struct agent *a, uint32_t id, const char *name)
{
	struct pvm_expected *e = pvm_world_has_host(a->world, name) ? NULL : calloc(1, sizeof *e);
	char *copy = e ? strdup(name) : NULL;

	if (!copy) {
		free(e);
		pvm_world_hosts_done(a->world, id, 0);
		return;
	}
	*e = (struct pvm_expected){ .id = id, .name = copy, .next = a->expected };
	a->expected = e;
}

void pvm_master_met(struct agent *a, const char *name)
{
	for (struct pvm_expected *e = a->expected, *next; e; e = next) {
		next = e->next;
		if (strcmp(e->name, name) != 0)
			continue;
		uint32_t id = e->id;
		pvm_master_forget(a, e);
		pvm_world_hosts_done(a->world, id, 0);
	}
}

void pvm_work_do(struct pvm_work *w)
{
	if (w->kind == PVM_WORK_SPAWN)
		do_spawn(w);
	else if (w->kind == PVM_WORK_AGENTS)
		do_agents(w);
	else
		do_host(w);
}

/* ---- what is heard ---- */

static void job_ended(struct agent *a, uint64_t job)
{
	for (struct pvm_job **p = &a->jobs, *j; (j = *p); p = &j->next)
		if (j->job == job) {
			*p = j->next;
			pvm_world_spawn_over(a->world, j->spawn);
			free(j);
			return;
		}
}

static void take_event(struct agent *a, const dvm_event_t *e)
{
	switch (e->kind) {
	case DVM_EVENT_JOB_ENDED:
		job_ended(a, e->job);
		break;
	case DVM_EVENT_HOST_JOINED:
		if (strcmp(e->text, a->name) != 0)
			start_agents(a, e->text, 1);
		break;
	case DVM_EVENT_HOST_LOST:
	case DVM_EVENT_HOST_LEFT:
		pvm_world_host_down(a->world, e->text);
		break;
	default:
		break;
	}
}

void pvm_master_events(struct agent *a)
{
	dvm_event_t e;
	int rc;

	while ((rc = dvm_event(a->d, &e)) > 0)
		take_event(a, &e);
	a->stop |= rc < 0;
}
