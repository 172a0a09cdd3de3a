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
#define DVMD_CLOG_BATCH	     (1u << 31)	 /* in a record's length: it holds several entries */

struct dvmd_clog_record {
	uint64_t index;
	const uint8_t *data; /* inside the image */
	uint32_t len;
	bool batch; /* data is entries from `index` on, each {length u32, bytes} */
};

/* Fills HEAD for the LEN bytes at DATA; LEN may have DVMD_CLOG_BATCH set. */
void dvmd_clog_record_head(uint8_t head[DVMD_CLOG_HEAD_BYTES], uint64_t index, const void *data,
			   uint32_t len);

/* Appends a whole record (errors latch in B). */
void dvmd_clog_record_put(struct dvmi_buf *b, uint64_t index, const void *data, uint32_t len);

/*
 * The record at offset AT of the N bytes IMAGE: 1; 0 when AT is the end; -DVM_EPROTO when there
 * is none, whole and undamaged.
 */
int dvmd_clog_record_get(const uint8_t *image, size_t n, size_t at, struct dvmd_clog_record *out);

/* The next entry of a batch, *AT from its start on: 1; 0: there is none; -DVM_EPROTO. */
int dvmd_clog_batch_next(const struct dvmd_clog_record *batch, size_t *at, const uint8_t **entry,
			 uint32_t *len);
/* Appends one (errors latch in B). */
void dvmd_clog_batch_put(struct dvmi_buf *b, const void *entry, uint32_t len);

/*
 * Is there a whole record of index MIN or above anywhere behind AT? Then what is at AT is damage;
 * else it is what a crash left of the last append.
 */
bool dvmd_clog_record_behind(const uint8_t *image, size_t n, size_t at, uint64_t min);

#endif
