/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm-node/layout.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define HUGE_PAGE (UINT64_C(2) << 20)

struct vmm_mem {
	int fd;
	bool private; /* anonymous, without a descriptor */
	uint8_t *base;
	uint64_t size;
	unsigned n_ranges, n_pieces;
	struct vmm_mem_range ranges[2];
	struct vmm_mem_piece pieces[VMM_NODES_MAX + 1]; /* one node may be cut by the hole */
	struct vmm_mem_hook hook;
};

static int add_up(const uint64_t *node_mem, unsigned n, uint64_t *sum, dvm_error_t *err)
{
	*sum = 0;
	if (!n || n > VMM_NODES_MAX)
		return dvmi_error_set(err, -EINVAL, "a guest has 1 to %u NUMA nodes, not %u",
				      VMM_NODES_MAX, n);
	for (unsigned i = 0; i < n; i++) {
		if (node_mem[i] % VMM_PAGE)
			return dvmi_error_set(err, -EINVAL,
					      "memory of NUMA node %u is not whole pages", i);
		if (__builtin_add_overflow(*sum, node_mem[i], sum) || *sum > UINT64_C(1) << 46)
			return dvmi_error_set(err, -EINVAL, "a guest has at most 64 TiB of memory");
	}
	if (*sum < UINT64_C(2) << 20)
		return dvmi_error_set(err, -EINVAL, "a guest needs 2 MiB of memory at least");
	return 0;
}

static int map_memory(struct vmm_mem *m, dvm_error_t *err)
{
	m->fd = memfd_create("guest-ram", MFD_CLOEXEC);
	if (m->fd < 0 || ftruncate(m->fd, (off_t)m->size) < 0)
		return dvmi_error_code(err, -errno, "the guest's memory");
	void *p = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, m->fd, 0);
	if (p == MAP_FAILED) {
		int rc = dvmi_error_code(err, -errno, "mapping the guest's memory");
		close(m->fd);
		m->fd = -1;
		return rc;
	}
	m->base = p;
	/* The guest's bytes are no part of a core dump of ours. */
	madvise(p, m->size, MADV_DONTDUMP);
	return 0;
}

static void lay_out(struct vmm_mem *m)
{
	uint64_t low = m->size < VMM_RAM_LOW_MAX ? m->size : VMM_RAM_LOW_MAX;

	m->n_ranges = 0;
	m->ranges[m->n_ranges++] = (struct vmm_mem_range){ 0, low, 0, m->base };
	if (m->size > low)
		m->ranges[m->n_ranges++] = (struct vmm_mem_range){ VMM_RAM_HIGH, m->size - low, low,
								   m->base + low };
}

static void add_piece(struct vmm_mem *m, uint64_t gpa, uint64_t len, unsigned node)
{
	if (len)
		m->pieces[m->n_pieces++] = (struct vmm_mem_piece){ gpa, len, node };
}

static void assign_nodes(struct vmm_mem *m, const uint64_t *node_mem, unsigned n)
{
	uint64_t at = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t end = at + node_mem[i];
		uint64_t low_end = end < VMM_RAM_LOW_MAX ? end : VMM_RAM_LOW_MAX;
		uint64_t high = at > VMM_RAM_LOW_MAX ? at : VMM_RAM_LOW_MAX;

		if (at < low_end)
			add_piece(m, at, low_end - at, i);
		if (end > high)
			add_piece(m, high - VMM_RAM_LOW_MAX + VMM_RAM_HIGH, end - high, i);
		at = end;
	}
}

/* Over the memory at BASE, or our own. */
static int create(struct vmm_mem **out, const uint64_t *node_mem, unsigned n_nodes, void *base,
		  dvm_error_t *err)
{
	uint64_t size;
	int rc = add_up(node_mem, n_nodes, &size, err);

	if (rc < 0)
		return rc;
	struct vmm_mem *m = calloc(1, sizeof *m);
	if (!m)
		return dvmi_error_code(err, -ENOMEM, "the guest's memory");
	m->size = size;
	m->fd = -1;
	m->base = base;
	rc = base ? 0 : map_memory(m, err);
	if (rc < 0) {
		vmm_mem_destroy(m);
		return rc;
	}
	lay_out(m);
	assign_nodes(m, node_mem, n_nodes);
	*out = m;
	return 0;
}

int vmm_mem_create(struct vmm_mem **out, const uint64_t *node_mem, unsigned n_nodes,
		   dvm_error_t *err)
{
	return create(out, node_mem, n_nodes, NULL, err);
}

