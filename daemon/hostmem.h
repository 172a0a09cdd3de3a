/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much memory processes started here may use: the host's, or less where a control group limits
 * it. Both cgroup versions, wherever they are mounted. Any thread may call; blocks only on /proc
 * and the cgroup file systems (well under a millisecond).
 */
#ifndef DVMD_HOSTMEM_H
#define DVMD_HOSTMEM_H

#include <stdint.h>

#include "dvm/error.h"

struct dvmd_hostmem {
	uint64_t total; /* bytes this process and its children may ever use together */
	uint64_t free;	/* bytes of them that are available now, caches counted as available */
};

/*
 * Reads them now. ROOT is put in front of every path: "" for the real host, a directory in tests.
 * A control group that cannot be read counts as no limit; without /proc/meminfo it is an error:
 * -ENOENT, -EACCES, …, or -DVM_EPROTO for contents that make no sense. OUT is untouched then.
 */
int dvmd_hostmem_read(struct dvmd_hostmem *out, const char *root, dvm_error_t *err);

#endif
