/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "daemon/shepherd/pmi1.h"
#include "daemon/shepherd/pmi1_spawn.h"
#include "dvm/error.h"
#include "libdvm/base/buf.h"

enum {
	KVSNAME_MAX = 256,
	KEY_MAX = 64,
	VALUE_MAX = 1024,
	LINE_MAX_BYTES = 4096,
	PAIRS_MAX = 1 << 20,
};

struct pair {
	char *value; /* behind the key */
	UT_hash_handle hh;
	char key[];
};

struct rank {
	enum shep_pmi1_state state;
	bool waiting; /* in the barrier */
	struct shep_pmi1_spawn *spawn; /* what it is about to ask for */
	size_t len;
	char line[LINE_MAX_BYTES];
};

struct shep_pmi1 {
	struct shep_pmi1_config c;
	struct pair *pairs;
	struct dvmi_buf fresh; /* put since the last barrier: key NUL value NUL … */
	uint32_t waiting;
	struct rank *ranks;
};

static void forget_pairs(struct shep_pmi1 *p)
{
	struct pair *kv, *tmp;

	HASH_ITER(hh, p->pairs, kv, tmp) {
		HASH_DEL(p->pairs, kv);
		free(kv);
	}
}

static int put(struct shep_pmi1 *p, const char *key, const char *value)
{
	size_t k = strlen(key) + 1, v = strlen(value) + 1;
	struct pair *kv, *old;

	if (k > KEY_MAX || k == 1 || v > VALUE_MAX || HASH_COUNT(p->pairs) >= PAIRS_MAX)
		return -EINVAL;
	kv = malloc(sizeof *kv + k + v);
	if (!kv)
		return -ENOMEM;
	memcpy(kv->key, key, k);
	kv->value = kv->key + k;
	memcpy(kv->value, value, v);
	HASH_FIND_STR(p->pairs, key, old);
	if (old)
		HASH_DEL(p->pairs, old);
	free(old);
	HASH_ADD_STR(p->pairs, key, kv);
	return 0;
}

int shep_pmi1_create(struct shep_pmi1 **out, const struct shep_pmi1_config *config)
{
	struct shep_pmi1 *p = calloc(1, sizeof *p);

	if (p)
		p->ranks = calloc(config->local, sizeof *p->ranks);
	if (!p || !p->ranks) {
		free(p);
		return -ENOMEM;
	}
	p->c = *config;
	if (config->mapping && put(p, "PMI_process_mapping", config->mapping) == -ENOMEM) {
		shep_pmi1_destroy(p);
		return -ENOMEM;
	}
	*out = p;
	return 0;
}

void shep_pmi1_destroy(struct shep_pmi1 *p)
{
	if (!p)
		return;
	forget_pairs(p);
	dvmi_buf_free(&p->fresh);
	for (uint32_t i = 0; i < p->c.local; i++)
		shep_pmi1_spawn_free(p->ranks[i].spawn);
	free(p->ranks);
	free(p);
}

int shep_pmi1_preput(struct shep_pmi1 *p, const char *pair)
{
	char key[KEY_MAX];
	size_t n = strcspn(pair, "=");

	if (!pair[n] || n >= sizeof key)
		return -EINVAL;
	memcpy(key, pair, n);
	key[n] = 0;
	return put(p, key, pair + n + 1);
}

enum shep_pmi1_state shep_pmi1_state(const struct shep_pmi1 *p, uint32_t local)
{
	return p->ranks[local].state;
}

/* ---- one line ---- */

/*
 * The value of NAME in LINE, copied to OUT (SIZE bytes). Values end at a blank, but those that may
 * hold blanks are last on their line. False when there is none, or too long.
 */
