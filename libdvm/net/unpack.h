/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets out of a stream of bytes: struct dvmi_wire_frame and payload, one after the other, cut
 * anywhere. Pure: no sockets. The stream is a peer's, so whatever it holds is checked.
 *
 * A DATA packet is handed on in as many pieces as it comes in, so that its bytes need not be
 * gathered; every other packet is handed on whole.
 */
#ifndef DVMI_NET_UNPACK_H
#define DVMI_NET_UNPACK_H

#include <stdbool.h>

#include "libdvm/net/tport.h"
#include "libdvm/net/wire.h"

struct dvmi_unpack {
	uint32_t src;
	const struct dvmi_wire_limits *limits; /* must outlive it, as must the sink */
	const struct dvmi_sink *sink;
	uint8_t *rest; /* what is not handed on yet: an incomplete packet, or all since stuck */
	size_t len, room;
	struct dvmi_pkt data; /* the DATA packet under way: data.len bytes are to come */
	bool stuck;	      /* the sink could not take a packet: nothing is to be fed */
};

/* Frees what it holds. */
void dvmi_unpack_fini(struct dvmi_unpack *u);

/*
 * Takes N bytes. 0, -DVM_EPROTO (the stream makes no sense from here on), -ENOMEM (likewise lost).
 * Not while stuck.
 */
int dvmi_unpack_feed(struct dvmi_unpack *u, const void *bytes, size_t n);
/* Offers again what the sink could not take. As above. */
int dvmi_unpack_retry(struct dvmi_unpack *u);

/*
 * Where the next bytes of the stream may be read to directly: room for *N of them, or NULL. Valid
 * until the next call of anything; then, after N' bytes were read there, dvmi_unpack_placed().
 */
void *dvmi_unpack_place(struct dvmi_unpack *u, size_t *n);
void dvmi_unpack_placed(struct dvmi_unpack *u, const void *at, size_t n);

#endif
