/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/shepherd/pmi1_spawn.h"
#include "daemon/spec.h"
#include "dvm/error.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/text.h"

enum { LINES_MAX = 65536, APPS_MAX = 1024, RANKS_MAX = 1048576 };

struct shep_pmi1_spawn {
	Pb__PmixSpawn *msg;
	unsigned lines;
	uint64_t total, so_far; /* programs */
	bool open;		/* within one of them */
	char *key;		/* of a pair or an info, whose value comes next */
};

struct shep_pmi1_spawn *shep_pmi1_spawn_new(void)
{
	struct shep_pmi1_spawn *p = calloc(1, sizeof *p);

	if (!p || !(p->msg = malloc(sizeof *p->msg))) {
		free(p);
		return NULL;
	}
	pb__pmix_spawn__init(p->msg);
	return p;
}

void shep_pmi1_spawn_free(struct shep_pmi1_spawn *p)
{
	if (!p)
		return;
	dvmi_pb_free(p->msg);
	free(p->key);
	free(p);
}

Pb__PmixSpawn *shep_pmi1_spawn_get(struct shep_pmi1_spawn *p)
{
	return p->msg;
}

static Pb__PmixApp *app(struct shep_pmi1_spawn *p)
{
	return p->msg->apps[p->msg->n_apps - 1];
}

static int begin(struct shep_pmi1_spawn *p)
{
	Pb__PmixSpawn *m = p->msg;

	if (p->open || m->n_apps >= APPS_MAX)
		return -DVM_EPROTO;
	Pb__PmixApp **apps = reallocarray(m->apps, m->n_apps + 1, sizeof *apps);
	if (!apps)
		return -ENOMEM;
	m->apps = apps;
	if (!(apps[m->n_apps] = malloc(sizeof **apps)))
		return -ENOMEM;
	pb__pmix_app__init(apps[m->n_apps++]);
	p->open = true;
	return 0;
}

static int end(struct shep_pmi1_spawn *p)
{
	Pb__PmixApp *a = app(p);

	p->open = false;
	if (!a->n_argv || !a->ranks || p->so_far != p->msg->n_apps || p->total < p->so_far)
		return -DVM_EPROTO;
	return p->so_far == p->total;
}

/* Pairs that every child finds; those of the first program count, the others repeat them. */
static int take_pair(struct shep_pmi1_spawn *p, const char *value)
{
	cleanup_free char *pair = NULL;

	if (p->msg->n_apps > 1)
		return 0;
	if (asprintf(&pair, "%s=%s", p->key, value) < 0)
		return -ENOMEM;
	return dvmd_spec_add_string(&p->msg->pairs, &p->msg->n_pairs, pair);
}

/* Hints: those that we have no word for are nobody's. */
static int take_info(struct shep_pmi1_spawn *p, const char *value)
{
	if (!strcmp(p->key, "wdir") || !strcmp(p->key, "wd"))
		return dvmd_spec_set_string(&app(p)->wdir, value);
	if (!strcmp(p->key, "host") || !strcmp(p->key, "hosts"))
		return dvmd_spec_set_string(&app(p)->hosts, value);
	return 0;
}

static int take_key(struct shep_pmi1_spawn *p, const char *value)
{
	free(p->key);
	p->key = strdup(value);
	return p->key ? 0 : -ENOMEM;
}

static int take_value(struct shep_pmi1_spawn *p, const char *value,
		      int (*take)(struct shep_pmi1_spawn *p, const char *value))
{
	int rc = p->key ? take(p, value) : -DVM_EPROTO;

	free(p->key);
	p->key = NULL;
	return rc;
}

static int take_number(const char *value, uint64_t *out)
{
	return dvmi_text_u64(value, 0, RANKS_MAX, out) < 0 ? -DVM_EPROTO : 0;
}

static bool begins(const char *line, const char *with)
{
	return !strncmp(line, with, strlen(with));
}

static int take_ranks(struct shep_pmi1_spawn *p, const char *value)
{
	uint64_t n = 0;
	int rc = take_number(value, &n);

	app(p)->ranks = (uint32_t)n;
	return rc;
}

/* "arg1" and up; "argcnt" and its like say what can be counted. */
static int take_argument(struct shep_pmi1_spawn *p, const char *line, const char *value)
{
	if (line[3] < '1' || line[3] > '9')
		return 0;
	if (!app(p)->n_argv)
		return -DVM_EPROTO;
	return dvmd_spec_add_string(&app(p)->argv, &app(p)->n_argv, value);
}

static int take_program(struct shep_pmi1_spawn *p, const char *value)
{
	if (app(p)->n_argv)
		return -DVM_EPROTO;
	return dvmd_spec_add_string(&app(p)->argv, &app(p)->n_argv, value);
}

static int take_line(struct shep_pmi1_spawn *p, const char *line)
{
	const char *equals = strchr(line, '='), *value = equals ? equals + 1 : "";

	if (!equals)
		return -DVM_EPROTO;
	if (begins(line, "nprocs="))
		return take_ranks(p, value);
	if (begins(line, "execname="))
		return take_program(p, value);
	if (begins(line, "totspawns="))
		return take_number(value, &p->total);
	if (begins(line, "spawnssofar="))
		return take_number(value, &p->so_far);
	if (begins(line, "arg"))
		return take_argument(p, line, value);
	if (begins(line, "preput_key_") || begins(line, "info_key_"))
		return take_key(p, value);
	if (begins(line, "preput_val_"))
		return take_value(p, value, take_pair);
	if (begins(line, "info_val_"))
		return take_value(p, value, take_info);
	return 0;
}

int shep_pmi1_spawn_line(struct shep_pmi1_spawn *p, const char *line)
{
	if (++p->lines > LINES_MAX)
		return -DVM_EPROTO;
	if (!strcmp(line, "mcmd=spawn"))
		return begin(p);
	if (!p->open)
		return -DVM_EPROTO;
	return strcmp(line, "endcmd") ? take_line(p, line) : end(p);
}
