/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the blocks of a disk are: a file, a file with a layer above it that is forgotten, or
 * somebody who understands another format.
 *
 * Calls block, and come from several threads at once. Offsets and lengths are within the size and
 * multiples of 512. All return 0 or -E…; what cannot be done returns -EOPNOTSUPP.
 */
#ifndef VMM_DISK_H
#define VMM_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "dvm/error.h"

struct vmm_disk;
struct vmm_disk_config; /* vmm.h */

struct vmm_disk_ops {
	int (*read)(struct vmm_disk *d, uint64_t at, struct iovec *iov, unsigned n);
	int (*write)(struct vmm_disk *d, uint64_t at, struct iovec *iov, unsigned n);
	/* What has been written before survives whatever happens to us and to the host. */
	int (*flush)(struct vmm_disk *d);
	int (*discard)(struct vmm_disk *d, uint64_t at, uint64_t len);
	int (*zero)(struct vmm_disk *d, uint64_t at, uint64_t len, bool unmap);
	void (*close)(struct vmm_disk *d); /* frees D */
};

struct vmm_disk {
	const struct vmm_disk_ops *ops;
	uint64_t size;
	bool ro;
};

/* A file or a block device. It is locked: two guests cannot write to one. */
int vmm_disk_open_raw(struct vmm_disk **out, const char *path, bool ro, dvm_error_t *err);

/* Writes go to a file without a name and are forgotten. Takes BASE, also on failure. */
int vmm_disk_open_snapshot(struct vmm_disk **out, struct vmm_disk *base, dvm_error_t *err);

/*
 * Through qemu-storage-daemon, which is started and ends with us; -ENOTSUP if not built in. -EPERM: the
 * image wants other files than C says.
 */
int vmm_disk_open_qcow2(struct vmm_disk **out, const struct vmm_disk_config *c, bool ro,
			dvm_error_t *err);

#endif
