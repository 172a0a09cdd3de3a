/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm.conf as a file: where it is and how it is read. libcyaml finds out whether it is YAML of
 * our schema; what the values may be is said in conf.c, the lines for messages are found here.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cyaml/cyaml.h>

#include "daemon/conf_private.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define FILE_MAX    (64u << 10)
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
		     unsigned lines[DVMD_CONF_KEYS], dvm_error_t *err)
{
	char name[64];
	int k = dvmd_conf_find_key(key, len);

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
static int scan_keys(const char *path, const char *text, size_t n, unsigned lines[DVMD_CONF_KEYS],
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
	struct complaint complaint = { 0 };
	cyaml_config_t config = {
		.log_fn = listen_to_cyaml,
		.log_ctx = &complaint,
		.log_level = CYAML_LOG_NOTICE,
		.mem_fn = cyaml_mem,
	};
	unsigned lines[DVMD_CONF_KEYS] = { 0 };
	struct dvmd_conf fresh;
	struct raw *raw = NULL;
	int rc = scan_keys(path, text, n, lines, err);

	if (rc == 0)
		rc = load_raw(&raw, path, text, n, &config, &complaint, err);
	if (rc == 0 && dvmd_conf_copy(&fresh, c) < 0)
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
