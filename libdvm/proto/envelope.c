/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "dvm/error.h"
#include "libdvm/base/buf.h"
#include "libdvm/proto/envelope.h"

static void put_le(uint8_t *p, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

void dvmi_envelope_encode(const struct dvmi_envelope *env, uint8_t out[DVMI_ENVELOPE_BYTES])
{
	put_le(out, DVMI_ENVELOPE_MAGIC, 4);
	out[4] = env->version;
	out[5] = env->highest;
	put_le(out + 6, env->type, 2);
	put_le(out + 8, env->flags, 4);
	put_le(out + 12, env->request, 4);
	put_le(out + 16, env->view, 8);
}

/* Bytes whose layout is the same in all versions. */
#define FOREVER 6

int dvmi_envelope_decode(const uint8_t *p, size_t len, struct dvmi_envelope *env)
{
	struct dvmi_reader r;
	struct dvmi_envelope e;

	dvmi_reader_init(&r, p, len);
	if (len < FOREVER || dvmi_get_u32(&r) != DVMI_ENVELOPE_MAGIC)
		return -DVM_EPROTO;
	e.version = dvmi_get_u8(&r);
	e.highest = dvmi_get_u8(&r);
	if (e.version < DVMI_ENVELOPE_OLDEST || e.version > DVMI_ENVELOPE_VERSION) {
		env->version = e.version;
		env->highest = e.highest;
		return -DVM_EVERSION;
	}
	e.type = dvmi_get_u16(&r);
	e.flags = dvmi_get_u32(&r);
	e.request = dvmi_get_u32(&r);
	e.view = dvmi_get_u64(&r);
	if (dvmi_reader_done(&r) < 0 || (e.flags & ~(uint32_t)DVMI_FLAG_ALL))
		return -DVM_EPROTO;
	*env = e;
	return 0;
}
