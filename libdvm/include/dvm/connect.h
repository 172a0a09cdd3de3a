/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm: intergroups between jobs.
 *
 * Two jobs of one user on one machine meet under the name of a service: a group of one accepts, a
 * group of the other connects, and all members of both have an intergroup then (dvm/group.h).
 * A spawned job meets its parent in the same way, without a name. Messages go over TCP, also
 * between processes of one node.
 *
 * Messages in all modes and the barrier work in such an intergroup; dvm_intergroup_merge() makes an
 * ordinary group of it, whose collectives work, too. Active messages, windows, agreements, and
 * other groups made of these are among ranks of one job: -ENOTSUP. A rank of the other job that
 * closes or dies is reported as any other.
 *
 * All calls here are collective over the group. What names the other side counts at ROOT only; its
 * error is everybody's. They return 0; -EINVAL; -ENOTSUP (an intergroup, or a group with members of
 * another job); -ENOTCONN (no machine); -ETIMEDOUT; -ENOSPC (a rank can know 65536 of other jobs in
 * its life); -ENOMEM; -DVM_EPEERLOST, -DVM_ECLOSED (somebody was lost on the way); -DVM_EPROTO; and
 * what dvm/dynamic.h says of names and of spawning. On failure *OUT is untouched.
 *
 * Threads: see dvm/dvm.h, as for calls that make groups.
 */
#ifndef DVM_CONNECT_H
#define DVM_CONNECT_H

#include "dvm/dynamic.h"
#include "dvm/group.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Publishes SERVICE (see dvm_name_publish()) and waits at most TIMEOUT_MS (-1: for ever) for one
 * dvm_connect(); then takes the name back. ERR may be NULL; it is set at ROOT.
 */
DVM_PUBLIC int dvm_accept(dvm_group_t *g, int root, const char *service, int timeout_ms,
			  dvm_group_t **out, dvm_error_t *err);

/* Looks SERVICE up, waiting for it at most TIMEOUT_MS (0 … 60000), and connects to who accepts. */
DVM_PUBLIC int dvm_connect(dvm_group_t *g, int root, const char *service, uint32_t timeout_ms,
			   dvm_group_t **out, dvm_error_t *err);

/*
 * Spawns a job as dvm_job_spawn() does with CONFIG, and waits at most 60 s until all its ranks have
 * called dvm_parent(). Its world is the other side of *OUT. A child that does not call in that time
 * is ended: -ETIMEDOUT. Where its rank 0 has ended without calling, there is nothing to wait for:
 * -DVM_EPEERLOST, and what is left of the child is ended.
 */
DVM_PUBLIC int dvm_spawn(dvm_group_t *g, int root, const dvm_spawn_config_t *config,
			 dvm_group_t **out, dvm_error_t *err);

/*
 * The intergroup of this job, which was spawned by dvm_spawn(), and its parent. Collective over the
 * world, once. -ENOENT: this job was not spawned so.
 */
DVM_PUBLIC int dvm_parent(dvm_t *d, dvm_group_t **out, dvm_error_t *err);

/*
 * Ends G, a group with members of another job, after a barrier of both sides, so what had been
 * sent and received is done. Other groups of the same two sides keep the connection. Returns what
 * the barrier returns; G is gone in every case but -EINVAL and -EBUSY (see dvm_group_free()).
 */
DVM_PUBLIC int dvm_disconnect(dvm_group_t *g);

#ifdef __cplusplus
}
#endif

#endif
