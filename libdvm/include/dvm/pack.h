/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm: typed data packed into a buffer that any host understands.
 *
 * A buffer begins with one byte that says how the rest is encoded, so whoever receives it unpacks
 * it, whatever his own byte order and the sender's choice were. Values are unpacked in the order
 * and with the types in which they were packed; types themselves do not travel.
 *
 * Raw: values as they are in the sender's memory; the receiver swaps bytes where its order is
 * another. XDR: RFC 4506; big-endian, in units of 4 bytes (8- and 16-bit integers take 4), 64-bit
 * integers as hyper, bytes as opaque of fixed length, strings as string.
 *
 * Packing appends and keeps what was packed, also after the buffer was sent. Unpacking goes on
 * where it stopped; dvm_buf_rewind() goes back. Arrays are N values, STRIDE elements apart in the
 * caller's memory (1: side by side; not 0 where N is more than 1).
 *
 * All calls return 0 or: -EINVAL (a NULL that is not allowed, a stride of 0); packing -ENOMEM or
 * -EOVERFLOW, then nothing was appended; unpacking -ENODATA (fewer values are left) or
 * -DVM_EPROTO (what is there cannot be of this type), then nothing was taken and the outputs are
 * untouched.
 *
 * Threads: buffers belong to no handle; a buffer is used by one thread at a time.
 */
#ifndef DVM_PACK_H
#define DVM_PACK_H

#include "dvm/msg.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A growing buffer with a place to read from. Made by dvm_buf_create(), ended by dvm_buf_free(). */
typedef struct dvm_buf dvm_buf_t;

/* Encodings. */
enum {
	DVM_PACK_DEFAULT = 0, /* raw, the faster one */
	DVM_PACK_RAW = 1,
	DVM_PACK_XDR = 2,
};

/* An empty buffer in *OUT whose values will be encoded in ENCODING. Also -ENOMEM. */
DVM_PUBLIC int dvm_buf_create(dvm_buf_t **out, int encoding);
/* NULL is accepted. */
DVM_PUBLIC void dvm_buf_free(dvm_buf_t *b);

/* Makes B empty, in the encoding it was created with. Its memory is kept. */
DVM_PUBLIC int dvm_buf_reset(dvm_buf_t *b);

/* Unpacking begins at the first value again. */
DVM_PUBLIC int dvm_buf_rewind(dvm_buf_t *b);

/* Bytes in B, with the first one that says how they are encoded; 0 where B is NULL. */
DVM_PUBLIC size_t dvm_buf_len(const dvm_buf_t *b);

/* Bytes that are not unpacked yet; 0 where B is NULL. */
DVM_PUBLIC size_t dvm_buf_left(const dvm_buf_t *b);

/* The dvm_buf_len() bytes, valid until B changes; NULL where B is NULL. */
DVM_PUBLIC const void *dvm_buf_data(const dvm_buf_t *b);

/* DVM_PACK_RAW or DVM_PACK_XDR, as B is encoded now; -EINVAL where B is NULL. */
DVM_PUBLIC int dvm_buf_encoding(const dvm_buf_t *b);

/*
 * Replaces the contents of B by LEN bytes at DATA, which were those of a buffer: from a message, a
 * file or a broadcast. -DVM_EPROTO where they do not begin as a buffer does; -ENOMEM.
 */
DVM_PUBLIC int dvm_buf_load(dvm_buf_t *b, const void *data, size_t len);

/* Append N values at V. V may be NULL where N is 0. */
DVM_PUBLIC int dvm_pack_int8(dvm_buf_t *b, const int8_t *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_pack_uint8(dvm_buf_t *b, const uint8_t *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_pack_int16(dvm_buf_t *b, const int16_t *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_pack_uint16(dvm_buf_t *b, const uint16_t *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_pack_int32(dvm_buf_t *b, const int32_t *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_pack_uint32(dvm_buf_t *b, const uint32_t *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_pack_int64(dvm_buf_t *b, const int64_t *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_pack_uint64(dvm_buf_t *b, const uint64_t *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_pack_float(dvm_buf_t *b, const float *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_pack_double(dvm_buf_t *b, const double *v, size_t n, ptrdiff_t stride);

/* Appends N bytes as they are, STRIDE apart. */
DVM_PUBLIC int dvm_pack_bytes(dvm_buf_t *b, const void *v, size_t n, ptrdiff_t stride);

/* Appends the string S, which may have 4 GiB - 1 at most (else -EOVERFLOW). */
DVM_PUBLIC int dvm_pack_string(dvm_buf_t *b, const char *s);

/* Take the next N values to V. */
DVM_PUBLIC int dvm_unpack_int8(dvm_buf_t *b, int8_t *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_unpack_uint8(dvm_buf_t *b, uint8_t *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_unpack_int16(dvm_buf_t *b, int16_t *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_unpack_uint16(dvm_buf_t *b, uint16_t *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_unpack_int32(dvm_buf_t *b, int32_t *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_unpack_uint32(dvm_buf_t *b, uint32_t *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_unpack_int64(dvm_buf_t *b, int64_t *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_unpack_uint64(dvm_buf_t *b, uint64_t *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_unpack_float(dvm_buf_t *b, float *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_unpack_double(dvm_buf_t *b, double *v, size_t n, ptrdiff_t stride);
DVM_PUBLIC int dvm_unpack_bytes(dvm_buf_t *b, void *v, size_t n, ptrdiff_t stride);

/*
 * Takes the next string to S, which has room for ROOM bytes, the final NUL included. *LEN (if not
 * NULL) is its length without the NUL. Where the room is too small: -ENOSPC, *LEN is set, nothing
 * was taken; so it can be asked for with S NULL and ROOM 0.
 */
DVM_PUBLIC int dvm_unpack_string(dvm_buf_t *b, char *s, size_t room, size_t *len);

/*
 * Sends B as a message with TAG to rank DEST of G. B stays as it is, and after dvm_buf_isend() it
 * must, until the request has been waited for. Otherwise as dvm_send() and dvm_isend(); what
 * arrives may be received by any receive.
 */
DVM_PUBLIC int dvm_buf_send(dvm_group_t *g, const dvm_buf_t *b, int dest, int tag);
DVM_PUBLIC int dvm_buf_isend(dvm_group_t *g, const dvm_buf_t *b, int dest, int tag,
			     dvm_req_t **req);

/*
 * Receives the oldest message from SOURCE (or DVM_ANY_SOURCE) with TAG (or DVM_ANY_TAG), whatever
 * its length, as the new contents of B, and waits for it. STATUS may be NULL. As dvm_recv(); also
 * -DVM_EPROTO where the message is no buffer, and -ENOMEM where there is no room for it: it is lost
 * then. B is empty after an error of the message, as after one from DVM_NOBODY, and unchanged when
 * there was none.
 */
DVM_PUBLIC int dvm_buf_recv(dvm_group_t *g, dvm_buf_t *b, int source, int tag,
			    dvm_status_t *status);

/* The same for a message taken by dvm_mprobe() or dvm_improbe(), as dvm_mrecv(). */
DVM_PUBLIC int dvm_buf_mrecv(dvm_message_t **msg, dvm_buf_t *b, dvm_status_t *status);

#ifdef __cplusplus
}
#endif

#endif
