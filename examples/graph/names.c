/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "examples/graph/names.h"

enum { FIRST_SLOTS = 1024, MOST_SLOTS = 1u << 31 };

/* FNV-1a */
static uint32_t hash(const char *text, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
	return (uint32_t)(h ^ h >> 32);
}

/* The slot that holds the name, or the empty one where it belongs. */
static uint32_t *find(const struct names *t, const char *text, size_t len)
{
	for (uint32_t i = hash(text, len);; i++) {
		uint32_t *slot = &t->slot[i & (t->slots - 1)];
		const char *name = *slot ? t->name[*slot - 1] : NULL;

		if (!name || (strncmp(name, text, len) == 0 && !name[len]))
			return slot;
	}
}

/* Twice the slots, and room for half as many names, so that probing stays short. */
static int grow(struct names *t)
{
	uint32_t slots = t->slots ? t->slots * 2 : FIRST_SLOTS;
	char **name;

	if (t->slots >= MOST_SLOTS)
		return -EOVERFLOW;
	name = reallocarray(t->name, slots / 2, sizeof *name);
	if (!name)
		return -ENOMEM;
	t->name = name;
	free(t->slot);
	t->slot = calloc(slots, sizeof *t->slot);
	t->slots = t->slot ? slots : 0;
	if (!t->slot)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->n; i++)
		*find(t, name[i], strlen(name[i])) = i + 1;
	return 0;
}

int64_t names_number(struct names *t, const char *text, size_t len)
{
	uint32_t *slot;
	int rc = t->n < t->slots / 2 ? 0 : grow(t);

	if (rc < 0)
		return rc;
	slot = find(t, text, len);
	if (!*slot) {
		t->name[t->n] = strndup(text, len);
		if (!t->name[t->n])
			return -ENOMEM;
		*slot = ++t->n;
	}
	return *slot - 1;
}

void names_free(struct names *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		free(t->name[i]);
	free(t->name);
	free(t->slot);
	*t = (struct names){ 0 };
}
