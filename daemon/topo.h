/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What this host offers: its CPUs and memory as far as this process may use them, and how that
 * travels in the member table. The only file of dvm that knows hwloc.
 */
#ifndef DVMD_TOPO_H
#define DVMD_TOPO_H

#include <stddef.h>
#include <stdint.h>

#include "dvm/error.h"
#include "libdvm/base/buf.h"
#include "sched/dsched.h"

#define DVMD_TOPO_BYTES_MAX (DSCHED_TOPO_TEXT_MAX + 64)
#define DVMD_TOPO_HOST_MAX  64

struct dvmd_topo {
	struct dsched_topo cpus; /* allowed ones: cpuset of the control group and CPU affinity */
	uint64_t mem;		 /* bytes jobs may use in all */
};

/*
 * Looks at this host, which takes a few milliseconds. *OUT belongs to the caller. -ENOMEM, -EIO
 * where hwloc fails, or what dvmd_hostmem_read() returns. Call it before other threads start:
 * hwloc is told through the environment to leave its plugins alone, which may load GPU drivers.
 */
int dvmd_topo_discover(struct dvmd_topo *out, dvm_error_t *err);
void dvmd_topo_free(struct dvmd_topo *topo);

/* Appends the bytes for the member table; OUT latches -ENOMEM. */
void dvmd_topo_encode(const struct dvmd_topo *topo, struct dvmi_buf *out);

/*
 * Reads N such bytes, which may come from any peer, into the fresh *OUT. -DVM_EPROTO for anything
 * that does not follow the format, -DVM_EVERSION for a later one, -ENOMEM.
 */
int dvmd_topo_decode(struct dvmd_topo *out, const void *p, size_t n);

/*
 * A text that is the same for all processes on one running kernel and differs between kernels:
 * the boot id, "" where there is none.
 */
void dvmd_topo_host(char out[DVMD_TOPO_HOST_MAX]);

#endif
