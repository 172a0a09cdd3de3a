/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "libdvm/base/err.h"
#include "libdvm/proto/rank.h"
#include "libdvm/src/env.h"

static int read_number(const char *name, uint32_t *out, dvm_error_t *err)
{
	const char *text = getenv(name);
	char *end;

	if (!text)
		return dvmi_error_set(err, -EINVAL, "%s is not set, but %s is", name,
				      DVMI_ENV_SHEPHERD);
	errno = 0;
	unsigned long v = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || *text == '+' || v > INT_MAX)
		return dvmi_error_set(err, -EINVAL, "%s is not a number: '%.64s'", name, text);
	*out = (uint32_t)v;
	return 0;
}

/* INDEX must be below COUNT. */
static int read_pair(const char *index_name, uint32_t *index, const char *count_name,
		     uint32_t *count, dvm_error_t *err)
{
	int rc = read_number(index_name, index, err);

	if (rc == 0)
		rc = read_number(count_name, count, err);
	if (rc < 0)
		return rc;
	if (*index >= *count)
		return dvmi_error_set(err, -EINVAL, "%s is %u, but %s is %u", index_name, *index,
				      count_name, *count);
	return 0;
}

int dvmi_env_read(struct dvmi_env *env, dvm_error_t *err)
{
	struct dvmi_env e = { .size = 1, .nnodes = 1, .local_size = 1 };

	e.shepherd = getenv(DVMI_ENV_SHEPHERD);
	if (e.shepherd) {
		if (e.shepherd[0] != '/')
			return dvmi_error_set(err, -EINVAL, "%s is not an absolute path",
					      DVMI_ENV_SHEPHERD);
		int rc = read_pair(DVMI_ENV_RANK, &e.rank, DVMI_ENV_SIZE, &e.size, err);
		if (rc == 0)
			rc = read_pair(DVMI_ENV_NODE, &e.node, DVMI_ENV_NNODES, &e.nnodes, err);
		if (rc == 0)
			rc = read_pair(DVMI_ENV_LOCAL_RANK, &e.local_rank, DVMI_ENV_LOCAL_SIZE,
				       &e.local_size, err);
		if (rc < 0)
			return rc;
	}
	*env = e;
	return 0;
}