static bool field(const char *line, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);
	bool to_end = !strcmp(name, "value") || !strcmp(name, "msg");

	for (const char *p = line; p; p = strchr(p, ' ')) {
		p += strspn(p, " ");
		if (strncmp(p, name, n) != 0 || p[n] != '=')
			continue;
		p += n + 1;
		size_t len = to_end ? strlen(p) : strcspn(p, " ");
		if (len >= size)
			return false;
		memcpy(out, p, len);
		out[len] = 0;
		return true;
	}
	return false;
}

static void reply(struct shep_pmi1 *p, uint32_t local, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void reply(struct shep_pmi1 *p, uint32_t local, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof line)
		p->c.reply(local, line, (size_t)n, p->c.arg);
}

static int on_init(struct shep_pmi1 *p, uint32_t local, const char *line)
{
	char version[16];
	bool good = field(line, "pmi_version", version, sizeof version) && !strcmp(version, "1");

	if (good)
		p->ranks[local].state = SHEP_PMI1_INIT;
	reply(p, local, "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=%d\n",
	      good ? 0 : -1);
	return 0;
}

static int on_get_maxes(struct shep_pmi1 *p, uint32_t local, const char *line)
{
	reply(p, local, "cmd=maxes kvsname_max=%d keylen_max=%d vallen_max=%d\n", KVSNAME_MAX,
	      KEY_MAX, VALUE_MAX);
	return 0;
}

static int on_get_appnum(struct shep_pmi1 *p, uint32_t local, const char *line)
{
	reply(p, local, "cmd=appnum appnum=%u\n", p->c.program(local, p->c.arg));
	return 0;
}

static int on_get_universe_size(struct shep_pmi1 *p, uint32_t local, const char *line)
{
	reply(p, local, "cmd=universe_size size=%u\n",
	      p->c.universe > p->c.size ? p->c.universe : p->c.size);
	return 0;
}

static int on_get_my_kvsname(struct shep_pmi1 *p, uint32_t local, const char *line)
{
	reply(p, local, "cmd=my_kvsname kvsname=dvm_%llu\n", (unsigned long long)p->c.job);
	return 0;
}

static int on_put(struct shep_pmi1 *p, uint32_t local, const char *line)
{
	char key[KEY_MAX], value[VALUE_MAX];
	int rc = -EINVAL;

	if (field(line, "key", key, sizeof key) && field(line, "value", value, sizeof value))
		rc = put(p, key, value);
	if (rc == 0) {
		dvmi_buf_put(&p->fresh, key, strlen(key) + 1);
		dvmi_buf_put(&p->fresh, value, strlen(value) + 1);
		rc = p->fresh.err;
	}
	if (rc == 0)
		reply(p, local, "cmd=put_result rc=0 msg=success\n");
	else
		reply(p, local, "cmd=put_result rc=-1 msg=bad_key_or_value\n");
	return 0;
}

static int on_get(struct shep_pmi1 *p, uint32_t local, const char *line)
{
	struct pair *kv = NULL;
	char key[KEY_MAX];

	if (field(line, "key", key, sizeof key))
		HASH_FIND_STR(p->pairs, key, kv);
	if (kv)
		reply(p, local, "cmd=get_result rc=0 msg=success value=%s\n", kv->value);
	else
		reply(p, local, "cmd=get_result rc=-1 msg=key_not_found value=unknown\n");
	return 0;
}

static int on_barrier_in(struct shep_pmi1 *p, uint32_t local, const char *line)
{
	if (p->ranks[local].waiting)
		return -DVM_EPROTO;
	p->ranks[local].waiting = true;
	if (++p->waiting < p->c.local)
		return 0;
	struct dvmi_buf fresh = p->fresh;
	p->fresh = (struct dvmi_buf){ 0 };
	p->c.barrier(fresh.data, fresh.len, p->c.arg);
	dvmi_buf_free(&fresh);
	return 0;
}

static int on_finalize(struct shep_pmi1 *p, uint32_t local, const char *line)
{
	p->ranks[local].state = SHEP_PMI1_FINALIZED;
	reply(p, local, "cmd=finalize_ack\n");
	return 0;
}

