/* SPDX-License-Identifier: BSD-3-Clause */
/* Packed buffers as memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/src/packbuf.h"

#define FIRST_ROOM 256

int dvmi_buf_reserve(dvm_buf_t *b, size_t len)
{
	if (len <= b->room)
		return 0;
	size_t room = b->room + b->room / 2;
	room = room > len ? room : len;
	uint8_t *bytes = realloc(b->bytes, room);
	if (!bytes)
		return -ENOMEM;
	b->bytes = bytes;
	b->room = room;
	return 0;
}

void dvmi_buf_clear(dvm_buf_t *b)
{
	b->bytes[0] = (uint8_t)b->own;
	b->len = b->pos = 1;
}

int dvmi_buf_adopt(dvm_buf_t *b, size_t len)
{
	if (!len || b->bytes[0] < DVMI_CODE_LITTLE || b->bytes[0] > DVMI_CODE_XDR) {
		dvmi_buf_clear(b);
		return -DVM_EPROTO;
	}
	b->len = len;
	b->pos = 1;
	return 0;
}

int dvm_buf_create(dvm_buf_t **out, int encoding)
{
	if (!out || encoding < DVM_PACK_DEFAULT || encoding > DVM_PACK_XDR)
		return -EINVAL;
	dvm_buf_t *b = calloc(1, sizeof *b);
	if (!b)
		return -ENOMEM;
	b->own = encoding == DVM_PACK_XDR ? DVMI_CODE_XDR : DVMI_CODE_RAW;
	if (dvmi_buf_reserve(b, FIRST_ROOM) < 0) {
		free(b);
		return -ENOMEM;
	}
	dvmi_buf_clear(b);
	*out = b;
	return 0;
}

void dvm_buf_free(dvm_buf_t *b)
{
	if (!b)
		return;
	free(b->bytes);
	free(b);
}

int dvm_buf_reset(dvm_buf_t *b)
{
	if (!b)
		return -EINVAL;
	dvmi_buf_clear(b);
	return 0;
}

int dvm_buf_rewind(dvm_buf_t *b)
{
	if (!b)
		return -EINVAL;
	b->pos = 1;
	return 0;
}

size_t dvm_buf_len(const dvm_buf_t *b)
{
	return b ? b->len : 0;
}

size_t dvm_buf_left(const dvm_buf_t *b)
{
	return b ? b->len - b->pos : 0;
}

const void *dvm_buf_data(const dvm_buf_t *b)
{
	return b ? b->bytes : NULL;
}

int dvm_buf_encoding(const dvm_buf_t *b)
{
	if (!b)
		return -EINVAL;
	return dvmi_buf_code(b) == DVMI_CODE_XDR ? DVM_PACK_XDR : DVM_PACK_RAW;
}

int dvm_buf_load(dvm_buf_t *b, const void *data, size_t len)
{
	if (!b || (!data && len))
		return -EINVAL;
	if (dvmi_buf_reserve(b, len) < 0)
		return -ENOMEM;
	if (len)
		memmove(b->bytes, data, len);
	return dvmi_buf_adopt(b, len);
}
