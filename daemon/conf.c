/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys of dvm.conf, what their values may be, and from where they come. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cyaml/cyaml.h>

#include "daemon/conf_private.h"
#include "daemon/name.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/log.h"
#include "libdvm/base/text.h"

#define FILE_MAX    (64u << 10)
#define SLOTS_MAX   (1u << 20)
#define HOUR	    (3600 * DVMI_SEC)
#define SYSTEM_CONF "/etc/dvm/dvm.conf"

/* ---- values: each takes one as text; the error says what is expected ---- */

typedef int set_fn(struct dvmd_conf *c, const char *value, dvm_error_t *err);

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

static int set_dir(char **field, const char *value, dvm_error_t *err)
{
	if (value[0] != '/')
		return dvmi_error_set(err, -EINVAL, "expected an absolute path");
	return set_string(field, value, err);
}

static int set_run_dir(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	return set_dir(&c->run_dir, value, err);
}

static int set_state_dir(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	return set_dir(&c->state_dir, value, err);
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

enum {
	KEY_MACHINE,
	KEY_NAME,
	KEY_INTERFACE,
	KEY_PORT,
	KEY_PORT_RANGE,
	KEY_SLOTS,
	KEY_MEMORY,
	KEY_FAILURE_TIMEOUT,
	KEY_KILL_GRACE,
	KEY_LAUNCH_TIMEOUT,
	KEY_JOB_LOG_MAX,
	KEY_LOG_LEVEL,
	KEY_RUN_DIR,
	KEY_STATE_DIR,
	KEYS,
};

static const char *const key_names[KEYS] = {
	"machine",     "name",	    "interface",       "port",	     "port_range",
	"slots",       "memory",    "failure_timeout", "kill_grace", "launch_timeout",
	"job_log_max", "log_level", "run_dir",	       "state_dir",
};

static set_fn *const setters[KEYS] = {
	set_machine,	 set_name,	set_interface,	     set_port,	     set_port_range,
	set_slots,	 set_memory,	set_failure_timeout, set_kill_grace, set_launch_timeout,
	set_job_log_max, set_log_level, set_run_dir,	     set_state_dir,
};

static int find_key(const char *name, size_t n)
{
	for (int i = 0; i < KEYS; i++)
		if (strlen(key_names[i]) == n && !memcmp(key_names[i], name, n))
			return i;
	return -1;
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
		.kill_grace = 5 * DVMI_SEC,
		.launch_timeout = 60 * DVMI_SEC,
		.job_log_max = 64 << 20,
		.log_level = LOG_INFO,
	};
	if (c->machine && c->name && c->interface && c->run_dir && c->state_dir)
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
	*c = (struct dvmd_conf){ 0 };
}

static int copy_conf(struct dvmd_conf *to, const struct dvmd_conf *from)
{
	*to = *from;
	to->machine = strdup(from->machine);
	to->name = strdup(from->name);
	to->interface = strdup(from->interface);
	to->run_dir = strdup(from->run_dir);
	to->state_dir = strdup(from->state_dir);
	if (to->machine && to->name && to->interface && to->run_dir && to->state_dir)
		return 0;
	dvmd_conf_free(to);
	return -ENOMEM;
}

