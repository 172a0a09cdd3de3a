/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <limits.h>

#include "libdvm/src/cart.h"

int dvmi_cart_set(struct dvmi_cart *c, int ndims, const int *dims, const int *periodic)
{
	long long n = 1;

	if (ndims < 1 || ndims > DVM_CART_MAX || !dims || !periodic)
		return -EINVAL;
	*c = (struct dvmi_cart){ .n = ndims };
	for (int i = 0; i < ndims; i++) {
		if (dims[i] < 1)
			return -EINVAL;
		n *= dims[i];
		if (n > INT_MAX)
			return -EINVAL;
		c->dims[i] = dims[i];
		c->periodic[i] = periodic[i] != 0;
	}
	return (int)n;
}

void dvmi_cart_coords(const struct dvmi_cart *c, int rank, int *coords)
{
	for (int i = c->n - 1; i >= 0; i--) {
		coords[i] = rank % c->dims[i];
		rank /= c->dims[i];
	}
}

int dvmi_cart_rank(const struct dvmi_cart *c, const int *coords)
{
	int rank = 0;

	for (int i = 0; i < c->n; i++) {
		int x = coords[i];
		if (c->periodic[i])
			x = (x % c->dims[i] + c->dims[i]) % c->dims[i];
		else if (x < 0 || x >= c->dims[i])
			return DVM_NOBODY;
		rank = rank * c->dims[i] + x;
	}
	return rank;
}

/* What a tile of EACH places shows to others: the sum of each / tile[i] over cut dimensions. */
static int surface(const struct dvmi_cart *c, const int *tile, int each)
{
	int sum = 0;

	for (int i = 0; i < c->n; i++)
		if (tile[i] < c->dims[i])
			sum += each / tile[i];
	return sum;
}

struct search {
	const struct dvmi_cart *c;
	int each, best;
	int tile[DVM_CART_MAX];
	int *found;
};

static void try(struct search *s, int dim, int left)
{
	if (dim == s->c->n) {
		int cost = left == 1 ? surface(s->c, s->tile, s->each) : INT_MAX;
		if (cost >= s->best)
			return;
		s->best = cost;
		for (int i = 0; i < dim; i++)
			s->found[i] = s->tile[i];
		return;
	}
	for (int t = 1; t <= left && t <= s->c->dims[dim]; t++) {
		if (left % t || s->c->dims[dim] % t)
			continue;
		s->tile[dim] = t;
		try(s, dim + 1, left / t);
	}
}

bool dvmi_cart_tile(const struct dvmi_cart *c, int each, int *tile)
{
	struct search s = { .c = c, .each = each, .best = INT_MAX, .found = tile };

	try(&s, 0, each);
	return s.best < INT_MAX;
}

int dvmi_cart_in_tile(const struct dvmi_cart *c, const int *tile, int t, int i)
{
	struct dvmi_cart tiles = { .n = c->n }, inner = { .n = c->n };
	int outside[DVM_CART_MAX], inside[DVM_CART_MAX];

	for (int k = 0; k < c->n; k++) {
		tiles.dims[k] = c->dims[k] / tile[k];
		inner.dims[k] = tile[k];
	}
	dvmi_cart_coords(&tiles, t, outside);
	dvmi_cart_coords(&inner, i, inside);
	for (int k = 0; k < c->n; k++)
		inside[k] += outside[k] * tile[k];
	return dvmi_cart_rank(c, inside);
}

#define DIVISORS_MAX 1536 /* no number below 2^31 has more */

static int divisors(int n, int *out)
{
	int count = 0, low;

	for (int f = 1; f <= n / f; f++)
		if (n % f == 0)
			out[count++] = f;
	low = count;
	for (int i = low - 1; i >= 0; i--)
		if (n / out[i] != out[i])
			out[count++] = n / out[i];
	return count;
}

/*
 * The most even split of N into K factors, the larger first: the first one is the smallest divisor
 * for which the others can follow, none of them larger. True when there is one with factors up to
 * MOST; all are divisors of DIVS, which are in order.
 */
static bool even(int n, int k, int most, const int *divs, int *out)
{
	if (k == 1) {
		out[0] = n;
		return n <= most;
	}
	for (const int *f = divs; *f <= most && *f <= n; f++) {
		long long rest = 1;
		for (int i = 1; i < k && rest < n; i++)
			rest *= *f;
		out[0] = *f;
		if (n % *f == 0 && rest >= n / *f && even(n / *f, k - 1, *f, divs, out + 1))
			return true;
	}
	return false;
}

int dvm_dims_create(int n, int ndims, int *dims)
{
	int factors[DVM_CART_MAX], divs[DIVISORS_MAX + 1], open = 0, given = 1;

	if (n < 1 || ndims < 1 || ndims > DVM_CART_MAX || !dims)
		return -EINVAL;
	for (int i = 0; i < ndims; i++) {
		if (dims[i] < 0 || (dims[i] && n / given % dims[i]))
			return -EINVAL;
		open += !dims[i];
		given *= dims[i] ? dims[i] : 1;
	}
	if (!open)
		return given == n ? 0 : -EINVAL;
	divs[divisors(n / given, divs)] = INT_MAX; /* beyond whatever is looked for */
	if (!even(n / given, open, n / given, divs, factors))
		return -EINVAL;
	for (int i = 0, k = 0; i < ndims; i++)
		if (!dims[i])
			dims[i] = factors[k++];
	return 0;
}
