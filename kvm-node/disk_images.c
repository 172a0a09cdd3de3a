/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/disk_images.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kvm-node/jail.h"
#include "kvm-node/landlock.h"
#include "kvm-node/qcow2.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define PROGRAM "qemu-storage-daemon"

/* ---- looked at ---- */

static int open_file(const char *path, struct stat *st, dvm_error_t *err)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fstat(fd, st) < 0)
		return dvmi_error_code(err, -errno, "disk %s", path);
	if (!S_ISREG(st->st_mode))
		return dvmi_error_set(err, -EINVAL, "disk %s is not a file", path);
	return take_fd(fd);
}

static int look(int fd, const char *path, struct vmm_qcow2 *q, dvm_error_t *err)
{
	cleanup_free uint8_t *head = malloc(VMM_QCOW2_HEAD);
	ssize_t n = head ? pread(fd, head, VMM_QCOW2_HEAD, 0) : 0;

	if (!head || n < 0)
		return dvmi_error_code(err, head ? -errno : -ENOMEM, "disk %s", path);
	if (vmm_qcow2_look(q, head, (size_t)n) < 0)
		return dvmi_error_set(err, -EINVAL, "disk %s is no image in qcow2", path);
	if (q->external)
		return dvmi_error_set(err, -EPERM,
				      "disk %s: its data are in another file, which its header names; "
				      "that is not followed (qemu-img convert makes one file of them)",
				      path);
	return 0;
}

/* Q has been said of PATH; BELOW is the backing file we were told of, or NULL. */
static int agree(const struct vmm_qcow2 *q, const char *path, const char *below, dvm_error_t *err)
{
	if (!below && q->below != VMM_QCOW2_ALONE)
		return dvmi_error_set(err, -EPERM,
				      "disk %s has a backing file, and its own word does not count: "
				      "backing=FILE says which (qemu-img info shows what it says)",
				      path);
	if (below && q->below == VMM_QCOW2_ALONE)
		return dvmi_error_set(err, -EINVAL, "disk %s has no backing file, so backing=%s is wrong",
				      path, below);
	if (q->below == VMM_QCOW2_ON_OTHER)
		return dvmi_error_set(err, -EINVAL,
				      "disk %s does not say that its backing file is raw or qcow2 "
				      "(qemu-img rebase -u -b FILE -F FORMAT makes it say so)",
				      path);
	return 0;
}

static int open_layers(struct vmm_disk_images *im, const struct vmm_disk_config *c,
		       dvm_error_t *err)
{
	struct vmm_qcow2 q = { .below = VMM_QCOW2_ON_QCOW2 };

	while (im->n <= c->n_backing) {
		const char *path = im->n ? c->backing[im->n - 1] : c->path;
		const char *below = im->n < c->n_backing ? c->backing[im->n] : NULL;
		struct stat st;
		int fd = open_file(path, &st, err), rc = 0;
		if (fd < 0)
			return fd;
		if (!im->n) {
			im->uid = st.st_uid;
			im->gid = st.st_gid;
		}
		im->raw[im->n] = q.below == VMM_QCOW2_ON_RAW;
		im->fd[im->n++] = fd;
		if (q.below == VMM_QCOW2_ON_RAW)
			q.below = VMM_QCOW2_ALONE;
		else
			rc = look(fd, path, &q, err);
		if (rc == 0)
			rc = agree(&q, path, below, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int vmm_disk_images_open(struct vmm_disk_images *im, const struct vmm_disk_config *c, bool ro,
			 dvm_error_t *err)
{
	*im = (struct vmm_disk_images){ .ro = ro };
	int rc = open_layers(im, c, err);

	if (rc < 0)
		vmm_disk_images_close(im);
	return rc;
}

void vmm_disk_images_close(struct vmm_disk_images *im)
{
	while (im->n)
		close(im->fd[--im->n]);
}

/* ---- in the program's process, before it begins ---- */

/* Written to is the image only. */
static int allow_files(struct vmm_landlock *l, const struct vmm_disk_images *im)
{
	char path[PATH_MAX];
	int rc = 0;

	for (unsigned i = 0; i < im->n && rc == 0; i++)
		rc = vmm_landlock_file(l, VMM_HELPER_FILES + (int)i, !i && !im->ro);
	if (rc == 0 && vmm_helper_find(PROGRAM, path, sizeof path))
		rc = vmm_landlock_program(l, path);
	return rc;
}

static int prepare(const void *arg)
{
	const struct vmm_disk_images *im = arg;
	struct vmm_landlock *l = NULL;
	int rc = vmm_landlock_create(&l) == 0 ? allow_files(l, im) : 0;

	vmm_jail_lower(im->uid, im->gid);
	if (l && rc == 0)
		rc = vmm_landlock_enter(l);
	vmm_landlock_destroy(l);
	return rc;
}

/* ---- the program ---- */

struct layer {
	char file[128], format[192];
};

/* In JSON only null says that there is nothing below. No names are in it. */
static void describe(struct layer *l, const struct vmm_disk_images *im, unsigned i)
{
	bool ro = i || im->ro;
	char below[32] = "";

	snprintf(l->file, sizeof l->file,
		 "driver=file,node-name=f%u,discard=unmap,read-only=%s,filename=/proc/self/fd/%u", i,
		 ro ? "on" : "off", VMM_HELPER_FILES + i);
	if (i + 1 < im->n)
		snprintf(below, sizeof below, ",\"backing\":\"d%u\"", i + 1);
	else if (!im->raw[i])
		snprintf(below, sizeof below, ",\"backing\":null");
	snprintf(l->format, sizeof l->format,
		 "{\"driver\":\"%s\",\"node-name\":\"d%u\",\"file\":\"f%u\",\"discard\":\"unmap\","
		 "\"read-only\":%s%s}",
		 im->raw[i] ? "raw" : "qcow2", i, i, ro ? "true" : "false", below);
}

int vmm_disk_images_serve(const struct vmm_disk_images *im, struct vmm_helper *h, int listener,
			  int messages)
{
	struct layer layers[1 + VMM_BACKING_MAX];
	const char *argv[6 + 4 * (1 + VMM_BACKING_MAX)] = { PROGRAM };
	unsigned n = 1;

	/* From below: a node is made of those that are there. */
	for (unsigned i = im->n; i-- > 0;) {
		describe(&layers[i], im, i);
		argv[n++] = "--blockdev";
		argv[n++] = layers[i].file;
		argv[n++] = "--blockdev";
		argv[n++] = layers[i].format;
	}
	argv[n++] = "--nbd-server";
	argv[n++] = "addr.type=fd,addr.str=3";
	argv[n++] = "--export";
	argv[n++] = im->ro ? "type=nbd,id=e,node-name=d0,name=disk" :
			     "type=nbd,id=e,node-name=d0,name=disk,writable=on";
	return vmm_helper_start(h, &(struct vmm_helper_program){ .argv = argv,
								 .fd = listener,
								 .files = im->fd,
								 .n_files = im->n,
								 .messages = messages,
								 .prepare = prepare,
								 .arg = im });
}
