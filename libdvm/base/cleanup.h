/* SPDX-License-Identifier: BSD-3-Clause */
/* Scope-owned temporaries: `cleanup_fd int fd = …;` is closed wherever the scope is left. */
#ifndef DVMI_BASE_CLEANUP_H
#define DVMI_BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void dvmi_cleanup_freep(void *p)
{
	free(*(void **)p);
}

static inline void dvmi_cleanup_fdp(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;
		close(*fd);
		errno = saved;
	}
}

static inline void dvmi_cleanup_filep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void dvmi_cleanup_dirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define cleanup_free __attribute__((cleanup(dvmi_cleanup_freep)))
#define cleanup_fd   __attribute__((cleanup(dvmi_cleanup_fdp)))
#define cleanup_file __attribute__((cleanup(dvmi_cleanup_filep)))
#define cleanup_dir  __attribute__((cleanup(dvmi_cleanup_dirp)))

/* Hands a scope-owned pointer or descriptor to the caller. */
#define take_ptr(p)                                                                                \
	({                                                                                         \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})
#define take_fd(fd)                                                                                \
	({                                                                                         \
		int taken_ = (fd);                                                                 \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	})

#endif
