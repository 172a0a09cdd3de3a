/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages to whoever takes them: a table of what is understood, each type with its body's
 * descriptor and its handler.
 *
 *	static const struct dvmi_taker takers[] = {
 *		DVMI_TAKES(DVMI_MSG_STDIN, stdin, take_stdin),
 *	};
 *
 * where take_stdin(struct ctx *c, const Pb__Stdin *msg). The handler borrows the message.
 */
#ifndef DVMI_PROTO_DISPATCH_H
#define DVMI_PROTO_DISPATCH_H

#include <stddef.h>
#include <stdint.h>

#include "libdvm/proto/pb.h"

struct dvmi_taker {
	uint16_t type;
	const ProtobufCMessageDescriptor *desc;
	void (*take)(void *ctx, const void *msg);
};

/* Casting the handler is safe: it is called with a message of its own descriptor only. */
#define DVMI_TAKES(type, name, fn)                                                                 \
	{                                                                                          \
		type, &pb__##name##__descriptor, (void (*)(void *, const void *))(fn)              \
	}

/*
 * Decodes BODY as the one of N TAKERS with this TYPE says, and hands it over with CTX. 1 when it
 * was taken, 0 when nobody takes this type, -DVM_EPROTO or -ENOMEM when it cannot be decoded.
 */
int dvmi_dispatch(const struct dvmi_taker *takers, size_t n, uint16_t type, const uint8_t *body,
		  size_t len, void *ctx);

#endif
