/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvm-node/seccomp.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

/*
 * Users of root's guests: one of its own for each process, from a range that no tool gives away
 * (above those of containers, below 2^31). Process numbers are below 2^22.
 */
#define FIRST_USER 1879048192u

/* ---- namespaces ---- */

static int write_text(const char *path, const char *text)
{
	cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -errno;
}

/* Alone in a namespace of users, there called UID and GID. */
static int unshare_user(uid_t uid, gid_t gid)
{
	char users[64], groups[64];

	snprintf(users, sizeof users, "%u %u 1", uid, geteuid());
	snprintf(groups, sizeof groups, "%u %u 1", gid, getegid());
	if (unshare(CLONE_NEWUSER) < 0)
		return -errno;
	int rc = write_text("/proc/self/uid_map", users);
	(void)write_text("/proc/self/setgroups", "deny");
	int rc2 = write_text("/proc/self/gid_map", groups);
	return rc < 0 ? rc : rc2;
}

void vmm_jail_prepare(struct vmm_jail *j)
{
	*j = (struct vmm_jail){ 0 };
	j->user_ns = geteuid() && unshare_user(geteuid(), getegid()) == 0;
}

int vmm_jail_become_root(void)
{
	return unshare_user(0, 0);
}

/* No PID namespace: it would be for children only, and threads could not be made any more. */
static void leave_world(struct vmm_jail *j)
{
	j->mount_ns = unshare(CLONE_NEWNS) == 0;
	j->net_ns = unshare(CLONE_NEWNET) == 0;
	j->ipc_ns = unshare(CLONE_NEWIPC) == 0;
	j->uts_ns = unshare(CLONE_NEWUTS) == 0;
}

/* ---- an empty root ---- */

