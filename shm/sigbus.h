/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faults handled by the thread that has them: a SIGBUS handler for the whole process, which serves
 * the segments that want it and hands everything else on to the handler that was there before.
 */
#ifndef SHM_SIGBUS_H
#define SHM_SIGBUS_H

struct dsm_seg;

#define DSM_SIGBUS_MAX 64 /* segments of a process */

/* Both with the lock of the segment's node. 0; -ENOSPC, -E…. Removing one that is not there is
 * harmless. */
int dsm_sigbus_add(struct dsm_seg *s);
void dsm_sigbus_remove(struct dsm_seg *s);

#endif