static int on_abort(struct shep_pmi1 *p, uint32_t local, const char *line)
{
	char code[16] = "1", text[256] = "MPI_Abort";

	field(line, "exitcode", code, sizeof code);
	field(line, "msg", text, sizeof text);
	p->c.abort(local, atoi(code), text, p->c.arg);
	return 0;
}

/* ---- names ---- */

static const char *const name_words[] = {
	[SHEP_PMI1_PUBLISH] = "publish",
	[SHEP_PMI1_LOOKUP] = "lookup",
	[SHEP_PMI1_UNPUBLISH] = "unpublish",
};

void shep_pmi1_named(struct shep_pmi1 *p, uint32_t local, enum shep_pmi1_name what, int code,
		     const char *port)
{
	const char *word = name_words[what];

	if (code < 0)
		reply(p, local, "cmd=%s_result info=%s rc=1 msg=%s\n", word,
		      code == -ENOENT ? "unknown" : "failed",
		      code == -ENOENT  ? "service_not_found" :
		      code == -EEXIST ? "service_is_published_already" :
					"names_are_not_served");
	else if (what == SHEP_PMI1_LOOKUP)
		reply(p, local, "cmd=lookup_result port=%s info=ok rc=0\n", port);
	else
		reply(p, local, "cmd=%s_result info=ok rc=0\n", word);
}

static int ask_name(struct shep_pmi1 *p, uint32_t local, const char *line, enum shep_pmi1_name what)
{
	char service[VALUE_MAX], port[VALUE_MAX];
	bool publish = what == SHEP_PMI1_PUBLISH;

	if (field(line, "service", service, sizeof service) && *service &&
	    (!publish || field(line, "port", port, sizeof port)))
		p->c.name(local, what, service, publish ? port : NULL, p->c.arg);
	else
		shep_pmi1_named(p, local, what, -EINVAL, NULL);
	return 0;
}

static int on_publish(struct shep_pmi1 *p, uint32_t local, const char *line)
{
	return ask_name(p, local, line, SHEP_PMI1_PUBLISH);
}

static int on_lookup(struct shep_pmi1 *p, uint32_t local, const char *line)
{
	return ask_name(p, local, line, SHEP_PMI1_LOOKUP);
}

static int on_unpublish(struct shep_pmi1 *p, uint32_t local, const char *line)
{
	return ask_name(p, local, line, SHEP_PMI1_UNPUBLISH);
}

/* ---- commands ---- */

static const struct {
	const char *name;
	int (*run)(struct shep_pmi1 *p, uint32_t local, const char *line);
} commands[] = {
	{ "init", on_init },
	{ "get_maxes", on_get_maxes },
	{ "get_appnum", on_get_appnum },
	{ "get_universe_size", on_get_universe_size },
	{ "get_my_kvsname", on_get_my_kvsname },
	{ "put", on_put },
	{ "get", on_get },
	{ "barrier_in", on_barrier_in },
	{ "finalize", on_finalize },
	{ "abort", on_abort },
	{ "publish_name", on_publish },
	{ "lookup_name", on_lookup },
	{ "unpublish_name", on_unpublish },
};

/* A line of the command that has many. */
static int take_spawn(struct shep_pmi1 *p, uint32_t local, const char *line)
{
	struct rank *r = &p->ranks[local];

	if (!r->spawn && !(r->spawn = shep_pmi1_spawn_new()))
		return -ENOMEM;
	int rc = shep_pmi1_spawn_line(r->spawn, line);
	if (rc == 1)
		p->c.spawn(local, shep_pmi1_spawn_get(r->spawn), p->c.arg);
	if (rc != 0) {
		shep_pmi1_spawn_free(r->spawn);
		r->spawn = NULL;
	}
	return rc < 0 ? rc : 0;
}

