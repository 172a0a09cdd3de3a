/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether this is still the process that has become a task. Every call of the program asks, so it
 * is a look at a page that the kernel wipes in the child of a fork; a system call where it cannot.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "libdvm/pvm3/state.h"

static _Atomic char *page; /* 1: of the process that wrote it */

void pvmi_remember_process(void)
{
	pvmi.pid = getpid();
	if (page) {
		*page = 1;
		return;
	}
	void *p = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return;
	if (madvise(p, 1, MADV_WIPEONFORK) < 0) {
		munmap(p, 1);
		return;
	}
	page = p;
	*page = 1;
}

bool pvmi_same_process(void)
{
	return page ? *page : pvmi.pid == getpid();
}
