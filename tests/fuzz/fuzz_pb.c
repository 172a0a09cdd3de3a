/* SPDX-License-Identifier: BSD-3-Clause */
/* The input as a message of every type: what is accepted must pack to the same bytes twice. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/pb_gen.h"

static void check_stable(const ProtobufCMessageDescriptor *desc, ProtobufCMessage *msg)
{
	struct dvmi_buf first = { 0 }, second = { 0 };
	ProtobufCMessage *again = NULL;

	dvmi_pb_pack(&first, msg);
	FUZZ_CHECK(dvmi_pb_unpack(desc, first.data, first.len, &again) == 0);
	dvmi_pb_pack(&second, again);
	FUZZ_CHECK(first.len == second.len);
	FUZZ_CHECK(first.len == 0 || !memcmp(first.data, second.data, first.len));
	dvmi_pb_free(again);
	dvmi_buf_free(&first);
	dvmi_buf_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n;
	const ProtobufCMessageDescriptor *const *types = pb_types(&n);

	for (size_t i = 0; i < n; i++) {
		ProtobufCMessage *msg = NULL;
		if (dvmi_pb_unpack(types[i], data, size, &msg) < 0) {
			FUZZ_CHECK(!msg);
			continue;
		}
		check_stable(types[i], msg);
		dvmi_pb_free(msg);
	}
	return 0;
}
