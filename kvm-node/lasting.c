/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/lasting.h"

#define TABLES_SHIFT 13u /* two pages with isolation of page tables */
#define STACK_SHIFT  24u /* more than a stack grows to, less than it is put elsewhere by chance */

uint64_t vmm_lasting_program(uint64_t cr3, uint64_t rsp)
{
	return cr3 << 1 >> 1 >> TABLES_SHIFT ^ rsp >> STACK_SHIFT << 40;
}

bool vmm_lasting_look(struct vmm_lasting *l, uint64_t program, uint64_t now)
{
	for (unsigned i = 0; i < VMM_LASTING_SEEN; i++)
		if (l->seen[i].since && l->seen[i].program == program)
			return now - l->seen[i].since >= VMM_LASTING_LONG;
	l->seen[l->next].program = program;
	l->seen[l->next].since = now;
	l->next = (l->next + 1) % VMM_LASTING_SEEN;
	return false;
}
