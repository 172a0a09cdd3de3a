/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs of pages, free or taken, each known by its first and its last page, so neighbours are found
 * at once; free ones are in bins by their length. A slab is a run of one page, cut into at most 64
 * slots of one size.
 */
#include <errno.h>

#include "shm/alloc.h"

#define LINE	  64u
#define CLASSES	  10u
#define BINS	  32u
#define TRIES	  8 /* runs looked at in the bin in which not all are long enough */
#define PAGES_MAX (1u << 24)

enum kind { INSIDE = 0, FREE, RUN, SLAB };

struct dsm_alloc_page {
	uint8_t kind; /* of the run that begins here */
	uint8_t class;
	uint32_t len;	     /* of it, pages; also in its last page, if that is free */
	uint32_t next, prev; /* page + 1, in its bin or its rank's list of slabs; 0 none */
	uint32_t rank;	     /* whose slab */
	uint64_t slots;	     /* that are free */
};

struct dsm_alloc_books {
	uint64_t ready;
	uint64_t used;
	uint32_t bins[BINS];
	uint32_t slabs[]; /* [ranks][CLASSES] with free slots */
};

static const uint32_t sizes[CLASSES] = { 64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048 };

static uint64_t page_for(uint64_t bytes, uint64_t unit)
{
	uint64_t page = unit < 4096 ? 4096 : unit;

	while (bytes / page > PAGES_MAX)
		page *= 2;
	return page;
}

static size_t books_bytes(uint32_t ranks)
{
	size_t n = sizeof(struct dsm_alloc_books) + (size_t)ranks * CLASSES * sizeof(uint32_t);

	return (n + LINE - 1) & ~(size_t)(LINE - 1);
}

size_t dsm_alloc_bytes(uint64_t bytes, uint64_t unit, uint32_t ranks)
{
	return books_bytes(ranks) +
	       (size_t)(bytes / page_for(bytes, unit)) * sizeof(struct dsm_alloc_page);
}

void dsm_alloc_open(struct dsm_alloc *a, void *mem, uint64_t bytes, uint64_t unit, uint32_t ranks)
{
	*a = (struct dsm_alloc){
		.b = mem,
		.pages = (struct dsm_alloc_page *)((uint8_t *)mem + books_bytes(ranks)),
		.page = page_for(bytes, unit),
		.ranks = ranks,
	};
	a->npages = (uint32_t)(bytes / a->page);
}

/* Lists, of pages by number + 1. */

static void link_page(struct dsm_alloc *a, uint32_t *list, uint32_t i)
{
	struct dsm_alloc_page *p = &a->pages[i];

	p->prev = 0;
	p->next = *list;
	if (p->next)
		a->pages[p->next - 1].prev = i + 1;
	*list = i + 1;
}

static void unlink_page(struct dsm_alloc *a, uint32_t *list, uint32_t i)
{
	const struct dsm_alloc_page *p = &a->pages[i];

	*(p->prev ? &a->pages[p->prev - 1].next : list) = p->next;
	if (p->next)
		a->pages[p->next - 1].prev = p->prev;
}

/* Runs */

static uint32_t *bin_of(struct dsm_alloc *a, uint32_t len)
{
	return &a->b->bins[31 - (uint32_t)__builtin_clz(len)];
}

static void put_free(struct dsm_alloc *a, uint32_t first, uint32_t len)
{
	struct dsm_alloc_page *p = &a->pages[first], *last = &a->pages[first + len - 1];

	last->len = len;
	last->kind = len > 1 ? INSIDE : FREE;
	p->kind = FREE;
	p->len = len;
	link_page(a, bin_of(a, len), first);
}

static void take_free(struct dsm_alloc *a, uint32_t first)
{
	unlink_page(a, bin_of(a, a->pages[first].len), first);
}

static void prepare(struct dsm_alloc *a)
{
	if (a->b->ready || !a->npages)
		return;
	a->b->ready = 1;
	put_free(a, 0, a->npages);
}

/* The free run that ends in front of page I, or -1. */
static int64_t free_before(const struct dsm_alloc *a, uint32_t i)
{
	if (!i)
		return -1;
	uint32_t len = a->pages[i - 1].len;
	if (!len || len > i)
		return -1;
	const struct dsm_alloc_page *p = &a->pages[i - len];
	/* A length that a taken run has left behind is of no run that is free now. */
	return p->kind == FREE && p->len == len ? (int64_t)(i - len) : -1;
}

static void give_run(struct dsm_alloc *a, uint32_t first, uint32_t len)
{
	int64_t before = free_before(a, first);

	a->pages[first].kind = INSIDE;
	a->b->used -= len;
	if (first + len < a->npages && a->pages[first + len].kind == FREE) {
		uint32_t more = a->pages[first + len].len;
		take_free(a, first + len);
		a->pages[first + len].kind = INSIDE;
		len += more;
	}
	if (before >= 0) {
		take_free(a, (uint32_t)before);
		len += first - (uint32_t)before;
		first = (uint32_t)before;
	}
	put_free(a, first, len);
}

/* How many pages of a run at FIRST lie in front of the first multiple of ALIGN pages. */
static uint32_t slack(uint32_t first, uint32_t align)
{
	return (align - first % align) % align;
}

static int64_t first_fit(const struct dsm_alloc *a, uint32_t list, uint32_t len, uint32_t align,
			 int tries)
{
	for (; list && tries; tries--) {
		const struct dsm_alloc_page *p = &a->pages[list - 1];
		if (p->len >= len && p->len - len >= slack(list - 1, align))
			return list - 1;
		list = p->next;
	}
	return -1;
}

