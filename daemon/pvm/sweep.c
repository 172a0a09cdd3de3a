/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a task leaves behind in the memory of its node: ranges with bytes of messages. Those that
 * nobody has borrowed go at once, the others with their last borrower (libdvm/pvm3/lend.h).
 */
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/pvm/agent.h"
#include "libdvm/src/handle.h"

/* The page at the beginning of a range, or NULL: there is none. */
static struct pvmi_lent *map_head(int fd, off_t at)
{
	void *p = mmap(NULL, PVMI_LENT_HEAD, PROT_READ | PROT_WRITE, MAP_SHARED, fd, at);

	return p == MAP_FAILED ? NULL : p;
}

/* Ends the range at OFFSET of the arena. Its bytes, or 0: it is none. */
static uint64_t sweep_range(struct dvmi_heap *heap, int fd, uint32_t local, int64_t offset)
{
	struct pvmi_lent *head =
		map_head(fd, (off_t)(DVMI_HEAP_BASE + local * DVMI_HEAP_ARENA) + offset);
	uint64_t bytes = head && head->magic == PVMI_LENT_MAGIC ? head->bytes : 0;

	if (bytes >= PVMI_LENT_HEAD && bytes <= DVMI_HEAP_ARENA - (uint64_t)offset) {
		atomic_store_explicit(&head->heir, 1, memory_order_seq_cst);
		if (!pvmi_lent_out(head))
			dvmi_heap_drop(heap, local, offset, bytes);
	} else {
		bytes = 0;
	}
	if (head)
		munmap(head, PVMI_LENT_HEAD);
	return bytes;
}

void pvm_sweep(const struct pvm_slot *s)
{
	const off_t base = (off_t)(DVMI_HEAP_BASE + s->index * DVMI_HEAP_ARENA);
	const int fd = s->bank->rings_fd;
	struct dvmi_heap *heap;
	uint64_t bytes;

	if (fd < 0 || dvmi_heap_create(&heap, fd, 0, PVMI_LOCAL_MAX) < 0)
		return;
	/* The head of a range was written to: it is the first page there is. */
	for (off_t at = base; (at = lseek(fd, at, SEEK_DATA)) >= 0; at += (off_t)bytes) {
		if (at - base >= (off_t)DVMI_HEAP_ARENA)
			break;
		bytes = sweep_range(heap, fd, s->index, at - base);
		if (!bytes)
			break;
	}
	dvmi_heap_destroy(heap);
}
