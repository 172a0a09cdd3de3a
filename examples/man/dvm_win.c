/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers are drawn from a counter at rank 0; who has drawn one leaves it in a table there. */
#include <stdint.h>
#include <stdio.h>

#include <dvm/dvm.h>
#include <dvm/rma.h>

enum { DRAWS = 4, COUNTER = 0, TABLE = 8 };

/* Rank 0 does nothing for it, and may draw, too. */
static int draw(dvm_win_t *win, int32_t rank)
{
	const uint64_t one = 1;
	uint64_t n;
	int rc = dvm_fetch_op(win, &one, &n, DVM_UINT64, DVM_SUM, 0, COUNTER);

	return rc < 0 ? rc : dvm_put(win, &rank, sizeof rank, 0, TABLE + n * sizeof rank);
}

static int run(dvm_t *d)
{
	int size = dvm_size(d), seen = 0;
	uint64_t bytes = dvm_rank(d) == 0 ? TABLE + DRAWS * (uint64_t)size * sizeof(int32_t) : 0;
	dvm_win_t *win;
	int rc = dvm_win_allocate(dvm_world(d), bytes, &win);

	if (rc < 0)
		return rc;
	for (int i = 0; i < DRAWS && rc == 0; i++)
		rc = draw(win, dvm_rank(d));
	if (rc == 0)
		rc = dvm_win_fence(win); /* all are done, and rank 0 sees what they have put */
	if (rc == 0 && dvm_rank(d) == 0) {
		const char *base = dvm_win_base(win, 0);
		const int32_t *table = (const int32_t *)(base + TABLE);

		for (int i = 0; i < DRAWS * size; i++)
			seen += table[i];
		printf("%d numbers drawn, the ranks add up to %d\n", (int)*(const uint64_t *)base,
		       seen);
	}
	int freed = dvm_win_free(win);

	return rc < 0 ? rc : freed;
}

int main(void)
{
	dvm_t *d;

	if (dvm_open(&d, NULL, NULL) < 0)
		return 1;
	int rc = run(d);
	if (rc < 0)
		fprintf(stderr, "rank %d: %s\n", dvm_rank(d), dvm_strerror(rc));
	return dvm_close(d) < 0 || rc < 0;
}
