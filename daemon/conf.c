/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys of dvm.conf and what their values may be. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf_private.h"
#include "daemon/kvm.h"
#include "daemon/name.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/log.h"
#include "libdvm/base/text.h"

#define FILE_MAX  (64u << 10)
#define SLOTS_MAX (1u << 20)
#define HOUR	  (3600 * DVMI_SEC)

/* ---- values: each takes one as text; the error says what is expected ---- */

static int set_string(char **field, const char *value, dvm_error_t *err)
{
	char *copy = strdup(value);

	if (!copy)
		return dvmi_error_code(err, -ENOMEM, "configuration");
	free(*field);
	*field = copy;
	return 0;
}

static int set_machine(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	int rc = dvmd_name_check("name", value, err);

	return rc < 0 ? rc : set_string(&c->machine, value, err);
}

static int set_name(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	int rc = dvmd_name_check("name", value, err);

	return rc < 0 ? rc : set_string(&c->name, value, err);
}

static int set_interface(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	if (strlen(value) >= INET6_ADDRSTRLEN + 4 || strpbrk(value, " \t,;"))
		return dvmi_error_set(err, -EINVAL,
				      "expected one interface, address or network (10.0.0.0/24)");
	return set_string(&c->interface, value, err);
}

static int set_path(char **field, const char *value, dvm_error_t *err)
{
	if (value[0] != '/')
		return dvmi_error_set(err, -EINVAL, "expected an absolute path");
	return set_string(field, value, err);
}

static int set_run_dir(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	return set_path(&c->run_dir, value, err);
}

static int set_state_dir(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	return set_path(&c->state_dir, value, err);
}

static int set_kvm_device(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	return set_path(&c->kvm_device, value, err);
}

static int parse_port(const char *value, uint16_t *port)
{
	uint64_t v;
	int rc = dvmi_text_u64(value, 1, UINT16_MAX, &v);

	if (rc == 0)
		*port = (uint16_t)v;
	return rc;
}

static int set_port(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	if (parse_port(value, &c->port) < 0)
		return dvmi_error_set(err, -EINVAL, "expected a port, 1 to 65535");
	return 0;
}

static int set_port_range(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	char low[16];
	size_t n = strcspn(value, "-");
	uint16_t a = 0, b = 0;

	snprintf(low, sizeof low, "%.*s", (int)n, value);
	if (!value[n] || parse_port(low, &a) < 0 || parse_port(value + n + 1, &b) < 0 || a > b)
		return dvmi_error_set(err, -EINVAL, "expected a range of ports, such as 7200-7299");
	c->port_low = a;
	c->port_high = b;
	return 0;
}

static int set_slots(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	uint64_t v;

	if (dvmi_text_u64(value, 1, SLOTS_MAX, &v) < 0)
		return dvmi_error_set(err, -EINVAL, "expected a number, 1 to %u", SLOTS_MAX);
	c->slots = (uint32_t)v;
	return 0;
}

static int set_memory(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	uint64_t v;

	if (dvmi_text_size_parse(value, &v) < 0 || v == 0)
		return dvmi_error_set(err, -EINVAL, "expected a size, such as 48G");
	c->memory = v;
	return 0;
}

static int set_job_log_max(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	if (dvmi_text_size_parse(value, &c->job_log_max) < 0)
		return dvmi_error_set(err, -EINVAL, "expected a size, such as 64M, or 0");
	return 0;
}

static int set_duration(uint64_t *field, const char *value, uint64_t min, uint64_t max,
			dvm_error_t *err)
{
	char a[DVMI_TEXT_UNIT_MAX], b[DVMI_TEXT_UNIT_MAX];
	uint64_t v;

	if (dvmi_text_duration_parse(value, &v) < 0)
		return dvmi_error_set(err, -EINVAL, "expected a duration, such as 10s or 500ms");
	if (v < min || v > max)
		return dvmi_error_set(err, -EINVAL, "it must be within %s and %s",
				      dvmi_text_duration_format(min, a),
				      dvmi_text_duration_format(max, b));
	*field = v;
	return 0;
}

static int set_failure_timeout(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	return set_duration(&c->failure_timeout, value, DVMI_SEC, HOUR, err);
}

static int set_kill_grace(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	return set_duration(&c->kill_grace, value, 0, HOUR, err);
}

static int set_launch_timeout(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	return set_duration(&c->launch_timeout, value, DVMI_SEC, 24 * HOUR, err);
}

static int set_log_level(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	int level = dvmi_log_level_parse(value);

	if (level < 0)
		return dvmi_error_set(err, -EINVAL, "expected err, warning, notice, info or debug");
	c->log_level = level;
	return 0;
}

/* ---- the keys ---- */

const char *const dvmd_conf_keys[DVMD_CONF_KEYS] = {
	"machine",     "name",	    "interface",       "port",	     "port_range",
	"slots",       "memory",    "failure_timeout", "kill_grace", "launch_timeout",
	"job_log_max", "log_level", "run_dir",	       "state_dir",
	"gres",	       "kvm_device", "queue_policy", "queue_depth", "queue_weights", "queue_half_life",
	"queue_shares", "queue_preempt", "queue_tiers", "queue_grace",
};

