/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A segment of ranks that share a kernel: a file in memory that the lowest of them makes and the
 * others open through /proc. No protocol, no faults of ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dvm/coll.h"
#include "libdvm/src/mem.h"

struct plain_offer {
	int32_t pid, file;
};

static int make_file(dvm_seg_t *s)
{
	s->file = memfd_create("dvm-segment", MFD_CLOEXEC);
	if (s->file < 0 || ftruncate(s->file, (off_t)dvmi_seg_whole(s)) < 0)
		return errno == EFBIG ? -ENOMEM : -errno;
	return 0;
}

static int open_file(dvm_seg_t *s, const struct plain_offer *o)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)o->pid, (int)o->file);
	s->file = open(path, O_RDWR | O_CLOEXEC);
	return s->file < 0 ? -errno : 0;
}

int dvmi_seg_plain_map(dvm_seg_t *s)
{
	void *p = mmap(s->base, dvmi_seg_whole(s), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED | MAP_NORESERVE, s->file, 0);

	if (p == MAP_FAILED)
		return -errno;
	s->control = (uint8_t *)p + s->c.bytes;
	return 0;
}

void dvmi_seg_plain_unmap(dvm_seg_t *s)
{
	/* The place is kept, and locks go on. */
	mmap(s->base, s->c.bytes, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

int dvmi_seg_plain(dvm_seg_t *s)
{
	dvm_group_t *g = s->dom->g;
	struct plain_offer o = { .pid = (int32_t)getpid() };
	int rc = g->rank == 0 ? make_file(s) : 0;

	o.file = rc < 0 ? -1 : s->file;
	int said = dvm_bcast(g, &o, sizeof o, 0);
	if (said == 0 && rc == 0 && g->rank != 0)
		rc = o.file < 0 ? -ENOMEM : open_file(s, &o);
	if (said == 0 && rc == 0)
		rc = dvmi_seg_plain_map(s);
	return said < 0 ? said : rc;
}
