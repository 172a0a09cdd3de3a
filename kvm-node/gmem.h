/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How devices reach guest memory: by address and length, both as the guest gave them. Engines see
 * nothing else of it, so that tests can put a few pages there and a sanitizer watches their ends.
 */
#ifndef VMM_GMEM_H
#define VMM_GMEM_H

#include <stddef.h>
#include <stdint.h>

struct vmm_gmem {
	/*
	 * Where the LEN bytes at GPA are, or NULL if not all of them are RAM. Any thread may call.
	 * The guest may change what is there at any moment: read what counts once.
	 */
	void *(*at)(void *ctx, uint64_t gpa, uint64_t len);
	/* What is in the whole pages within is not needed any more. NULL: nobody takes it back. */
	int (*drop)(void *ctx, uint64_t gpa, uint64_t len);
	void *ctx;
};

static inline void *vmm_gmem_at(const struct vmm_gmem *m, uint64_t gpa, uint64_t len)
{
	return gpa + len < gpa ? NULL : m->at(m->ctx, gpa, len);
}

#endif
