/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process that runs has used until now. */
#ifndef SHEP_USAGE_H
#define SHEP_USAGE_H

#include <stdint.h>
#include <sys/types.h>

struct shep_usage {
	uint64_t cpu_ns;   /* of it and of children it has waited for */
	uint64_t rss_peak; /* bytes */
};

/* 0 where the kernel does not tell. */
struct shep_usage shep_usage_of(pid_t pid);

#endif
