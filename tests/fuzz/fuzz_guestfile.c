/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guest.yaml from anywhere. Input: the file. Whatever it is, it becomes pairs of strings with their
 * ends, of which the first is never empty, or is refused with a reason.
 */
#include <string.h>

#include "daemon/guestfile.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dvmi_buf out = { 0 };
	dvm_error_t err = { 0 };
	char *copy = malloc(size + 1);

	FUZZ_CHECK(copy);
	memcpy(copy, data, size);
	copy[size] = 0;
	int rc = dvmd_guestfile_parse("guest.yaml", copy, size, &out, &err);
	FUZZ_CHECK(rc <= 0 && (rc == 0) == (err.text[0] == 0));
	for (size_t at = 0; rc == 0 && at < out.len;) {
		for (int i = 0; i < 2; i++) {
			const uint8_t *end = memchr(out.data + at, 0, out.len - at);
			FUZZ_CHECK(end && (i || end > out.data + at));
			at = (size_t)(end - out.data) + 1;
		}
	}
	dvmi_buf_free(&out);
	free(copy);
	return 0;
}
