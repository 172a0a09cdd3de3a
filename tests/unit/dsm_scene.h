/* SPDX-License-Identifier: BSD-3-Clause */
/* Node 1 of four, of which everything that it does is written down in words. */
#ifndef TESTS_UNIT_DSM_SCENE_H
#define TESTS_UNIT_DSM_SCENE_H

#include <stdio.h>
#include <string.h>

#include "shm/protocol.h"
#include "tests/unit/cm.h"

enum { NODES = 4, PAGE = 5, SCENE_PAGES = 8 };

struct scene {
	struct dsm *d;
	char said[512];
	uint32_t home;
	uint64_t now;
	bool may, conflict, last, blind; /* of pages that several nodes write */
	unsigned leads; /* looks that find PAGE to lead to what not all have: bits from the lowest */
	uint64_t have; /* of the last message: what its receiver was said to keep */
};

static void say(struct scene *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct scene *s, const char *fmt, ...)
{
	size_t n = strlen(s->said);
	va_list ap;

	if (n)
		s->said[n++] = ' ';
	va_start(ap, fmt);
	vsnprintf(s->said + n, sizeof s->said - n, fmt, ap);
	va_end(ap);
}

static void on_send(void *arg, uint32_t to, const struct dsm_msg *m)
{
	((struct scene *)arg)->have = m->have;
	say(arg, "%s%s%s%s%s>%u", dsm_kind_name((enum dsm_kind)m->kind),
	    m->flags & DSM_EXCLUSIVE ? "!" : "", m->flags & DSM_WALK ? "~" : "",
	    m->flags & DSM_BYTES ? "+" : "", m->flags & DSM_FINAL ? "." : "", to);
}

#define SAYS(name, word)                                                                           \
	static void name(void *arg, uint64_t page)                                                 \
	{                                                                                          \
		say(arg, word);                                                                    \
	}
SAYS(on_fill, "fill")
SAYS(on_protect, "protect")
SAYS(on_drop, "drop")
SAYS(on_poison, "poison")

static void on_install(void *arg, uint64_t page, bool write)
{
	say(arg, write ? "map-w" : "map-r");
}

static const struct dsm_ops ops = {
	.send = on_send,
	.fill = on_fill,
	.install = on_install,
	.protect = on_protect,
	.drop = on_drop,
	.poison = on_poison,
};

static uint32_t home_of(void *arg, uint64_t page)
{
	assert_true(page < SCENE_PAGES);
	return ((struct scene *)arg)->home;
}

/* WALK: what there is for pages that several nodes write, or NULL. */
static void scene_start(struct scene *s, uint32_t home, uint64_t hold,
			const struct dsm_walk_ops *walk)
{
	*s = (struct scene){ .home = home, .may = walk, .last = walk };
	const struct dsm_config c = { .self = 1,
				      .nodes = NODES,
				      .pages = SCENE_PAGES,
				      .home = home_of,
				      .hold = hold,
				      .ops = &ops,
				      .walk = walk,
				      .arg = s };
	assert_int_equal(dsm_create(&s->d, &c), 0);
}

static void fault(struct scene *s, bool write)
{
	assert_int_equal(dsm_fault(s->d, PAGE, write, s->now), 0);
}

#endif
