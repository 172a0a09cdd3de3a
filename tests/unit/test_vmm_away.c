/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtqueues that another host walks: one driver, a device, three hosts, and the channels between
 * them, by chance. The driver rings only when it is to, and looks at answers only when it is
 * interrupted; each byte is checked, either way, and nothing may be left over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kvm-node/borrow.h"
#include "tests/unit/cm.h"
#include "tests/unit/vmm_driver.h"

enum {
	HOSTS = 3, /* the first has the device */
	SLOTS = 8, /* requests under way */
	RING = 32, /* four descriptors for each slot */
	ROOM = 4096,
	STEPS = 3000,
	SEEDS = 60,
	HEADER = 16,
};

/* What the driver has asked for in a slot. */
struct slot {
	uint64_t gpa, table, seq;
	uint32_t out, in;
	bool busy;
};

/* A request that the device works on. */
struct job {
	uint16_t head;
	uint64_t seq;
	struct iovec in[4];
	unsigned n;
	size_t len;
};

struct world {
	struct drv d;
	struct vmm_virtq home;
	struct vmm_borrow *there[HOSTS];
	bool lent[HOSTS];
	struct dvmi_buf up[HOSTS], down[HOSTS];
	struct slot slots[SLOTS];
	struct job jobs[SLOTS];
	unsigned n_jobs;
	struct vmm_chain chain;
	uint64_t seq, answered, lendings;
	bool event_idx, interrupted, kicked;
	uint16_t rung_at; /* the driver's index when it last looked whether to ring */
	uint64_t random;
};

static uint32_t chance(struct world *w, uint32_t n)
{
	w->random = w->random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(w->random >> 33) % n;
}

static uint8_t byte_of(uint64_t seq, size_t at)
{
	return (uint8_t)(seq * 31 + at * 7 + (at >> 8));
}

/* ---- the driver ---- */

static void describe(struct world *w, struct slot *s, struct vring_desc *table, bool indirect)
{
	uint32_t half = s->out / 2;
	uint16_t first = indirect ? 0 : (uint16_t)(4 * (s - w->slots));
	const struct vring_desc d[] = {
		{ s->gpa, half, VRING_DESC_F_NEXT, (__u16)(first + 1) },
		{ s->gpa + half, s->out - half, VRING_DESC_F_NEXT, (__u16)(first + 2) },
		{ s->gpa + ROOM, s->in - 1, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, (__u16)(first + 3) },
		{ s->gpa + 2 * ROOM, 1, VRING_DESC_F_WRITE, 0 },
	};

	memcpy(table, d, sizeof d);
}

static void ask(struct world *w)
{
	struct slot *s = &w->slots[chance(w, SLOTS)];
	struct drv_queue *q = &w->d.q[0];
	uint16_t head = (uint16_t)(4 * (s - w->slots));
	bool indirect = chance(w, 2);

	if (s->busy)
		return;
	s->busy = true;
	s->seq = ++w->seq;
	s->out = HEADER + 2 + chance(w, ROOM - HEADER - 2);
	s->in = 2 + chance(w, ROOM - 2);
	uint8_t *p = drv_at(&w->d, s->gpa);
	for (uint32_t i = HEADER; i < s->out; i++)
		p[i] = byte_of(s->seq, i);
	memcpy(p, &s->seq, sizeof s->seq);
	memcpy(p + 8, &s->out, sizeof s->out);
	memset(p + ROOM, 0xee, s->in - 1);
	p[2 * ROOM] = 0xee;
	describe(w, s, indirect ? drv_at(&w->d, s->table) : &q->desc[head], indirect);
	if (indirect)
		q->desc[head] = (struct vring_desc){ s->table, 64, VRING_DESC_F_INDIRECT, 0 };
	drv_offer(&w->d, 0, head);
}

