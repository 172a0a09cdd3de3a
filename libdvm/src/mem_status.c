/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments for `dvm seg`: a file each in the job's directory, struct dvmi_rank_seg. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libdvm/base/cleanup.h"
#include "libdvm/src/mem.h"

_Static_assert(sizeof(struct dsm_seg_stats) == DVMI_RANK_SEG_FIGURES * sizeof(uint64_t),
	       "the figures of a segment");

_Static_assert(sizeof(struct dsm_seg_end) == 2 * sizeof(uint32_t), "how a segment is ended");

static int path_of(const dvm_seg_t *s, char *out, size_t size)
{
	int n = snprintf(out, size, "%s/segment-%u-%u", s->d->dir, s->d->env.rank, s->number);

	return n < (int)size ? 0 : -ENAMETOOLONG;
}

static void write_card(const dvm_seg_t *s, struct dvmi_rank_seg *c)
{
	*c = (struct dvmi_rank_seg){
		.rank = s->d->env.rank,
		.ranks = s->dom->g->size,
		.id = s->number,
		.pid = (uint32_t)getpid(),
		.bytes = s->c.bytes,
		.unit = s->c.unit,
		.consistency = s->c.consistency,
	};
	memcpy(c->name, s->name, sizeof s->name);
	c->magic = DVMI_RANK_SEG_MAGIC;
}

void dvmi_seg_show(dvm_seg_t *s)
{
	char path[600];

	s->number = s->d->mem->numbers++;
	if (!s->d->env.shepherd || path_of(s, path, sizeof path) < 0)
		return;
	cleanup_fd int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || ftruncate(fd, sizeof *s->shown) < 0)
		return;
	void *p = mmap(NULL, sizeof *s->shown, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return;
	s->shown = p;
	write_card(s, s->shown);
}

struct dsm_seg_stats *dvmi_seg_figures(dvm_seg_t *s)
{
	return s->shown ? (struct dsm_seg_stats *)(void *)s->shown->figures : NULL;
}

struct dsm_seg_end *dvmi_seg_ending(dvm_seg_t *s)
{
	return s->shown ? (struct dsm_seg_end *)(void *)&s->shown->end : NULL;
}

void dvmi_seg_hide(dvm_seg_t *s)
{
	char path[600];

	if (!s->shown)
		return;
	munmap(s->shown, sizeof *s->shown);
	s->shown = NULL;
	if (path_of(s, path, sizeof path) == 0)
		unlink(path);
}
