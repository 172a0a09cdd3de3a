/* SPDX-License-Identifier: BSD-3-Clause */
/* What monitors tell each other: there and back, and what no monitor can have meant. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kvm-node/msg.h"

static const struct vmm_msg_bounds bounds = { .cpus = 4, .ends = 6, .orders = 5, .asks = 5 };

static int parse(const struct vmm_msg *n, size_t extra)
{
	uint8_t room[sizeof *n + 64] = { 0 };
	struct vmm_msg out;
	const char *text;
	size_t len;

	memcpy(room, n, sizeof *n);
	int rc = vmm_msg_parse(room, sizeof *n + extra, &bounds, &out, &text, &len);
	if (rc == 0) {
		assert_memory_equal(&out, n, sizeof out);
		assert_int_equal(len, extra);
		assert_ptr_equal(text, room + sizeof *n);
	}
	return rc;
}

static void test_interrupt(void **state)
{
	const struct vmm_intr in = { .dest = 3, .vector = 0xf3, .mode = VMM_INTR_LOWEST,
				     .shorthand = VMM_INTR_OTHERS, .level = true };
	struct vmm_msg n = vmm_msg_intr(3, &in);
	struct vmm_intr out;

	assert_int_equal(parse(&n, 0), 0);
	vmm_msg_to_intr(&n, &out);
	assert_int_equal(out.vector, 0xf3);
	assert_int_equal(out.mode, VMM_INTR_LOWEST);
	assert_true(out.level);
	assert_int_equal(parse(&n, 1), -EBADMSG);
	n.cpu = 4;
	assert_int_equal(parse(&n, 0), -EBADMSG);
	n.cpu = 0;
	for (unsigned mode = 0; mode < 256; mode++) {
		n.op = (uint8_t)mode;
		bool good = mode == 0 || mode == 1 || (mode >= 4 && mode <= 6);
		assert_int_equal(parse(&n, 0), good ? 0 : -EBADMSG);
	}
}

static void test_row(void **state)
{
	const struct vmm_apic_row in = { .id = 0x12345, .ldr = 0x10002, .dfr = 0xffffffff,
					 .state = VMM_APIC_IN_X2APIC, .enabled = true };
	struct vmm_msg n = vmm_msg_row(1, &in);
	struct vmm_apic_row out;

	assert_int_equal(parse(&n, 0), 0);
	vmm_msg_to_row(&n, &out);
	assert_int_equal(out.id, in.id);
	assert_int_equal(out.ldr, in.ldr);
	assert_int_equal(out.dfr, in.dfr);
	assert_int_equal(out.state, in.state);
	assert_true(out.enabled);
	n.op = VMM_APIC_IN_X2APIC + 1;
	assert_int_equal(parse(&n, 0), -EBADMSG);
}

static void test_access(void **state)
{
	const struct vmm_access in = { .addr = 0xfec00010, .data = 0x1122334455667788, .vcpu = 2,
				       .space = VMM_MMIO, .len = 4, .write = true };
	struct vmm_msg n = vmm_msg_access(&in);
	struct vmm_access out;

	assert_int_equal(parse(&n, 0), 0);
	vmm_msg_to_access(&n, &out);
	assert_memory_equal(&out, &in, sizeof in);
	for (unsigned len = 0; len < 256; len++) {
		n.vector = (uint8_t)len;
		bool good = len >= 1 && len <= 8; /* parts of what crosses the end of a page */
		assert_int_equal(parse(&n, 0), good ? 0 : -EBADMSG);
	}
	n.vector = 8;
	n.space = VMM_SPACES;
	assert_int_equal(parse(&n, 0), -EBADMSG);
	n.space = VMM_PIO;
	n.addr = UINT64_MAX - 3;
	assert_int_equal(parse(&n, 0), -EBADMSG);
	n.addr = 0;
	n.flag = 2;
	assert_int_equal(parse(&n, 0), -EBADMSG);
}

