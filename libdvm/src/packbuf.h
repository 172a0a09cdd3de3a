/* SPDX-License-Identifier: BSD-3-Clause */
/* What a packed buffer is, for the files that implement dvm/pack.h. */
#ifndef DVMI_SRC_PACKBUF_H
#define DVMI_SRC_PACKBUF_H

#include "dvm/pack.h"
#include "libdvm/src/pack_code.h"

struct dvm_buf {
	uint8_t *bytes; /* the first one is the code */
	size_t len, room;
	size_t pos;	   /* of what is unpacked next */
	enum dvmi_code own; /* the code of what begins here */
};

static inline enum dvmi_code dvmi_buf_code(const dvm_buf_t *b)
{
	return (enum dvmi_code)b->bytes[0];
}

/* Room for LEN bytes in all; what is there stays. 0 or -ENOMEM. */
int dvmi_buf_reserve(dvm_buf_t *b, size_t len);
/* B is empty. */
void dvmi_buf_clear(dvm_buf_t *b);
/* The first LEN bytes at its memory are the new contents: 0, or -DVM_EPROTO and B is empty. */
int dvmi_buf_adopt(dvm_buf_t *b, size_t len);

#endif
