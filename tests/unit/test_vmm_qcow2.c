/* SPDX-License-Identifier: BSD-3-Clause */
/* What is taken from the header of an image, whole, cut and made up. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kvm-node/qcow2.h"
#include "libdvm/base/rng.h"
#include "tests/unit/cm.h"

enum { SIZE = 512 };

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* A header of this version, with the extension TYPE behind it. */
static void make(uint8_t p[SIZE], uint32_t version, uint32_t type, const char *value)
{
	size_t end = version == 2 ? 72 : 104;

	memset(p, 0, SIZE);
	put32(p, 0x514649fb);
	put32(p + 4, version);
	if (version == 3)
		put32(p + 100, 104);
	/* One that is of no interest, of a length that is padded. */
	put32(p + end, 0x11111111);
	put32(p + end + 4, 3);
	put32(p + end + 16, type);
	put32(p + end + 20, (uint32_t)strlen(value));
	memcpy(p + end + 24, value, strlen(value));
}

static int below(const uint8_t *p, size_t n)
{
	struct vmm_qcow2 q;
	int rc = vmm_qcow2_look(&q, p, n);

	return rc < 0 ? rc : (int)q.below;
}

static void the_format_below_is_read(void **state)
{
	static const struct {
		const char *value;
		int below;
	} rows[] = {
		{ "raw", VMM_QCOW2_ON_RAW },	 { "qcow2", VMM_QCOW2_ON_QCOW2 },
		{ "vmdk", VMM_QCOW2_ON_OTHER }, { "qcow", VMM_QCOW2_ON_OTHER },
		{ "", VMM_QCOW2_ON_OTHER },	 { "qcow22", VMM_QCOW2_ON_OTHER },
	};
	uint8_t p[SIZE];

	for (uint32_t version = 2; version <= 3; version++)
		for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
			make(p, version, 0xe2792aca, rows[i].value);
			assert_int_equal(below(p, SIZE), VMM_QCOW2_ALONE);
			put32(p + 8, 1); /* far behind the file's end: not our matter */
			assert_int_equal(below(p, SIZE), rows[i].below);
		}
	make(p, 3, 0x22222222, "raw");
	put32(p + 12, 400);
	assert_int_equal(below(p, SIZE), VMM_QCOW2_ON_OTHER);
}

static void data_elsewhere_are_seen(void **state)
{
	struct vmm_qcow2 q;
	uint8_t p[SIZE];

	make(p, 3, 0, "");
	assert_int_equal(vmm_qcow2_look(&q, p, SIZE), 0);
	assert_false(q.external);
	p[79] = 4;
	assert_int_equal(vmm_qcow2_look(&q, p, SIZE), 0);
	assert_true(q.external);
	p[79] = 0xfb; /* all but that */
	assert_int_equal(vmm_qcow2_look(&q, p, SIZE), 0);
	assert_false(q.external);
	make(p, 2, 0, ""); /* there, nothing of it is there */
	p[79] = 4;
	assert_int_equal(vmm_qcow2_look(&q, p, SIZE), 0);
	assert_false(q.external);
}

static void what_is_no_image_is_refused(void **state)
{
	uint8_t p[SIZE];

	make(p, 3, 0, "");
	put32(p + 4, 1);
	assert_int_equal(below(p, SIZE), -EINVAL);
	put32(p + 4, 4);
	assert_int_equal(below(p, SIZE), -EINVAL);
	make(p, 3, 0, "");
	put32(p + 100, 103);
	assert_int_equal(below(p, SIZE), -EINVAL);
	put32(p + 100, SIZE + 1);
	assert_int_equal(below(p, SIZE), -EINVAL);
	make(p, 3, 0, "");
	p[3] = 0;
	assert_int_equal(below(p, SIZE), -EINVAL);
}

/* Each length has a block of its own: who reads beyond it is found out by the sanitizer. */
static void cut_headers_are_no_trouble(void **state)
{
	uint8_t p[SIZE];

	make(p, 3, 0xe2792aca, "raw");
	put32(p + 12, 400);
	for (size_t n = 0; n <= SIZE; n++) {
		uint8_t *cut = malloc(n + !n);
		memcpy(cut, p, n);
		int rc = below(cut, n);
		assert_int_equal(rc, n < 104 ? -EINVAL :
				     n < 104 + 24 + 3 ? VMM_QCOW2_ON_OTHER : VMM_QCOW2_ON_RAW);
		free(cut);
	}
}

static void any_bytes_are_no_trouble(void **state)
{
	uint8_t *p = malloc(SIZE);
	struct dvmi_rng rng;

	dvmi_rng_seed(&rng, 11);
	for (int i = 0; i < 20000; i++) {
		make(p, 2 + dvmi_rng_below(&rng, 2), 0xe2792aca, "qcow2");
		put32(p + 8, 1);
		for (unsigned n = (unsigned)dvmi_rng_below(&rng, 8); n > 0; n--)
			p[8 + dvmi_rng_below(&rng, 160)] = (uint8_t)dvmi_rng_next(&rng);
		int rc = below(p, SIZE - dvmi_rng_below(&rng, 300));
		assert_true(rc == -EINVAL || (rc >= VMM_QCOW2_ALONE && rc <= VMM_QCOW2_ON_OTHER));
	}
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_format_below_is_read),
		cmocka_unit_test(data_elsewhere_are_seen),
		cmocka_unit_test(what_is_no_image_is_refused),
		cmocka_unit_test(cut_headers_are_no_trouble),
		cmocka_unit_test(any_bytes_are_no_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
