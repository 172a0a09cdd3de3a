/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a segment lies. All ranks try the same addresses, far from where programs, libraries and
 * sanitizers put theirs, until one is free everywhere; what lies there is reserved until then.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dvm/coll.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"
#include "libdvm/src/domain.h"
#include "libdvm/src/mem.h"
#include "libdvm/src/mem_sync.h"
#include "libdvm/src/nodes.h"

#define TRIES	 12
#define GAP	 (UINT64_C(1) << 30)
#define AREA	 (UINT64_C(1) << 42)
#define SHARE_MIN (UINT64_C(1) << 20) /* bytes: with less, pages only travel */
#define THREADED UINT64_C(0x7e8000000000) /* all that the thread sanitizer leaves */

uint64_t dvmi_seg_whole(const dvm_seg_t *s)
{
	return s->c.bytes + dvmi_seg_sync_bytes(s);
}

void *dvmi_seg_reserve(uint64_t at, uint64_t bytes)
{
	void *p = mmap((void *)(uintptr_t)at, bytes, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (p != MAP_FAILED && (uintptr_t)p != at) {
		munmap(p, bytes);
		p = MAP_FAILED;
	}
	return p == MAP_FAILED ? NULL : p;
}

/* Reserves BYTES at AT, at all ranks or at none. 1 or 0, or -E…. */
static int try_at(dvm_seg_t *s, uint64_t at)
{
	void *p = dvmi_seg_reserve(at, dvmi_seg_whole(s));
	int32_t good = p != NULL;
	int rc = dvm_allreduce(s->dom->g, &good, &good, 1, DVM_INT32, DVM_MIN);

	if (rc == 0 && good) {
		s->base = p;
		return 1;
	}
	if (p)
		munmap(p, dvmi_seg_whole(s));
	return rc;
}

int dvmi_seg_place(dvm_seg_t *s, dvm_error_t *err)
{
	uint64_t *next = &s->dom->next_at;
	int rc = 0;

	if (s->c.address) {
		rc = try_at(s, (uintptr_t)s->c.address);
	} else {
		for (int i = 0; i < TRIES && rc == 0; i++) {
			rc = try_at(s, i == TRIES - 1 ? THREADED : *next);
			*next += rc == 1 ? (dvmi_seg_whole(s) + 2 * GAP) / GAP * GAP : AREA;
		}
	}
	if (rc == 0)
		rc = -EADDRINUSE;
	return rc == 1 ? 0 : dvmi_error_code(err, rc, "no address is free at all ranks");
}

/* ---- memory ---- */

static uint64_t read_number(const char *path, uint64_t otherwise)
{
	cleanup_file FILE *f = fopen(path, "re");
	unsigned long long v;

	return f && fscanf(f, "%llu", &v) == 1 ? v : otherwise;
}

static uint64_t mem_available(void)
{
	cleanup_file FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	unsigned long long kb;

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "MemAvailable: %llu", &kb) == 1)
			return kb << 10;
	return UINT64_MAX;
}

/* What the control group at DIR and those above it still allow. */
static uint64_t group_allows(const char *root, char *dir, const char *max, const char *now)
{
	uint64_t least = UINT64_MAX;
	char path[600];

	for (;;) {
		snprintf(path, sizeof path, "%s%s/%s", root, dir, max);
		uint64_t limit = read_number(path, UINT64_MAX);
		snprintf(path, sizeof path, "%s%s/%s", root, dir, now);
		uint64_t used = read_number(path, 0);
		uint64_t left = limit == UINT64_MAX ? limit : limit > used ? limit - used : 0;
		least = left < least ? left : least;
		char *slash = strrchr(dir, '/');
		if (!slash)
			return least;
		*slash = '\0';
	}
}

static uint64_t cgroup_available(void)
{
	cleanup_file FILE *f = fopen("/proc/self/cgroup", "re");
	uint64_t least = UINT64_MAX;
	char line[400];

	while (f && fgets(line, sizeof line, f)) {
		char *dir = strrchr(line, ':');
		line[strcspn(line, "\n")] = '\0';
		uint64_t left = UINT64_MAX;
		if (dir && strncmp(line, "0::", 3) == 0)
			left = group_allows("/sys/fs/cgroup", dir + 1, "memory.max",
					    "memory.current");
		else if (dir && strstr(line, ":memory:"))
			left = group_allows("/sys/fs/cgroup/memory", dir + 1,
					    "memory.limit_in_bytes", "memory.usage_in_bytes");
		least = left < least ? left : least;
	}
	return least;
}

uint64_t dvmi_mem_free(void)
{
	uint64_t mem = mem_available(), group = cgroup_available();

	return group < mem ? group : mem;
}

/* Of the node: one of its ranks speaks for it. */
static uint64_t node_has(dvm_group_t *g)
{
	const struct dvmi_nodes *n;
	uint64_t mem = dvmi_mem_free();

	dvmi_enter(g->d);
	int rc = dvmi_group_nodes(g, &n);
	dvmi_leave(g->d);
	if (rc < 0 || n->place)
		return 0;
	return mem > INT64_MAX / DSM_GROUP_MAX ? INT64_MAX / DSM_GROUP_MAX : mem;
}

int dvmi_seg_room(dvm_group_t *g, uint64_t bytes, bool plain, dvm_error_t *err)
{
	uint64_t have = node_has(g);
	int rc = dvm_allreduce(g, &have, &have, 1, DVM_UINT64, DVM_SUM);

	if (rc < 0)
		return dvmi_error_code(err, rc, "cannot make a segment");
	if (bytes <= have / 10 * 9)
		return 0;
	return dvmi_error_set(err, -ENOMEM, "%llu MiB for a segment, but %s %llu MiB free",
			      (unsigned long long)bytes >> 20,
			      plain ? "the node has" : "the nodes together have",
			      (unsigned long long)have >> 20);
}

uint64_t dvmi_seg_share(dvm_group_t *g, uint64_t home)
{
	const char *text = getenv("DVM_SHM_MEMORY");
	uint64_t told = text ? strtoull(text, NULL, 10) : 0;
	uint64_t mem = dvmi_mem_free();

	if (told)
		return told;
	if (mem == UINT64_MAX)
		return 0;
	/* Half of what is left when all homes have their pages, and nobody counts on more than its part
	 * of that. */
	uint64_t ranks = g->d->env.local_size, homes = home * ranks;
	uint64_t share = (mem > homes ? mem - homes : 0) / 2 / ranks;
	return share > SHARE_MIN ? share : SHARE_MIN;
}

/* ---- homes ---- */

uint32_t dvmi_seg_home(void *seg, uint64_t page)
{
	const dvm_seg_t *s = seg;
	uint32_t n = s->dom->g->size;

	switch (s->c.homes) {
	case DVM_HOMES_ROUND_ROBIN:
		return (uint32_t)(page % n);
	case DVM_HOMES_EXPLICIT: {
		uint64_t part = (s->pages + s->c.nhomes - 1) / s->c.nhomes;
		return (uint32_t)s->home_ranks[page / part];
	}
	default: {
		uint64_t part = (s->pages + n - 1) / n;
		return (uint32_t)(page / part);
	}
	}
}
