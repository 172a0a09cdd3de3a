/* SPDX-License-Identifier: BSD-3-Clause */
/* What is put into an inbox is read in order, whole, by another thread; who settles waits for that. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kvm-node/inbox.h"

#define LETTERS 1000u

struct reader {
	struct vmm_inbox *inbox;
	pthread_mutex_t gate; /* nothing is read while somebody has it */
	_Atomic uint32_t n;   /* read */
	_Atomic uint32_t bad; /* not the one that should have come, or not whole */
	_Atomic bool feeds;   /* each that is read puts another one */
	pthread_t thread;
};

static void put(struct reader *r, uint32_t number)
{
	const struct vmm_msg n = { .kind = VMM_MSG_USED, .code = number };
	uint8_t text[256];

	memset(text, (int)(number & 0xff), sizeof text);
	assert_int_equal(vmm_inbox_put(r->inbox, number % 7, &n, text, number % sizeof text), 0);
}

static bool is_whole(const struct vmm_letter *l, uint32_t number)
{
	bool good = l->msg.code == number && l->msg.kind == VMM_MSG_USED &&
		    l->from == number % 7 && l->len == number % 256;

	for (size_t i = 0; i < l->len; i++)
		good = good && l->text[i] == (number & 0xff);
	return good;
}

static void on_letter(void *arg, const struct vmm_letter *l)
{
	struct reader *r = arg;

	pthread_mutex_lock(&r->gate);
	r->bad += !is_whole(l, r->n);
	r->thread = pthread_self();
	if (r->feeds)
		put(r, r->n + 1);
	r->n++;
	pthread_mutex_unlock(&r->gate);
}

static void open_inbox(struct reader *r)
{
	memset(r, 0, sizeof *r);
	pthread_mutex_init(&r->gate, NULL);
	assert_int_equal(vmm_inbox_create(&r->inbox, &(struct vmm_reader){ .name = "reader",
									   .read = on_letter,
									   .arg = r }),
			 0);
}

static void close_inbox(struct reader *r)
{
	vmm_inbox_destroy(r->inbox);
	pthread_mutex_destroy(&r->gate);
	assert_int_equal(r->bad, 0);
}

static void test_order(void **state)
{
	struct reader r;

	open_inbox(&r);
	for (uint32_t i = 0; i < LETTERS; i++)
		put(&r, i);
	vmm_inbox_settle(r.inbox);
	assert_int_equal(r.n, LETTERS);
	assert_false(pthread_equal(r.thread, pthread_self()));
	close_inbox(&r);
}

/* Nothing is lost by an end. */
static void test_end(void **state)
{
	struct reader r;

	open_inbox(&r);
	pthread_mutex_lock(&r.gate);
	for (uint32_t i = 0; i < LETTERS; i++)
		put(&r, i);
	assert_int_equal(r.n, 0);
	pthread_mutex_unlock(&r.gate);
	close_inbox(&r);
	assert_int_equal(r.n, LETTERS);
}

static void *settle(void *arg)
{
	struct reader *r = arg;

	vmm_inbox_settle(r->inbox);
	return (void *)(uintptr_t)r->n;
}

/* The one in hand counts: it is not done yet. */
static void test_settle_waits(void **state)
{
	struct reader r;
	pthread_t other;
	void *seen = NULL;

	open_inbox(&r);
	pthread_mutex_lock(&r.gate);
	put(&r, 0);
	put(&r, 1);
	assert_int_equal(pthread_create(&other, NULL, settle, &r), 0);
	pthread_mutex_unlock(&r.gate);
	pthread_join(other, &seen);
	assert_int_equal((uintptr_t)seen, 2);
	vmm_inbox_settle(r.inbox);
	close_inbox(&r);
}

/* What comes later is not waited for, or who settles would wait as long as others have something. */
static void test_settle_ends(void **state)
{
	struct reader r;

	open_inbox(&r);
	r.feeds = true;
	put(&r, 0);
	vmm_inbox_settle(r.inbox);
	assert_true(r.n >= 1);
	r.feeds = false;
	close_inbox(&r);
}

static void test_nothing(void **state)
{
	struct reader r;

	vmm_inbox_destroy(NULL);
	open_inbox(&r);
	vmm_inbox_settle(r.inbox);
	close_inbox(&r);
	assert_int_equal(r.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),	     cmocka_unit_test(test_order),
		cmocka_unit_test(test_end),	     cmocka_unit_test(test_settle_waits),
		cmocka_unit_test(test_settle_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
