/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/shepherd/environ.h"
#include "libdvm/proto/rank.h"

enum { OWN_MAX = 16 };

struct own {
	const char *name;
	enum shep_own what;
	char text[64];
};

struct shep_environ {
	struct own own[OWN_MAX];
	size_t nown;
	char **list, **added; /* [n], [nadded]: strings of the list that are ours to free */
	size_t n, cap, nadded;
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

/* Room for one more in both lists. */
static int make_room(struct shep_environ *e)
{
	if (e->n + 1 < e->cap)
		return 0;
	size_t cap = e->cap ? 2 * e->cap : 64;
	char **list = realloc(e->list, cap * sizeof *list);
	if (list)
		e->list = list;
	char **added = list ? realloc(e->added, cap * sizeof *added) : NULL;
	if (!added)
		return -ENOMEM;
	e->added = added;
	e->cap = cap;
	return 0;
}

/* What getenv() finds first wins. */
static void append(struct shep_environ *e, char *entry)
{
	e->list[e->n++] = entry;
	e->list[e->n] = NULL;
}

/* Takes out the entries that WANTED says no to. */
static void filter(struct shep_environ *e, bool (*wanted)(const char *entry, const void *arg),
		   const void *arg)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n; i++)
		if (wanted(e->list[i], arg))
			e->list[n++] = e->list[i];
	e->n = n;
	e->list[n] = NULL;
}

static bool has_other_name(const char *entry, const void *arg)
{
	const char *like = arg;

	return strncmp(entry, like, strcspn(like, "=") + 1) != 0;
}

static void drop(struct shep_environ *e, const char *entry)
{
	filter(e, has_other_name, entry);
}

int shep_environ_add(struct shep_environ *e, const char *fmt, ...)
{
	char *entry;
	va_list ap;
	int rc = make_room(e);

	if (rc < 0)
		return rc;
	va_start(ap, fmt);
	rc = vasprintf(&entry, fmt, ap);
	va_end(ap);
	if (rc < 0)
		return -ENOMEM;
	drop(e, entry);
	e->added[e->nadded++] = entry;
	append(e, entry);
	return 0;
}

int shep_environ_default(struct shep_environ *e, const char *name, const char *value)
{
	const char *old = shep_environ_get(e, SHEP_ENV_DEFAULTS);

	if (shep_environ_get(e, name))
		return 0;
	int rc = shep_environ_add(e, SHEP_ENV_DEFAULTS "=%s%s=%s;", old ? old : "", name, value);
	return rc < 0 ? rc : shep_environ_add(e, "%s=%s", name, value);
}

int shep_environ_add_own(struct shep_environ *e, const char *name, enum shep_own what)
{
	int rc = e->nown == OWN_MAX ? -ENOSPC : make_room(e);

	if (rc < 0)
		return rc;
	struct own *own = &e->own[e->nown++];
	*own = (struct own){ .name = name, .what = what };
	snprintf(own->text, sizeof own->text, "%s=0", name);
	drop(e, own->text);
	append(e, own->text);
	return 0;
}

static bool is_no_launchers(const char *entry, const void *arg)
{
	static const char *const prefixes[] = { "PMI_", "PMIX_", "OMPI_COMM_WORLD_", "PALS_",
						"MPI_LOCAL" };

	if (!strncmp(entry, "PMIX_MCA_", 9))
		return true; /* a setting of the user's */
	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
		if (!strncmp(entry, prefixes[i], strlen(prefixes[i])))
			return false;
	return true;
}

bool shep_environ_is_default(const char *entry, const char *list)
{
	size_t n = strlen(entry);

	for (const char *p = list; *p; p += strcspn(p, ";"), p += *p == ';')
		if (strcspn(p, ";") == n && !strncmp(p, entry, n))
			return true;
	return false;
}

static bool is_no_default(const char *entry, const void *list)
{
	return !shep_environ_is_default(entry, list);
}

void shep_environ_drop_launcher(struct shep_environ *e)
{
	const char *defaults = shep_environ_get(e, SHEP_ENV_DEFAULTS);

	filter(e, is_no_launchers, NULL);
	if (!defaults)
		return;
	filter(e, is_no_default, defaults);
	drop(e, SHEP_ENV_DEFAULTS "=");
}

