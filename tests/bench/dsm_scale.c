/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the coherence engine grows: messages and memory for 2 to 1,024 nodes and segments of 1 GiB to
 * 1 TiB. The real engines, all in this process; messages are only carried and counted. Prints the
 * tables of doc/scaling.md.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/protocol.h"

enum { PAGE = 4096, RUN = 64, SAMPLE = 64 * RUN, FEW = 8, HOT = 16 };

struct node {
	struct dsm *d;
	uint32_t self;
	struct world *w;
};

struct letter {
	struct letter *next;
	uint32_t from, to;
	struct dsm_msg m;
};

struct world {
	struct node *nodes;
	uint32_t n;
	uint64_t pages;
	struct letter *head, **tail;
	uint64_t messages, with_bytes;
};

static void fail(const char *what)
{
	fprintf(stderr, "dsm-scale: %s\n", what);
	exit(1);
}

static void on_send(void *arg, uint32_t to, const struct dsm_msg *m)
{
	struct node *k = arg;
	struct letter *l = malloc(sizeof *l);

	if (!l)
		fail("no memory");
	*l = (struct letter){ .from = k->self, .to = to, .m = *m };
	*k->w->tail = l;
	k->w->tail = &l->next;
	k->w->messages++;
	k->w->with_bytes += m->flags & DSM_BYTES;
}

static void on_page(void *arg, uint64_t page)
{
	(void)arg;
	(void)page;
}

static void on_install(void *arg, uint64_t page, bool write)
{
	(void)arg;
	(void)page;
	(void)write;
}

/* Runs of pages are dealt out to the nodes. */
static uint32_t home_of(void *arg, uint64_t page)
{
	const struct node *k = arg;

	return (uint32_t)(page / RUN % k->w->n);
}

static void make_world(struct world *w, uint32_t n, uint64_t bytes)
{
	static const struct dsm_ops ops = {
		.send = on_send,
		.fill = on_page,
		.install = on_install,
		.protect = on_page,
		.drop = on_page,
		.poison = on_page,
	};

	*w = (struct world){ .n = n, .pages = bytes / PAGE };
	w->tail = &w->head;
	w->nodes = calloc(n, sizeof *w->nodes);
	for (uint32_t i = 0; w->nodes && i < n; i++) {
		struct node *k = &w->nodes[i];
		*k = (struct node){ .self = i, .w = w };
		struct dsm_config c = { .self = i,
					.nodes = n,
					.pages = w->pages,
					.home = home_of,
					.ops = &ops,
					.arg = k };
		if (dsm_create(&k->d, &c) < 0)
			fail("no engine");
	}
}

static void end_world(struct world *w)
{
	for (uint32_t i = 0; i < w->n; i++)
		dsm_destroy(w->nodes[i].d);
	free(w->nodes);
}

/* Carries all letters, also those that come of them. */
static void carry(struct world *w)
{
	struct letter *l;

	while ((l = w->head)) {
		w->head = l->next;
		if (!w->head)
			w->tail = &w->head;
		if (dsm_receive(w->nodes[l->to].d, l->from, &l->m, 0) < 0)
			fail("a message was not taken");
		free(l);
	}
}

static void access_page(struct world *w, uint32_t node, uint64_t page, bool write)
{
	if (dsm_fault(w->nodes[node].d, page, write, 0) < 0)
		fail("a fault was not taken");
	carry(w);
	enum dsm_state s = dsm_state(w->nodes[node].d, page);
	if (write ? s != DSM_MODIFIED : s == DSM_INVALID)
		fail("a fault has not brought the page");
}

/* Messages since the last call, each. */
static double per(struct world *w, uint64_t n)
{
	double each = (double)w->messages / (double)n;

	w->messages = 0;
	return each;
}

static size_t heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* The pages of a sample lie in runs, all over the segment. */
static uint64_t page_of(const struct world *w, uint64_t i)
{
	uint64_t runs = w->pages / RUN, apart = runs / (SAMPLE / RUN);

	return (i / RUN * apart + i / RUN % 7) % runs * RUN + i % RUN;
}