static void test_others(void **state)
{
	static const struct {
		struct vmm_msg n;
		size_t extra;
		int rc;
	} cases[] = {
		{ { .kind = 0 }, 0, -EBADMSG },
		{ { .kind = VMM_MSG_KINDS }, 0, -EBADMSG },
		{ { .kind = VMM_MSG_EOI, .vector = 200 }, 0, 0 },
		{ { .kind = VMM_MSG_ANSWER }, 0, -EBADMSG },
		{ { .kind = VMM_MSG_ANSWER, .id = 1 }, 20, 0 },
		{ { .kind = VMM_MSG_ANSWER, .id = 1, .vector = 1 }, 20, 0 },
		{ { .kind = VMM_MSG_ANSWER, .id = 1, .vector = 1 }, 0, -EBADMSG },
		{ { .kind = VMM_MSG_ANSWER, .id = 1, .vector = 2 }, 20, -EBADMSG },
		{ { .kind = VMM_MSG_END }, 0, -EBADMSG },
		{ { .kind = VMM_MSG_END, .op = 5 }, 20, 0 },
		{ { .kind = VMM_MSG_END, .op = 6 }, 0, -EBADMSG },
		{ { .kind = VMM_MSG_ORDER, .op = 4, .id = 9 }, 0, 0 },
		{ { .kind = VMM_MSG_ORDER, .op = 5, .id = 9 }, 0, -EBADMSG },
		{ { .kind = VMM_MSG_ORDER, .op = 4 }, 0, -EBADMSG },
		{ { .kind = VMM_MSG_FREE, .id = 1, .addr = 7, .value = 2 }, 0, 0 },
		{ { .kind = VMM_MSG_FREE, .addr = 7, .value = 2 }, 0, -EBADMSG },
		{ { .kind = VMM_MSG_SETTLE, .id = 1 }, 0, 0 },
		{ { .kind = VMM_MSG_SETTLE }, 0, -EBADMSG },
		{ { .kind = VMM_MSG_LOAD, .addr = 1, .value = 2 }, 0, 0 },
		{ { .kind = VMM_MSG_LOAD }, 1, -EBADMSG },
		{ { .kind = VMM_MSG_HERE }, 0, 0 },
		{ { .kind = VMM_MSG_HERE }, 1, -EBADMSG },
		{ { .kind = VMM_MSG_CPU, .cpu = 3 }, 64, 0 },
		{ { .kind = VMM_MSG_CPU, .cpu = 3 }, 0, -EBADMSG },
		{ { .kind = VMM_MSG_CPU, .cpu = 4 }, 64, -EBADMSG },
		{ { .kind = VMM_MSG_ASK, .op = 4 }, 0, 0 },
		{ { .kind = VMM_MSG_ASK, .op = 5 }, 0, -EBADMSG },
		{ { .kind = VMM_MSG_TIME, .value = 1 }, 0, 0 },
		{ { .kind = VMM_MSG_TIME_IS, .value = 1 }, 1, -EBADMSG },
		{ { .kind = VMM_MSG_STAT, .id = 3 }, 0, 0 },
		{ { .kind = VMM_MSG_STAT }, 0, -EBADMSG },
		{ { .kind = VMM_MSG_LEND, .op = 7 }, 48, 0 },
		{ { .kind = VMM_MSG_LEND, .op = 8 }, 48, -EBADMSG },
		{ { .kind = VMM_MSG_LEND }, 47, -EBADMSG },
		{ { .kind = VMM_MSG_RECALL, .id = 1 }, 0, 0 },
		{ { .kind = VMM_MSG_RECALL }, 0, -EBADMSG },
		{ { .kind = VMM_MSG_REQUESTS, .vector = 1 }, 20, 0 },
		{ { .kind = VMM_MSG_REQUESTS, .vector = 2 }, 20, -EBADMSG },
		{ { .kind = VMM_MSG_USED, .flag = 1 }, 20, 0 },
		{ { .kind = VMM_MSG_USED, .flag = 2 }, 20, -EBADMSG },
		{ { .kind = VMM_MSG_USED }, 0, -EBADMSG },
		{ { .kind = VMM_MSG_SIGNAL, .flag = 1 }, 0, 0 },
		{ { .kind = VMM_MSG_SIGNAL }, 1, -EBADMSG },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(parse(&cases[i].n, cases[i].extra), cases[i].rc);
}

/* Who asks waits, whatever was asked; nobody waits for an answer to an answer. */
static void test_questions(void **state)
{
	struct vmm_msg n = { .kind = VMM_MSG_ACCESS, .id = 7, .cpu = 99 };

	assert_int_equal(parse(&n, 0), -EBADMSG);
	assert_int_equal(vmm_msg_question(&n, sizeof n), 7);
	assert_int_equal(vmm_msg_question(&n, sizeof n - 1), 0);
	n.kind = VMM_MSG_KINDS;
	assert_int_equal(vmm_msg_question(&n, sizeof n), 7);
	n.kind = VMM_MSG_ANSWER;
	assert_int_equal(vmm_msg_question(&n, sizeof n), 0);
	n = (struct vmm_msg){ .kind = VMM_MSG_ACCESS };
	assert_int_equal(vmm_msg_question(&n, sizeof n), 0);
}

static void test_lengths(void **state)
{
	const struct vmm_msg n = { .kind = VMM_MSG_ANSWER, .id = 1 };
	size_t most = sizeof n + VMM_MSG_TEXT_MAX;
	uint8_t *room = calloc(1, most + 1);
	struct vmm_msg out;
	const char *text;
	size_t len;

	memcpy(room, &n, sizeof n);
	for (size_t short_of = 0; short_of < sizeof n; short_of++)
		assert_int_equal(vmm_msg_parse(room, short_of, &bounds, &out, &text, &len),
				 -EBADMSG);
	assert_int_equal(vmm_msg_parse(room, most, &bounds, &out, &text, &len), 0);
	assert_int_equal(vmm_msg_parse(room, most + 1, &bounds, &out, &text, &len), -EBADMSG);
	free(room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interrupt), cmocka_unit_test(test_row),
		cmocka_unit_test(test_access),	  cmocka_unit_test(test_others),
		cmocka_unit_test(test_lengths),	  cmocka_unit_test(test_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
