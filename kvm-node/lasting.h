/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that last, found by looking now and then: the kernel's helpers (modprobe) come and go while
 * it starts, and what is there for longer is what it has started for. Pure; a program is a number that
 * tells it from others, times are in ns.
 */
#ifndef VMM_LASTING_H
#define VMM_LASTING_H

#include <stdbool.h>
#include <stdint.h>

#define VMM_LASTING_SEEN 8u
#define VMM_LASTING_LONG UINT64_C(1000000000)

struct vmm_lasting {
	struct {
		uint64_t program, since; /* since: 0, nothing here */
	} seen[VMM_LASTING_SEEN];
	unsigned next;
};

/* PROGRAM runs at NOW, which is not 0. True if it did so a second ago or earlier. */
bool vmm_lasting_look(struct vmm_lasting *l, uint64_t program, uint64_t now);

/*
 * A program by its page tables and its stack. Tables alone are not enough, as those of who has gone
 * are given to who comes; nor are the lower bits, which tell processors and the kernel's half from
 * the program's.
 */
uint64_t vmm_lasting_program(uint64_t cr3, uint64_t rsp);

#endif