static bool is_to_ring(struct world *w)
{
	struct drv_queue *q = &w->d.q[0];
	uint16_t old = w->rung_at, event;

	w->rung_at = q->avail_idx;
	if (!w->event_idx)
		return !(q->used->flags & VRING_USED_F_NO_NOTIFY);
	memcpy(&event, &q->used->ring[RING], sizeof event);
	return vring_need_event(event, q->avail_idx, old);
}

static void check_answer(struct world *w, struct slot *s, uint32_t written)
{
	const uint8_t *p = drv_at(&w->d, s->gpa);
	uint32_t some = written < s->in - 1 ? written : s->in - 1;

	assert_true(s->busy);
	for (uint32_t i = 0; i < some; i++)
		assert_int_equal(p[ROOM + i], byte_of(s->seq + 1, i));
	assert_int_equal(p[2 * ROOM], (uint8_t)s->seq);
	s->busy = false;
	w->answered++;
}

static void look(struct world *w)
{
	struct drv_queue *q = &w->d.q[0];
	uint32_t written;
	int head;

	w->interrupted = false;
	do {
		while ((head = drv_answer(&w->d, 0, &written)) >= 0)
			check_answer(w, &w->slots[head / 4], written);
		if (w->event_idx)
			q->avail->ring[RING] = q->used_idx;
	} while (q->used_idx != q->used->idx);
}

/* ---- the device ---- */

static void take_job(struct world *w)
{
	const struct vmm_chain *c = &w->chain;
	struct job *j = &w->jobs[w->n_jobs++];
	uint8_t buf[ROOM];
	uint32_t out;

	assert_int_equal(vmm_iov_read(c->iov, c->nout, 0, buf, sizeof buf), c->out_len);
	memcpy(&j->seq, buf, sizeof j->seq);
	memcpy(&out, buf + 8, sizeof out);
	assert_int_equal(out, c->out_len);
	for (size_t i = HEADER; i < c->out_len; i++)
		assert_int_equal(buf[i], byte_of(j->seq, i));
	j->head = c->head;
	j->n = c->nin;
	j->len = c->in_len;
	memcpy(j->in, c->iov + c->nout, c->nin * sizeof *j->in);
}

static void serve(struct world *w)
{
	do {
		vmm_virtq_kicks(&w->home, false);
		while (vmm_virtq_pop(&w->home, &w->chain) == 1) {
			if (chance(w, 8) == 0) {
				vmm_virtq_unpop(&w->home, 1);
				w->kicked = true; /* later */
				return;
			}
			take_job(w);
		}
	} while (vmm_virtq_kicks(&w->home, true));
}

/* Gives answer I of those to be seen together. */
static void finish_job(struct world *w, unsigned i)
{
	unsigned k = chance(w, w->n_jobs);
	struct job j = w->jobs[k];
	uint8_t buf[ROOM], status = (uint8_t)j.seq;
	uint32_t written = chance(w, (uint32_t)j.len + 1);

	w->jobs[k] = w->jobs[--w->n_jobs];
	for (uint32_t at = 0; at < written; at++)
		buf[at] = byte_of(j.seq + 1, at);
	vmm_iov_write(j.in, j.n, 0, buf, written);
	vmm_iov_write(j.in, j.n, j.len - 1, &status, 1);
	vmm_virtq_fill(&w->home, i, j.head, written);
}

static void signal(struct world *w)
{
	struct vmm_away *a = w->home.away;

	if (vmm_away_lent(&w->home)) {
		dvmi_buf_put(&w->down[a->borrower], a->answers.data, a->answers.len);
		a->answers.len = 0;
	} else if (vmm_virtq_wants_signal(&w->home)) {
		w->interrupted = true;
	}
}

static void finish(struct world *w)
{
	unsigned n = w->n_jobs ? 1 + chance(w, w->n_jobs < 3 ? w->n_jobs : 3) : 0;

	for (unsigned i = 0; i < n; i++)
		finish_job(w, i);
	if (n)
		vmm_virtq_publish(&w->home, n);
	signal(w);
}

