/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What another host says of a virtqueue. Input: { side, length of a message, state of the rings when
 * they come back (2 bytes), the stream }; what is in RAM is the stream, too, so rings are as bad as it
 * is. Side 0 has the device: whatever comes is popped, read, written and answered, before and after the
 * rings come back. Side 1 has the rings: it walks them and takes the stream for answers. No byte outside
 * of RAM, nor more requests on the way than the queue has entries.
 */
#include <string.h>

#include "kvm-node/borrow.h"
#include "tests/fuzz/fuzz.h"

enum { RAM = 0x10000, SIZE = 0x4000, ENTRIES = 16, AVAIL = 0x100, USED = 0x180, HEAD = 4 };

static void *at(void *ctx, uint64_t gpa, uint64_t len)
{
	if (gpa < RAM || gpa - RAM > SIZE || len > SIZE - (gpa - RAM))
		return NULL;
	return (uint8_t *)ctx + (gpa - RAM);
}

/* As a device would: all is read, some is written; the last one has been looked at too early. */
static void serve(struct vmm_virtq *q)
{
	static struct vmm_chain c;
	uint8_t buf[256];

	for (unsigned n = 0; n < 4 * ENTRIES && vmm_virtq_pop(q, &c) == 1; n++) {
		if (n == 3) {
			vmm_virtq_unpop(q, 1);
			continue;
		}
		vmm_iov_read(c.iov, c.nout, 0, buf, sizeof buf);
		size_t some = vmm_iov_fill(c.iov + c.nout, c.nin, 0, 0x5a, sizeof buf);
		if (n % 2)
			vmm_virtq_push(q, c.head, (uint32_t)(some + n));
	}
}

static void with_device(struct vmm_virtq *q, const uint8_t *data, size_t size)
{
	size_t cut = 1 + data[1];
	struct vmm_loan l;

	FUZZ_CHECK(vmm_away_create(q) == 0);
	vmm_away_lend(q, 1, &l);
	for (size_t i = HEAD; i < size; i += cut) {
		if (vmm_away_hear(q->away, data + i, cut < size - i ? cut : size - i) < 0)
			FUZZ_CHECK(vmm_away_bad(q->away));
		serve(q);
	}
	vmm_away_return(q, data[2] | (uint64_t)data[3] << 16);
	serve(q);
	vmm_virtq_push(q, 0, 64);
	vmm_virtq_reset(q);
	FUZZ_CHECK(vmm_virtq_pop(q, &(struct vmm_chain){ 0 }) == 0);
	vmm_away_destroy(q);
}

static void with_rings(const struct vmm_virtq *q, const uint8_t *data, size_t size)
{
	const struct vmm_loan l = { .desc = q->desc, .avail = q->avail, .used = q->used, .num = ENTRIES,
				    .seen = data[2], .next = data[3], .indirect = true,
				    .event_idx = data[2] & 1 };
	static struct vmm_borrow b;
	struct dvmi_buf out = { 0 };
	size_t cut = 1 + data[1];

	FUZZ_CHECK(vmm_borrow_begin(&b, q->mem, &l) == 0);
	for (size_t i = HEAD; i < size; i += cut) {
		int rc = vmm_borrow_walk(&b, &out);
		FUZZ_CHECK(b.asked <= ENTRIES && b.bytes <= VMM_BORROW_BYTES);
		out.len = 0;
		if (rc < 0 || vmm_borrow_answers(&b, data + i, cut < size - i ? cut : size - i) < 0)
			break;
		vmm_borrow_wants_signal(&b);
	}
	vmm_borrow_end(&b);
	dvmi_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size <= HEAD)
		return 0;
	uint8_t *ram = calloc(1, SIZE); /* a sanitizer watches its ends */
	const struct vmm_gmem mem = { .at = at, .ctx = ram };
	struct vmm_virtq q = { .mem = &mem, .max = 256 };

	FUZZ_CHECK(ram);
	memcpy(ram, data + HEAD, size - HEAD < SIZE ? size - HEAD : SIZE);
	vmm_virtq_reset(&q);
	q.num = ENTRIES;
	q.desc = RAM;
	q.avail = RAM + AVAIL;
	q.used = RAM + USED;
	q.indirect = true;
	FUZZ_CHECK(vmm_virtq_enable(&q) == 0);
	if (data[0] % 2)
		with_rings(&q, data, size);
	else
		with_device(&q, data, size);
	free(ram);
	return 0;
}
