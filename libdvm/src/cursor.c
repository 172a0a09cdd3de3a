/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "libdvm/src/cursor.h"

#define inlined static inline __attribute__((always_inline))

size_t dvmi_cursor_size(const struct dvm_layout *l)
{
	return sizeof(struct dvmi_cursor) + (l->depth + 1) * sizeof(struct dvmi_level);
}

void dvmi_cursor_rewind(struct dvmi_cursor *c)
{
	c->skip = 0;
	c->top = 0;
	c->level[0] = (struct dvmi_level){ .run = &c->root, .end = &c->root + 1, .base = c->buf };
	if (!c->len)
		c->level[0].run = c->level[0].end;
}

void dvmi_cursor_init(struct dvmi_cursor *c, void *buf, uint64_t count, const struct dvm_layout *l)
{
	c->layout = dvmi_layout_ref(l);
	c->buf = (uintptr_t)buf;
	c->len = l->size * count;
	if (c->len)
		c->root = dvmi_layout_run(l, count);
	dvmi_cursor_rewind(c);
}

void dvmi_cursor_fini(struct dvmi_cursor *c)
{
	dvmi_layout_unref(c->layout);
	c->layout = NULL;
}

void dvmi_cursor_save(struct dvmi_cursor *to, const struct dvmi_cursor *c)
{
	to->skip = c->skip;
	to->top = c->top;
	memcpy(to->level, c->level, (c->top + 1) * sizeof c->level[0]);
}

void dvmi_cursor_restore(struct dvmi_cursor *c, const struct dvmi_cursor *from)
{
	dvmi_cursor_save(c, from);
}

/* The block at which V is. */
inlined uint8_t *block(const struct dvmi_level *v)
{
	const struct dvmi_run *r = v->run;

	return (uint8_t *)(v->base + (uintptr_t)r->at + v->i * (uintptr_t)r->stride);
}

/* One side of a copy is flat, the other one is memory as laid out. */
inlined void copy(uint8_t *laid, uint8_t *flat, size_t n, bool out)
{
	if (out)
		memcpy(flat, laid, n);
	else
		memcpy(laid, flat, n);
}

inlined void copy_each(uint8_t *laid, uint8_t *flat, size_t k, int64_t stride, size_t len, bool out)
{
	for (; k; k--, laid += stride, flat += len)
		copy(laid, flat, len, out);
}

/* K whole blocks. A length the compiler knows makes a move of each copy. */
inlined void copy_blocks(uint8_t *laid, uint8_t *flat, size_t k, int64_t stride, size_t len,
			 bool out)
{
	switch (len) {
	case 1:
		copy_each(laid, flat, k, stride, 1, out);
		break;
	case 2:
		copy_each(laid, flat, k, stride, 2, out);
		break;
	case 4:
		copy_each(laid, flat, k, stride, 4, out);
		break;
	case 8:
		copy_each(laid, flat, k, stride, 8, out);
		break;
	case 12:
		copy_each(laid, flat, k, stride, 12, out);
		break;
	case 16:
		copy_each(laid, flat, k, stride, 16, out);
		break;
	case 24:
		copy_each(laid, flat, k, stride, 24, out);
		break;
	case 32:
		copy_each(laid, flat, k, stride, 32, out);
		break;
	default:
		copy_each(laid, flat, k, stride, len, out);
	}
}

/* Moves up to N bytes of pieces of the run at V. Returns their number, at least 1. */
inlined size_t move_pieces(struct dvmi_cursor *c, struct dvmi_level *v, uint8_t *flat, size_t n,
			   bool out)
{
	const struct dvmi_run *r = v->run;
	uint8_t *laid = block(v);

	if (c->skip || n < r->len) {
		size_t m = r->len - c->skip < n ? r->len - c->skip : n;
		copy(laid + c->skip, flat, m, out);
		c->skip += m;
		if (c->skip == r->len) {
			c->skip = 0;
			v->i++;
		}
		return m;
	}
	uint64_t k = r->count - v->i;
	if (k > 1 && n / r->len < k)
		k = n / r->len;
	copy_blocks(laid, flat, k, r->stride, r->len, out);
	v->i += k;
	return k * r->len;
}

/* Into block i of the run at V, which is another layout. */
static void descend(struct dvmi_cursor *c, struct dvmi_level *v)
{
	const struct dvmi_run *r = v->run;

	c->level[++c->top] = (struct dvmi_level){
		.run = r->of->runs,
		.end = r->of->runs + r->of->nruns,
		.base = (uintptr_t)block(v),
	};
	v->i++;
}

/* The level whose run has the next bytes; NULL at the end. */
inlined struct dvmi_level *next_run(struct dvmi_cursor *c)
{
	for (;;) {
		struct dvmi_level *v = &c->level[c->top];
		if (v->run == v->end) {
			if (!c->top)
				return NULL;
			c->top--;
		} else if (v->i == v->run->count) {
			v->run++;
			v->i = 0;
		} else if (v->run->of) {
			descend(c, v);
		} else {
			return v;
		}
	}
}

inlined size_t move(struct dvmi_cursor *c, uint8_t *flat, size_t n, bool out)
{
	struct dvmi_level *v;
	size_t done = 0;

	while (done < n && (v = next_run(c)))
		done += move_pieces(c, v, flat + done, n - done, out);
	return done;
}

size_t dvmi_cursor_piece(struct dvmi_cursor *c, size_t max, uintptr_t *at)
{
	struct dvmi_level *v = next_run(c);

	if (!v || !max)
		return 0;
	uint64_t n = v->run->len - c->skip;
	*at = (uintptr_t)block(v) + c->skip;
	if (n > max) {
		c->skip += max;
		return max;
	}
	c->skip = 0;
	v->i++;
	return n;
}

size_t dvmi_cursor_gather(struct dvmi_cursor *c, void *out, size_t n)
{
	return move(c, out, n, true);
}

size_t dvmi_cursor_scatter(struct dvmi_cursor *c, const void *in, size_t n)
{
	return move(c, (uint8_t *)(uintptr_t)in, n, false);
}
