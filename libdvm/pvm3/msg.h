/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages and their numbers. A message is what it is called (tag, context, …) and bytes, which
 * lie in a blob that several messages and sends under way may share: who writes into a shared one
 * gets a copy first. Pure: memory only.
 */
#ifndef PVMI_MSG_H
#define PVMI_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a message is encoded, as pvm_getminfo() shows it. */
#define PVMI_ENC_XDR   0x10000000
#define PVMI_ENC_PLACE 0x20000000
#define PVMI_ENC_RAW   0x00408c41 /* little-endian, 64-bit long, IEEE: the data signature */
#define PVMI_ENC_TRACE 0x40000000

#define PVMI_HEAD 32u /* bytes in front of a blob's data, for what goes along with them */

struct pvmi_blob {
	uint32_t refs;
	size_t cap; /* of data behind the head */
	uint8_t *bytes; /* PVMI_HEAD + cap */
	uint8_t *own;	/* memory of its own that they lie in; NULL: they do not */
	struct pvmi_lend *lender; /* of memory that tasks share, which they lie in (lend.h); NULL */
};

struct pvmi_piece { /* of what is read when it is sent */
	const void *at;
	size_t len;
};

enum pvmi_mode {
	PVMI_FRESH = 0,	 /* neither yet: packing begins anew, unpacking at the beginning */
	PVMI_PACKED = 1,
	PVMI_UNPACKED = 2,
};

struct pvmi_msg {
	int mid; /* 0: it has no number yet */
	enum pvmi_mode mode;
	int enc, ctx, tag, wid, crc, src, dst;
	struct pvmi_blob *blob; /* NULL: empty */
	size_t len, at;		/* bytes, and how many of them are unpacked */
	struct pvmi_piece *pieces;
	size_t npieces;
};

/* A blob with room for CAP bytes and one reference, or NULL. */
struct pvmi_blob *pvmi_blob_new(size_t cap);
/* Long blobs that are packed into lie in memory of L from now on; NULL: they do not. */
void pvmi_blob_lender(struct pvmi_lend *l);
struct pvmi_blob *pvmi_blob_ref(struct pvmi_blob *b);
void pvmi_blob_unref(struct pvmi_blob *b);
static inline uint8_t *pvmi_blob_data(const struct pvmi_blob *b)
{
	return b->bytes + PVMI_HEAD;
}

struct pvmi_msg *pvmi_msg_new(int enc);
void pvmi_msg_free(struct pvmi_msg *m);

/* Makes M ready to be packed into: empties it unless that was what it was for. 0 or PvmNoMem. */
void pvmi_msg_packing(struct pvmi_msg *m);
/* Makes M ready to be unpacked: from its beginning unless that is under way. */
void pvmi_msg_unpacking(struct pvmi_msg *m);
/* Room for N more bytes at the end, counted as there; NULL without memory. */
uint8_t *pvmi_msg_extend(struct pvmi_msg *m, size_t n);
/* Adds N bytes at P that are read when M is sent. 0 or PvmNoMem. */
int pvmi_msg_add_piece(struct pvmi_msg *m, const void *p, size_t n);
/*
 * The bytes of M as they are now, with a reference for the caller: the blob of M, or, where pieces
 * lie elsewhere, a copy. NULL without memory. *LEN is their number.
 */
struct pvmi_blob *pvmi_msg_bytes(struct pvmi_msg *m, size_t *len);
/* Bytes that are not unpacked yet. */
static inline size_t pvmi_msg_left(const struct pvmi_msg *m)
{
	return m->len - m->at;
}

/* ---- numbers ---- */

struct pvmi_mids {
	struct pvmi_msg **msgs; /* by number; [0] is never used */
	int n;			/* numbers there are */
	int *free;		/* those of no message, the one freed last at the end */
	int nfree;
};

/* Gives M a number. It, or PvmNoMem. */
int pvmi_mids_add(struct pvmi_mids *t, struct pvmi_msg *m);
/* The message, or NULL. */
struct pvmi_msg *pvmi_mids_get(const struct pvmi_mids *t, int mid);
/* Takes M's number away. */
void pvmi_mids_remove(struct pvmi_mids *t, struct pvmi_msg *m);

#endif