int vmm_mem_create_at(struct vmm_mem **out, const uint64_t *node_mem, unsigned n_nodes, void *base,
		      dvm_error_t *err)
{
	return create(out, node_mem, n_nodes, base, err);
}

void vmm_mem_move(struct vmm_mem *m, void *base)
{
	m->base = base;
	lay_out(m);
}

/* Begins where a huge page begins, so that those of host and guest are the same. */
static uint8_t *map_aligned(uint64_t size)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	uint8_t *all = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (all == MAP_FAILED)
		return NULL;
	size_t before = -(uintptr_t)all % HUGE_PAGE;
	if (before)
		munmap(all, before);
	munmap(all + before + size, HUGE_PAGE - before);
	return all + before;
}

int vmm_mem_make_private(struct vmm_mem *m, bool merge)
{
	uint8_t *base = map_aligned(m->size);

	if (!base)
		return -errno;
	munmap(m->base, m->size);
	close(m->fd);
	m->fd = -1;
	m->private = true;
	vmm_mem_move(m, base);
	madvise(base, m->size, MADV_DONTDUMP);
	if (merge)
		return madvise(base, m->size, MADV_MERGEABLE) < 0 ? -errno : 0;
	madvise(base, m->size, MADV_HUGEPAGE);
	return 0;
}

void vmm_mem_destroy(struct vmm_mem *m)
{
	if (!m)
		return;
	if (m->fd >= 0 || m->private)
		munmap(m->base, m->size);
	if (m->fd >= 0)
		close(m->fd);
	free(m);
}

void vmm_mem_set_hook(struct vmm_mem *m, const struct vmm_mem_hook *hook)
{
	m->hook = *hook;
}

uint64_t vmm_mem_size(const struct vmm_mem *m)
{
	return m->size;
}

int vmm_mem_fd(const struct vmm_mem *m)
{
	return m->fd;
}

const struct vmm_mem_range *vmm_mem_ranges(const struct vmm_mem *m, unsigned *n)
{
	*n = m->n_ranges;
	return m->ranges;
}

const struct vmm_mem_piece *vmm_mem_pieces(const struct vmm_mem *m, unsigned *n)
{
	*n = m->n_pieces;
	return m->pieces;
}

void *vmm_mem_at(const struct vmm_mem *m, uint64_t gpa, uint64_t len)
{
	for (unsigned i = 0; i < m->n_ranges; i++) {
		const struct vmm_mem_range *r = &m->ranges[i];
		uint64_t off = gpa - r->gpa;

		if (gpa >= r->gpa && off < r->len && len <= r->len - off)
			return r->host + off;
	}
	return NULL;
}

int vmm_mem_read(const struct vmm_mem *m, uint64_t gpa, void *to, size_t len)
{
	const void *p = vmm_mem_at(m, gpa, len);

	if (!p)
		return -EFAULT;
	vmm_mem_touch(m, gpa, len, VMM_MEM_READ);
	memcpy(to, p, len);
	return 0;
}

int vmm_mem_write(const struct vmm_mem *m, uint64_t gpa, const void *from, size_t len)
{
	void *p = vmm_mem_at(m, gpa, len);

	if (!p)
		return -EFAULT;
	vmm_mem_touch(m, gpa, len, VMM_MEM_WRITE);
	memcpy(p, from, len);
	vmm_mem_wrote(m, gpa, len);
	return 0;
}

void vmm_mem_touch(const struct vmm_mem *m, uint64_t gpa, uint64_t len, enum vmm_mem_access access)
{
	if (m->hook.touch && len)
		m->hook.touch(m->hook.arg, gpa, len, access);
}

void vmm_mem_wrote(const struct vmm_mem *m, uint64_t gpa, uint64_t len)
{
	if (m->hook.wrote && len)
		m->hook.wrote(m->hook.arg, gpa, len);
}

int vmm_mem_drop(const struct vmm_mem *m, uint64_t gpa, uint64_t len)
{
	uint8_t *p = vmm_mem_at(m, gpa, len);

	if (!p || (gpa | len) % VMM_PAGE)
		return -EFAULT;
	if (m->private)
		return madvise(p, len, MADV_DONTNEED) < 0 ? -errno : 0;
	if (m->fd < 0)
		return m->hook.drop ? m->hook.drop(m->hook.arg, (uint64_t)(p - m->base), len) : 0;
	return fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, p - m->base,
			 (off_t)len) < 0 ? -errno : 0;
}