void shep_pmi1_spawned(struct shep_pmi1 *p, uint32_t local, int code)
{
	reply(p, local, "cmd=spawn_result rc=%d\n", code < 0 ? -1 : 0);
}

static int take_line(struct shep_pmi1 *p, uint32_t local, const char *line)
{
	char cmd[32];

	if (p->ranks[local].spawn || !strcmp(line, "mcmd=spawn"))
		return take_spawn(p, local, line);
	if (!field(line, "cmd", cmd, sizeof cmd))
		return -DVM_EPROTO;
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (!strcmp(commands[i].name, cmd))
			return commands[i].run(p, local, line);
	return -DVM_EPROTO;
}

int shep_pmi1_input(struct shep_pmi1 *p, uint32_t local, const char *bytes, size_t n)
{
	struct rank *r = &p->ranks[local];

	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n') {
			r->line[r->len] = 0;
			r->len = 0;
			int rc = take_line(p, local, r->line);
			if (rc < 0)
				return rc;
		} else if (!bytes[i] || r->len == sizeof r->line - 1) {
			return -DVM_EPROTO;
		} else {
			r->line[r->len++] = bytes[i];
		}
	}
	return 0;
}

/* ---- barrier ---- */

/* Pairs of strings; what ends in the middle of one is ignored. */
static void take_pairs(struct shep_pmi1 *p, const uint8_t *data, size_t len)
{
	const char *at = (const char *)data, *end = at + len;

	while (at < end) {
		const char *key = at, *nul = memchr(at, 0, (size_t)(end - at));
		const char *value = nul ? nul + 1 : end;
		nul = value < end ? memchr(value, 0, (size_t)(end - value)) : NULL;
		if (!nul)
			return;
		put(p, key, value);
		at = nul + 1;
	}
}

void shep_pmi1_exchanged(struct shep_pmi1 *p, int code, const uint8_t *data, size_t len)
{
	if (code == 0)
		take_pairs(p, data, len);
	p->waiting = 0;
	for (uint32_t i = 0; i < p->c.local; i++) {
		if (!p->ranks[i].waiting)
			continue;
		p->ranks[i].waiting = false;
		if (code == 0)
			reply(p, i, "cmd=barrier_out rc=0\n");
		else
			reply(p, i, "cmd=barrier_out rc=-1 msg=%s\n", dvm_strerror(code));
	}
}

/* ---- mapping ---- */

struct block {
	uint32_t first, nodes, each;
};

static uint32_t run_length(const uint32_t *node_of, uint32_t ranks)
{
	uint32_t n = 1;

	while (n < ranks && node_of[n] == node_of[0])
		n++;
	return n;
}

/* The longest block of nodes that follow each other, all with the same number of ranks. */
static uint32_t next_block(struct block *b, const uint32_t *node_of, uint32_t ranks)
{
	uint32_t used = run_length(node_of, ranks);

	*b = (struct block){ .first = node_of[0], .nodes = 1, .each = used };
	while (used < ranks && node_of[used] == b->first + b->nodes &&
	       run_length(node_of + used, ranks - used) == b->each) {
		b->nodes++;
		used += b->each;
	}
	return used;
}

int shep_pmi1_mapping(char *out, size_t size, const uint32_t *node_of, uint32_t ranks)
{
	struct dvmi_buf text = { 0 };
	struct block b;

	dvmi_buf_printf(&text, "(vector");
	for (uint32_t at = 0; at < ranks;) {
		at += next_block(&b, node_of + at, ranks - at);
		dvmi_buf_printf(&text, ",(%u,%u,%u)", b.first, b.nodes, b.each);
	}
	dvmi_buf_printf(&text, ")");
	int rc = text.err ? text.err : text.len < size ? (int)text.len : -EMSGSIZE;
	if (rc >= 0) {
		memcpy(out, text.data, text.len);
		out[text.len] = 0;
	}
	dvmi_buf_free(&text);
	return rc;
}
