/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Environments of jobs, each kept once: a thousand jobs submitted from one shell have the same, which
 * is most of what they are. A specification borrows its `env` from here while it is in the state.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cstate_private.h"

struct environment {
	UT_hash_handle hh;
	size_t refs, n, len;
	uint64_t mark; /* of a visit to all that wait: whose environment it is called */
	char **env;  /* into `text` */
	char text[]; /* the strings, one after the other: what it is found by */
};

static size_t length_of(const Pb__JobSpec *spec)
{
	size_t len = 0;

	for (size_t i = 0; i < spec->n_env; i++)
		len += strlen(spec->env[i]) + 1;
	return len;
}

static struct environment *make(const Pb__JobSpec *spec, size_t len)
{
	struct environment *e = malloc(sizeof *e + len);
	char **env = calloc(spec->n_env, sizeof *env), *at = e ? e->text : NULL;

	if (!e || !env) {
		free(e);
		free(env);
		return NULL;
	}
	*e = (struct environment){ .n = spec->n_env, .len = len, .env = env };
	for (size_t i = 0; i < spec->n_env; i++) {
		env[i] = at;
		at = stpcpy(at, spec->env[i]) + 1;
	}
	return e;
}

static void destroy(struct environment *e)
{
	free(e->env);
	free(e);
}

static struct environment *enter(struct dvmd_cstate *s, struct environment *e)
{
	struct environment *known;

	HASH_FIND(hh, s->environments, e->text, e->len, known);
	if (known) {
		destroy(e);
		return known;
	}
	HASH_ADD_KEYPTR(hh, s->environments, e->text, e->len, e);
	if (e->hh.tbl)
		return e;
	destroy(e);
	return NULL;
}

static void attach(Pb__JobSpec *spec, struct environment *e)
{
	for (size_t i = 0; i < spec->n_env; i++)
		free(spec->env[i]);
	free(spec->env);
	spec->env = e->env;
	spec->n_env = e->n;
	e->refs++;
}

int dvmd_cstate_env_share(struct dvmd_cstate *s, Pb__JobSpec *spec, struct environment **out)
{
	struct environment *e = spec->n_env ? make(spec, length_of(spec)) : NULL;

	*out = NULL;
	if (!spec->n_env)
		return 0;
	if (!e || !(e = enter(s, e)))
		return -ENOMEM;
	attach(spec, e);
	*out = e;
	return 0;
}

void dvmd_cstate_env_move(Pb__JobSpec *to, struct environment **to_env, Pb__JobSpec *from,
			  struct environment **from_env)
{
	if (!*from_env || to->n_env)
		return;
	to->env = from->env;
	to->n_env = from->n_env;
	*to_env = *from_env;
	from->env = NULL;
	from->n_env = 0;
	*from_env = NULL;
}

void dvmd_cstate_env_borrow(Pb__JobSpec *spec, struct environment **env, struct environment *e)
{
	if (!e || spec->n_env)
		return;
	attach(spec, e);
	*env = e;
}

void dvmd_cstate_env_unmark(const struct dvmd_cstate *s)
{
	for (struct environment *e = s->environments; e; e = e->hh.next)
		e->mark = 0;
}

uint64_t dvmd_cstate_env_mark(struct environment *e, uint64_t id)
{
	uint64_t mark = e ? e->mark : 0;

	if (e && !mark)
		e->mark = id;
	return mark;
}

void dvmd_cstate_env_drop(struct dvmd_cstate *s, Pb__JobSpec *spec, struct environment **env)
{
	struct environment *e = *env;

	if (!e)
		return;
	*env = NULL;
	spec->env = NULL;
	spec->n_env = 0;
	if (--e->refs)
		return;
	HASH_DEL(s->environments, e);
	destroy(e);
}
