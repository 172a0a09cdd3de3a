/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * virtiofsd shuts itself in: with the directory as its root, in namespaces of its own, with few
 * rights. Who is not root becomes root of a namespace of users for that, in which it is the only
 * user: files are its own, whoever the guest says they are of.
 */
#include "kvm-node/fs_server.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kvm-node/jail.h"
#include "kvm-node/seccomp.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define PATIENCE 20000 /* ms for an answer at the start */

/* ---- in its process, before it begins ---- */

struct place {
	const char *dir;
	bool ro;
};

/* What is mounted below is read-only, too; nobody else sees any of it. */
static int make_read_only(const char *dir)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(dir, dir, NULL, MS_BIND | MS_REC, NULL) < 0 ||
	    mount_setattr(AT_FDCWD, dir, AT_RECURSIVE, &ro, sizeof ro) < 0)
		return -errno;
	return 0;
}

/* Whose groups the kernel does not let go in such a namespace: they are the user's own. */
static int become_root(void)
{
	int rc = vmm_jail_become_root();

	return rc == 0 && getgroups(0, NULL) > 0 ? vmm_seccomp_keep_groups() : rc;
}

static int prepare(const void *arg)
{
	const struct place *p = arg;
	int rc = geteuid() ? become_root() : 0;

	return rc == 0 && p->ro ? make_read_only(p->dir) : rc;
}

/* ---- the program ---- */