/* ---- the hosts ---- */

static void walk(struct world *w, unsigned host)
{
	int rc;

	while ((rc = vmm_borrow_walk(w->there[host], &w->up[host])) == 1)
		;
	assert_int_equal(rc, 0);
}

/* Some of what is on the way to the device, cut anywhere. */
static void hear_requests(struct world *w, unsigned host, bool all)
{
	struct dvmi_buf *b = &w->up[host];
	size_t some = all ? b->len : chance(w, (uint32_t)b->len + 1);

	if (!some)
		return;
	assert_int_equal(vmm_away_hear(w->home.away, b->data, some), 0);
	dvmi_buf_consume(b, some);
	w->kicked = true;
}

static void hear_answers(struct world *w, unsigned host, bool all)
{
	struct dvmi_buf *b = &w->down[host];
	size_t some = all ? b->len : chance(w, (uint32_t)b->len + 1);

	if (!some)
		return;
	assert_int_equal(vmm_borrow_answers(w->there[host], b->data, some), 0);
	dvmi_buf_consume(b, some);
	if (vmm_borrow_wants_signal(w->there[host]))
		w->interrupted = true;
	if (w->there[host]->stalled)
		walk(w, host);
}

static void recall(struct world *w)
{
	unsigned host = (unsigned)w->home.away->borrower;

	signal(w);
	hear_answers(w, host, true);
	uint64_t state = vmm_loan_state(&w->there[host]->q);
	vmm_borrow_end(w->there[host]);
	w->lent[host] = false;
	hear_requests(w, host, true);
	vmm_away_return(&w->home, state);
	w->kicked = true;
}

static void ring(struct world *w, unsigned host)
{
	struct vmm_loan l;

	if (host && w->lent[host]) {
		walk(w, host);
		return;
	}
	if (vmm_away_lent(&w->home))
		recall(w);
	w->kicked = true;
	if (!host || !vmm_away_may_lend(&w->home))
		return;
	vmm_away_lend(&w->home, host, &l);
	assert_int_equal(vmm_borrow_begin(w->there[host], &w->d.mem, &l), 0);
	w->lent[host] = true;
	w->lendings++;
	walk(w, host);
}

static void step(struct world *w)
{
	unsigned host = 1 + chance(w, HOSTS - 1);

	switch (chance(w, 8)) {
	case 0:
	case 1:
		ask(w);
		if (is_to_ring(w))
			ring(w, chance(w, 3) ? 1 : chance(w, HOSTS));
		break;
	case 2:
		if (w->lent[host])
			hear_requests(w, host, false);
		break;
	case 3:
		if (w->lent[host])
			hear_answers(w, host, false);
		break;
	case 4:
	case 5:
		if (w->kicked) {
			w->kicked = false;
			serve(w);
			signal(w);
		}
		break;
	case 6: finish(w); break;
	default:
		if (w->interrupted)
			look(w);
	}
}

/* ---- all of it ---- */

static void open_world(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof *w);
	w->random = seed;
	w->event_idx = seed & 1;
	drv_ram_open(&w->d);
	drv_ring(&w->d, 0, RING);
	for (unsigned i = 0; i < SLOTS; i++) {
		w->slots[i].gpa = drv_alloc(&w->d, 2 * ROOM + 16, 16);
		w->slots[i].table = drv_alloc(&w->d, 64, 16);
	}
	w->home = (struct vmm_virtq){ .mem = &w->d.mem, .max = 256 };
	vmm_virtq_reset(&w->home);
	w->home.num = RING;
	w->home.desc = w->d.q[0].desc_gpa;
	w->home.avail = w->d.q[0].avail_gpa;
	w->home.used = w->d.q[0].used_gpa;
	w->home.indirect = true;
	w->home.event_idx = w->event_idx;
	assert_int_equal(vmm_away_create(&w->home), 0);
	assert_int_equal(vmm_virtq_enable(&w->home), 0);
	for (unsigned i = 1; i < HOSTS; i++) {
		w->there[i] = calloc(1, sizeof *w->there[i]);
		assert_non_null(w->there[i]);
	}
}

