/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdbool.h>

#include "tests/fuzz/pb_gen.h"

#define X(name) &name,
static const ProtobufCMessageDescriptor *const types[] = {
#include "tests/fuzz/pb_types.inc"
};

const ProtobufCMessageDescriptor *const *pb_types(size_t *n)
{
	*n = sizeof types / sizeof *types;
	return types;
}

void pb_put_varint(struct dvmi_buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		dvmi_buf_put_u8(b, (uint8_t)(v | 0x80));
	dvmi_buf_put_u8(b, (uint8_t)v);
}

void pb_put_tag(struct dvmi_buf *b, uint32_t field, int wire)
{
	pb_put_varint(b, (uint64_t)field << 3 | (unsigned)wire);
}

/* Small, large and in between, all alike likely. */
static uint64_t random_number(struct dvmi_rng *rng)
{
	return dvmi_rng_next(rng) >> dvmi_rng_below(rng, 64);
}

static void put_bytes(struct dvmi_buf *b, struct dvmi_rng *rng, bool text)
{
	size_t n = dvmi_rng_below(rng, 20);

	pb_put_varint(b, n);
	for (size_t i = 0; i < n; i++)
		dvmi_buf_put_u8(
			b, (uint8_t)(text ? 'a' + dvmi_rng_below(rng, 26) : dvmi_rng_next(rng)));
}

static void put_nested(struct dvmi_buf *b, const ProtobufCMessageDescriptor *desc,
		       struct dvmi_rng *rng)
{
	struct dvmi_buf inner = { 0 };

	pb_generate(&inner, desc, rng);
	pb_put_varint(b, inner.len);
	dvmi_buf_put(b, inner.data, inner.len);
	dvmi_buf_free(&inner);
}

static void put_enum(struct dvmi_buf *b, const ProtobufCEnumDescriptor *desc, struct dvmi_rng *rng)
{
	pb_put_varint(b, (uint64_t)desc->values[dvmi_rng_below(rng, desc->n_values)].value);
}

static void put_value(struct dvmi_buf *b, const ProtobufCFieldDescriptor *f, struct dvmi_rng *rng)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
		pb_put_tag(b, f->id, 2);
		put_bytes(b, rng, f->type == PROTOBUF_C_TYPE_STRING);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		pb_put_tag(b, f->id, 2);
		put_nested(b, f->descriptor, rng);
		break;
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		pb_put_tag(b, f->id, 5);
		dvmi_buf_put_u32(b, (uint32_t)dvmi_rng_next(rng));
		break;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		pb_put_tag(b, f->id, 1);
		dvmi_buf_put_u64(b, dvmi_rng_next(rng));
		break;
	case PROTOBUF_C_TYPE_ENUM:
		pb_put_tag(b, f->id, 0);
		put_enum(b, f->descriptor, rng);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		pb_put_tag(b, f->id, 0);
		pb_put_varint(b, dvmi_rng_below(rng, 2));
		break;
	default:
		pb_put_tag(b, f->id, 0);
		pb_put_varint(b, random_number(rng));
	}
}

void pb_generate(struct dvmi_buf *b, const ProtobufCMessageDescriptor *desc, struct dvmi_rng *rng)
{
	for (unsigned i = 0; i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &desc->fields[i];
		uint64_t n = dvmi_rng_below(rng, f->label == PROTOBUF_C_LABEL_REPEATED ? 4 : 2);
		while (n--)
			put_value(b, f, rng);
	}
}
