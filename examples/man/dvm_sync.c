/* SPDX-License-Identifier: BSD-3-Clause */
/* A list in shared memory: every rank adds to it under a lock, rank 0 reads it in the end. */
#include <stdint.h>
#include <stdio.h>

#include <dvm/dvm.h>
#include <dvm/sync.h>

enum { LIST = 1, NAMES = 2, DONE = 3, EACH = 5 };

struct item {
	struct item *next;
	uint64_t number;
};

/* The list begins in the first bytes of what is allocated first; its place is kept in a cell. */
static int make_list(dvm_seg_t *seg)
{
	void *at;
	int rc = dvm_seg_alloc(seg, sizeof(struct item *), 0, &at);

	if (rc < 0)
		return rc;
	*(struct item **)at = NULL;
	return dvm_atomic_swap(seg, LIST, (uintptr_t)at, NULL);
}

static int add(dvm_seg_t *seg, struct item **list)
{
	struct item *new;
	void *at;
	int rc = dvm_seg_alloc(seg, sizeof *new, 0, &at);

	if (rc < 0)
		return rc;
	new = at;
	rc = dvm_atomic_add(seg, NAMES, 1, &new->number);
	if (rc == 0)
		rc = dvm_lock_acquire(seg, LIST);
	if (rc < 0)
		return rc;
	new->next = *list;
	*list = new;
	return dvm_lock_release(seg, LIST);
}

static int run(dvm_t *d, dvm_seg_t *seg)
{
	uint64_t at, n = 0, sum = 0;
	int rc = dvm_rank(d) == 0 ? make_list(seg) : 0;

	if (rc == 0)
		rc = dvm_seg_barrier(seg, DONE, 0);
	if (rc == 0)
		rc = dvm_atomic_load(seg, LIST, &at);
	for (int i = 0; i < EACH && rc == 0; i++)
		rc = add(seg, (struct item **)(uintptr_t)at);
	if (rc == 0)
		rc = dvm_seg_barrier(seg, DONE, 0);
	if (rc < 0 || dvm_rank(d))
		return rc;
	for (struct item *i = *(struct item **)(uintptr_t)at; i; i = i->next, n++)
		sum += i->number;
	printf("%d items, numbered up to %d, add up to %d\n", (int)n, (int)n - 1, (int)sum);
	return 0;
}

int main(void)
{
	dvm_seg_config_t c = { .size = sizeof c, .bytes = 1 << 20 };
	dvm_error_t err = { 0 };
	dvm_seg_t *seg;
	dvm_t *d;

	if (dvm_open(&d, NULL, &err) < 0 || dvm_seg_create(dvm_world(d), &c, &seg, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	int rc = run(d, seg);
	if (rc < 0)
		fprintf(stderr, "rank %d: %s\n", dvm_rank(d), dvm_strerror(rc));
	int gone = dvm_seg_destroy(seg);
	return dvm_close(d) < 0 || rc < 0 || gone < 0;
}