/* "DVM_GRES_gpu=0,1": which ones of this node the job has. */
static int add_devices(struct shep_environ *e, const Pb__GresIds *g)
{
	struct dvmi_buf b = { 0 };
	size_t name = strlen("DVM_GRES_");

	dvmi_buf_printf(&b, "DVM_GRES_%s", g->name);
	for (size_t i = name; i < b.len; i++)
		if (!isalnum(b.data[i]))
			b.data[i] = '_';
	for (size_t i = 0; i < g->n_ids; i++)
		dvmi_buf_printf(&b, "%c%u", i ? ',' : '=', g->ids[i]);
	dvmi_buf_put_u8(&b, 0);
	int rc = b.err ? b.err : shep_environ_add(e, "%s", (char *)b.data);
	dvmi_buf_free(&b);
	return rc;
}

static int add_ours(struct shep_environ *e, const Pb__Launch *l, size_t self, const char *path)
{
	const Pb__NodeShare *share = l->placement->nodes[self];
	int rc = shep_environ_add(e, DVMI_ENV_JOBID "=%llu", (unsigned long long)l->job);

	rc = rc < 0 ? rc : shep_environ_add(e, DVMI_ENV_SIZE "=%u", l->placement->ranks);
	rc = rc < 0 ? rc : shep_environ_add(e, DVMI_ENV_NODE "=%zu", self);
	rc = rc < 0 ? rc : shep_environ_add(e, DVMI_ENV_NNODES "=%zu", l->placement->n_nodes);
	rc = rc < 0 ? rc : shep_environ_add(e, DVMI_ENV_LOCAL_SIZE "=%zu", share->n_ranks);
	rc = rc < 0 ? rc : shep_environ_add(e, DVMI_ENV_NODENAME "=%s", share->name);
	rc = rc < 0 ? rc : shep_environ_add(e, DVMI_ENV_SHEPHERD "=%s", path);
	rc = rc < 0 ? rc : shep_environ_add(e, DVMI_ENV_MACHINE "=%s", l->machine);
	for (size_t i = 0; rc == 0 && i < share->n_gres; i++)
		rc = share->gres[i]->n_ids ? add_devices(e, share->gres[i]) : 0;
	if (l->spec->parent_job) {
		rc = rc < 0 ? rc :
			      shep_environ_add(e, DVMI_ENV_PARENT_JOB "=%llu",
					       (unsigned long long)l->spec->parent_job);
		rc = rc < 0 ? rc : shep_environ_add(e, DVMI_ENV_PARENT_RANK "=%u",
						    l->spec->parent_rank);
	}
	rc = rc < 0 ? rc : shep_environ_add_own(e, DVMI_ENV_RANK, SHEP_OWN_RANK);
	return rc < 0 ? rc : shep_environ_add_own(e, DVMI_ENV_LOCAL_RANK, SHEP_OWN_LOCAL_RANK);
}

int shep_environ_create(struct shep_environ **out, const Pb__Launch *launch, size_t self,
			const char *socket_path)
{
	struct shep_environ *e = calloc(1, sizeof *e);
	int rc = e ? 0 : -ENOMEM;

	for (size_t i = 0; rc == 0 && i < launch->spec->n_env; i++) {
		rc = make_room(e);
		if (rc == 0 && !is_ours(launch->spec->env[i]))
			append(e, launch->spec->env[i]);
	}
	if (rc == 0)
		rc = add_ours(e, launch, self, socket_path);
	if (rc < 0)
		shep_environ_destroy(e);
	else
		*out = e;
	return rc;
}

void shep_environ_destroy(struct shep_environ *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->nadded; i++)
		free(e->added[i]);
	free(e->added);
	free(e->list);
	free(e);
}

char **shep_environ_of(struct shep_environ *e, uint32_t rank, uint32_t local_rank, int fd)
{
	const int64_t values[] = {
		[SHEP_OWN_RANK] = rank, [SHEP_OWN_LOCAL_RANK] = local_rank, [SHEP_OWN_FD] = fd
	};

	for (size_t i = 0; i < e->nown; i++)
		snprintf(e->own[i].text, sizeof e->own[i].text, "%s=%lld", e->own[i].name,
			 (long long)values[e->own[i].what]);
	return e->list;
}

const char *shep_environ_get(const struct shep_environ *e, const char *name)
{
	for (size_t i = 0; i < e->n; i++)
		if (is_name(e->list[i], name))
			return e->list[i] + strlen(name) + 1;
	return NULL;
}