static void close_world(struct world *w)
{
	for (unsigned i = 1; i < HOSTS; i++) {
		vmm_borrow_end(w->there[i]);
		free(w->there[i]);
		dvmi_buf_free(&w->up[i]);
		dvmi_buf_free(&w->down[i]);
	}
	vmm_away_destroy(&w->home);
	drv_ram_close(&w->d);
}

static void drain(struct world *w)
{
	for (unsigned i = 0; i < 200; i++) {
		for (unsigned host = 1; host < HOSTS; host++) {
			if (!w->lent[host])
				continue;
			hear_requests(w, host, true);
			hear_answers(w, host, true);
		}
		if (w->kicked) {
			w->kicked = false;
			serve(w);
		}
		finish(w);
		if (w->interrupted)
			look(w);
	}
}

static void every_byte_arrives_whoever_rings(void **state)
{
	struct world *w = malloc(sizeof *w);
	uint64_t lendings = 0;

	assert_non_null(w);
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		open_world(w, seed);
		for (unsigned i = 0; i < STEPS; i++)
			step(w);
		drain(w);
		if (w->answered != w->seq)
			fail_msg("seed %u: %u of %u answered", (unsigned)seed, (unsigned)w->answered,
				 (unsigned)w->seq);
		assert_true(w->seq > 100);
		lendings += w->lendings;
		close_world(w);
	}
	assert_true(lendings > SEEDS);
	free(w);
}

/* ---- by themselves ---- */

static void count(void *arg, struct vmm_parcel *p)
{
	++*(unsigned *)arg;
	free(p);
}

static int feed(const struct vmm_parcel *p, size_t len, unsigned *n)
{
	struct vmm_parcels s = { 0 };
	int rc = vmm_parcels_feed(&s, p, len, count, n);

	if (rc < 0)
		assert_int_equal(vmm_parcels_feed(&s, p, len, count, n), -EBADMSG);
	vmm_parcels_clear(&s);
	return rc;
}

static void what_is_no_parcel_is_refused(void **state)
{
	const struct {
		struct vmm_parcel p;
		uint32_t len;
		int rc;
	} cases[] = {
		{ { .bytes = 16 }, 0, 0 },
		{ { .bytes = 15 }, 0, -EBADMSG },
		{ { .bytes = 17 }, 0, -EBADMSG },
		{ { .bytes = 16, .flags = VMM_PARCEL_FLAGS }, 0, -EBADMSG },
		{ { .bytes = 16, .zero = 1 }, 0, -EBADMSG },
		{ { .bytes = 32, .nin = 1 }, 5, 0 },
		{ { .bytes = 32, .nin = 1 }, 0, -EBADMSG },
		{ { .bytes = 32, .nout = 1 }, 8, 0 },
		{ { .bytes = 32, .nout = 1, .flags = VMM_PARCEL_CARRIED }, 8, -EBADMSG },
		{ { .bytes = 40, .nout = 1, .flags = VMM_PARCEL_CARRIED }, 8, 0 },
		{ { .bytes = 40, .nout = 1, .flags = VMM_PARCEL_CARRIED }, 9, -EBADMSG },
		{ { .bytes = 40, .nout = 1 }, 8, -EBADMSG },
		{ { .bytes = 32, .nin = 1, .flags = VMM_PARCEL_CARRIED }, VMM_PARCEL_DATA + 1, -EBADMSG },
		{ { .bytes = 32, .nin = 2 }, 5, -EBADMSG },
		{ { .bytes = 32, .nin = 0xffff, .nout = 0xffff }, 5, -EBADMSG },
		{ { .bytes = 0xffffffff, .nout = 1, .flags = VMM_PARCEL_CARRIED }, 8, -EBADMSG },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct vmm_piece piece = { .gpa = DRV_RAM, .len = cases[i].len };
		uint8_t room[64] = { 0 };
		unsigned n = 0;
		memcpy(room, &cases[i].p, sizeof cases[i].p);
		memcpy(room + sizeof cases[i].p, &piece, sizeof piece);
		size_t len = cases[i].p.bytes < 16 ? 16 : cases[i].p.bytes;
		len = len < sizeof room ? len : sizeof room;
		assert_int_equal(feed((void *)room, len, &n), cases[i].rc);
		assert_int_equal(n, cases[i].rc == 0);
	}
}

