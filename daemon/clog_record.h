/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The records of a log file, as bytes in memory: little-endian {length u32, CRC-32C u32, index
 * u64, bytes}; the CRC covers everything but itself. Pure.
 */
#ifndef DVMD_CLOG_RECORD_H
#define DVMD_CLOG_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libdvm/base/buf.h"

#define DVMD_CLOG_HEAD_BYTES 16
#define DVMD_CLOG_ENTRY_MAX  (16u << 20) /* bytes of one record behind its head */

struct dvmd_clog_record {
	uint64_t index;
	const uint8_t *data; /* inside the image */
	uint32_t len;
};

/* Fills HEAD for the LEN bytes at DATA. */
void dvmd_clog_record_head(uint8_t head[DVMD_CLOG_HEAD_BYTES], uint64_t index, const void *data,
			   uint32_t len);

/* Appends a whole record (errors latch in B). */
void dvmd_clog_record_put(struct dvmi_buf *b, uint64_t index, const void *data, uint32_t len);

/*
 * The record at offset AT of the N bytes IMAGE: 1; 0 when AT is the end; -DVM_EPROTO when there
 * is none, whole and undamaged.
 */
int dvmd_clog_record_get(const uint8_t *image, size_t n, size_t at, struct dvmd_clog_record *out);

/*
 * Is there a whole record of index MIN or above anywhere behind AT? Then what is at AT is damage;
 * else it is what a crash left of the last append.
 */
bool dvmd_clog_record_behind(const uint8_t *image, size_t n, size_t at, uint64_t min);

#endif