static const char *find(void)
{
	static const char *const names[] = { "/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd",
					     "virtiofsd" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (vmm_helper_found(names[i]))
			return names[i];
	return NULL;
}

/* Commas part its options: those of a name stand behind a backslash. */
static int make_option(char *option, size_t size, const char *dir, const char *sandbox)
{
	size_t n = (size_t)snprintf(option, size, "sandbox=%s,log_level=warn,source=", sandbox);

	for (; *dir && n + 3 < size; dir++) {
		if (*dir == ',' || *dir == '\\')
			option[n++] = '\\';
		option[n++] = *dir;
	}
	option[n] = 0;
	return *dir ? -ENAMETOOLONG : 0;
}

static int start(struct vmm_fs_server *s, const char *program, const struct place *place,
		 const char *sandbox)
{
	char option[2 * 4096 + 128];
	const char *const argv[] = { program, "-f", "--fd=3", "-o", option, NULL };
	struct vmm_helper_place door;
	int rc = make_option(option, sizeof option, place->dir, sandbox);

	if (rc < 0)
		return rc;
	int listener = vmm_helper_listen(&door, 1);
	if (listener < 0)
		return listener;
	rc = vmm_helper_start(&s->helper, &(struct vmm_helper_program){ .argv = argv,
								       .fd = listener,
								       .messages = s->messages,
								       .prepare = prepare,
								       .arg = place });
	if (rc == 0)
		rc = s->fd = vmm_helper_connect(&door);
	/* Only it can hear now: when it gives up, we are told. */
	close(listener);
	vmm_helper_leave(&door);
	return rc < 0 ? rc : 0;
}

/* ---- what both agree on ---- */

static int ask(struct vmm_fs_server *s, enum vmm_vhost_request what, uint64_t *value)
{
	struct vmm_vhost_msg m;

	vmm_vhost_ask(&m, what);
	int rc = vmm_vhost_call(s->fd, &s->in, &m, PATIENCE);
	return rc < 0 ? rc : vmm_vhost_answer_u64(&m, what, value);
}

static int give_memory(struct vmm_fs_server *s, const struct vmm_mem *mem)
{
	struct vmm_vhost_region r[VMM_VHOST_REGIONS] = { 0 };
	struct vmm_vhost_msg m;
	uint64_t failed = 0;
	unsigned n;
	const struct vmm_mem_range *ranges = vmm_mem_ranges(mem, &n);

	for (unsigned i = 0; i < n && i < VMM_VHOST_REGIONS; i++)
		r[i] = (struct vmm_vhost_region){ ranges[i].gpa, ranges[i].len,
						  (uintptr_t)ranges[i].host, ranges[i].offset,
						  vmm_mem_fd(mem) };
	int rc = vmm_vhost_memory(&m, r, n);
	if (rc < 0)
		return rc;
	vmm_vhost_want_reply(&m);
	rc = vmm_vhost_call(s->fd, &s->in, &m, PATIENCE);
	if (rc == 0)
		rc = vmm_vhost_answer_u64(&m, VMM_VHOST_SET_MEM_TABLE, &failed);
	return rc == 0 && failed ? -EIO : rc;
}

static int agree(struct vmm_fs_server *s, const struct vmm_mem *mem)
{
	struct vmm_vhost_msg m;
	uint64_t protocol = 0;
	int rc = ask(s, VMM_VHOST_GET_FEATURES, &s->features);

	if (rc == 0 && !(s->features & VMM_VHOST_F_PROTOCOL))
		rc = -EPROTO;
	if (rc == 0)
		rc = ask(s, VMM_VHOST_GET_PROTOCOL_FEATURES, &protocol);
	if (rc == 0 && !(protocol & VMM_VHOST_P_REPLY_ACK))
		rc = -EPROTO;
	if (rc < 0)
		return rc;
	vmm_vhost_u64(&m, VMM_VHOST_SET_PROTOCOL_FEATURES, VMM_VHOST_P_REPLY_ACK);
	rc = vmm_vhost_send(s->fd, &m);
	vmm_vhost_ask(&m, VMM_VHOST_SET_OWNER);
	if (rc == 0)
		rc = vmm_vhost_send(s->fd, &m);
	return rc < 0 ? rc : give_memory(s, mem);
}

/* ---- life ---- */

static void hang_up(struct vmm_fs_server *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->in.len = 0;
	vmm_helper_end(&s->helper);
}

/* Namespaces, or where this host allows no more (in a container, say) a root directory of its own. */
static int try_sandboxes(struct vmm_fs_server *s, const char *program, const struct place *place,
			 const struct vmm_mem *mem)
{
	static const char *const sandboxes[] = { "namespace", "chroot" };
	int rc = -EINVAL;

	for (size_t i = 0; rc < 0 && i < sizeof sandboxes / sizeof sandboxes[0]; i++) {
		hang_up(s);
		if (ftruncate(s->messages, 0) < 0)
			return -errno;
		lseek(s->messages, 0, SEEK_SET);
		rc = start(s, program, place, sandboxes[i]);
		if (rc == 0)
			rc = agree(s, mem);
	}
	return rc;
}

static int explain(struct vmm_fs_server *s, int rc, const char *dir, dvm_error_t *err)
{
	char said[200];

	hang_up(s); /* it has said all there is then */
	vmm_helper_said(s->messages, "virtiofsd", said, sizeof said);
	if (*said)
		return dvmi_error_set(err, rc, "--share %s: virtiofsd: %s", dir, said);
	return dvmi_error_code(err, rc, "--share %s through virtiofsd", dir);
}

int vmm_fs_server_open(struct vmm_fs_server *s, const char *dir, bool ro, const struct vmm_mem *mem,
		       dvm_error_t *err)
{
	cleanup_free char *real = realpath(dir, NULL);
	const char *program = find();
	struct stat st;

	*s = (struct vmm_fs_server){ .fd = -1, .messages = -1 };
	if (!program)
		return dvmi_error_set(err, -ENOENT,
				      "--share needs virtiofsd (Debian: qemu-system-common)");
	if (!real || stat(real, &st) < 0)
		return dvmi_error_code(err, -errno, "--share %s", dir);
	if (!S_ISDIR(st.st_mode))
		return dvmi_error_code(err, -ENOTDIR, "--share %s", dir);
	s->messages = memfd_create("virtiofsd", MFD_CLOEXEC);
	if (s->messages < 0)
		return dvmi_error_code(err, -errno, "--share %s", dir);
	int rc = try_sandboxes(s, program, &(struct place){ real, ro }, mem);
	return rc < 0 ? explain(s, rc, dir, err) : 0;
}

void vmm_fs_server_close(struct vmm_fs_server *s)
{
	hang_up(s);
	if (s->messages >= 0)
		close(s->messages);
	s->messages = -1;
}
