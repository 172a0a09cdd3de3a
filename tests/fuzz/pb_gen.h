/* SPDX-License-Identifier: BSD-3-Clause */
/* Every message type there is, and random packed messages of any of them. */
#ifndef TESTS_FUZZ_PB_GEN_H
#define TESTS_FUZZ_PB_GEN_H

#include "libdvm/base/buf.h"
#include "libdvm/base/rng.h"
#include "libdvm/proto/pb.h"

/* The types, found in the generated headers when this is built; N becomes their number. */
const ProtobufCMessageDescriptor *const *pb_types(size_t *n);

/* Appends to B a message of DESC that must be accepted: fields present or not, random values. */
void pb_generate(struct dvmi_buf *b, const ProtobufCMessageDescriptor *desc, struct dvmi_rng *rng);

/* A tag and, where WIRE is 2, a length. */
void pb_put_varint(struct dvmi_buf *b, uint64_t v);
void pb_put_tag(struct dvmi_buf *b, uint32_t field, int wire);

#endif
