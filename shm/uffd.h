/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * userfaultfd: what this kernel has of it, and its calls. Constants that are newer than the
 * system's header are ours; whether the kernel knows them is found out by trying.
 */
#ifndef SHM_UFFD_H
#define SHM_UFFD_H

#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dsm_uffd {
	int fd;	     /* -1: none */
	bool minor;  /* a page that lies there is mapped, also read only: from Linux 6.4 on */
	bool poison; /* a page can be made to fail: from Linux 6.6 on */
	bool own;    /* faults are signals to the thread that has them */
};

/*
 * Opens one for this process; OPEN_DEV, which may be NULL, gives a descriptor of /dev/userfaultfd
 * where we may not have one ourselves. SIGNALS: faults become SIGBUS. $DVM_SHM_UFFD=missing does
 * without what Linux 6.1 lacks. 0; -EPERM, -ENOTSUP, -E….
 */
int dsm_uffd_open(struct dsm_uffd *u, bool signals, int (*open_dev)(void *arg), void *arg);
void dsm_uffd_close(struct dsm_uffd *u);

int dsm_uffd_register(const struct dsm_uffd *u, void *at, size_t len);
int dsm_uffd_unregister(const struct dsm_uffd *u, void *at, size_t len);
/* Maps what lies in the file; *DONE bytes were, also on failure. -EEXIST: something is mapped. */
int dsm_uffd_continue(const struct dsm_uffd *u, void *at, size_t len, bool write, size_t *done);
/* Puts a copy of FROM there and maps it. */
int dsm_uffd_copy(const struct dsm_uffd *u, void *at, const void *from, size_t len, bool write,
		  size_t *done);
/* Takes away, or gives, the right to write. Giving wakes. */
int dsm_uffd_protect(const struct dsm_uffd *u, void *at, size_t len, bool on);
int dsm_uffd_wake(const struct dsm_uffd *u, void *at, size_t len);
int dsm_uffd_poison(const struct dsm_uffd *u, void *at, size_t len);

/* A fault. */
struct dsm_uffd_fault {
	uintptr_t at;
	bool write;
	bool mapped; /* something is: only the right to write is missing */
	int thread;  /* that has it, as gettid() names it */
};

/* Faults that wait, MAX at most; their number, 0 when there are none. */
int dsm_uffd_read(const struct dsm_uffd *u, struct dsm_uffd_fault *out, int max);

#endif