static int make_path(const char *root, const char *path)
{
	char full[PATH_MAX];

	if (snprintf(full, sizeof full, "%s%s", root, path) >= (int)sizeof full)
		return -ENAMETOOLONG;
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		if (mkdir(full, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(full, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* What FD is of, DIR (absolute) by name, appears in the new root at its old place. */
static int keep_dir(const char *root, const char *dir, int fd)
{
	char to[PATH_MAX], from[32];
	int rc = make_path(root, dir);

	if (rc < 0)
		return rc;
	snprintf(to, sizeof to, "%s%s", root, dir);
	snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
	/* With the mounts below it only where a namespace of users insists: one may be our root. */
	if (mount(from, to, NULL, MS_BIND, NULL) == 0)
		return 0;
	return mount(from, to, NULL, MS_BIND | MS_REC, NULL) < 0 ? -errno : 0;
}

/* pivot_root() is refused where the root is the kernel's first file system. */
static int change_root(const char *root)
{
	if (chdir(root) < 0)
		return -errno;
	if (syscall(SYS_pivot_root, ".", ".") == 0)
		return umount2(".", MNT_DETACH) < 0 ? -errno : 0;
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		return -errno;
	return chdir("/") < 0 ? -errno : 0;
}

static int empty_root(const char *dir)
{
	static const char root[] = "/tmp";
	cleanup_free char *real = dir ? realpath(dir, NULL) : NULL;
	int rc = 0;

	/* What lies below /tmp goes out of sight with the mount. */
	cleanup_fd int fd = real ? open(real, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (dir && fd < 0)
		return -errno;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", root, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=0755") <
		    0)
		return -errno;
	if (real)
		rc = keep_dir(root, real, fd);
	if (rc == 0)
		rc = change_root(root);
	if (rc == 0 && real && chdir(real) < 0)
		rc = -errno;
	return rc;
}

/* ---- rights ---- */

/* While there are still some: those that a program run later could get back. */
static void bound_capabilities(void)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		prctl(PR_CAPBSET_DROP, cap);
	/* Root's number alone is to give nothing any more. */
	prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
					 SECBIT_NO_SETUID_FIXUP_LOCKED);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static bool drop_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	return syscall(SYS_capset, &head, none) == 0;
}

static bool become(uid_t uid, gid_t gid)
{
	return setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 &&
	       setresuid(uid, uid, uid) == 0;
}

static bool drop_user(void)
{
	uid_t id = FIRST_USER + (uid_t)getpid();

	return become(id, id);
}

void vmm_jail_lower(uid_t uid, gid_t gid)
{
	(void)unshare(CLONE_NEWNET);
	(void)unshare(CLONE_NEWIPC);
	bound_capabilities();
	/* A user of a namespace of users is alone there; root has all that were given to its own. */
	if (geteuid() == 0)
		become(uid, gid);
	drop_capabilities();
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* ---- with threads ---- */

/* A directory that is gone, where nothing can be made: its root is that of all threads. */
static bool gone_root(void)
{
	char dir[] = "/tmp/dvm-empty.XXXXXX";

	if (!mkdtemp(dir))
		return false;
	cleanup_fd int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return rmdir(dir) == 0 && fd >= 0 && fchdir(fd) == 0 && chroot(".") == 0;
}

/*
 * Namespaces and capabilities are a thread's own. A new user is all threads' (the C library sees to
 * that), and who stops being root has no capabilities.
 */
static void enter_all(struct vmm_jail *j, bool together)
{
	bool root = geteuid() == 0;

	if (root && !together) {
		j->empty_root = gone_root();
		j->own_user = j->no_capabilities = drop_user();
	}
	j->no_new_privs = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
	prctl(PR_SET_DUMPABLE, 0);
	j->uid = geteuid();
	j->seccomp = j->no_new_privs && vmm_seccomp_enter(VMM_SECCOMP_HOSTS) == 0;
}

int vmm_jail_enter(struct vmm_jail *j, const struct vmm_jail_config *c, dvm_error_t *err)
{
	bool root = geteuid() == 0;
	int rc;

	j->entered = true;
	if (c->hosts) {
		enter_all(j, c->together);
		return 0;
	}
	leave_world(j);
	if (j->mount_ns && (rc = empty_root(c->dir)) < 0 && c->dir)
		return dvmi_error_code(err, rc, "shutting the guest in with %s", c->dir);
	j->empty_root = j->mount_ns && access("/proc/self", F_OK) < 0;
	bound_capabilities();
	/* Root of a namespace of users may be nobody outside: only the real one has users to give.
	 */
	if (root && !j->user_ns && !c->keep_user)
		j->own_user = drop_user();
	j->no_capabilities = drop_capabilities();
	j->no_new_privs = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
	prctl(PR_SET_DUMPABLE, 0);
	j->uid = geteuid();
	j->seccomp = j->narrow = j->no_new_privs && vmm_seccomp_enter(VMM_SECCOMP_ALL) == 0;
	return 0;
}

/* ---- what is in force ---- */

static void put(struct dvmi_buf *out, const char *name, bool on)
{
	dvmi_buf_printf(out, ",\"%s\":%s", name, on ? "true" : "false");
}

void vmm_jail_stat(const struct vmm_jail *j, struct dvmi_buf *out)
{
	dvmi_buf_printf(out, "\"user\":%u", j->entered ? j->uid : geteuid());
	put(out, "own_user", j->own_user);
	put(out, "no_new_privs", j->no_new_privs);
	put(out, "no_capabilities", j->no_capabilities);
	put(out, "empty_root", j->empty_root);
	put(out, "user_namespace", j->user_ns);
	put(out, "mount_namespace", j->mount_ns);
	put(out, "net_namespace", j->net_ns);
	put(out, "ipc_namespace", j->ipc_ns);
	put(out, "uts_namespace", j->uts_ns);
	put(out, "seccomp", j->seccomp);
}

void vmm_jail_describe(const struct vmm_jail *j, struct dvmi_buf *out)
{
	const struct {
		bool on;
		const char *what;
	} rows[] = {
		{ j->own_user, "a user of its own" },
		{ j->no_new_privs, "no new privileges" },
		{ j->no_capabilities, "no capabilities" },
		{ j->empty_root, "an empty root" },
		{ j->user_ns, "user namespace" },
		{ j->mount_ns, "mount namespace" },
		{ j->net_ns, "network namespace" },
		{ j->ipc_ns, "IPC namespace" },
		{ j->uts_ns, "UTS namespace" },
		{ j->narrow, "system calls filtered for each thread" },
		{ j->seccomp && !j->narrow, "system calls filtered" },
	};
	const char *comma = "";

	dvmi_buf_printf(out, "user %u: ", j->entered ? j->uid : geteuid());
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].on) {
			dvmi_buf_printf(out, "%s%s", comma, rows[i].what);
			comma = ", ";
		}
	if (!*comma)
		dvmi_buf_printf(out, "not shut in");
}
