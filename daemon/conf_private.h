/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of conf share, and the pure part of choosing an address (for tests). */
#ifndef DVMD_CONF_PRIVATE_H
#define DVMD_CONF_PRIVATE_H

#include <net/if.h>
#include <stddef.h>

#include "daemon/conf.h"

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
