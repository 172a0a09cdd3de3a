/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory limits read from made-up hosts: a directory tree per test. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/hostmem.h"
#include "tests/unit/cm.h"

#define GIB UINT64_C(1073741824)

struct host {
	char root[64];
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void host_destroy(struct host *h)
{
	nftw(h->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Writes TEXT to PATH of the host, directories made as needed. */
static void put(const struct host *h, const char *path, const char *text)
{
	char full[512];

	snprintf(full, sizeof full, "%s%s", h->root, path);
	for (char *p = full + strlen(h->root) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = 0;
		assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
	}
	FILE *f = fopen(full, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* A host of 16 GiB, 12 of them available, without control groups. */
static void host_init(struct host *h)
{
	strcpy(h->root, "/tmp/dvm-hostmem-XXXXXX");
	assert_non_null(mkdtemp(h->root));
	put(h, "/proc/meminfo",
	    "MemTotal:       16777216 kB\nMemFree:         1 kB\nMemAvailable:   12582912 kB\n");
}

static void v1_mount(const struct host *h, const char *root)
{
	char text[512];

	snprintf(text, sizeof text,
		 "22 1 0:21 / /proc rw - proc proc rw\n"
		 "34 31 0:31 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
		 "35 31 0:32 %s /sys/fs/cgroup/memory rw shared:3 - cgroup cgroup rw,memory\n",
		 root);
	put(h, "/proc/self/mountinfo", text);
}

static void v2_mount(const struct host *h, const char *root)
{
	char text[512];

	snprintf(text, sizeof text,
		 "30 23 0:26 %s /sys/fs/my\\040cgroup rw shared:4 master:2 - cgroup2 cgroup2 rw\n",
		 root);
	put(h, "/proc/self/mountinfo", text);
}

static void assert_memory(struct host *h, uint64_t total, uint64_t avail)
{
	struct dvmd_hostmem m;

	assert_int_equal(dvmd_hostmem_read(&m, h->root, NULL), 0);
	assert_int_equal(m.total, total);
	assert_int_equal(m.free, avail);
	host_destroy(h);
}

static void without_groups_it_is_the_host_s(void **state)
{
	struct host h;

	host_init(&h);
	assert_memory(&h, 16 * GIB, 12 * GIB);
}

static void v1_limits_and_counts_dropped_pages(void **state)
{
	struct host h;

	host_init(&h);
	v1_mount(&h, "/");
	put(&h, "/proc/self/cgroup", "9:name=systemd:/x\n4:memory:/a/b\n0::/\n");
	put(&h, "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "4294967296\n");
	put(&h, "/sys/fs/cgroup/memory/a/b/memory.usage_in_bytes", "3221225472\n");
	put(&h, "/sys/fs/cgroup/memory/a/b/memory.stat",
	    "cache 5\ninactive_file 7\ntotal_inactive_file 1073741824\n");
	assert_memory(&h, 4 * GIB, 2 * GIB);
}

static void a_group_above_may_be_tighter(void **state)
{
	struct host h;

	host_init(&h);
	v2_mount(&h, "/");
	put(&h, "/proc/self/cgroup", "0::/top/mid/leaf\n");
	put(&h, "/sys/fs/my cgroup/top/mid/leaf/memory.max", "max\n");
	put(&h, "/sys/fs/my cgroup/top/mid/memory.max", "8589934592\n");
	put(&h, "/sys/fs/my cgroup/top/mid/memory.current", "1073741824\n");
	put(&h, "/sys/fs/my cgroup/top/memory.max", "6442450944\n");
	put(&h, "/sys/fs/my cgroup/top/memory.current", "5368709120\n");
	assert_memory(&h, 6 * GIB, 1 * GIB);
}

static void no_limit_is_no_limit(void **state)
{
	struct host h;

	host_init(&h);
	v1_mount(&h, "/");
	put(&h, "/proc/self/cgroup", "4:memory:/\n");
	put(&h, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	put(&h, "/sys/fs/cgroup/memory/memory.usage_in_bytes", "9223372036854771712\n");
	assert_memory(&h, 16 * GIB, 12 * GIB);
}

static void a_container_sees_its_own_subtree(void **state)
{
	struct host h;

	host_init(&h);
	v1_mount(&h, "/docker/abc");
	put(&h, "/proc/self/cgroup", "4:cpu,memory:/docker/abc/inner\n");
	put(&h, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n");
	put(&h, "/sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "1073741824\n");
	assert_memory(&h, 1 * GIB, 1 * GIB);
}

static void a_group_outside_the_mount_is_its_top(void **state)
{
	struct host h;

	host_init(&h);
	v2_mount(&h, "/docker/abc");
	put(&h, "/proc/self/cgroup", "0::/docker/abcdef\n");
	put(&h, "/sys/fs/my cgroup/memory.max", "2147483648\n");
	put(&h, "/sys/fs/my cgroup/def/memory.max", "1\n");
	assert_memory(&h, 2 * GIB, 2 * GIB);

	host_init(&h);
	v2_mount(&h, "/");
	put(&h, "/proc/self/cgroup", "0::/../../elsewhere\n");
	put(&h, "/sys/fs/my cgroup/memory.max", "2147483648\n");
	put(&h, "/sys/fs/elsewhere/memory.max", "1\n");
	assert_memory(&h, 2 * GIB, 2 * GIB);
}

static void usage_above_the_limit_leaves_nothing(void **state)
{
	struct host h;

	host_init(&h);
	v2_mount(&h, "/");
	put(&h, "/proc/self/cgroup", "0::/g\n");
	put(&h, "/sys/fs/my cgroup/g/memory.max", "1073741824\n");
	put(&h, "/sys/fs/my cgroup/g/memory.current", "1073745920\n");
	assert_memory(&h, 1 * GIB, 0);
}

static void odd_files_are_no_limit(void **state)
{
	struct host h;

	host_init(&h);
	put(&h, "/proc/self/mountinfo",
	    "\n1 2 3\n - - - - - - - -\n1 2 3 / /m rw - cgroup2\n"
	    "1 2 3 / /g rw - cgroup2 g rw\n");
	put(&h, "/proc/self/cgroup", "\n0\n0:\n0::/x\n");
	put(&h, "/g/x/memory.max", "junk\n");
	assert_memory(&h, 16 * GIB, 12 * GIB);
}

static void a_host_without_meminfo_is_an_error(void **state)
{
	struct dvmd_hostmem m = { 1, 2 };
	dvm_error_t err;
	struct host h;

	host_init(&h);
	put(&h, "/proc/meminfo", "MemTotal: 0 kB\n");
	assert_int_equal(dvmd_hostmem_read(&m, h.root, &err), -DVM_EPROTO);
	host_destroy(&h);
	assert_int_equal(dvmd_hostmem_read(&m, h.root, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/proc/meminfo"));
	assert_int_equal(m.total, 1);
	assert_int_equal(m.free, 2);
}

static void this_host_has_memory(void **state)
{
	struct dvmd_hostmem m;

	assert_int_equal(dvmd_hostmem_read(&m, "", NULL), 0);
	assert_true(m.total > 1024 * 1024);
	assert_true(m.total <= (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
	assert_true(m.free <= m.total);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_groups_it_is_the_host_s),
		cmocka_unit_test(v1_limits_and_counts_dropped_pages),
		cmocka_unit_test(a_group_above_may_be_tighter),
		cmocka_unit_test(no_limit_is_no_limit),
		cmocka_unit_test(a_container_sees_its_own_subtree),
		cmocka_unit_test(a_group_outside_the_mount_is_its_top),
		cmocka_unit_test(usage_above_the_limit_leaves_nothing),
		cmocka_unit_test(odd_files_are_no_limit),
		cmocka_unit_test(a_host_without_meminfo_is_an_error),
		cmocka_unit_test(this_host_has_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
