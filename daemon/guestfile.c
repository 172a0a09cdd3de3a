/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/guestfile.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "daemon/yaml.h"
#include "libdvm/base/err.h"
#include "libdvm/base/opt.h"
#include "libdvm/base/text.h"

enum kind { TEXT, NUMBER, SIZE, FLAG, LIST };

/* In the order of `keys`. */
enum {
	APPEND, BALLOON, CPU, CPU_LIMIT, CPU_SHARES, CPUS, DISTANCE, HOST, HOSTS, INITRD, KERNEL,
	KSM, MEM, MEM_LIMIT, NO_GATHER, NO_REBOOT, NO_TUNING, NUMA, PAGES, RNG, STAY_APART, TICK_REST,
	VSOCK,
	DISK, NET, NODE, SHARE,
	KEYS,
	LISTS_FROM = DISK,
};

static const struct key {
	const char *name;
	enum kind kind;
	uint64_t min, max; /* of a number */
} keys[KEYS] = {
	[APPEND] = { "append", TEXT, 0, 0 },
	[BALLOON] = { "balloon", FLAG, 0, 0 },
	[CPU] = { "cpu", TEXT, 0, 0 },
	[CPU_LIMIT] = { "cpu-limit", TEXT, 0, 0 },
	[CPU_SHARES] = { "cpu-shares", NUMBER, 1, 10000 },
	[CPUS] = { "cpus", NUMBER, 1, 255 },
	[DISTANCE] = { "distance", NUMBER, 11, 254 },
	[HOST] = { "host", TEXT, 0, 0 },
	[HOSTS] = { "hosts", NUMBER, 1, 64 },
	[INITRD] = { "initrd", TEXT, 0, 0 },
	[KERNEL] = { "kernel", TEXT, 0, 0 },
	[KSM] = { "ksm", FLAG, 0, 0 },
	[MEM] = { "mem", SIZE, 0, 0 },
	[MEM_LIMIT] = { "mem-limit", SIZE, 0, 0 },
	[NO_GATHER] = { "no-gather", FLAG, 0, 0 },
	[NO_REBOOT] = { "no-reboot", FLAG, 0, 0 },
	[NO_TUNING] = { "no-tuning", FLAG, 0, 0 },
	[NUMA] = { "numa", NUMBER, 1, 64 },
	[PAGES] = { "pages", TEXT, 0, 0 },
	[RNG] = { "rng", FLAG, 0, 0 },
	[STAY_APART] = { "stay-apart", FLAG, 0, 0 },
	[TICK_REST] = { "tick-rest", NUMBER, 0, 100 },
	[VSOCK] = { "vsock", TEXT, 0, 0 },
	[DISK] = { "disk", LIST, 0, 0 },
	[NET] = { "net", LIST, 0, 0 },
	[NODE] = { "node", LIST, 0, 0 },
	[SHARE] = { "share", LIST, 0, 0 },
};

/* ---- as libcyaml sees it ---- */

#define LIST_MAX 64

struct raw {
	char *value[LISTS_FROM];
	char **list[KEYS - LISTS_FROM];
	unsigned n_list[KEYS - LISTS_FROM];
};

static const cyaml_schema_value_t item = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, CYAML_UNLIMITED),
};

#define TEXT_FIELD(name, k)                                                                        \
	CYAML_FIELD_STRING_PTR(name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw,         \
			       value[k], 0, CYAML_UNLIMITED)
#define LIST_FIELD(name, k)                                                                        \
	CYAML_FIELD_SEQUENCE_COUNT(name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw,     \
				   list[(k) - LISTS_FROM], n_list[(k) - LISTS_FROM], &item, 0,     \
				   LIST_MAX)

static const cyaml_schema_field_t fields[] = {
	TEXT_FIELD("append", APPEND),
	TEXT_FIELD("balloon", BALLOON),
	TEXT_FIELD("cpu", CPU),
	TEXT_FIELD("cpu-limit", CPU_LIMIT),
	TEXT_FIELD("cpu-shares", CPU_SHARES),
	TEXT_FIELD("cpus", CPUS),
	TEXT_FIELD("distance", DISTANCE),
	TEXT_FIELD("host", HOST),
	TEXT_FIELD("hosts", HOSTS),
	TEXT_FIELD("initrd", INITRD),
	TEXT_FIELD("kernel", KERNEL),
	TEXT_FIELD("ksm", KSM),
	TEXT_FIELD("mem", MEM),
	TEXT_FIELD("mem-limit", MEM_LIMIT),
	TEXT_FIELD("no-gather", NO_GATHER),
	TEXT_FIELD("no-reboot", NO_REBOOT),
	TEXT_FIELD("no-tuning", NO_TUNING),
	TEXT_FIELD("numa", NUMA),
	TEXT_FIELD("pages", PAGES),
	TEXT_FIELD("rng", RNG),
	TEXT_FIELD("stay-apart", STAY_APART),
	TEXT_FIELD("tick-rest", TICK_REST),
	TEXT_FIELD("vsock", VSOCK),
	LIST_FIELD("disk", DISK),
	LIST_FIELD("net", NET),
	LIST_FIELD("node", NODE),
	LIST_FIELD("share", SHARE),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw, fields),
};

