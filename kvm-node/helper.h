/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs the monitor starts for a device, before it is shut in.
 *
 * Between the two stands a keeper, a process of ours that is as the monitor was when it started: it
 * ends the program when the monitor says so or is gone, however that came about. The monitor itself
 * may be another user by then and cannot.
 */
#ifndef VMM_HELPER_H
#define VMM_HELPER_H

#include <stdbool.h>
#include <sys/types.h>

struct vmm_helper {
	pid_t keeper; /* 0: there is none */
	int line;     /* open as long as the program is wanted */
};

/*
 * Starts ARGV (NULL-terminated, found as execvp() does) with FD as descriptor 3, what it says on
 * standard error in the file MESSAGES, and nothing else open. -E….
 */
int vmm_helper_start(struct vmm_helper *h, const char *const *argv, int fd, int messages);

/* Whether a program of that name is in $PATH: one that is not fails where nobody sees it. */
bool vmm_helper_found(const char *name);

/* Ends it by SIGTERM, after some seconds by SIGKILL, and waits until it is gone. */
void vmm_helper_end(struct vmm_helper *h);

#endif
