/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/base/rng.h"
#include "libdvm/net/ring.h"
#include "tests/unit/cm.h"

enum { BYTES = 8192, BULK = 65536 };

struct pair {
	struct dvmi_ring_tx tx;
	struct dvmi_ring_rx rx;
	void *memory;
};

static void open_pair(struct pair *p)
{
	p->memory = aligned_alloc(64, BYTES);
	assert_non_null(p->memory);
	memset(p->memory, 0, BYTES);
	dvmi_ring_tx_init(&p->tx, p->memory, BYTES, BULK);
	dvmi_ring_rx_init(&p->rx, p->memory, BYTES);
}

static void an_empty_ring_has_nothing(void **state)
{
	struct pair p;
	struct dvmi_ring_rec rec;

	open_pair(&p);
	assert_int_equal(dvmi_ring_peek(&p.rx, &rec), 0);
	assert_non_null(dvmi_ring_reserve(&p.tx, 10));
	assert_int_equal(dvmi_ring_peek(&p.rx, &rec), 0); /* not committed */
	dvmi_ring_commit(&p.tx, 10, 7);
	assert_int_equal(dvmi_ring_peek(&p.rx, &rec), 1);
	assert_int_equal(rec.len, 10);
	assert_int_equal(rec.meta, 7);
	dvmi_ring_pop(&p.rx, &rec);
	assert_int_equal(dvmi_ring_peek(&p.rx, &rec), 0);
	free(p.memory);
}

/* Bodies full of ones look like anything but an empty word: none may be taken for a record. */
static void a_full_ring_refuses_and_recovers(void **state)
{
	struct pair p;
	struct dvmi_ring_rec rec;

	open_pair(&p);
	for (int round = 0; round < 50; round++) {
		uint32_t len = (uint32_t)(round * 37) % DVMI_RING_BODY_MAX;
		int n = 0, got = 0;
		uint8_t *body;
		while ((body = dvmi_ring_reserve(&p.tx, len))) {
			memset(body, 0xff, len);
			dvmi_ring_commit(&p.tx, len, 3);
			n++;
		}
		assert_true(n > 0);
		while (dvmi_ring_peek(&p.rx, &rec) == 1) {
			assert_int_equal(rec.len, len);
			dvmi_ring_pop(&p.rx, &rec);
			got++;
		}
		assert_int_equal(got, n);
		dvmi_ring_give(&p.rx);
	}
	free(p.memory);
}

static void nonsense_is_refused(void **state)
{
	static const uint64_t words[] = {
		1,			     /* no meta */
		UINT64_C(1) << 16 | 4000,    /* too long */
		UINT64_C(1) << 16 | 0xffff,  /* as long as the mark of the end */
		DVMI_RING_WRAP - 0xffff + 4000, /* all that a meta can be */
	};
	struct dvmi_ring_rec rec;

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		struct pair p;
		open_pair(&p);
		atomic_store(dvmi_ring_word(p.tx.cells, 0), words[i]);
		assert_int_equal(dvmi_ring_peek(&p.rx, &rec), -DVM_EPROTO);
		/* A wrap to a wrap. */
		atomic_store(dvmi_ring_word(p.tx.cells, 0), DVMI_RING_WRAP);
		assert_int_equal(dvmi_ring_peek(&p.rx, &rec), -DVM_EPROTO);
		free(p.memory);
	}
}

static void a_tail_from_the_future_is_ignored(void **state)
{
	struct pair p;
	int n = 0;

	open_pair(&p);
	atomic_store(&p.tx.ctl->tail, UINT64_MAX / 2);
	while (n < 10000 && dvmi_ring_reserve(&p.tx, 500)) {
		dvmi_ring_commit(&p.tx, 500, 1);
		n++;
	}
	assert_true(n < BYTES / 500);
	free(p.memory);
}

