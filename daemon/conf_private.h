/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of conf share, and the pure part of choosing an address (for tests). */
#ifndef DVMD_CONF_PRIVATE_H
#define DVMD_CONF_PRIVATE_H

#include <net/if.h>
#include <stddef.h>

#include "daemon/conf.h"

/* In the order of dvmd_conf_keys[]. */
enum {
	KEY_MACHINE,
	KEY_NAME,
	KEY_INTERFACE,
	KEY_PORT,
	KEY_PORT_RANGE,
	KEY_SLOTS,
	KEY_MEMORY,
	KEY_FAILURE_TIMEOUT,
	KEY_KILL_GRACE,
	KEY_LAUNCH_TIMEOUT,
	KEY_JOB_LOG_MAX,
	KEY_LOG_LEVEL,
	KEY_RUN_DIR,
	KEY_STATE_DIR,
	KEY_GRES,
	KEY_KVM_DEVICE,
	KEY_QUEUE_POLICY,
	KEY_QUEUE_DEPTH,
	KEY_QUEUE_WEIGHTS,
	KEY_QUEUE_HALF_LIFE,
	KEY_QUEUE_SHARES,
	KEY_QUEUE_PREEMPT,
	KEY_QUEUE_TIERS,
	KEY_QUEUE_GRACE,
	DVMD_CONF_KEYS,
};

extern const char *const dvmd_conf_keys[DVMD_CONF_KEYS];

/* The number of the key that is called like the first N bytes of NAME, or -1. */
int dvmd_conf_find_key(const char *name, size_t n);

/* conf_queue.c: each takes a value as text. */
typedef int dvmd_conf_set_fn(struct dvmd_conf *c, const char *value, dvm_error_t *err);
dvmd_conf_set_fn dvmd_conf_set_gres, dvmd_conf_set_policy, dvmd_conf_set_depth, dvmd_conf_set_weights,
	dvmd_conf_set_half_life, dvmd_conf_set_shares, dvmd_conf_set_preempt, dvmd_conf_set_tiers,
	dvmd_conf_set_grace;

/* A deep copy over an uninitialised *to. -ENOMEM. */
int dvmd_conf_copy(struct dvmd_conf *to, const struct dvmd_conf *from);

/* One address of this host. */
struct dvmd_ifaddr {
	char name[IF_NAMESIZE];
	int family;	  /* AF_INET, AF_INET6 */
	uint8_t addr[16]; /* network order; 4 or 16 bytes of it */
};

/* dvmd_conf_address() over a given list. */
int dvmd_conf_pick(const struct dvmd_ifaddr *v, size_t n, const char *interface,
		   char out[INET6_ADDRSTRLEN], dvm_error_t *err);

/* dvmd_conf_load() of text; PATH is for messages. */
int dvmd_conf_parse(struct dvmd_conf *c, const char *path, const char *text, size_t n,
		    dvm_error_t *err);

#endif
