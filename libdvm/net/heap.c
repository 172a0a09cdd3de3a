/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libdvm/net/heap.h"

/* A range in use. */
struct range {
	uint64_t off, len;
	struct range *next; /* by offset */
};

struct dvmi_heap {
	int fd;
	bool own_fd, usable;
	uint32_t self, n;
	uint64_t page;
	struct range *used;
};

static uint64_t file_bytes(uint32_t n)
{
	return DVMI_HEAP_BASE + n * DVMI_HEAP_ARENA;
}

/* Beyond the limit ftruncate() would not only fail but raise SIGXFSZ. */
static bool may_have_size(uint64_t bytes)
{
	struct rlimit r;

	return getrlimit(RLIMIT_FSIZE, &r) == 0 &&
	       (r.rlim_cur == RLIM_INFINITY || r.rlim_cur >= bytes);
}

static bool has_size(int fd, uint64_t bytes)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (uint64_t)st.st_size >= bytes;
}

int dvmi_heap_size_file(int fd, uint32_t n, uint64_t ring_bytes)
{
	uint64_t all = file_bytes(n);

	if (n > DVMI_HEAP_RANKS_MAX || ring_bytes > DVMI_HEAP_BASE)
		return -EINVAL;
	if (has_size(fd, all))
		return 0;
	if (!may_have_size(all)) {
		if (has_size(fd, ring_bytes))
			return 0;
		all = ring_bytes;
	}
	if (!may_have_size(all))
		return -EFBIG;
	return ftruncate(fd, (off_t)all) < 0 ? -errno : 0;
}

int dvmi_heap_create(struct dvmi_heap **out, int fd, uint32_t self, uint32_t n)
{
	if (self >= n || n > DVMI_HEAP_RANKS_MAX || (fd < 0 && n != 1))
		return -EINVAL;
	struct dvmi_heap *h = calloc(1, sizeof *h);
	if (!h)
		return -ENOMEM;
	h->fd = fd;
	h->self = self;
	h->n = n;
	h->page = (uint64_t)sysconf(_SC_PAGESIZE);
	*out = h;
	return 0;
}

void dvmi_heap_destroy(struct dvmi_heap *h)
{
	if (!h)
		return;
	for (struct range *r = h->used, *next; r; r = next) {
		next = r->next;
		free(r);
	}
	if (h->own_fd)
		close(h->fd);
	free(h);
}

/* The first use makes sure that there is memory behind the offsets. */
static int make_usable(struct dvmi_heap *h)
{
	if (h->usable)
		return 0;
	if (h->fd < 0) {
		h->fd = memfd_create("dvm-heap", MFD_CLOEXEC);
		if (h->fd < 0)
			return -errno;
		h->own_fd = true;
	}
	int rc = dvmi_heap_size_file(h->fd, h->n, 0);
	if (rc < 0)
		return rc;
	h->usable = has_size(h->fd, file_bytes(h->n));
	return h->usable ? 0 : -EFBIG;
}

/* Where LEN bytes fit first, and the link behind which they belong; NULL: nowhere. */
static struct range **find_gap(struct dvmi_heap *h, uint64_t len, uint64_t *off)
{
	struct range **at = &h->used;

	for (*off = 0; *at && (*at)->off - *off < len; at = &(*at)->next)
		*off = (*at)->off + (*at)->len;
	return DVMI_HEAP_ARENA - *off < len ? NULL : at;
}

int64_t dvmi_heap_alloc(struct dvmi_heap *h, uint64_t bytes)
{
	uint64_t off, len = (bytes + h->page - 1) / h->page * h->page;
	int rc = make_usable(h);

	if (rc < 0)
		return rc;
	if (!bytes || bytes > DVMI_HEAP_ARENA)
		return -ENOMEM;
	struct range **at = find_gap(h, len, &off);
	struct range *r = at ? malloc(sizeof *r) : NULL;
	if (!r)
		return -ENOMEM;
	*r = (struct range){ .off = off, .len = len, .next = *at };
	*at = r;
	return (int64_t)off;
}

static off_t place(uint32_t local, uint64_t off)
{
	return (off_t)(DVMI_HEAP_BASE + local * DVMI_HEAP_ARENA + off);
}

static void punch(const struct dvmi_heap *h, uint32_t local, uint64_t off, uint64_t len)
{
	fallocate(h->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, place(local, off), (off_t)len);
}

static bool inside(const struct dvmi_heap *h, uint32_t local, int64_t offset, uint64_t bytes)
{
	return local < h->n && offset >= 0 && (uint64_t)offset % h->page == 0 && bytes &&
	       (uint64_t)offset <= DVMI_HEAP_ARENA && bytes <= DVMI_HEAP_ARENA - (uint64_t)offset;
}

void dvmi_heap_free(struct dvmi_heap *h, int64_t offset)
{
	struct range **at = &h->used, *r;

	while (*at && (int64_t)(*at)->off != offset)
		at = &(*at)->next;
	r = *at;
	if (!r)
		return;
	*at = r->next;
	punch(h, h->self, r->off, r->len);
	free(r);
}

void dvmi_heap_drop(struct dvmi_heap *h, uint32_t local, int64_t offset, uint64_t bytes)
{
	if (inside(h, local, offset, bytes) && make_usable(h) == 0)
		punch(h, local, (uint64_t)offset, bytes);
}

int dvmi_heap_map(struct dvmi_heap *h, uint32_t local, int64_t offset, uint64_t bytes, void **out)
{
	if (!inside(h, local, offset, bytes))
		return -EINVAL;
	int rc = make_usable(h);
	if (rc < 0)
		return rc;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, h->fd,
		       place(local, (uint64_t)offset));
	if (p == MAP_FAILED)
		return -ENOMEM;
	*out = p;
	return 0;
}

void dvmi_heap_unmap(void *p, uint64_t bytes)
{
	if (p)
		munmap(p, bytes);
}