/* Addresses of an answer are another host's word: nothing is written outside of RAM. */
static void answers_stay_in_ram(void **state)
{
	struct world *w = malloc(sizeof *w);
	struct vmm_loan l;
	struct {
		struct vmm_parcel p;
		struct vmm_piece piece[1];
		uint8_t data[8];
	} answer = { .p = { .bytes = 40, .flags = VMM_PARCEL_CARRIED, .nout = 1, .head = 77 },
		     .piece = { { DRV_RAM + DRV_SIZE - 4, 8, 0 } } };

	assert_non_null(w);
	open_world(w, 1);
	vmm_away_lend(&w->home, 1, &l);
	assert_int_equal(vmm_borrow_begin(w->there[1], &w->d.mem, &l), 0);
	assert_int_equal(vmm_borrow_answers(w->there[1], &answer, 40), 0);
	answer.piece[0].gpa = UINT64_MAX - 3;
	assert_int_equal(vmm_borrow_answers(w->there[1], &answer, 40), 0);
	close_world(w);
	free(w);
}

/* A request is sent as an address if its bytes are too many, and the device finds them in RAM. */
static void what_is_large_stays_in_ram(void **state)
{
	struct world *w = malloc(sizeof *w);
	struct dvmi_buf b = { 0 };
	struct vmm_loan l;

	assert_non_null(w);
	open_world(w, 1);
	for (uint16_t i = 0; i < 4; i++) {
		w->d.q[0].desc[i] = (struct vring_desc){
			DRV_RAM, DRV_SIZE, i < 3 ? VRING_DESC_F_NEXT : 0, (__u16)(i + 1)
		};
	}
	drv_offer(&w->d, 0, 0);
	vmm_away_lend(&w->home, 1, &l);
	assert_int_equal(vmm_borrow_begin(w->there[1], &w->d.mem, &l), 0);
	assert_int_equal(vmm_borrow_walk(w->there[1], &b), 0);
	assert_int_equal(b.len, 16 + 4 * 16);
	assert_int_equal(w->there[1]->requests, 1);
	assert_int_equal(w->there[1]->carried, 0);
	assert_int_equal(vmm_away_hear(w->home.away, b.data, b.len), 0);
	assert_int_equal(vmm_virtq_pop(&w->home, &w->chain), 1);
	assert_int_equal(w->chain.out_len, 4u * DRV_SIZE);
	assert_ptr_equal(w->chain.iov[3].iov_base, w->d.ram);
	dvmi_buf_free(&b);
	close_world(w);
	free(w);
}

/* A driver that offers one request for ever has no more on the way than the queue has entries. */
static void what_is_on_the_way_is_bounded(void **state)
{
	struct world *w = malloc(sizeof *w);
	struct dvmi_buf b = { 0 };
	struct vmm_loan l;

	assert_non_null(w);
	open_world(w, 1);
	w->d.q[0].desc[0] = (struct vring_desc){ DRV_RAM, ROOM, VRING_DESC_F_WRITE, 0 };
	vmm_away_lend(&w->home, 1, &l);
	assert_int_equal(vmm_borrow_begin(w->there[1], &w->d.mem, &l), 0);
	for (unsigned i = 0; i < 10; i++) {
		for (unsigned k = 0; k < RING; k++)
			drv_offer(&w->d, 0, 0);
		assert_int_equal(vmm_borrow_walk(w->there[1], &b), 0);
		assert_int_equal(w->there[1]->requests, RING);
		assert_true(w->there[1]->stalled);
		if (i == 0)
			continue;
		assert_true(vmm_virtq_waiting(&w->there[1]->q) > 0);
		break;
	}
	dvmi_buf_free(&b);
	close_world(w);
	free(w);
}

