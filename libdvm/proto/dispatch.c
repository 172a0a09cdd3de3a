/* SPDX-License-Identifier: BSD-3-Clause */
#include "libdvm/proto/dispatch.h"

static int take(const struct dvmi_taker *t, const uint8_t *body, size_t len, void *ctx)
{
	cleanup_pb void *msg = NULL;
	int rc = dvmi_pb_unpack(t->desc, body, len, &msg);

	if (rc < 0)
		return rc;
	t->take(ctx, msg);
	return 1;
}

int dvmi_dispatch(const struct dvmi_taker *takers, size_t n, uint16_t type, const uint8_t *body,
		  size_t len, void *ctx)
{
	for (size_t i = 0; i < n; i++)
		if (takers[i].type == type)
			return take(&takers[i], body, len, ctx);
	return 0;
}
