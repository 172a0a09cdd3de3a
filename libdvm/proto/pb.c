/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/proto/envelope.h"
#include "libdvm/proto/pb.h"
#include "libdvm/proto/pb_scan.h"

static int check_message(const ProtobufCMessage *msg, int depth);

static int check_value(const ProtobufCFieldDescriptor *f, const void *v, int depth)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING: {
		const char *s = *(char *const *)v;
		return s && strnlen(s, DVMI_PB_STRING_MAX + 1) > DVMI_PB_STRING_MAX ? -DVM_EPROTO : 0;
	}
	case PROTOBUF_C_TYPE_BYTES:
		return ((const ProtobufCBinaryData *)v)->len > DVMI_PB_BYTES_MAX ? -DVM_EPROTO : 0;
	case PROTOBUF_C_TYPE_ENUM:
		return protobuf_c_enum_descriptor_get_value(f->descriptor, *(const int *)v) ?
			       0 :
			       -DVM_EPROTO;
	case PROTOBUF_C_TYPE_MESSAGE: {
		const ProtobufCMessage *m = *(ProtobufCMessage *const *)v;
		return m ? check_message(m, depth + 1) : 0;
	}
	default:
		return 0;
	}
}

static size_t value_bytes(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_ENUM:
		return sizeof(int);
	default:
		return 0; /* numbers: every value is allowed here */
	}
}

static int check_repeated(const ProtobufCFieldDescriptor *f, const uint8_t *base, int depth)
{
	size_t n = *(const size_t *)(base + f->quantifier_offset), size = value_bytes(f->type);
	const uint8_t *v = *(uint8_t *const *)(base + f->offset);

	if (n > DVMI_PB_COUNT_MAX)
		return -DVM_EPROTO;
	for (size_t i = 0; size && i < n; i++)
		if (check_value(f, v + i * size, depth) < 0)
			return -DVM_EPROTO;
	return 0;
}

static int check_field(const ProtobufCFieldDescriptor *f, const uint8_t *base, int depth)
{
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return check_repeated(f, base, depth);
	if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
	    *(const uint32_t *)(base + f->quantifier_offset) != f->id)
		return 0;
	return check_value(f, base + f->offset, depth);
}

static int check_message(const ProtobufCMessage *msg, int depth)
{
	if (depth > DVMI_PB_DEPTH_MAX)
		return -DVM_EPROTO;
	for (unsigned i = 0; i < msg->descriptor->n_fields; i++)
		if (check_field(&msg->descriptor->fields[i], (const uint8_t *)msg, depth) < 0)
			return -DVM_EPROTO;
	return 0;
}

int dvmi_pb_unpack(const ProtobufCMessageDescriptor *desc, const void *p, size_t n, void *out)
{
	if (n > DVMI_BODY_MAX || dvmi_pb_scan(desc, n ? p : (const uint8_t *)"", n) < 0)
		return -DVM_EPROTO;
	ProtobufCMessage *msg = protobuf_c_message_unpack(desc, NULL, n, p);
	if (!msg)
		return -DVM_EPROTO;
	if (check_message(msg, 0) < 0) {
		protobuf_c_message_free_unpacked(msg, NULL);
		return -DVM_EPROTO;
	}
	*(ProtobufCMessage **)out = msg;
	return 0;
}

void dvmi_pb_pack(struct dvmi_buf *b, const void *msg)
{
	uint8_t *p = dvmi_buf_extend(b, protobuf_c_message_get_packed_size(msg));

	if (p)
		protobuf_c_message_pack(msg, p);
}

void *dvmi_pb_dup(const void *msg)
{
	struct dvmi_buf b = { 0 };
	void *copy = NULL;

	dvmi_pb_pack(&b, msg);
	if (!b.err)
		copy = protobuf_c_message_unpack(((const ProtobufCMessage *)msg)->descriptor, NULL,
						 b.len, b.data);
	dvmi_buf_free(&b);
	return copy;
}

void dvmi_pb_free(void *msg)
{
	if (msg)
		protobuf_c_message_free_unpacked(msg, NULL);
}
