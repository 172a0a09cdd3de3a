/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdbool.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/proto/pb.h"
#include "libdvm/proto/pb_scan.h"

#define FIELDS_MAX  128 /* of one message type; more are only bounded by their cost */
#define FIELD_COST  64	/* what the decoder keeps for any field, an unknown one included */
#define VARINT_MAX  10
#define VARINT_COST 8 /* at most, of an element that takes one byte packed */

enum wire { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

struct scan {
	const uint8_t *p, *end;
	size_t cost; /* bytes, about, that the decoded message will take */
};

struct field {
	const ProtobufCFieldDescriptor *desc; /* NULL: not one that we know */
	enum wire wire;
	const uint8_t *p; /* of LENGTH */
	size_t n;
};

static bool get_varint(struct scan *s, uint64_t *out)
{
	uint64_t v = 0;

	for (int i = 0; i < VARINT_MAX && s->p < s->end; i++) {
		uint8_t b = *s->p++;
		v |= (uint64_t)(b & 0x7f) << (7 * i);
		if (!(b & 0x80)) {
			*out = v;
			return true;
		}
	}
	return false;
}

static bool skip(struct scan *s, uint64_t n)
{
	if (n > (size_t)(s->end - s->p))
		return false;
	s->p += n;
	return true;
}

static bool skip_value(struct scan *s, struct field *f)
{
	uint64_t v;

	switch (f->wire) {
	case VARINT:
		return get_varint(s, &v);
	case FIXED64:
		return skip(s, 8);
	case FIXED32:
		return skip(s, 4);
	case LENGTH:
		if (!get_varint(s, &v))
			return false;
		f->p = s->p;
		f->n = v;
		return skip(s, v);
	}
	return false; /* groups, and numbers without a meaning */
}

static bool get_field(struct scan *s, const ProtobufCMessageDescriptor *desc, struct field *f)
{
	uint64_t tag;

	if (!get_varint(s, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
		return false;
	f->desc = protobuf_c_message_descriptor_get_field(desc, (unsigned)(tag >> 3));
	f->wire = tag & 7;
	return skip_value(s, f);
}

static int scan_message(struct scan *s, const ProtobufCMessageDescriptor *desc, int depth);

static int scan_nested(struct scan *s, const struct field *f, int depth)
{
	struct scan inner = { .p = f->p, .end = f->p + f->n, .cost = s->cost };
	int rc = scan_message(&inner, f->desc->descriptor, depth + 1);

	s->cost = inner.cost;
	return rc;
}

static bool is_nested(const struct field *f)
{
	return f->desc && f->desc->type == PROTOBUF_C_TYPE_MESSAGE;
}

/* What a field with a length holds. */
static int scan_content(struct scan *s, const struct field *f, int depth)
{
	switch (f->desc->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		return scan_nested(s, f, depth);
	case PROTOBUF_C_TYPE_STRING:
		/* A NUL would cut it where the sender did not. */
		return f->n > DVMI_PB_STRING_MAX || memchr(f->p, 0, f->n) ? -DVM_EPROTO : 0;
	case PROTOBUF_C_TYPE_BYTES:
		return f->n > DVMI_PB_BYTES_MAX ? -DVM_EPROTO : 0;
	default: /* packed numbers */
		s->cost += f->n * VARINT_COST;
		return 0;
	}
}

/* Notes that F has been there; false when it may be only once. */
static bool first_time(const ProtobufCMessageDescriptor *desc, const struct field *f,
		       uint64_t seen[FIELDS_MAX / 64])
{
	size_t i = (size_t)(f->desc - desc->fields);

	if (f->desc->label == PROTOBUF_C_LABEL_REPEATED || i >= FIELDS_MAX)
		return true;
	uint64_t bit = UINT64_C(1) << (i % 64);
	bool first = !(seen[i / 64] & bit);
	seen[i / 64] |= bit;
	return first;
}

static int scan_message(struct scan *s, const ProtobufCMessageDescriptor *desc, int depth)
{
	uint64_t seen[FIELDS_MAX / 64] = { 0 };
	struct field f = { 0 };

	if (depth > DVMI_PB_DEPTH_MAX)
		return -DVM_EPROTO;
	s->cost += desc->sizeof_message;
	while (s->p < s->end) {
		if (!get_field(s, desc, &f))
			return -DVM_EPROTO;
		s->cost += FIELD_COST + (f.wire == LENGTH && !is_nested(&f) ? f.n : 0);
		if (f.desc && !first_time(desc, &f, seen))
			return -DVM_EPROTO;
		if (f.desc && f.wire == LENGTH && scan_content(s, &f, depth) < 0)
			return -DVM_EPROTO;
		if (s->cost > DVMI_PB_COST_MAX)
			return -DVM_EPROTO;
	}
	return 0;
}

int dvmi_pb_scan(const ProtobufCMessageDescriptor *desc, const uint8_t *p, size_t n)
{
	struct scan s = { .p = p, .end = p + n };

	return scan_message(&s, desc, 0);
}
