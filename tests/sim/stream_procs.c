/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Streams to and fro over a guest's kind of memory, where pages side by side need not belong together: a
 * range that was taken away is read and written page after page, up or down, again and again, and most pages are there
 * before they are touched. Pages that two fight for in pairs are not taken along with their neighbours.
 *
 * stream_procs
 */
#include <inttypes.h>
#include <stdio.h>

#include "tests/sim/procs.h"

enum { RANGE = 512, PASSES = 6, PAIRS = 32, APART = 16, PAGES = RANGE + PAIRS * APART };
enum { AROUND = 2 * PAIRS }; /* what may be taken along, in all rounds */
enum { WORDS = PROCS_PAGE / 8 };

static volatile uint64_t *page_at(const struct procs *p, uint64_t page)
{
	return (volatile uint64_t *)(void *)(p->base + page * PROCS_PAGE);
}

static uint64_t faults(struct procs *p, uint64_t *ahead)
{
	struct dsm_seg_stats s;

	dsm_seg_stats(p->seg, &s);
	*ahead = s.prefetched;
	return s.read_faults + s.write_faults;
}

/* Each page has what the pass before has written. */
static void pass(struct procs *p, uint64_t number, bool down, bool writes)
{
	for (uint64_t k = 0; k < RANGE; k++) {
		uint64_t i = down ? RANGE - 1 - k : k;
		volatile uint64_t *w = page_at(p, i);
		uint64_t want = number ? number << 32 | i : 0;
		if (!writes && (w[0] != want || w[WORDS - 1] != want))
			procs_fail(p, "page %" PRIu64 " is %" PRIx64 ", should be %" PRIx64, i, w[0], want);
		if (writes)
			w[0] = w[WORDS - 1] = (number + 1) << 32 | i;
	}
}

/* In turn: one reads what the other has written, then writes it; upwards, or downwards after that. */
static void to_and_fro(struct procs *p, bool down)
{
	for (uint64_t number = down ? PASSES : 0, end = number + PASSES; number < end; number++) {
		uint64_t ahead, before = faults(p, &ahead);
		bool mine = number % 2 == p->self;
		if (mine) {
			pass(p, number, down, false);
			uint64_t read = faults(p, &ahead) - before;
			pass(p, number, down, true);
			uint64_t wrote = faults(p, &ahead) - before - read;
			printf("# node %u, pass %" PRIu64 ": %" PRIu64 " faults to read %d pages, %" PRIu64
			       " to write them%s\n", p->self, number, read, RANGE, wrote,
			       down ? ", downwards" : "");
			if (number && (read > RANGE / 2 || wrote > RANGE / 2))
				procs_fail(p, "most pages should be there before they are touched");
		}
		procs_meet(p);
	}
}

/* Both have had all of it, and have lost it. */
static void all_by_turns(struct procs *p)
{
	for (uint32_t round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < PAIRS * APART && round % 2 == p->self; i++)
			page_at(p, RANGE + i)[1] = round;
		procs_meet(p);
	}
}

static void fight(struct procs *p)
{
	uint64_t before, after;

	all_by_turns(p);
	faults(p, &before);
	for (uint32_t round = 0; round < 2 * PASSES; round++) {
		for (uint64_t i = 0; i < PAIRS && round % 2 == p->self; i++) {
			page_at(p, RANGE + i * APART)[0]++;
			page_at(p, RANGE + i * APART + 1)[0]++;
		}
		procs_meet(p);
	}
	faults(p, &after);
	printf("# node %u: %" PRIu64 " pages asked for beside %d that are fought for\n", p->self,
	       after - before, 2 * PAIRS);
	if (after - before > AROUND)
		procs_fail(p, "what lies beside them is taken along");
}

static int host(struct procs *p, void *arg)
{
	int rc = procs_join(p, PAGES);

	(void)arg;
	if (rc < 0)
		return rc;
	procs_meet(p);
	to_and_fro(p, false);
	fight(p);
	to_and_fro(p, true);
	return 0;
}

int main(void)
{
	static const uint32_t flags[] = { DSM_WALKED, DSM_WALKED | DSM_SIGBUS };
	int bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("1..2");
	for (int i = 0; i < 2; i++) {
		int rc = procs_run(2, flags[i], host, NULL);
		printf("%s %d - streams to and fro%s%s\n", rc && rc != 77 ? "not ok" : "ok", i + 1,
		       i ? ", faults as signals" : "", rc == 77 ? " # SKIP no userfaultfd" : "");
		bad |= rc && rc != 77;
	}
	return bad;
}
