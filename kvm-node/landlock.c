/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libdvm/base/cleanup.h"

#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ull << 14) /* since the third version */
#endif

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RUN  (READ | LANDLOCK_ACCESS_FS_EXECUTE)
#define WRITE LANDLOCK_ACCESS_FS_WRITE_FILE
/* All of the first version: whatever changes names, too. */
#define FIRST ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

struct vmm_landlock {
	int fd;
	uint64_t handled;
};

int vmm_landlock_create(struct vmm_landlock **out)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
			       LANDLOCK_CREATE_RULESET_VERSION);

	if (version < 1)
		return -errno;
	struct landlock_ruleset_attr attr = {
		.handled_access_fs = FIRST | (version >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0),
	};
	struct vmm_landlock *l = calloc(1, sizeof *l);
	if (!l)
		return -ENOMEM;
	l->handled = attr.handled_access_fs;
	l->fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
	if (l->fd < 0) {
		int rc = -errno;
		free(l);
		return rc;
	}
	*out = l;
	return 0;
}

static int allow(struct vmm_landlock *l, int fd, uint64_t what)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = what & l->handled,
						   .parent_fd = fd };

	return syscall(SYS_landlock_add_rule, l->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ?
		       -errno : 0;
}

int vmm_landlock_file(struct vmm_landlock *l, int fd, bool write)
{
	return allow(l, fd, LANDLOCK_ACCESS_FS_READ_FILE |
				    (write ? WRITE | LANDLOCK_ACCESS_FS_TRUNCATE : 0));
}

/* What is not there needs no rule. A file has no directory's rights. */
static int allow_path(struct vmm_landlock *l, const char *path, uint64_t what)
{
	cleanup_fd int fd = open(path, O_PATH | O_CLOEXEC);
	int rc = fd < 0 ? 0 : allow(l, fd, what);

	return rc == -EINVAL ? allow(l, fd, what & ~LANDLOCK_ACCESS_FS_READ_DIR) : rc;
}

int vmm_landlock_program(struct vmm_landlock *l, const char *path)
{
	static const char *const parts[] = { "/usr", "/bin", "/lib", "/lib32", "/lib64", "/opt",
					     "/nix/store", "/gnu/store", "/etc/ld.so.cache",
					     "/dev/urandom" };
	int rc = allow_path(l, path, RUN);

	if (rc == 0)
		rc = allow_path(l, "/dev/null", READ | WRITE);

	for (size_t i = 0; i < sizeof parts / sizeof parts[0] && rc == 0; i++)
		rc = allow_path(l, parts[i], RUN);
	return rc;
}

int vmm_landlock_enter(struct vmm_landlock *l)
{
	return syscall(SYS_landlock_restrict_self, l->fd, 0) < 0 ? -errno : 0;
}

void vmm_landlock_destroy(struct vmm_landlock *l)
{
	if (l)
		close(l->fd);
	free(l);
}
