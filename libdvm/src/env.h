/* SPDX-License-Identifier: BSD-3-Clause */
/* This rank's place in its job, from the environment that the shepherd left. */
#ifndef DVMI_SRC_ENV_H
#define DVMI_SRC_ENV_H

#include <stdint.h>

#include "dvm/error.h"

struct dvmi_env {
	const char
		*shepherd; /* NULL: a job of one rank; else absolute. Points into the environment */
	uint32_t rank, size;
	uint32_t node, nnodes;
	uint32_t local_rank, local_size;
};

/* 0; -EINVAL for a variable that is missing or makes no sense, named in ERR. */
int dvmi_env_read(struct dvmi_env *env, dvm_error_t *err);

#endif