/* A card says in the first buffer of a packet how many there are, when all are filled. */
static void what_is_written_last_arrives(void **state)
{
	struct world *w = malloc(sizeof *w);
	struct dvmi_buf b = { 0 };
	struct vmm_loan l;

	assert_non_null(w);
	open_world(w, 1);
	const uint8_t *there = w->d.ram + w->slots[0].gpa - DRV_RAM;
	w->d.q[0].desc[0] = (struct vring_desc){ w->slots[0].gpa, 16, VRING_DESC_F_WRITE, 0 };
	for (unsigned lent = 0; lent < 2; lent++) {
		drv_offer(&w->d, 0, 0);
		vmm_away_lend(&w->home, 1, &l);
		assert_int_equal(vmm_borrow_begin(w->there[1], &w->d.mem, &l), 0);
		assert_int_equal(vmm_borrow_walk(w->there[1], &b), 0);
		assert_int_equal(vmm_away_hear(w->home.away, b.data, b.len), 0);
		b.len = 0;
		if (!lent)
			vmm_away_return(&w->home, vmm_loan_state(&w->there[1]->q));
		assert_int_equal(vmm_virtq_pop(&w->home, &w->chain), 1);
		memset(w->chain.iov[0].iov_base, 1 + (int)lent, 16);
		vmm_virtq_fill(&w->home, 0, w->chain.head, 16);
		((uint8_t *)w->chain.iov[0].iov_base)[10] = 99;
		vmm_virtq_publish(&w->home, 1);
		if (lent)
			assert_int_equal(vmm_borrow_answers(w->there[1], w->home.away->answers.data,
							    w->home.away->answers.len),
					 0);
		assert_int_equal(there[9], 1 + lent);
		assert_int_equal(there[10], 99);
	}
	dvmi_buf_free(&b);
	close_world(w);
	free(w);
}

/* Rings that make no sense: said by who walks them, known to the device when they are back. */
static void broken_rings_come_back_broken(void **state)
{
	struct world *w = malloc(sizeof *w);
	struct dvmi_buf b = { 0 };
	struct vmm_loan l;

	assert_non_null(w);
	open_world(w, 1);
	vmm_away_lend(&w->home, 1, &l);
	assert_int_equal(vmm_borrow_begin(w->there[1], &w->d.mem, &l), 0);
	w->d.q[0].desc[0] = (struct vring_desc){ DRV_RAM - 1, 8, 0, 0 };
	drv_offer(&w->d, 0, 0);
	assert_int_equal(vmm_borrow_walk(w->there[1], &b), -EPROTO);
	vmm_away_return(&w->home, vmm_loan_state(&w->there[1]->q));
	assert_int_equal(vmm_virtq_pop(&w->home, &w->chain), -EPROTO);
	l.desc = DRV_RAM + DRV_SIZE;
	assert_int_equal(vmm_borrow_begin(w->there[2], &w->d.mem, &l), -EINVAL);
	assert_int_equal(vmm_loan_state(&w->there[2]->q) & VMM_LOAN_BROKEN, VMM_LOAN_BROKEN);
	dvmi_buf_free(&b);
	close_world(w);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_arrives_whoever_rings),
		cmocka_unit_test(what_is_no_parcel_is_refused),
		cmocka_unit_test(answers_stay_in_ram),
		cmocka_unit_test(what_is_large_stays_in_ram),
		cmocka_unit_test(what_is_on_the_way_is_bounded),
		cmocka_unit_test(what_is_written_last_arrives),
		cmocka_unit_test(broken_rings_come_back_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