/* ---- keys and their lines ---- */

struct scan {
	const char *path;
	unsigned lines[KEYS];
};

static int find_key(const char *name, size_t len)
{
	for (int k = 0; k < KEYS; k++)
		if (strlen(keys[k].name) == len && !memcmp(keys[k].name, name, len))
			return k;
	return -1;
}

static int unknown_key(const char *path, unsigned line, const char *name, dvm_error_t *err)
{
	const char *names[KEYS + 1] = { NULL };

	for (int k = 0; k < KEYS; k++)
		names[k] = keys[k].name;
	int rc = dvmi_opt_unknown("key", name, names, err);
	dvmi_error_prefix(err, "%s:%u", path, line);
	return rc;
}

static int check_key(void *arg, const char *key, size_t len, unsigned line, dvm_error_t *err)
{
	struct scan *s = arg;
	char name[64];
	int k = find_key(key, len);

	snprintf(name, sizeof name, "%.*s", (int)len, key);
	if (k < 0)
		return unknown_key(s->path, line, name, err);
	return dvmd_yaml_once(&s->lines[k], s->path, name, line, err);
}

/* ---- values ---- */

static int flag(const char *text, bool *on)
{
	static const char *const words[] = { "true", "yes", "on", "false", "no", "off" };

	for (unsigned i = 0; i < 6; i++)
		if (!strcmp(text, words[i])) {
			*on = i < 3;
			return 0;
		}
	return -EINVAL;
}

static const char *wrong(const struct key *k, const char *text, bool *on)
{
	uint64_t v;

	*on = true;
	switch (k->kind) {
	case NUMBER: return dvmi_text_u64(text, k->min, k->max, &v) < 0 ? "is no number that fits" : NULL;
	case SIZE: return dvmi_text_size_parse(text, &v) < 0 ? "is no size (as 512M or 4G)" : NULL;
	case FLAG: return flag(text, on) < 0 ? "is neither true nor false" : NULL;
	default: return *text ? NULL : "is empty";
	}
}

static void put(struct dvmi_buf *out, const struct key *k, const char *value)
{
	dvmi_buf_put(out, k->name, strlen(k->name) + 1);
	dvmi_buf_put(out, value, strlen(value) + 1);
}

static int put_value(struct dvmi_buf *out, const struct scan *s, int k, const char *text,
		     dvm_error_t *err)
{
	bool on;
	const char *why = wrong(&keys[k], text, &on);

	if (why)
		return dvmi_error_set(err, -EINVAL, "%s:%u: %s: \"%s\" %s", s->path, s->lines[k],
				      keys[k].name, text, why);
	if (on)
		put(out, &keys[k], keys[k].kind == FLAG ? "" : text);
	return 0;
}

static int put_all(struct dvmi_buf *out, const struct scan *s, const struct raw *raw,
		   dvm_error_t *err)
{
	int rc = 0;

	for (int k = 0; rc == 0 && k < LISTS_FROM; k++)
		if (raw->value[k])
			rc = put_value(out, s, k, raw->value[k], err);
	for (int k = LISTS_FROM; rc == 0 && k < KEYS; k++)
		for (unsigned i = 0; rc == 0 && i < raw->n_list[k - LISTS_FROM]; i++)
			rc = put_value(out, s, k, raw->list[k - LISTS_FROM][i], err);
	return rc;
}

int dvmd_guestfile_parse(const char *path, const char *text, size_t n, struct dvmi_buf *out,
			 dvm_error_t *err)
{
	struct scan s = { .path = path };
	void *raw = NULL;
	int rc = dvmd_yaml_each_key(text, n, check_key, &s, err);

	if (rc == 0)
		rc = dvmd_yaml_load(&raw, path, text, n, &schema, err);
	if (rc == 0 && raw)
		rc = put_all(out, &s, raw, err);
	if (rc == 0 && out->err)
		rc = dvmi_error_code(err, out->err, "%s", path);
	dvmd_yaml_free(raw, &schema);
	return rc;
}
