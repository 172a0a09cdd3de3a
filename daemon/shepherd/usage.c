/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/shepherd/usage.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"

/* utime, stime, cutime and cstime stand behind the name, which may hold anything but a last ')'. */
static uint64_t cpu_of(pid_t pid)
{
	char path[40], text[1024];
	unsigned long long t[4];

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	cleanup_file FILE *f = fopen(path, "re");
	const char *p = f && fgets(text, sizeof text, f) ? strrchr(text, ')') : NULL;
	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu",
			 &t[0], &t[1], &t[2], &t[3]) != 4)
		return 0;
	return (t[0] + t[1] + t[2] + t[3]) * (DVMI_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
}

static uint64_t peak_of(pid_t pid)
{
	char path[40], line[128];
	unsigned long long kib;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	cleanup_file FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "VmHWM: %llu", &kib) == 1)
			return kib << 10;
	return 0;
}

struct shep_usage shep_usage_of(pid_t pid)
{
	return (struct shep_usage){ cpu_of(pid), peak_of(pid) };
}