int dvmd_conf_set(struct dvmd_conf *c, const char *key, const char *value, dvm_error_t *err)
{
	int k = find_key(key, strlen(key));

	if (k < 0) {
		const char *near = dvmi_text_nearest(key, key_names, KEYS);
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

/* ---- the file ---- */

/* Values as cyaml finds them, all as text, so that what is wrong with one is ours to say. */
struct raw {
	char *value[KEYS];
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
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw, fields),
};

/* What cyaml says of the first thing that it does not like, and near which line. */
struct complaint {
	char text[256];
	unsigned line;
};

static void listen_to_cyaml(cyaml_log_t level, void *arg, const char *fmt, va_list args)
{
	struct complaint *c = arg;
	char text[256];
	const char *p = text;

	vsnprintf(text, sizeof text, fmt, args);
	if (sscanf(strstr(text, "(line: ") ? strstr(text, "(line: ") : "", "(line: %u", &c->line) ==
	    1)
		return;
	for (const char *colon; (colon = strstr(p, ": ")) && colon - p < 8;)
		p = colon + 2; /* "Load: libyaml: " */
	if (!c->text[0] && strncmp(p, "Backtrace", 9))
		snprintf(c->text, sizeof c->text, "%.*s", (int)strcspn(p, "\n"), p);
}

static int report(const struct complaint *c, const char *path, const char *fallback,
		  dvm_error_t *err)
{
	const char *text = c->text[0] ? c->text : fallback;

	if (c->line)
		return dvmi_error_set(err, -EINVAL, "%s: near line %u: %s", path, c->line, text);
	return dvmi_error_set(err, -EINVAL, "%s: %s", path, text);
}

static int load_raw(struct raw **raw, const char *path, const char *text, size_t n,
		    const cyaml_config_t *config, struct complaint *c, dvm_error_t *err)
{
	cyaml_err_t rc = cyaml_load_data((const uint8_t *)text, n, config, &schema,
					 (cyaml_data_t **)raw, NULL);

	if (rc == CYAML_ERR_OOM)
		return dvmi_error_code(err, -ENOMEM, "%s", path);
	/* A notice, such as of a second document, means that something would be ignored. */
	if (rc != CYAML_OK || c->text[0])
		return report(c, path, cyaml_strerror(rc), err);
	return 0;
}

/* The key that begins LINE (of N bytes), unquoted, and its length; NULL for other lines. */
static const char *key_of_line(const char *line, size_t n, size_t *len)
{
	const char *end = memchr(line, ':', n);

	if (!n || !end || strchr(" \t#-{[&%?|>.\r", line[0]) ||
	    (end + 1 < line + n && !strchr(" \t\r", end[1])))
		return NULL;
	if (line[0] == '"' || line[0] == '\'') {
		line++;
		end -= end > line && end[-1] == line[-1];
	}
	*len = (size_t)(end - line);
	return line;
}

static int check_key(const char *path, unsigned line, const char *key, size_t len,
		     unsigned lines[KEYS], dvm_error_t *err)
{
	char name[64];
	int k = find_key(key, len);

	snprintf(name, sizeof name, "%.*s", (int)len, key);
	if (k < 0) {
		int rc = dvmd_conf_set(NULL, name, "", err);
		dvmi_error_prefix(err, "%s:%u", path, line);
		return rc;
	}
	if (lines[k])
		return dvmi_error_set(err, -EINVAL, "%s:%u: %s is set in line %u already", path,
				      line, name, lines[k]);
	lines[k] = line;
	return 0;
}

/*
 * Finds the line of each key, for messages: cyaml names only the neighbourhood. The file is one
 * flat mapping, so its keys are what its lines begin with.
 */
static int scan_keys(const char *path, const char *text, size_t n, unsigned lines[KEYS],
		     dvm_error_t *err)
{
	unsigned line = 1;

	for (const char *p = text, *end; p < text + n; p = end + 1, line++) {
		size_t len;
		end = memchr(p, '\n', (size_t)(text + n - p));
		if (!end)
			end = text + n;
		const char *key = key_of_line(p, (size_t)(end - p), &len);
		int rc = key ? check_key(path, line, key, len, lines, err) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int set_all(struct dvmd_conf *c, const char *path, const struct raw *raw,
		   const unsigned lines[KEYS], dvm_error_t *err)
{
	for (int k = 0; raw && k < KEYS; k++) {
		if (!raw->value[k])
			continue;
		int rc = dvmd_conf_set(c, key_names[k], raw->value[k], err);
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
	struct complaint complaint = { 0 };
	cyaml_config_t config = {
		.log_fn = listen_to_cyaml,
		.log_ctx = &complaint,
		.log_level = CYAML_LOG_NOTICE,
		.mem_fn = cyaml_mem,
	};
	unsigned lines[KEYS] = { 0 };
	struct dvmd_conf fresh;
	struct raw *raw = NULL;
	int rc = scan_keys(path, text, n, lines, err);

	if (rc == 0)
		rc = load_raw(&raw, path, text, n, &config, &complaint, err);
	if (rc == 0 && copy_conf(&fresh, c) < 0)
		rc = dvmi_error_code(err, -ENOMEM, "%s", path);
	else if (rc == 0) {
		rc = set_all(&fresh, path, raw, lines, err);
		dvmd_conf_free(rc < 0 ? &fresh : c);
		if (rc == 0)
			*c = fresh;
	}
	cyaml_free(&config, &schema, raw, 0);
	return rc;
}

/* The whole of PATH in TEXT (FILE_MAX + 1 bytes): its length, or -E…. */
static int read_file(const char *path, char *text, dvm_error_t *err)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t n = 0;
	ssize_t got = 1;

	if (fd < 0)
		return dvmi_error_code(err, -errno, "%s", path);
	while (got > 0 && n <= FILE_MAX) {
		got = read(fd, text + n, FILE_MAX + 1 - n);
		if (got < 0)
			return dvmi_error_code(err, -errno, "%s", path);
		n += (size_t)got;
	}
	if (n > FILE_MAX)
		return dvmi_error_set(err, -EINVAL, "%s is larger than %u bytes", path, FILE_MAX);
	return (int)n;
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
	cleanup_free char *text = malloc(FILE_MAX + 1);
	if (!text)
		return dvmi_error_code(err, -ENOMEM, "%s", path);
	int n = read_file(path, text, err);
	int rc = n < 0 ? n : dvmd_conf_parse(c, path, text, (size_t)n, err);
	return rc < 0 ? rc : 1;
}
