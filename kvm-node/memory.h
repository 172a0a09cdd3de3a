/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest's RAM: ranges of guest-physical addresses over a descriptor that can be shared.
 *
 * RAM is one memfd, mapped once and cut into at most two ranges around the hole below 4 GiB. Who
 * reads or writes it goes through vmm_mem_at() or the copying calls, which know nothing outside
 * RAM: whatever address and length a guest gives, what comes back lies inside or is NULL.
 *
 * Made for RAM that is spread over hosts: a page may be elsewhere, and then a plain access waits
 * for it like any access of the guest does. Whoever is going to touch much, or from inside a
 * system call, says so before by vmm_mem_touch(), which brings the pages at once; whoever has
 * written without the guest's own page tables seeing it (a device) says so by vmm_mem_wrote().
 * Without a hook both are free.
 *
 * Threads: the ranges never change after vmm_mem_create(); every call here may be made by any
 * thread at any time. The bytes are shared with running vCPUs: they can change between two reads.
 */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "dvm/error.h"

#define VMM_NODES_MAX 64u

struct vmm_mem; /* incomplete */

/* Where guest-physical addresses are: [gpa, gpa + len) at HOST, in the descriptor at OFFSET. */
struct vmm_mem_range {
	uint64_t gpa, len, offset;
	uint8_t *host;
};

/* A piece of RAM that belongs to one NUMA node of the guest; ascending, page-aligned. */
struct vmm_mem_piece {
	uint64_t gpa, len;
	unsigned node;
};

enum vmm_mem_access { VMM_MEM_READ = 1, VMM_MEM_WRITE = 2 };

struct vmm_mem_hook {
	/* Pages wholly or partly in [gpa, gpa + len) are going to be used; return when they are here. */
	void (*touch)(void *arg, uint64_t gpa, uint64_t len, enum vmm_mem_access access);
	/* Bytes there were written by the monitor. */
	void (*wrote)(void *arg, uint64_t gpa, uint64_t len);
	/* The guest does not need these bytes, which are somebody else's. 0 or -E…. */
	int (*drop)(void *arg, uint64_t offset, uint64_t len);
	void *arg;
};

/*
 * RAM of the sum of NODE_MEM (bytes, multiples of 4 KiB, N_NODES of them), zeroed, without
 * reserving memory for it. -EINVAL for sizes that make no sense, -ENOMEM.
 */
int vmm_mem_create(struct vmm_mem **out, const uint64_t *node_mem, unsigned n_nodes,
		   dvm_error_t *err);
/*
 * The same over memory that somebody else has at BASE, zeroed, as many bytes as the nodes have; it
 * stays theirs.
 */
int vmm_mem_create_at(struct vmm_mem **out, const uint64_t *node_mem, unsigned n_nodes, void *base,
		      dvm_error_t *err);
/* Now they have it at another place. No vCPU and no device runs. */
void vmm_mem_move(struct vmm_mem *m, void *base);
/*
 * Before anybody uses it: RAM becomes memory of this process alone, without a descriptor
 * (vmm_mem_fd() is -1). Only such memory has huge pages on hosts as they are, which spare a guest
 * most of its faults; or, with MERGE, equal pages that the kernel merges. -EINVAL: it does not.
 */
int vmm_mem_make_private(struct vmm_mem *m, bool merge);
/* NULL is allowed. No vCPU and no device may use it any more. */
void vmm_mem_destroy(struct vmm_mem *m);

/* To be set before the first vCPU or device starts; the hook's calls come from any thread. */
void vmm_mem_set_hook(struct vmm_mem *m, const struct vmm_mem_hook *hook);

uint64_t vmm_mem_size(const struct vmm_mem *m);
int vmm_mem_fd(const struct vmm_mem *m); /* -1: it is somebody else's */
/* The ranges, for memory slots and maps of memory; valid as long as M. */
const struct vmm_mem_range *vmm_mem_ranges(const struct vmm_mem *m, unsigned *n);
const struct vmm_mem_piece *vmm_mem_pieces(const struct vmm_mem *m, unsigned *n);

/*
 * The bytes [gpa, gpa + len), or NULL unless all of them are RAM, in one piece. LEN 0 is the same
 * question for the address alone. The pointer stays valid as long as M.
 */
void *vmm_mem_at(const struct vmm_mem *m, uint64_t gpa, uint64_t len);

/* Copies; -EFAULT unless all of it is RAM, and then nothing is copied. */
int vmm_mem_read(const struct vmm_mem *m, uint64_t gpa, void *to, size_t len);
int vmm_mem_write(const struct vmm_mem *m, uint64_t gpa, const void *from, size_t len);

void vmm_mem_touch(const struct vmm_mem *m, uint64_t gpa, uint64_t len,
		   enum vmm_mem_access access);
void vmm_mem_wrote(const struct vmm_mem *m, uint64_t gpa, uint64_t len);

/*
 * The guest does not need these bytes: they go back to the host and are zero, or undefined where RAM
 * is somebody else's (balloon, free-page reporting).
 */
int vmm_mem_drop(const struct vmm_mem *m, uint64_t gpa, uint64_t len);

#endif
