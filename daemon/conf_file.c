/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm.conf as a file: where it is and how it is read. libcyaml finds out whether it is YAML of
 * our schema (yaml.c); what the values may be is said in conf.c.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/conf_private.h"
#include "daemon/yaml.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define SYSTEM_CONF "/etc/dvm/dvm.conf"

/* Values as cyaml finds them, all as text, so that what is wrong with one is ours to say. */
struct raw {
	char *value[DVMD_CONF_KEYS];
};

#define TEXT_FIELD(name, k)                                                                        \
	CYAML_FIELD_STRING_PTR(name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw,         \
			       value[k], 0, CYAML_UNLIMITED)

static const cyaml_schema_field_t fields[] = {
	TEXT_FIELD("machine", KEY_MACHINE),
	TEXT_FIELD("name", KEY_NAME),
	TEXT_FIELD("interface", KEY_INTERFACE),
	TEXT_FIELD("port", KEY_PORT),
	TEXT_FIELD("port_range", KEY_PORT_RANGE),
	TEXT_FIELD("slots", KEY_SLOTS),
	TEXT_FIELD("memory", KEY_MEMORY),
	TEXT_FIELD("failure_timeout", KEY_FAILURE_TIMEOUT),
	TEXT_FIELD("kill_grace", KEY_KILL_GRACE),
	TEXT_FIELD("launch_timeout", KEY_LAUNCH_TIMEOUT),
	TEXT_FIELD("job_log_max", KEY_JOB_LOG_MAX),
	TEXT_FIELD("log_level", KEY_LOG_LEVEL),
	TEXT_FIELD("run_dir", KEY_RUN_DIR),
	TEXT_FIELD("state_dir", KEY_STATE_DIR),
	TEXT_FIELD("gres", KEY_GRES),
	TEXT_FIELD("kvm_device", KEY_KVM_DEVICE),
	TEXT_FIELD("queue_policy", KEY_QUEUE_POLICY),
	TEXT_FIELD("queue_depth", KEY_QUEUE_DEPTH),
	TEXT_FIELD("queue_weights", KEY_QUEUE_WEIGHTS),
	TEXT_FIELD("queue_half_life", KEY_QUEUE_HALF_LIFE),
	TEXT_FIELD("queue_shares", KEY_QUEUE_SHARES),
	TEXT_FIELD("queue_preempt", KEY_QUEUE_PREEMPT),
	TEXT_FIELD("queue_tiers", KEY_QUEUE_TIERS),
	TEXT_FIELD("queue_grace", KEY_QUEUE_GRACE),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw, fields),
};

struct scan {
	const char *path;
	unsigned *lines; /* by key */
};

static int check_key(void *arg, const char *key, size_t len, unsigned line, dvm_error_t *err)
{
	const struct scan *s = arg;
	char name[64];
	int k = dvmd_conf_find_key(key, len);

	snprintf(name, sizeof name, "%.*s", (int)len, key);
	if (k < 0) {
		int rc = dvmd_conf_set(NULL, name, "", err);
		dvmi_error_prefix(err, "%s:%u", s->path, line);
		return rc;
	}
	return dvmd_yaml_once(&s->lines[k], s->path, name, line, err);
}

static int set_all(struct dvmd_conf *c, const char *path, const struct raw *raw,
		   const unsigned lines[DVMD_CONF_KEYS], dvm_error_t *err)
{
	for (int k = 0; raw && k < DVMD_CONF_KEYS; k++) {
		if (!raw->value[k])
			continue;
		int rc = dvmd_conf_set(c, dvmd_conf_keys[k], raw->value[k], err);
		if (rc < 0) {
			dvmi_error_prefix(err, "%s:%u", path, lines[k]);
			return rc;
		}
	}
	return 0;
}

int dvmd_conf_parse(struct dvmd_conf *c, const char *path, const char *text, size_t n,
		    dvm_error_t *err)
{
	unsigned lines[DVMD_CONF_KEYS] = { 0 };
	struct scan scan = { path, lines };
	struct dvmd_conf fresh;
	void *raw = NULL;
	int rc = dvmd_yaml_each_key(text, n, check_key, &scan, err);

	if (rc == 0)
		rc = dvmd_yaml_load(&raw, path, text, n, &schema, err);
	if (rc == 0 && dvmd_conf_copy(&fresh, c) < 0)
		rc = dvmi_error_code(err, -ENOMEM, "%s", path);
	else if (rc == 0) {
		rc = set_all(&fresh, path, raw, lines, err);
		dvmd_conf_free(rc < 0 ? &fresh : c);
		if (rc == 0)
			*c = fresh;
	}
	dvmd_yaml_free(raw, &schema);
	return rc;
}

static bool find_user_file(char out[PATH_MAX])
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	bool known = true;

	if (xdg && xdg[0] == '/')
		snprintf(out, PATH_MAX, "%s/dvm/dvm.conf", xdg);
	else if (home && home[0] == '/')
		snprintf(out, PATH_MAX, "%s/.config/dvm/dvm.conf", home);
	else
		known = false;
	return known && access(out, F_OK) == 0;
}

/* The file nobody named, if there is one. */
static const char *find_file(char buf[PATH_MAX])
{
	if (geteuid() != 0 && find_user_file(buf))
		return buf;
	return access(SYSTEM_CONF, F_OK) == 0 ? SYSTEM_CONF : NULL;
}

int dvmd_conf_load(struct dvmd_conf *c, const char *path, dvm_error_t *err)
{
	const char *named = getenv("DVM_CONFIG");
	char buf[PATH_MAX];

	if (!path && named && *named)
		path = named;
	if (!path)
		path = find_file(buf);
	if (!path)
		return 0;
	cleanup_free char *text = malloc(DVMD_YAML_MAX + 1);
	if (!text)
		return dvmi_error_code(err, -ENOMEM, "%s", path);
	int n = dvmd_yaml_read(path, text, err);
	int rc = n < 0 ? n : dvmd_conf_parse(c, path, text, (size_t)n, err);
	return rc < 0 ? rc : 1;
}