static int64_t find_run(const struct dsm_alloc *a, uint32_t len, uint32_t align)
{
	uint32_t bin = 31 - (uint32_t)__builtin_clz(len);
	int64_t at = -1;

	for (; bin < BINS && at < 0; bin++)
		at = first_fit(a, a->b->bins[bin], len, align, align > 1 ? INT32_MAX : TRIES);
	/* Rather slowly than not at all. */
	if (at < 0)
		at = first_fit(a, a->b->bins[31 - (uint32_t)__builtin_clz(len)], len, align,
			       INT32_MAX);
	return at;
}

/* A run of LEN pages as KIND, or -1. */
static int64_t take_run(struct dsm_alloc *a, uint32_t len, uint32_t align, enum kind kind)
{
	int64_t at = find_run(a, len, align);

	if (at < 0)
		return at;
	uint32_t first = (uint32_t)at, all = a->pages[first].len, front = slack(first, align);
	take_free(a, first);
	a->pages[first].kind = INSIDE;
	if (front)
		put_free(a, first, front);
	if (front + len < all)
		put_free(a, first + front + len, all - front - len);
	struct dsm_alloc_page *p = &a->pages[first + front];
	a->pages[first + front + len - 1].len = 0;
	p->kind = (uint8_t)kind;
	p->len = len;
	a->b->used += len;
	return first + front;
}

/* Slabs */

static uint64_t all_slots(const struct dsm_alloc *a, uint32_t class)
{
	uint64_t n = a->page / sizes[class];

	return n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

static uint32_t *slabs_of(struct dsm_alloc *a, uint32_t rank, uint32_t class)
{
	return &a->b->slabs[rank * CLASSES + class];
}

/* The class for BYTES at multiples of ALIGN, or CLASSES: none. */
static uint32_t class_for(uint64_t bytes, uint64_t align)
{
	uint32_t c = 0;

	while (c < CLASSES && (sizes[c] < bytes || sizes[c] % align))
		c++;
	return c;
}

static int take_slot(struct dsm_alloc *a, uint32_t rank, uint32_t class, uint64_t *offset)
{
	uint32_t *list = slabs_of(a, rank, class);

	if (!*list) {
		int64_t at = take_run(a, 1, 1, SLAB);
		if (at < 0)
			return -ENOMEM;
		struct dsm_alloc_page *p = &a->pages[at];
		p->class = (uint8_t) class;
		p->rank = rank;
		p->slots = all_slots(a, class);
		link_page(a, list, (uint32_t)at);
	}
	uint32_t i = *list - 1;
	struct dsm_alloc_page *p = &a->pages[i];
	uint32_t slot = (uint32_t)__builtin_ctzll(p->slots);
	p->slots &= p->slots - 1;
	if (!p->slots)
		unlink_page(a, list, i);
	*offset = i * a->page + (uint64_t)slot * sizes[class];
	return 0;
}

static int give_slot(struct dsm_alloc *a, uint32_t i, uint64_t within)
{
	struct dsm_alloc_page *p = &a->pages[i];
	uint64_t slot = within / sizes[p->class], all = all_slots(a, p->class);
	uint32_t *list = slabs_of(a, p->rank, p->class);

	if (within % sizes[p->class] || slot >= 64 || !(all >> slot & 1) || p->slots >> slot & 1)
		return -EINVAL;
	if (!p->slots)
		link_page(a, list, i);
	p->slots |= UINT64_C(1) << slot;
	if (p->slots == all) {
		unlink_page(a, list, i);
		give_run(a, i, 1);
	}
	return 0;
}

int dsm_alloc_take(struct dsm_alloc *a, uint32_t rank, uint64_t bytes, uint64_t align,
		   uint64_t *offset)
{
	if (!bytes || !align || align & (align - 1) || rank >= a->ranks)
		return -EINVAL;
	prepare(a);
	uint32_t class = align <= a->page ? class_for(bytes, align) : CLASSES;
	if (class < CLASSES)
		return take_slot(a, rank, class, offset);
	uint64_t len = bytes / a->page + (bytes % a->page != 0);
	uint64_t pages = align <= a->page ? 1 : align / a->page;
	if (len > a->npages || pages > a->npages)
		return -ENOMEM;
	int64_t at = take_run(a, (uint32_t)len, (uint32_t)pages, RUN);
	if (at < 0)
		return -ENOMEM;
	*offset = (uint64_t)at * a->page;
	return 0;
}

int dsm_alloc_give(struct dsm_alloc *a, uint64_t offset)
{
	uint64_t i = offset / a->page;

	if (!a->b->ready || i >= a->npages)
		return -EINVAL;
	const struct dsm_alloc_page *p = &a->pages[i];
	if (p->kind == SLAB)
		return give_slot(a, (uint32_t)i, offset % a->page);
	if (p->kind != RUN || offset % a->page)
		return -EINVAL;
	give_run(a, (uint32_t)i, p->len);
	return 0;
}

uint64_t dsm_alloc_used(const struct dsm_alloc *a)
{
	return a->b->used;
}

bool dsm_alloc_check(const struct dsm_alloc *a)
{
	uint64_t used = 0;
	bool free = false;

	for (uint32_t i = 0; a->b->ready && i < a->npages;) {
		const struct dsm_alloc_page *p = &a->pages[i];
		if (p->kind == INSIDE || !p->len || p->len > a->npages - i)
			return false;
		if (p->kind == FREE && (free || a->pages[i + p->len - 1].len != p->len))
			return false;
		free = p->kind == FREE;
		used += free ? 0 : p->len;
		i += p->len;
	}
	return used == a->b->used;
}
