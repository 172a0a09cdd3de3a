/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protobuf messages: the one door through which bodies come in and go out.
 *
 * Generated structs (prefix Pb__) are used above this layer as what they are, plain C structs;
 * what a struct of our own beside each of them would add, the certainty that it was checked, is
 * given here instead, for all of them alike, by walking the descriptor: sizes, counts, nesting
 * and enum values are bounded before anybody sees the message. What is not bounded is meaning: a
 * nested message may be missing (NULL), and any number may have any value.
 */
#ifndef DVMI_PROTO_PB_H
#define DVMI_PROTO_PB_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include "libdvm/base/buf.h"

#include "dvm_client.pb-c.h"
#include "dvm_common.pb-c.h"
#include "dvm_job.pb-c.h"
#include "dvm_pmix.pb-c.h"
#include "dvm_state.pb-c.h"

#define DVMI_PB_STRING_MAX (128u << 10) /* the kernel's own limit for one argument */
#define DVMI_PB_BYTES_MAX  (8u << 20)
#define DVMI_PB_COUNT_MAX  (1u << 20)
#define DVMI_PB_DEPTH_MAX  8
#define DVMI_PB_COST_MAX   (128u << 20) /* bytes that a decoded message may take, about */

/*
 * Decodes N bytes as a message of DESC. 0 and the message in *out, which the caller frees with
 * dvmi_pb_free(); -DVM_EPROTO for what is not one or breaks a bound; -ENOMEM.
 */
int dvmi_pb_unpack(const ProtobufCMessageDescriptor *desc, const void *p, size_t n, void *out);

/* Appends MSG to B (errors latch in B). */
void dvmi_pb_pack(struct dvmi_buf *b, const void *msg);

/* A deep copy, through the wire format; NULL when out of memory. */
void *dvmi_pb_dup(const void *msg);

/* Frees what unpack and dup made; NULL is allowed. */
void dvmi_pb_free(void *msg);

static inline void dvmi_cleanup_pbp(void *p)
{
	dvmi_pb_free(*(void **)p);
}

#define cleanup_pb __attribute__((cleanup(dvmi_cleanup_pbp)))

#endif
