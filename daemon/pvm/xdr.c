/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/pvm/xdr.h"

#define STRING_MAX (1u << 20)

void pvm_xdr_put_int(struct dvmi_buf *b, int v)
{
	const uint32_t word = __builtin_bswap32((uint32_t)v);

	dvmi_buf_put(b, &word, sizeof word);
}

/* The length counts the end. */
void pvm_xdr_put_str(struct dvmi_buf *b, const char *s)
{
	size_t n = strlen(s) + 1;

	pvm_xdr_put_int(b, (int)n);
	dvmi_buf_put(b, s, n);
	dvmi_buf_put(b, "\0\0\0", (4 - n % 4) % 4);
}

void pvm_xdr_put_list(struct dvmi_buf *b, const char *const *v, int count)
{
	pvm_xdr_put_int(b, count);
	for (int i = 0; i < count; i++)
		pvm_xdr_put_str(b, v[i]);
}

int pvm_xdr_int(struct dvmi_reader *r)
{
	uint32_t word = 0;
	const uint8_t *p = dvmi_get_bytes(r, sizeof word);

	if (p)
		memcpy(&word, p, sizeof word);
	return (int)__builtin_bswap32(word);
}

char *pvm_xdr_str(struct dvmi_reader *r)
{
	uint32_t n = (uint32_t)pvm_xdr_int(r);
	const uint8_t *p = n && n <= STRING_MAX ? dvmi_get_bytes(r, (n + 3) & ~3u) : NULL;
	char *s = p && !p[n - 1] ? strdup((const char *)p) : NULL;

	if (!s && !r->err)
		r->err = -EPROTO;
	return s;
}

char **pvm_xdr_list(struct dvmi_reader *r, uint32_t *n, uint32_t first)
{
	uint32_t count = (uint32_t)pvm_xdr_int(r);

	if (r->err || count > (size_t)(r->end - r->p) / 8)
		return NULL;
	char **list = calloc(count + first + 1, sizeof *list);
	for (uint32_t i = 0; list && i < count; i++)
		list[first + i] = pvm_xdr_str(r);
	*n = count;
	return list;
}
