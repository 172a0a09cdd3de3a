/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "libdvm/base/crc32c.h"
#include "tests/unit/cm.h"

/* The examples of RFC 3720, B.4, and the check value of the CRC catalogue. */
static void known_answers(void **state)
{
	uint8_t b[32];

	assert_int_equal(dvmi_crc32c(0, "123456789", 9), 0xe3069283);
	memset(b, 0, sizeof b);
	assert_int_equal(dvmi_crc32c(0, b, sizeof b), 0x8a9136aa);
	memset(b, 0xff, sizeof b);
	assert_int_equal(dvmi_crc32c(0, b, sizeof b), 0x62a8ab43);
	for (unsigned i = 0; i < sizeof b; i++)
		b[i] = (uint8_t)i;
	assert_int_equal(dvmi_crc32c(0, b, sizeof b), 0x46dd794e);
}

static void pieces_give_the_whole(void **state)
{
	for (size_t cut = 0; cut <= 9; cut++) {
		uint32_t crc = dvmi_crc32c(0, "123456789", cut);
		assert_int_equal(dvmi_crc32c(crc, &"123456789"[cut], 9 - cut), 0xe3069283);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),
		cmocka_unit_test(pieces_give_the_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
