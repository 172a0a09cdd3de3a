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
#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

struct vmm_helper {
	pid_t keeper; /* 0: there is none */
	int line;     /* open as long as the program is wanted */
};

/* The first of those descriptors of a program that are its files. */
#define VMM_HELPER_FILES     4
#define VMM_HELPER_FILES_MAX 12u

struct vmm_helper_program {
	const char *const *argv; /* NULL-terminated, found as execvp() does */
	int fd;			 /* is its descriptor 3 */
	const int *files;	 /* and these are its next; nothing else is open */
	unsigned n_files;
	int messages;		 /* a file for what it says on standard error */
	/* In its process, before it begins: 0, or -E…, and then it does not. May be NULL. */
	int (*prepare)(const void *arg);
	const void *arg;
};

int vmm_helper_start(struct vmm_helper *h, const struct vmm_helper_program *p);

/* Whether a program of that name is in $PATH: one that is not fails where nobody sees it. */
bool vmm_helper_found(const char *name);
/* The same, and where. */
bool vmm_helper_find(const char *name, char *full, size_t size);

/*
 * A socket that listens in a directory of our own, for a program that wants one: an abstract name
 * would be open to every user of the host. Once all are connected, the place can go.
 */
struct vmm_helper_place {
	char dir[64];
	struct sockaddr_un address;
};

int vmm_helper_listen(struct vmm_helper_place *p, int backlog); /* a descriptor, or -E… */
int vmm_helper_connect(const struct vmm_helper_place *p);	/* the same */
void vmm_helper_leave(const struct vmm_helper_place *p);

/* What the program NAME has said in MESSAGES: its first line, without its name; or "". */
void vmm_helper_said(int messages, const char *name, char *text, size_t size);

/* Ends it by SIGTERM, after some seconds by SIGKILL, and waits until it is gone. */
void vmm_helper_end(struct vmm_helper *h);

#endif