/* Bulk space: regions in use never overlap, whatever the order of sizes. */
static void bulk_regions_do_not_overlap(void **state)
{
	struct {
		uint32_t off, len, advance;
	} used[512];
	struct dvmi_rng rng;
	struct pair p;
	int first = 0, last = 0;

	open_pair(&p);
	dvmi_rng_seed(&rng, 3);
	for (int i = 0; i < 20000; i++) {
		uint32_t len = 1 + (uint32_t)dvmi_rng_below(&rng, BULK / 3), off, adv;
		if (dvmi_rng_below(&rng, 20) == 0)
			len = BULK / 4; /* fits the end exactly, now and then */
		if (last - first < 500 && dvmi_ring_bulk_take(&p.tx, len, &off, &adv)) {
			assert_true(off + len <= BULK);
			for (int k = first; k < last; k++)
				assert_true(off + len <= used[k % 512].off ||
					    used[k % 512].off + used[k % 512].len <= off);
			used[last % 512].off = off;
			used[last % 512].len = len;
			used[last++ % 512].advance = adv;
		} else {
			assert_true(last > first);
		}
		while (first < last && dvmi_rng_below(&rng, 3))
			dvmi_ring_bulk_give(&p.rx, used[first++ % 512].advance);
		if (first == last)
			continue;
		dvmi_ring_bulk_give(&p.rx, used[first++ % 512].advance);
	}
	free(p.memory);
}

/* Pieces that fill the area to its last byte, with one always unread so that it never resets. */
static void behind_the_end_is_the_start(void **state)
{
	struct pair p;
	uint32_t off, adv, unread = 0;

	open_pair(&p);
	for (int i = 0; i < 40; i++) {
		assert_true(dvmi_ring_bulk_take(&p.tx, BULK / 8, &off, &adv));
		assert_int_equal(off, (uint32_t)(i % 8) * (BULK / 8));
		if (unread)
			dvmi_ring_bulk_give(&p.rx, unread);
		unread = adv;
	}
	free(p.memory);
}

enum { RECORDS = 200000 };

static void *produce(void *arg)
{
	struct pair *p = arg;
	struct dvmi_rng rng;

	dvmi_rng_seed(&rng, 77);
	for (uint32_t i = 0; i < RECORDS; i++) {
		uint32_t len = 4 + (uint32_t)dvmi_rng_below(&rng, i % 10 ? 60 : 1500);
		uint8_t *body;
		while (!(body = dvmi_ring_reserve(&p->tx, len)))
			sched_yield();
		memset(body, (int)(i & 0xff), len);
		memcpy(body, &i, 4);
		dvmi_ring_commit(&p->tx, len, 1 + i % 100);
	}
	return NULL;
}

static void two_threads(void **state)
{
	struct pair p;
	struct dvmi_rng rng;
	struct dvmi_ring_rec rec;
	pthread_t id;

	open_pair(&p);
	dvmi_rng_seed(&rng, 77);
	assert_int_equal(pthread_create(&id, NULL, produce, &p), 0);
	for (uint32_t i = 0; i < RECORDS; i++) {
		uint32_t len = 4 + (uint32_t)dvmi_rng_below(&rng, i % 10 ? 60 : 1500), number;
		int rc;
		while ((rc = dvmi_ring_peek(&p.rx, &rec)) == 0)
			sched_yield();
		assert_int_equal(rc, 1);
		memcpy(&number, rec.body, 4);
		if (rec.len != len || rec.meta != 1 + i % 100 || number != i ||
		    (len > 4 && rec.body[len - 1] != (uint8_t)i))
			fail_msg("record %u", i);
		dvmi_ring_pop(&p.rx, &rec);
	}
	pthread_join(id, NULL);
	free(p.memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_ring_has_nothing),
		cmocka_unit_test(a_full_ring_refuses_and_recovers),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(a_tail_from_the_future_is_ignored),
		cmocka_unit_test(bulk_regions_do_not_overlap),
		cmocka_unit_test(behind_the_end_is_the_start),
		cmocka_unit_test(two_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
