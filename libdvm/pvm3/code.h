/* SPDX-License-Identifier: BSD-3-Clause */
/* Data into messages and out of them. Pure. */
#ifndef PVMI_CODE_H
#define PVMI_CODE_H

#include "libdvm/pvm3/msg.h"

/* Bytes of an element of TYPE (PVM_BYTE … PVM_ULONG) in memory; 0 for what is none. */
size_t pvmi_type_size(int type);

/*
 * Packs N elements of TYPE, each STRIDE elements behind the one before, into M as its encoding
 * says. 0, PvmBadParam (N is negative, no such type), PvmNotImpl (data in place with a stride),
 * PvmNoMem.
 */
int pvmi_pack(struct pvmi_msg *m, int type, const void *from, int n, int stride);
/* The reverse. PvmNoData: the message ends before; what there is of whole elements is unpacked. */
int pvmi_unpack(struct pvmi_msg *m, int type, void *to, int n, int stride);
/* A string with its end. */
int pvmi_pack_str(struct pvmi_msg *m, const char *s);
int pvmi_unpack_str(struct pvmi_msg *m, char *s);
/* The length of the next string with its end, without taking it; or a code. */
int pvmi_peek_str(const struct pvmi_msg *m);
/* N bytes as they are, of whatever encoding. */
int pvmi_pack_bytes(struct pvmi_msg *m, const void *p, size_t n);

#endif
