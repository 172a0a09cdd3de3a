/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How those who will be a group find each other: short messages in a context that collectives do
 * not use, so a loss among others does not matter. Steps are blocking; a failed one does not keep
 * the next from being taken, since others wait for it. Under the handle's lock.
 */
#ifndef DVMI_SRC_MAKE_H
#define DVMI_SRC_MAKE_H

#include "libdvm/src/group.h"

/* A way to talk within group G, whose messages go to ranks of its dests. */
struct dvmi_make {
	dvm_group_t *g;
	int32_t tag;
};

/* 0 or the error the message ends with; another length than LEN is -DVM_EPROTO. */
int dvmi_make_send(const struct dvmi_make *m, uint32_t dest, const void *buf, size_t len);
int dvmi_make_recv(const struct dvmi_make *m, uint32_t source, void *buf, size_t len);
int dvmi_make_sendrecv(const struct dvmi_make *m, uint32_t other, const void *sbuf, size_t slen,
		       void *rbuf, size_t rlen);

#endif
