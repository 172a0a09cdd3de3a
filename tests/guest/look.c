/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest's own view of its processors, nodes and memory, as lscpu, numactl and meminfo have it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/guest/programs.h"

#define CPUS "/sys/devices/system/cpu"
#define NODES "/sys/devices/system/node"

/* The value of the line that begins with KEY in a file of "KEY: VALUE" lines, or "-". */
static const char *value_of(const char *path, const char *key)
{
	static char line[512];
	FILE *f = fopen(path, "re");
	const char *v = NULL;

	while (f && !v && fgets(line, sizeof line, f)) {
		char *at = strstr(line, key);
		if (at && (v = strchr(at, ':')))
			line[strcspn(line, "\n")] = '\0';
	}
	if (f)
		fclose(f);
	return v ? v + 1 + strspn(v + 1, " \t") : "-";
}

static long number(const char *format, unsigned i)
{
	char path[96];

	snprintf(path, sizeof path, format, i);
	return access(path, R_OK) ? -1 : strtol(guest_line(path), NULL, 10);
}

static long mib_of(unsigned node, const char *key)
{
	char path[64];

	snprintf(path, sizeof path, NODES "/node%u/meminfo", node);
	return strtol(value_of(path, key), NULL, 10) / 1024;
}

static void show_processors(void)
{
	printf("guest: CPUs online %s, %s\n", guest_line(CPUS "/online"),
	       value_of("/proc/cpuinfo", "model name"));
	for (unsigned i = 0; i < guest_cpus(); i++)
		printf("guest: CPU %u: socket %ld, core %ld\n", i,
		       number(CPUS "/cpu%u/topology/physical_package_id", i),
		       number(CPUS "/cpu%u/topology/core_id", i));
}

static bool show_node(unsigned node)
{
	char path[64];

	snprintf(path, sizeof path, NODES "/node%u/cpulist", node);
	if (access(path, R_OK))
		return false;
	printf("guest: node %u: CPUs %s, ", node, guest_line(path));
	snprintf(path, sizeof path, NODES "/node%u/distance", node);
	printf("distances %s, %ld MiB, ", guest_line(path), mib_of(node, "MemTotal"));
	printf("%ld MiB free\n", mib_of(node, "MemFree"));
	return true;
}

void guest_look(void)
{
	show_processors();
	for (unsigned node = 0; show_node(node); node++)
		;
	printf("guest: MemTotal %ld MiB\n",
	       strtol(value_of("/proc/meminfo", "MemTotal"), NULL, 10) / 1024);
}
