/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "daemon/clog_record.h"
#include "dvm/error.h"
#include "libdvm/base/crc32c.h"

static void put_le(uint8_t *p, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_le(const uint8_t *p, int bytes)
{
	uint64_t v = 0;

	for (int i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static uint32_t checksum(const uint8_t *head, const void *data, uint32_t len)
{
	uint32_t crc = dvmi_crc32c(0, head, 4);

	crc = dvmi_crc32c(crc, head + 8, 8);
	return dvmi_crc32c(crc, data, len & ~DVMD_CLOG_BATCH);
}

void dvmd_clog_record_head(uint8_t head[DVMD_CLOG_HEAD_BYTES], uint64_t index, const void *data,
			   uint32_t len)
{
	put_le(head, len, 4);
	put_le(head + 8, index, 8);
	put_le(head + 4, checksum(head, data, len), 4);
}

void dvmd_clog_record_put(struct dvmi_buf *b, uint64_t index, const void *data, uint32_t len)
{
	uint8_t *p = dvmi_buf_extend(b, (size_t)DVMD_CLOG_HEAD_BYTES + len);

	if (!p)
		return;
	dvmd_clog_record_head(p, index, data, len);
	if (len)
		memcpy(p + DVMD_CLOG_HEAD_BYTES, data, len);
}

int dvmd_clog_record_get(const uint8_t *image, size_t n, size_t at, struct dvmd_clog_record *out)
{
	const uint8_t *head = image + at;

	if (at == n)
		return 0;
	if (n - at < DVMD_CLOG_HEAD_BYTES)
		return -DVM_EPROTO;
	uint32_t word = (uint32_t)get_le(head, 4), len = word & ~DVMD_CLOG_BATCH;
	if (len > DVMD_CLOG_ENTRY_MAX || len > n - at - DVMD_CLOG_HEAD_BYTES)
		return -DVM_EPROTO;
	if (checksum(head, head + DVMD_CLOG_HEAD_BYTES, word) != get_le(head + 4, 4))
		return -DVM_EPROTO;
	*out = (struct dvmd_clog_record){
		.index = get_le(head + 8, 8),
		.data = head + DVMD_CLOG_HEAD_BYTES,
		.len = len,
		.batch = word & DVMD_CLOG_BATCH,
	};
	return 1;
}

int dvmd_clog_batch_next(const struct dvmd_clog_record *batch, size_t *at, const uint8_t **entry,
			 uint32_t *len)
{
	size_t left = batch->len - *at;

	if (left == 0)
		return 0;
	if (left < 4 || get_le(batch->data + *at, 4) > left - 4)
		return -DVM_EPROTO;
	*len = (uint32_t)get_le(batch->data + *at, 4);
	*entry = batch->data + *at + 4;
	*at += 4 + (size_t)*len;
	return 1;
}

void dvmd_clog_batch_put(struct dvmi_buf *b, const void *entry, uint32_t len)
{
	uint8_t *p = dvmi_buf_extend(b, 4 + (size_t)len);

	if (!p)
		return;
	put_le(p, len, 4);
	if (len)
		memcpy(p + 4, entry, len);
}

bool dvmd_clog_record_behind(const uint8_t *image, size_t n, size_t at, uint64_t min)
{
	/* A file of n bytes cannot hold more records than this: keeps false hits out cheaply. */
	uint64_t max = min + n / DVMD_CLOG_HEAD_BYTES;
	struct dvmd_clog_record rec;

	for (size_t p = at + 1; p < n && n - p >= DVMD_CLOG_HEAD_BYTES; p++) {
		uint64_t index = get_le(image + p + 8, 8);
		if (index >= min && index <= max && dvmd_clog_record_get(image, n, p, &rec) > 0)
			return true;
	}
	return false;
}
