/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm: groups, ordered sets of ranks that exchange messages apart from all other sets.
 *
 * Every handle has one group from the start, dvm_world(). Messages within a group are in
 * dvm/msg.h, its collective operations in dvm/coll.h.
 */
#ifndef DVM_GROUP_H
#define DVM_GROUP_H

#include "dvm/dvm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* This rank within G, or -EINVAL where G is NULL. Any thread. */
DVM_PUBLIC int dvm_group_rank(const dvm_group_t *g);

/* Ranks in G, or -EINVAL. Any thread. */
DVM_PUBLIC int dvm_group_size(const dvm_group_t *g);

#ifdef __cplusplus
}
#endif

#endif
