/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

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

static cyaml_config_t config_of(struct complaint *c)
{
	return (cyaml_config_t){
		.log_fn = listen_to_cyaml,
		.log_ctx = c,
		.log_level = CYAML_LOG_NOTICE,
		.mem_fn = cyaml_mem,
	};
}

int dvmd_yaml_load(void **data, const char *path, const char *text, size_t n,
		   const cyaml_schema_value_t *schema, dvm_error_t *err)
{
	struct complaint c = { 0 };
	const cyaml_config_t config = config_of(&c);
	cyaml_data_t *got = NULL;
	cyaml_err_t rc = cyaml_load_data((const uint8_t *)text, n, &config, schema, &got, NULL);

	/* A notice, such as of a second document, means that something would be ignored. */
	if (rc == CYAML_OK && !c.text[0]) {
		*data = got;
		return 0;
	}
	cyaml_free(&config, schema, got, 0);
	if (rc == CYAML_ERR_OOM)
		return dvmi_error_code(err, -ENOMEM, "%s", path);
	return report(&c, path, cyaml_strerror(rc), err);
}

void dvmd_yaml_free(void *data, const cyaml_schema_value_t *schema)
{
	struct complaint c = { 0 };
	const cyaml_config_t config = config_of(&c);

	cyaml_free(&config, schema, data, 0);
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

int dvmd_yaml_each_key(const char *text, size_t n, dvmd_yaml_key_fn *fn, void *arg,
		       dvm_error_t *err)
{
	unsigned line = 1;

	for (const char *p = text, *end; p < text + n; p = end + 1, line++) {
		size_t len;
		end = memchr(p, '\n', (size_t)(text + n - p));
		if (!end)
			end = text + n;
		const char *key = key_of_line(p, (size_t)(end - p), &len);
		int rc = key ? fn(arg, key, len, line, err) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

int dvmd_yaml_once(unsigned *first, const char *path, const char *name, unsigned line,
		   dvm_error_t *err)
{
	if (*first)
		return dvmi_error_set(err, -EINVAL, "%s:%u: %s is set in line %u already", path,
				      line, name, *first);
	*first = line;
	return 0;
}

/* For a pipe without anybody at its other end we do not wait, but for what somebody is to write. */
static int open_to_read(const char *path)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return -errno;
	return take_fd(fd);
}

static bool is_pipe(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

int dvmd_yaml_read(const char *path, char *text, dvm_error_t *err)
{
	cleanup_fd int fd = open_to_read(path);
	size_t n = 0;
	ssize_t got = 1;

	if (fd < 0)
		return dvmi_error_code(err, fd, "%s", path);
	while (got > 0 && n <= DVMD_YAML_MAX) {
		got = read(fd, text + n, DVMD_YAML_MAX + 1 - n);
		if (got < 0)
			return dvmi_error_code(err, -errno, "%s", path);
		n += (size_t)got;
	}
	if (!n && is_pipe(fd))
		return dvmi_error_set(err, -ENODATA, "%s: nobody has written to this pipe", path);
	if (n > DVMD_YAML_MAX)
		return dvmi_error_set(err, -EINVAL, "%s is larger than %u bytes", path, DVMD_YAML_MAX);
	return (int)n;
}