static dvmd_conf_set_fn *const setters[DVMD_CONF_KEYS] = {
	set_machine,	 set_name,	set_interface,	     set_port,	     set_port_range,
	set_slots,	 set_memory,	set_failure_timeout, set_kill_grace, set_launch_timeout,
	set_job_log_max, set_log_level, set_run_dir,	     set_state_dir,
	dvmd_conf_set_gres, set_kvm_device, dvmd_conf_set_policy, dvmd_conf_set_depth, dvmd_conf_set_weights,
	dvmd_conf_set_half_life, dvmd_conf_set_shares, dvmd_conf_set_preempt, dvmd_conf_set_tiers,
	dvmd_conf_set_grace,
};

int dvmd_conf_find_key(const char *name, size_t n)
{
	for (int i = 0; i < DVMD_CONF_KEYS; i++)
		if (strlen(dvmd_conf_keys[i]) == n && !memcmp(dvmd_conf_keys[i], name, n))
			return i;
	return -1;
}

static bool is_whole(const struct dvmd_conf *c)
{
	return c->machine && c->name && c->interface && c->run_dir && c->state_dir && c->gres &&
	       c->kvm_device && c->queue_shares && c->queue_tiers;
}

int dvmd_conf_init(struct dvmd_conf *c)
{
	*c = (struct dvmd_conf){
		.machine = strdup(""),
		.name = strdup(""),
		.interface = strdup(""),
		.run_dir = strdup(""),
		.state_dir = strdup(""),
		.port = DVMD_CONF_PORT,
		.failure_timeout = 10 * DVMI_SEC,
		.kill_grace = 2 * DVMI_SEC,
		.launch_timeout = 60 * DVMI_SEC,
		.job_log_max = 64 << 20,
		.log_level = LOG_INFO,
		.gres = strdup(""),
		.kvm_device = strdup(DVMD_KVM_DEVICE),
		.queue_shares = strdup(""),
		.queue_tiers = strdup(""),
		.queue = { .order = DSCHED_EASY,
			   .w_age = 1000,
			   .w_fair = 2000,
			   .w_asked = 10000,
			   .half_life = 7 * 24 * HOUR,
			   .grace = 30 * DVMI_SEC },
	};
	if (is_whole(c))
		return 0;
	dvmd_conf_free(c);
	return -ENOMEM;
}

void dvmd_conf_free(struct dvmd_conf *c)
{
	free(c->machine);
	free(c->name);
	free(c->interface);
	free(c->run_dir);
	free(c->state_dir);
	free(c->gres);
	free(c->kvm_device);
	free(c->queue_shares);
	free(c->queue_tiers);
	*c = (struct dvmd_conf){ 0 };
}

int dvmd_conf_copy(struct dvmd_conf *to, const struct dvmd_conf *from)
{
	*to = *from;
	to->machine = strdup(from->machine);
	to->name = strdup(from->name);
	to->interface = strdup(from->interface);
	to->run_dir = strdup(from->run_dir);
	to->state_dir = strdup(from->state_dir);
	to->gres = strdup(from->gres);
	to->kvm_device = strdup(from->kvm_device);
	to->queue_shares = strdup(from->queue_shares);
	to->queue_tiers = strdup(from->queue_tiers);
	if (is_whole(to))
		return 0;
	dvmd_conf_free(to);
	return -ENOMEM;
}

int dvmd_conf_set(struct dvmd_conf *c, const char *key, const char *value, dvm_error_t *err)
{
	int k = dvmd_conf_find_key(key, strlen(key));

	if (k < 0) {
		const char *near = dvmi_text_nearest(key, dvmd_conf_keys, DVMD_CONF_KEYS);
		if (near)
			return dvmi_error_set(err, -EINVAL,
					      "unknown key \"%s\"; did you mean \"%s\"?", key,
					      near);
		return dvmi_error_set(err, -EINVAL, "unknown key \"%s\"", key);
	}
	int rc = *value ? setters[k](c, value, err)
			: dvmi_error_set(err, -EINVAL, "it has no value");
	if (rc < 0 && *value)
		dvmi_error_prefix(err, "%s: \"%.80s\"", key, value);
	else if (rc < 0)
		dvmi_error_prefix(err, "%s", key);
	return rc;
}

int dvmd_conf_env(struct dvmd_conf *c, dvm_error_t *err)
{
	static const struct {
		const char *name;
		int key;
	} vars[] = {
		{ "DVM_MACHINE", KEY_MACHINE },
		{ "DVM_INTERFACE", KEY_INTERFACE },
		{ "DVM_PORT", KEY_PORT },
		{ "DVM_LOG_LEVEL", KEY_LOG_LEVEL },
	};

	for (size_t i = 0; i < sizeof vars / sizeof vars[0]; i++) {
		const char *value = getenv(vars[i].name);
		if (!value || !*value)
			continue;
		int rc = setters[vars[i].key](c, value, err);
		if (rc < 0) {
			dvmi_error_prefix(err, "$%s \"%.80s\"", vars[i].name, value);
			return rc;
		}
	}
	return 0;
}
