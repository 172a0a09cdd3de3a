/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "dvm/error.h"
#include "libdvm/proto/envelope.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[DVMI_ENVELOPE_BYTES];
	struct dvmi_envelope env;

	int rc = dvmi_envelope_decode(data, size, &env);
	FUZZ_CHECK(rc == 0 || rc == -DVM_EPROTO || rc == -DVM_EVERSION);
	if (rc < 0)
		return 0;
	FUZZ_CHECK(size == DVMI_ENVELOPE_BYTES);
	dvmi_envelope_encode(&env, again);
	FUZZ_CHECK(!memcmp(again, data, size));
	return 0;
}