static uint32_t owner_of(const struct world *w, uint64_t page)
{
	return (uint32_t)((page / RUN + 1) % w->n);
}

static void traffic(uint32_t n)
{
	struct world w;
	uint32_t few = n - 1 < FEW ? n - 1 : FEW;
	double one, read, write, all, move;

	make_world(&w, n, UINT64_C(1) << 30);
	for (uint64_t i = 0; i < SAMPLE; i++)
		access_page(&w, owner_of(&w, page_of(&w, i)), page_of(&w, i), true);
	one = per(&w, SAMPLE);
	for (uint64_t i = 0; i < SAMPLE; i++)
		for (uint32_t k = 1; k <= few; k++) {
			uint64_t page = page_of(&w, i);
			access_page(&w, (owner_of(&w, page) + k) % n, page, false);
		}
	read = per(&w, (uint64_t)SAMPLE * few);
	for (uint64_t i = 0; i < SAMPLE; i++)
		access_page(&w, owner_of(&w, page_of(&w, i)), page_of(&w, i), true);
	write = per(&w, SAMPLE);
	for (uint64_t i = 0; i < HOT; i++)
		for (uint32_t k = 0; k < n; k++)
			access_page(&w, k, page_of(&w, i * RUN), false);
	w.messages = 0;
	for (uint64_t i = 0; i < HOT; i++)
		access_page(&w, owner_of(&w, page_of(&w, i * RUN)), page_of(&w, i * RUN), true);
	all = per(&w, HOT);
	for (uint64_t i = 0; i < SAMPLE; i++)
		for (uint32_t k = 1; k <= 4; k++) {
			uint64_t page = page_of(&w, i);
			access_page(&w, (uint32_t)(owner_of(&w, page) + k * 3) % n, page, true);
		}
	move = per(&w, (uint64_t)SAMPLE * 4);
	printf("| %u | %.2f | %.2f | %.2f | %.0f | %.2f |\n", n, one, read, write, all, move);
	end_world(&w);
}

/* Bytes of a node, and for a page that its home has given to another; then for one more reader. */
static void memory(uint32_t n, uint64_t bytes)
{
	struct world w;
	size_t before = heap();

	make_world(&w, n, bytes);
	size_t empty = heap();
	for (uint64_t i = 0; i < SAMPLE; i++)
		access_page(&w, owner_of(&w, page_of(&w, i)), page_of(&w, i), true);
	size_t owned = heap();
	for (uint64_t i = 0; i < SAMPLE; i++)
		access_page(&w, (owner_of(&w, page_of(&w, i)) + 1) % n, page_of(&w, i), false);
	size_t shared = heap();
	double each = (double)(owned - empty) / SAMPLE, more = (double)(shared - owned) / SAMPLE;
	printf("| %u | %llu | %.1f | %.0f | %.0f | %.1f | %.2f |\n", n,
	       (unsigned long long)(bytes >> 30), (double)(empty - before) / n / 1024, each, more,
	       (double)w.pages / n * each / 1048576, each / PAGE * 100);
	end_world(&w);
}

int main(void)
{
	static const uint32_t nodes[] = { 2, 4, 16, 64, 128, 256, 1024 };
	static const uint64_t gib[] = { 1, 32, 1024 };

	printf("| nodes | first write | read | write, few readers | write, all read | write, "
	       "moving "
	       "|\n|---:|---:|---:|---:|---:|---:|\n");
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		traffic(nodes[i]);
	printf("\n| nodes | segment GiB | engine at rest KiB | bytes / page | bytes / reader | "
	       "node with "
	       "all pages in use MiB | %% of the memory |\n|---:|---:|---:|---:|---:|---:|---:|\n");
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		for (size_t k = 0; k < sizeof gib / sizeof *gib; k++)
			if (nodes[i] == 2 || nodes[i] == 64 || nodes[i] == 1024)
				memory(nodes[i], gib[k] << 30);
	return 0;
}
