/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The envelope: a fixed 24-byte header in front of every control message, between nodes (as a
 * ZeroMQ part of its own) and on local sockets (behind a length). Little-endian.
 *
 * The layout of the first six bytes never changes, so that two releases can always tell each
 * other which versions they speak; a message of a version we do not know is refused before its
 * body is looked at. The wire number is not the release number: N talks to N - 1.
 */
#ifndef DVMI_PROTO_ENVELOPE_H
#define DVMI_PROTO_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#define DVMI_ENVELOPE_BYTES   24
#define DVMI_ENVELOPE_MAGIC   UINT32_C(0x316d7664) /* "dvm1" */
#define DVMI_ENVELOPE_VERSION 1			   /* what we send */
#define DVMI_ENVELOPE_OLDEST  1			   /* what we still read */

/* Bytes of body above which a control message is refused. */
#define DVMI_BODY_MAX (16u << 20)

enum dvmi_envelope_flag {
	DVMI_FLAG_REPLY = 1 << 0, /* answers the request with the same id */
	DVMI_FLAG_MORE = 1 << 1,  /* further replies to this request follow */
	DVMI_FLAG_ALL = DVMI_FLAG_REPLY | DVMI_FLAG_MORE,
};

struct dvmi_envelope {
	uint8_t version; /* of this message */
	uint8_t highest; /* that the sender speaks */
	uint16_t type;	 /* enum dvmi_msg_type */
	uint32_t flags;
	uint32_t request; /* 0: no answer is expected */
	uint64_t view;	  /* index of the last log entry the sender has applied */
};

void dvmi_envelope_encode(const struct dvmi_envelope *env, uint8_t out[DVMI_ENVELOPE_BYTES]);

/*
 * Reads a header of LEN bytes. 0; -DVM_EPROTO for a wrong size, magic or unknown flag;
 * -DVM_EVERSION (version and highest are then filled in) for a version we cannot read, whose
 * header may have another size.
 */
int dvmi_envelope_decode(const uint8_t *p, size_t len, struct dvmi_envelope *env);

#endif
