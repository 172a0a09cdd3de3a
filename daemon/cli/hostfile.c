/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cli/jobspec_private.h"
#include "daemon/spec.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"
#include "libdvm/base/text.h"

#define HOSTFILE_MAX (4u << 20) /* bytes */

/* "slots=N" or "max_slots=N" behind a name; what other launchers have there is not guessed at. */
static int host_line(Pb__JobSpec *spec, char *line, dvm_error_t *err)
{
	char *save, *name = strtok_r(line, " \t\r", &save), *word;
	size_t first = spec->n_hosts;
	uint64_t slots = 0;

	if (!name)
		return 0;
	int rc = dvmd_spec_host(spec, name, strlen(name), err);
	while (rc == 0 && (word = strtok_r(NULL, " \t\r", &save))) {
		char *value = strchr(word, '=');

		if (!value || dvmi_text_u64(value + 1, 1, CLI_RANKS_MAX, &slots) < 0)
			return dvmi_error_set(err, -EINVAL, "\"%s\": expected slots=N", word);
		if (!strncmp(word, "max", 3))
			continue;
		if (strncmp(word, "slots=", 6) != 0)
			return dvmi_error_set(err, -EINVAL, "\"%s\": expected slots=N", word);
		for (size_t i = first; i < spec->n_hosts; i++)
			spec->hosts[i]->slots = (uint32_t)slots;
	}
	return rc;
}

int cli_jobspec_hostfile(Pb__JobSpec *spec, const char *text, dvm_error_t *err)
{
	cleanup_free char *copy = strdup(text);
	char *next = copy;
	int rc = copy ? 0 : dvmi_error_code(err, -ENOMEM, "host file");

	for (unsigned n = 1; rc == 0 && next; n++) {
		char *line = strsep(&next, "\n");

		line[strcspn(line, "#")] = '\0';
		rc = host_line(spec, line, err);
		if (rc < 0)
			dvmi_error_prefix(err, "line %u", n);
	}
	return rc;
}

int cli_hostfile_read(Pb__JobSpec *spec, const char *path, dvm_error_t *err)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct dvmi_buf b = { 0 };
	ssize_t n = 1;

	if (fd < 0)
		return dvmi_error_code(err, -errno, "%s", path);
	while (n > 0 && b.len <= HOSTFILE_MAX && !b.err) {
		char chunk[4096];

		n = read(fd, chunk, sizeof chunk);
		if (n > 0)
			dvmi_buf_put(&b, chunk, (size_t)n);
	}
	int rc = n < 0 ? -errno : b.len > HOSTFILE_MAX ? -EFBIG : b.err;
	dvmi_buf_put_u8(&b, 0);
	if (rc < 0 || b.err)
		rc = dvmi_error_code(err, rc < 0 ? rc : b.err, "%s", path);
	else if ((rc = cli_jobspec_hostfile(spec, (char *)b.data, err)) < 0)
		dvmi_error_prefix(err, "%s", path);
	else if (!spec->n_hosts)
		rc = dvmi_error_set(err, -EINVAL, "%s names no host", path);
	dvmi_buf_free(&b);
	return rc;
}
