/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/shepherd/environ.h"
#include "libdvm/proto/rank.h"

enum { SHARED = 10, OWN = 2 };

struct shep_environ {
	char *shared[SHARED]; /* allocated: same for all ranks */
	char own[OWN][40];    /* rank, local rank */
	size_t n, n_shared;
	char *list[];
};

static const char *const ours[] = {
	DVMI_ENV_JOBID,	   DVMI_ENV_RANK,	DVMI_ENV_SIZE,	     DVMI_ENV_NODE,
	DVMI_ENV_NNODES,   DVMI_ENV_LOCAL_RANK, DVMI_ENV_LOCAL_SIZE, DVMI_ENV_NODENAME,
	DVMI_ENV_SHEPHERD, DVMI_ENV_MACHINE,	DVMI_ENV_PARENT_JOB, DVMI_ENV_PARENT_RANK,
};

static bool is_name(const char *entry, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(entry, name, n) && entry[n] == '=';
}

static bool is_ours(const char *entry)
{
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
		if (is_name(entry, ours[i]))
			return true;
	return false;
}

static void add(struct shep_environ *e, size_t slot, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void add(struct shep_environ *e, size_t slot, const char *name, const char *fmt, ...)
{
	struct dvmi_buf b = { 0 };
	char value[4300]; /* a path and some */
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof value, fmt, ap);
	va_end(ap);
	dvmi_buf_printf(&b, "%s=%s", name, value);
	dvmi_buf_put_u8(&b, 0);
	if (b.err)
		dvmi_buf_free(&b);
	e->shared[slot] = (char *)b.data;
	e->n_shared = slot + 1;
	e->list[e->n++] = e->shared[slot];
}

static void add_shared(struct shep_environ *e, const Pb__Launch *l, size_t self, const char *path)
{
	const Pb__NodeShare *share = l->placement->nodes[self];

	add(e, 0, DVMI_ENV_JOBID, "%llu", (unsigned long long)l->job);
	add(e, 1, DVMI_ENV_SIZE, "%u", l->placement->ranks);
	add(e, 2, DVMI_ENV_NODE, "%zu", self);
	add(e, 3, DVMI_ENV_NNODES, "%zu", l->placement->n_nodes);
	add(e, 4, DVMI_ENV_LOCAL_SIZE, "%zu", share->n_ranks);
	add(e, 5, DVMI_ENV_NODENAME, "%s", share->name);
	add(e, 6, DVMI_ENV_SHEPHERD, "%s", path);
	add(e, 7, DVMI_ENV_MACHINE, "%s", l->machine);
	if (!l->spec->parent_job)
		return;
	add(e, 8, DVMI_ENV_PARENT_JOB, "%llu", (unsigned long long)l->spec->parent_job);
	add(e, 9, DVMI_ENV_PARENT_RANK, "%u", l->spec->parent_rank);
}

int shep_environ_create(struct shep_environ **out, const Pb__Launch *launch, size_t self,
			const char *socket_path)
{
	size_t user = launch->spec->n_env;
	struct shep_environ *e = calloc(1, sizeof *e + (user + SHARED + OWN + 1) * sizeof(char *));

	if (!e)
		return -ENOMEM;
	add_shared(e, launch, self, socket_path);
	for (size_t i = 0; i < e->n_shared; i++)
		if (!e->shared[i]) {
			shep_environ_destroy(e);
			return -ENOMEM;
		}
	e->list[e->n++] = e->own[0];
	e->list[e->n++] = e->own[1];
	for (size_t i = 0; i < user; i++)
		if (!is_ours(launch->spec->env[i]))
			e->list[e->n++] = launch->spec->env[i];
	*out = e;
	return 0;
}

void shep_environ_destroy(struct shep_environ *e)
{
	for (size_t i = 0; e && i < SHARED; i++)
		free(e->shared[i]);
	free(e);
}

char **shep_environ_of(struct shep_environ *e, uint32_t rank, uint32_t local_rank)
{
	snprintf(e->own[0], sizeof e->own[0], DVMI_ENV_RANK "=%u", rank);
	snprintf(e->own[1], sizeof e->own[1], DVMI_ENV_LOCAL_RANK "=%u", local_rank);
	return e->list;
}

const char *shep_environ_get(const struct shep_environ *e, const char *name)
{
	for (size_t i = 0; i < e->n; i++)
		if (is_name(e->list[i], name))
			return e->list[i] + strlen(name) + 1;
	return NULL;
}
